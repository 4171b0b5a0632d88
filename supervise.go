package roomkit

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

const (
	// lookInterval is how often, on the kit's clock, a recording is looked at for
	// losses, errors, silences and disk space. sizeInterval is the same where its
	// size is bounded.
	lookInterval = time.Second
	sizeInterval = 250 * time.Millisecond
	never        = time.Duration(math.MaxInt64)
)

// supervisor watches over one recording: it tells what happens to its media, and
// ends it at its limits. It has a goroutine of its own, so that no recorder that
// is slow to report holds up another, and follows the kit's clock.
type supervisor struct {
	rec    *recording
	limits recorder.Limits
	begun  time.Duration // when it was started
	done   chan struct{} // closed when the goroutine has ended
	self   chan struct{} // closed when the goroutine ends the recording itself

	mu      sync.Mutex
	account account
	silence silence
	paused  struct {
		since time.Duration // of the pause that is cut out now, else never
		total time.Duration // of those that are over
	}
}

func newSupervisor(rec *recording) *supervisor {
	s := &supervisor{rec: rec, limits: rec.binding.Limits, begun: rec.room.kit.clock.Now(),
		done: make(chan struct{}), self: make(chan struct{})}
	s.account.rec = rec
	s.silence = silence{rec: rec, after: rec.binding.QuietAfter, begun: s.begun, tracks: map[string]*quiet{}}
	s.paused.since = never
	return s
}

// run looks at the recording now and then until it ends, and ends it where it
// must. The pacer was made by whoever starts the goroutine, so that a virtual
// clock stands still until it sleeps.
func (s *supervisor) run(pacer media.Pacer) {
	defer close(s.done)
	defer pacer.Close()
	alive := s.rec.feed.Context()
	for !s.rec.ended.Load() {
		next, reason := s.look()
		if reason != "" {
			if s.rec.claim() { // else somebody else ends it, and waits for this to return
				close(s.self)
				s.rec.conclude(context.Background(), reason) // bounded by the binding's StallTimeout
			}
			return
		}
		_ = pacer.SleepUntil(alive, next) // ends early when the recording has
	}
}

// look returns when to look again, or why the recording is to end.
func (s *supervisor) look() (next time.Duration, reason StopReason) {
	if s.rec.feed.Context().Err() != nil {
		return 0, StopFailed // or it is being ended, and this is not heard
	}
	now := s.rec.room.kit.clock.Now()
	result := s.rec.feed.Report()
	first, latest, any := s.rec.feed.Activity()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.update(result)
	next = now + lookInterval
	if s.limits.MaxSize > 0 {
		next = now + sizeInterval
	}
	next = min(next, s.silence.look(now, latest, any))
	if reason := s.overLimit(result); reason != "" {
		return 0, reason
	}
	idleSince := s.begun
	if any {
		idleSince = max(latest, s.begun)
	} else {
		first = now // at the earliest
	}
	end := s.lastsUntil(first, now)
	if end <= now {
		return 0, StopMaxDuration
	}
	next = min(next, end)
	if d := s.limits.IdleTimeout; d > 0 {
		if idleSince+d <= now {
			return 0, StopIdle
		}
		next = min(next, idleSince+d)
	}
	return next, ""
}

// overLimit checks what no clock tells.
func (s *supervisor) overLimit(result recorder.Result) StopReason {
	if s.limits.MaxSize > 0 && result.Size >= s.limits.MaxSize {
		return StopMaxSize
	}
	if errors.Is(s.rec.checkDisk(), ErrDiskSpace) { // a directory that is gone has its own errors
		return StopDiskSpace
	}
	return ""
}

// lastsUntil is when the longest duration is over at the earliest, as far as it
// is known now.
func (s *supervisor) lastsUntil(first, now time.Duration) time.Duration {
	if s.limits.MaxDuration == 0 {
		return never
	}
	end := first + s.limits.MaxDuration + s.paused.total
	if s.paused.since != never { // and counting
		end += max(now-s.paused.since, 0)
	}
	return end
}

// added is told of each track that the recording gets.
func (s *supervisor) added(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silence.expect(id, s.rec.room.kit.clock.Now())
}

// pause notes what is not recorded and not shown: it does not count as duration.
func (s *supervisor) pause(at time.Duration, mode recorder.PauseMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mode == recorder.PauseCut {
		s.paused.since = at
	}
}

func (s *supervisor) resume(at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused.since != never {
		s.paused.total += max(at-s.paused.since, 0)
		s.paused.since = never
	}
}

// finish tells the last of a recording that has been stopped. On return nothing
// more is told.
func (s *supervisor) finish(result recorder.Result) {
	if !isClosed(s.self) {
		<-s.done // the feed has ended, which wakes it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.close(result)
}

// start begins the goroutine.
func (s *supervisor) start() { go s.run(s.rec.room.kit.clock.NewFollower()) }
