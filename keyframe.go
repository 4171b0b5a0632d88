package roomkit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// keyframeInterval is, on the kit's clock, the least time between two
	// requests to one source. A keyframe has many times the bytes of other
	// pictures: asking again before one can have come makes matters worse.
	keyframeInterval = time.Second
	// keyframeGrace is what a request that is on its way still gets when its
	// session has ended. It should not wait for anything.
	keyframeGrace = time.Second
)

// RequestKeyFrame asks the sources of all encoded pictures of the session for
// a keyframe: for someone who begins to watch now, or before a cut. Recorders
// ask by themselves when they need one. All who ask share a bound of one
// request a second for each track; what comes earlier is dropped. It does not
// wait. The error is [ErrSessionEnded], or wraps [errors.ErrUnsupported] if
// none of the sources that are there can be asked.
func (s *Session) RequestKeyFrame() error {
	s.mu.Lock()
	ended, tracks := s.ended, s.tracks // added to or replaced, never changed
	s.mu.Unlock()
	if ended {
		return fmt.Errorf("%w: %q on channel %q", ErrSessionEnded, s.participant, s.channel.id)
	}
	asked := false
	for _, t := range tracks {
		if t.info.RequestKeyFrame != nil {
			t.info.RequestKeyFrame()
			asked = true
		}
	}
	if !asked {
		return fmt.Errorf("roomkit: no source of %q on channel %q can be asked for a keyframe: %w", s.participant, s.channel.id, errors.ErrUnsupported)
	}
	return nil
}

// keyframes passes requests on to the source of one track, each on a goroutine
// of its own: whoever asks is in the middle of something, and the backend's
// function is not ours.
type keyframes struct {
	session *Session
	track   string // its ID
	request func()
	clock   media.Clock

	mu     sync.Mutex
	last   time.Duration // when the source was asked, if it ever was
	asked  bool
	busy   bool // a request is on its way
	over   bool // the track has ended
	failed bool // a panic has been logged
}

// ask is what recorders and the session call; it never waits.
func (k *keyframes) ask() {
	if !k.admit() {
		return
	}
	if !k.session.begin(k.send) {
		k.settle(false)
	}
}

// admit reports whether the source is to be asked now.
func (k *keyframes) admit() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Now()
	if k.over || k.busy || k.asked && now < k.last+keyframeInterval {
		return false
	}
	k.last, k.asked, k.busy = now, true, true
	return true
}

func (k *keyframes) send() {
	_, err := guard.Do(func() (struct{}, error) { k.request(); return struct{}{}, nil })
	if k.settle(err != nil) {
		k.session.log.Error("asking the source for a keyframe; further failures are not logged", "track", k.track, "error", backendError(err))
	}
}

// settle ends a request and reports whether it is the first that failed.
func (k *keyframes) settle(failed bool) (first bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	first = failed && !k.failed
	k.busy, k.failed = false, k.failed || failed
	return first
}

// awaitRequests waits for requests that are on their way. The session has
// ended: there are no more.
func (s *Session) awaitRequests() {
	_, err := guard.Within(context.Background(), keyframeGrace, func() (struct{}, error) { s.requests.Wait(); return struct{}{}, nil }, nil)
	if err != nil {
		s.log.Error("a source that was asked for a keyframe does not return from it", "error", err)
	}
}

// stop ends requests for good, with the track.
func (k *keyframes) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
}

// begin runs a request for a keyframe unless the session has ended.
func (s *Session) begin(request func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.requests.Go(request)
	}
	return !s.ended
}
