package wav

import (
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// errPicture: a picture in a track of audio.
var errPicture = fmt.Errorf("wav: %w: a picture in a track of audio", media.ErrPayload)

// track implements [recorder.TrackWriter].
type track struct {
	recording *Recording

	mu      sync.Mutex
	streams [2]stream // by direction
	ended   bool
	isOver  bool // for good: the recording has stopped

	// Under the recording's lock:
	account   account
	delivered bool // it is known what became of its first sample
	isClosed  bool
}

// newTrack makes a track that is not open yet.
func newTrack(r *Recording, t recorder.Track) *track {
	t.RequestKeyFrame = nil // a result keeps no source alive
	n := &track{recording: r, ended: true, account: account{result: recorder.TrackResult{Track: t}}}
	for i := range n.streams {
		n.streams[i].track, n.streams[i].direction = n, media.Direction(i)
	}
	return n
}

// WriteSample implements [recorder.TrackWriter]. It waits for the disk where
// that is 4 MiB behind. Audio of a direction that is not recorded is counted as
// [recorder.DropNotWanted]. Errors: [recorder.ErrTrackEnded]; one that wraps
// those of package media for samples that cannot be; that of the disk, once it
// has failed, which wraps [recorder.ErrBroken].
func (t *track) WriteSample(s media.Sample) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return recorder.ErrTrackEnded
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if s.IsPicture() {
		return errPicture
	}
	if s.Direction > media.Outbound {
		return fmt.Errorf("wav: %w: direction %d", media.ErrFormat, s.Direction)
	}
	if err := t.recording.reaches(s.Time); err != nil {
		return err
	}
	if wanted, err := t.offer(s.Direction); !wanted {
		return err
	}
	if err := t.streams[s.Direction].write(s); err != nil {
		t.refuse(err)
		return err
	}
	t.goOn(s)
	return nil
}

// reach is how far from the latest audio a stamp may be: no session has such a
// pause, and one of another epoch or unit would make a file of petabytes, which no
// disk takes.
const reach = 1000 * time.Hour

// reaches refuses a stamp that cannot be meant.
func (r *Recording) reaches(at time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if latest := r.origin.zero + r.origin.latest; r.origin.begun && (at < latest-reach || at > latest+reach) {
		return fmt.Errorf("wav: %w: capture time %v (allowed: within %v of %v, the latest so far)", media.ErrPayload, at, reach, latest)
	}
	return nil
}

// offer counts a sample and reports whether it is to be recorded.
func (t *track) offer(d media.Direction) (wanted bool, err error) {
	r := t.recording
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false, r.err
	}
	t.account.result.SamplesIn++
	if !r.options.Mode.wants(d) {
		t.account.result.Drop(recorder.DropNotWanted, 1)
		t.delivered = true
		return false, nil
	}
	return true, nil
}

// goOn lets the other direction decide what it cannot wait for any longer.
func (t *track) goOn(s media.Sample) {
	r := t.recording
	r.mu.Lock()
	now := s.Time - r.origin.zero
	r.mu.Unlock()
	if err := t.streams[1-s.Direction].resolve(now); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.account.note(err)
	}
}

// refuse takes offer back for a sample whose error the caller gets and counts.
func (t *track) refuse(err error) {
	r := t.recording
	r.mu.Lock()
	defer r.mu.Unlock()
	t.account.result.SamplesIn--
	t.account.note(err)
}

// Close implements [recorder.TrackWriter].
func (t *track) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return nil
	}
	t.ended = true
	var first error
	for i := range t.streams {
		if err := t.streams[i].flush(); err != nil && first == nil {
			first = err
		}
	}
	t.recording.closed(t, first)
	return first
}

// finish ends the track for good.
func (t *track) finish() {
	t.mu.Lock()
	t.isOver = true
	t.mu.Unlock()
	_ = t.Close() // what it says is in the track's result
}

// reopen goes on with a track that was closed.
func (t *track) reopen() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.isOver:
		return recorder.ErrStopped
	case !t.ended:
		return fmt.Errorf("%w: %q", recorder.ErrTrackExists, t.account.result.ID)
	}
	t.ended = false
	t.recording.reopened(t)
	return nil
}
