package roomkit

import (
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
	pauses  []span // that are cut out; the last may still go on
}

// span is a time on the capture clock.
type span struct{ from, until time.Duration }

func newSupervisor(rec *recording) *supervisor {
	s := &supervisor{rec: rec, limits: rec.binding.Limits, begun: rec.room.kit.clock.Now(),
		done: make(chan struct{}), self: make(chan struct{})}
	s.account = account{rec: rec, tracks: map[string]*told{}, errs: map[string]bool{}}
	s.silence = silence{rec: rec, after: rec.binding.QuietAfter, begun: s.begun, tracks: map[string]*quiet{}}
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
				s.rec.conclude(reason)
			}
			return
		}
		_ = pacer.SleepUntil(alive, next) // ends early when the recording has
	}
}

// look returns when to look again, or why the recording is to end. What is not
// ours, the recorder, the disk and the observer, is called without the lock.
func (s *supervisor) look() (next time.Duration, reason StopReason) {
	feed := s.rec.feed
	if feed.Context().Err() != nil {
		return 0, StopFailed // or it is being ended, and this is not heard
	}
	now := s.rec.room.kit.clock.Now()
	result := feed.Report()
	full := s.overLimit(result)
	first, latest, delivered := feed.Activity()
	open := feed.TrackActivity()

	s.mu.Lock()
	news := s.account.update(result, open)
	next = min(s.silence.look(now, latest, delivered, open), s.nextLook(now))
	ends, why := s.endsAt(now, first, latest, delivered)
	s.mu.Unlock()
	s.rec.room.kit.observe(news)
	switch {
	case full != "":
		return 0, full
	case ends <= now:
		return 0, why
	}
	return min(next, ends), ""
}

func (s *supervisor) nextLook(now time.Duration) time.Duration {
	if s.limits.MaxSize > 0 {
		return now + sizeInterval
	}
	return now + lookInterval
}

// endsAt is when the recording ends at the earliest, as far as it is known now,
// and why.
func (s *supervisor) endsAt(now, first, latest time.Duration, delivered bool) (at time.Duration, why StopReason) {
	at = never
	if d := s.limits.IdleTimeout; d > 0 {
		at, why = s.begun+d, StopIdle
		if delivered {
			at = max(latest, s.begun) + d
		}
	}
	if d := s.limits.MaxDuration; d > 0 {
		if !delivered {
			first = now // at the earliest
		}
		if end := first + d + s.pausedSince(first, now); end < at {
			at, why = end, StopMaxDuration
		}
	}
	return at, why
}

// pausedSince is how much of the time from the first sample on was cut out.
func (s *supervisor) pausedSince(first, now time.Duration) (total time.Duration) {
	for _, p := range s.pauses {
		total += max(min(p.until, now)-max(p.from, first), 0)
	}
	return total
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
		s.pauses = append(s.pauses, span{at, never})
	}
}

func (s *supervisor) resume(at time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.pauses); n > 0 {
		s.pauses[n-1].until = min(s.pauses[n-1].until, at)
	}
}

// supervisorPatience bounds, in real time, how long the end of a recording waits
// for a look at it to be over: all that is not ours in it has bounds of its own.
const supervisorPatience = 5 * time.Second

// finish tells the last of a recording that has been stopped. On return nothing
// more is told.
func (s *supervisor) finish(result recorder.Result) {
	if !isClosed(s.self) {
		timer := time.NewTimer(supervisorPatience)
		defer timer.Stop()
		select {
		case <-s.done: // the feed has ended, which wakes it
		case <-timer.C:
		}
	}
	s.mu.Lock()
	news := s.account.close(result)
	s.silence.close()
	s.mu.Unlock()
	s.rec.room.kit.observe(news)
}

// start begins the goroutine.
func (s *supervisor) start() { go s.run(s.rec.room.kit.clock.NewFollower()) }
