package av

import (
	"errors"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// lane is the worker of one track: it turns samples into packets. It runs on
// the goroutine that calls WriteSample. What differs between pictures and
// audio is in its encoder.
type lane struct {
	id      string // the track's
	ledger  *ledger
	kind    media.Kind
	gate    *gate
	muxer   *muxer
	encoder trackEncoder
	out     *output

	mu      sync.Mutex
	arrived bool          // a first sample has come
	zero    time.Duration // capture time that the encoder counts from
	ended   bool          // the encoder is flushed and closed
	failed  error         // encoder or file cannot be used; every sample is refused with it
}

// trackEncoder is what lanes of pictures and of audio do differently. Its
// methods run under the lane's lock.
type trackEncoder interface {
	// announce opens the encoder for the format that the track declares, if
	// it does.
	announce(t recorder.Track) error
	// prepare makes ready for samples like this one, the track's first: the
	// encoder is open afterwards, however long that takes.
	prepare(first media.Sample) error
	// encode takes a sample captured at a time counted from the gate's zero.
	// An error means that this sample is not in the file.
	encode(at time.Duration, s media.Sample) error
	// flush gives out everything that is still inside.
	flush() error
	close()
}

// announce opens the lane's encoder as far as the track declares its format.
func (l *lane) announce(t recorder.Track) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended { // stopped before it began
		return recorder.ErrStopped
	}
	err := l.encoder.announce(t)
	if err != nil {
		l.ended = true
		l.encoder.close() // it may be open, and without its place in the file
		l.gate.forget()
	}
	return err
}

// WriteSample implements [recorder.TrackWriter].
func (l *lane) WriteSample(s media.Sample) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(s); err != nil {
		return err
	}
	if err := l.arrive(s); err != nil {
		return err
	}
	l.ledger.offered()
	err := l.encoder.encode(s.Time-l.zero, s)
	if err == nil {
		return nil
	}
	l.ledger.refused(err)
	if l.muxer.err() != nil {
		l.failed = err // nothing more can be written: encoding it would be for nothing
	}
	return err
}

var errWrongKind = errors.New("av: sample's payload is of another kind than the track")

func (l *lane) check(s media.Sample) error {
	if l.ended {
		return recorder.ErrTrackEnded
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if (s.PCM != nil) != (l.kind == media.KindAudio) {
		return errWrongKind
	}
	return l.failed
}

// arrive opens the encoder for a track's first sample.
func (l *lane) arrive(s media.Sample) error {
	if l.arrived {
		return nil
	}
	if l.failed = l.encoder.prepare(s); l.failed != nil {
		l.ledger.note(l.failed)
		l.gate.forget()
		return l.failed
	}
	l.arrived = true
	l.out.stream.begins() // before the gate, which may let the file begin
	l.zero = l.gate.delivered(s.Time)
	return nil
}

// Close implements [recorder.TrackWriter]: the participant left. What they
// said and showed up to now is given out.
func (l *lane) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	l.ended = true
	if !l.arrived && l.failed == nil {
		l.gate.forget()
	}
	var err error
	if l.arrived && l.failed == nil {
		err = l.encoder.flush()
	}
	l.encoder.close()
	if l.out.stream != nil {
		l.out.stream.ends()
	}
	return err
}

// output is where an encoder's packets go: into the muxer, once the track has
// its place there.
type output struct {
	muxer          *muxer
	ledger         *ledger
	name, language string
	stream         *stream
}

// declare sets or replaces the track's place in the file.
func (o *output) declare(params *ffmpeg.CodecParams) error {
	if o.stream != nil {
		return o.muxer.redeclare(o.stream, params)
	}
	s, err := o.muxer.addStream(params, o.name, o.language, o.ledger)
	o.stream = s
	return err
}

// settle ends the track's account when nothing more will be written, because
// of err if it is not nil.
func (l *lane) settle(err error) {
	rate := int64(1)
	if l.out.stream != nil {
		rate = l.out.stream.rate
	}
	l.ledger.settle(err, rate)
}
