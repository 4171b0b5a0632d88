package media

import (
	"context"
	"time"
)

// A Clock tells monotonic time as the span since its own epoch. The whole
// engine runs on one clock, so that hours of recording can be tested in
// seconds on a [VirtualClock].
//
// Clocks are safe for concurrent use.
type Clock interface {
	// Now returns the time since the clock's epoch.
	Now() time.Duration
	// NewPacer announces a goroutine that produces media in step with the
	// clock. The caller must Close the pacer when the goroutine ends: a
	// virtual clock stands still while any pacer is awake.
	NewPacer() Pacer
	// NewFollower announces a goroutine that watches over others and has no
	// media of its own. It is a pacer like any other, except that a virtual
	// clock does not move on for its sake: only if somebody else sleeps too.
	NewFollower() Pacer
}

// A Pacer lets one goroutine sleep on its [Clock]. It is used by one goroutine
// at a time.
type Pacer interface {
	// SleepUntil returns nil once the clock has reached t, at once if it
	// already has, or the context's error if that ends first.
	SleepUntil(ctx context.Context, t time.Duration) error
	// Close ends the pacer. Closing twice is allowed.
	Close()
}

// RealClock is the operating system's monotonic clock.
type RealClock struct{ epoch time.Time }

// NewRealClock returns a clock whose epoch is now.
func NewRealClock() *RealClock { return &RealClock{epoch: time.Now()} }

// Now implements [Clock].
func (c *RealClock) Now() time.Duration { return time.Since(c.epoch) }

// At converts a wall-clock reading that carries Go's monotonic part into the
// time of this clock.
func (c *RealClock) At(t time.Time) time.Duration { return t.Sub(c.epoch) }

// NewPacer implements [Clock].
func (c *RealClock) NewPacer() Pacer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &realPacer{clock: c, timer: t}
}

// NewFollower implements [Clock].
func (c *RealClock) NewFollower() Pacer { return c.NewPacer() }

type realPacer struct {
	clock *RealClock
	timer *time.Timer // reused: sleeping does not allocate
}

func (p *realPacer) SleepUntil(ctx context.Context, t time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d := t - p.clock.Now()
	if d <= 0 {
		return nil
	}
	p.timer.Reset(d)
	select {
	case <-p.timer.C:
		return nil
	case <-ctx.Done():
		p.timer.Stop()
		return ctx.Err()
	}
}

func (p *realPacer) Close() { p.timer.Stop() }
