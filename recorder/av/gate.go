package av

import (
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// leadIn is how much earlier than the first sample that was seen another
// track's first sample may have been captured and still have a place: tracks
// are delivered side by side, in no order.
const leadIn = time.Minute

// gate decides a recording's origin, the instant on the capture clock that is
// time zero of the file.
//
// That takes until all tracks have begun, or until the start timeout. Nobody
// waits for it: lanes encode from their first sample on, with times counted
// from an instant that certainly lies before all of them, zero. The muxer
// holds the packets, which are small, and moves them when the origin is known.
//
//	zero ◄── leadIn ──► first sample … origin
//
// Lanes report their first sample only when their encoder is open, and times
// are capture times, so the time that takes shifts nothing.
type gate struct {
	policy recorder.StartPolicy

	mu      sync.Mutex
	waiting int           // lanes that have not delivered
	begun   bool          // a lane has, and the following are set
	zero    time.Duration // what lanes count from
	first   time.Duration // earliest first sample of any lane
	latest  time.Duration // latest first sample of any lane
	settled bool
	origin  time.Duration
}

func newGate(policy recorder.StartPolicy) *gate { return &gate{policy: policy} }

// expect announces a lane whose first sample is to be waited for.
func (g *gate) expect() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting++
}

// forget takes back expect for a lane that ended without a sample.
func (g *gate) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived()
}

// delivered tells of a lane's first sample and returns what times are to be
// counted from.
func (g *gate) delivered(at time.Duration) (zero time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.begun {
		g.begun, g.zero, g.first, g.latest = true, at-leadIn, at, at
	}
	if !g.settled {
		g.first, g.latest = min(g.first, at), max(g.latest, at)
	}
	g.arrived()
	return g.zero
}

// arrived counts a lane as no longer waited for. When it was the last one of
// those registered so far, the file starts with everybody in it; whoever comes
// later joins a recording that runs.
func (g *gate) arrived() {
	g.waiting--
	if g.waiting == 0 && g.begun && g.policy == recorder.StartWhenAll {
		g.decide()
	}
}

// settle fixes the origin with those that have delivered, if it is not fixed
// yet, and returns it counted from zero.
func (g *gate) settle() (sinceZero time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.begun {
		g.decide()
	}
	return g.origin - g.zero
}

func (g *gate) decide() {
	if g.settled {
		return
	}
	g.settled = true
	g.origin = g.latest
	if g.policy == recorder.StartImmediate {
		g.origin = g.first
	}
}

// isSettled reports whether the origin is fixed.
func (g *gate) isSettled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.settled
}

// estimate returns the origin counted from zero, as far as it can be told now.
func (g *gate) estimate() (sinceZero time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.settled {
		return g.first - g.zero
	}
	return g.origin - g.zero
}

// start returns the origin on the clock of the lanes' samples, as far as it can
// be told now; there is none before the first sample.
func (g *gate) start() (at time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.settled {
		return g.first, g.begun
	}
	return g.origin, true
}
