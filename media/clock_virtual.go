package media

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A VirtualClock jumps instead of waiting. Its time stands still while at
// least one of its pacers is awake; when all of them sleep it moves to the
// earliest instant any of them waits for and wakes those. A source that is
// held up by back-pressure is awake, so time never runs away from a slow
// consumer, and a recording made on this clock loses nothing however fast it
// is made.
//
// The zero value is not usable; see [NewVirtualClock].
type VirtualClock struct {
	mu       sync.Mutex
	now      time.Duration
	awake    int
	drivers  int             // of the sleepers those that move time, and do not only follow it
	sleepers []*virtualPacer // sorted by the instant they wait for
}

// NewVirtualClock returns a clock that stands at zero.
func NewVirtualClock() *VirtualClock { return &VirtualClock{} }

// Now implements [Clock].
func (c *VirtualClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on by d at once, waking whoever waits for an instant
// up to there. It serves tests that drive time by hand and have no pacers of
// their own awake.
func (c *VirtualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += max(d, 0)
	c.wake()
}

// NewPacer implements [Clock]. The new pacer is awake: time stands still until
// it sleeps or is closed. A pacer that is kept awake while others are being
// set up is the way to let several sources begin at one instant.
func (c *VirtualClock) NewPacer() Pacer { return c.newPacer(false) }

// NewFollower implements [Clock]. Time stands still while it is awake, as for
// any pacer, so that what it sees at an instant does not depend on how fast
// anybody runs.
func (c *VirtualClock) NewFollower() Pacer { return c.newPacer(true) }

func (c *VirtualClock) newPacer(follows bool) Pacer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awake++
	return &virtualPacer{clock: c, follows: follows, woken: make(chan struct{}, 1), isAwake: true}
}

type virtualPacer struct {
	clock   *VirtualClock
	follows bool
	woken   chan struct{}
	until   time.Duration
	isAwake bool
	closed  bool
}

func (p *virtualPacer) SleepUntil(ctx context.Context, t time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := p.clock
	c.mu.Lock()
	if t <= c.now || p.closed {
		c.mu.Unlock()
		return nil
	}
	p.until, p.isAwake = t, false
	at, _ := slices.BinarySearchFunc(c.sleepers, t, func(s *virtualPacer, t time.Duration) int {
		if s.until <= t { // behind those that wait for the same instant
			return -1
		}
		return 1
	})
	c.sleepers = slices.Insert(c.sleepers, at, p)
	if !p.follows {
		c.drivers++
	}
	c.awake--
	c.jump()
	c.mu.Unlock()

	select {
	case <-p.woken:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.isAwake { // woken at the same moment: take the token back
		<-p.woken
		return ctx.Err()
	}
	c.sleepers = slices.DeleteFunc(c.sleepers, func(s *virtualPacer) bool { return s == p })
	c.rouse(p)
	return ctx.Err()
}

// rouse counts a pacer as awake that has been taken off the sleepers.
func (c *VirtualClock) rouse(p *virtualPacer) {
	p.isAwake = true
	c.awake++
	if !p.follows {
		c.drivers--
	}
}

func (p *virtualPacer) Close() {
	c := p.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	c.awake--
	c.jump()
}

// jump moves time to the next instant somebody waits for, if all sleep.
func (c *VirtualClock) jump() {
	if c.awake > 0 || c.drivers == 0 {
		return
	}
	c.now = max(c.now, c.sleepers[0].until)
	c.wake()
}

// wake wakes all sleepers whose instant has come.
func (c *VirtualClock) wake() {
	n := 0
	for _, p := range c.sleepers {
		if p.until > c.now {
			break
		}
		c.rouse(p)
		p.woken <- struct{}{}
		n++
	}
	c.sleepers = slices.Delete(c.sleepers, 0, n)
}
