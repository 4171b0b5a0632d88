package media

import (
	"context"
	"testing"
	"time"
)

// A follower is woken at its instant, before those who move time go on, and
// does not move it alone.
func TestFollower(t *testing.T) {
	c := NewVirtualClock()
	driver, follower := c.NewPacer(), c.NewFollower()
	seen := make(chan time.Duration)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(seen)
		defer follower.Close()
		for at := time.Second; follower.SleepUntil(ctx, at) == nil; at += time.Second {
			seen <- c.Now()
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for at := 300 * time.Millisecond; at < 3*time.Second; at += 300 * time.Millisecond {
			if err := driver.SleepUntil(ctx, at); err != nil || c.Now() != at {
				t.Errorf("woken at %v (%v), want %v", c.Now(), err, at)
			}
		}
		driver.Close()
	}()
	for want := time.Second; want < 3*time.Second; want += time.Second {
		if got := <-seen; got != want {
			t.Errorf("follower sees %v, want %v", got, want)
		}
	}
	<-done
	if now := c.Now(); now != 2700*time.Millisecond {
		t.Errorf("time stands at %v with nobody to move it, want 2.7s", now)
	}
	c.Advance(time.Second) // by hand
	if got := <-seen; got != 3700*time.Millisecond {
		t.Errorf("follower sees %v, want 3.7s", got)
	}
	cancel()
	for range seen {
	}
	if c.awake != 0 || c.drivers != 0 || len(c.sleepers) != 0 {
		t.Errorf("%d awake, %d drivers, %d sleepers are left", c.awake, c.drivers, len(c.sleepers))
	}
}
