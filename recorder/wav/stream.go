package wav

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/decode"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// resolveAfter is how long a stream may hold audio of which it cannot tell
// where it belongs while time goes on in its track's other direction.
const resolveAfter = time.Second

// stream is one direction of a track: it decodes what comes encoded and lays
// audio out. It is used under the track's lock, and what other goroutines see
// of it under the recording's.
type stream struct {
	track     *track
	direction media.Direction
	decoder   decode.Audio
	emit      func(media.Sample) // bound once: a method value allocates
	line      *timeline.Audio    // nil before the first audio
	channels  int
	fates     []fate // what the timeline has decided since it was asked last

	// Of the encoded sample that is being decoded:
	pieces int
	err    error

	// Under the recording's lock:
	tail     *run  // that grows
	isLaid   bool  // audio is laid out, from first on
	first    int64 // position
	isHeld   bool  // audio is held, from heldFrom on
	heldFrom time.Duration
}

// fate is what became of a sample, and the position behind it.
type fate struct {
	end  int64
	what timeline.Placed
}

// write takes a sample. An error means that it is not in the recording, and is
// to be counted by who called.
func (s *stream) write(sample media.Sample) error {
	if sample.Encoded == nil {
		return s.layOut(sample.Time, sample.PCM)
	}
	if s.emit == nil {
		s.emit = s.decoded
	}
	s.pieces, s.err = 0, nil
	err := s.decoder.Decode(sample, s.emit)
	if err == nil && s.pieces > 0 {
		return s.err
	}
	r := s.track.recording
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		s.track.account.note(err)
	}
	if s.pieces == 0 {
		s.track.account.result.Drop(recorder.DropUndecodable, 1)
		s.track.delivered = true
	}
	return s.err
}

// decoded takes a piece of what is decoded, with its reference. Nearly always
// there is one of a sample. Each is counted where it is laid out, so it is noted
// which are too many.
func (s *stream) decoded(piece media.Sample) {
	defer piece.Release()
	s.pieces++
	if s.err != nil {
		return
	}
	err := s.layOut(piece.Time, piece.PCM)
	if s.pieces == 1 {
		s.err = err
		return
	}
	r := s.track.recording
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		s.track.account.note(err)
		return
	}
	s.track.account.extra++
}

// layOut takes audio captured at a time on the capture clock.
func (s *stream) layOut(at time.Duration, pcm *media.PCM) error {
	from := s.track.recording.meet(s, at, pcm)
	if _, err := s.line.Add(media.Inbound, from, pcm); err != nil {
		return err
	}
	s.give()
	return nil
}

// open makes the timeline. It has a source of one direction, whichever it is.
func (s *stream) open(rate, channels int) {
	s.channels = channels
	s.line = timeline.NewAudio(rate, channels)
	s.line.Decided = func(end int64, what timeline.Placed) { s.fates = append(s.fates, fate{end, what}) }
	s.line.Cross = s.cross
}

// cross lets a gap be one in the files too: nothing is laid out for it.
func (s *stream) cross(gap int64) error {
	s.give()
	s.line.Advance(gap)
	return nil
}

// give hands on what the timeline has decided.
func (s *stream) give() {
	frames, at := s.line.Take()
	from, isHeld := s.line.Holds()
	s.track.recording.take(s, at, frames, from, isHeld)
	s.fates = s.fates[:0]
}

// resolve decides about what is held when the other direction has gone on
// without it.
func (s *stream) resolve(now time.Duration) error {
	if !s.isHeld || s.line == nil {
		return nil
	}
	if now-s.heldFrom < resolveAfter {
		return nil
	}
	if err := s.line.Resolve(); err != nil {
		return err
	}
	s.give()
	return nil
}

// flush hands on everything that is still inside, and frees what is large. The
// stream can go on all the same.
func (s *stream) flush() error {
	s.decoder.Close()
	if s.line == nil {
		return nil
	}
	err := s.line.Flush()
	s.give()
	s.line.Close()
	return err
}
