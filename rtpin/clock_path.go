package rtpin

import "math"

const (
	// knotSpan is the least span of a piece, so that all of them are 6.4 s:
	// longer than packets are held for others, or pictures are reordered.
	knotSpan  = 0.1
	knotCount = 64
	// gapSpan is from which on there is a gap between packets: at most 400 ms
	// are between those of an encoder that sends nothing in silence.
	gapSpan = 0.5

	// What is off is taken out with these time constants, in seconds, but not
	// faster than the limits that follow. The first is for when it is fast. The
	// second makes of the 0.3 ms by which a report moves the regression 75 ppm.
	slewFast = 1.0
	slewTime = 4.0
	// slewLeast is 1 ms/s: a packet of 20 ms is 20 µs longer or shorter, one
	// sample at 48 kHz, and audio that is resampled is off by 1.7 cents, of
	// which 5 can be heard. What is off by more than 20 ms is taken out with a
	// time constant of 20 s, which is faster than that: 100 ms, the change of a
	// route, are 20 ms after 32 s and nothing after 52 s.
	slewLeast = 1e-3
	slewSlow  = 20.0
	// slewMost is 30 ms/s. It is allowed when a stream has just begun, where
	// its first packet may have been 180 ms late (6 s), or when it has just been
	// aligned with the participant's other tracks (40 ms: 2 s, and 10 ms after
	// that are 1 ms after another 2 s).
	slewMost = 30e-3
	// Further off than stepLimit, in seconds, what is late is moved on at once,
	// and what is early runs at half speed until it is not.
	stepLimit = 1.0
	backSpeed = 0.5
)

// A knot is where a path bends: at source time x it is at a capture time, and
// from there on runs so much faster than 1.
type knot struct{ x, at, rate float64 }

// A path is capture time over source time as it is given out: pieces of
// straight lines that follow a target. It rises everywhere, and what has been
// decided of it is not changed.
type path struct {
	knots         [knotCount]knot
	count, newest int
}

// begin starts a path.
func (p *path) begin(x, at, rate float64) {
	p.count = 0
	p.bend(knot{x, at, rate})
}

func (p *path) bend(k knot) {
	p.newest = (p.newest + 1) % knotCount
	p.knots[p.newest] = k
	p.count = min(p.count+1, knotCount)
}

// at returns the capture time of x. Both ends go on straight.
func (p *path) at(x float64) float64 {
	var k knot
	for i := range p.count {
		k = p.knots[(p.newest-i+knotCount)%knotCount]
		if k.x <= x {
			break
		}
	}
	return k.at + (x-k.x)*(1+k.rate)
}

// follow leads the path on from last, the newest source time until now, to x,
// where target is the true capture time. Off the target it runs at the drift
// and what the limits allow.
func (p *path) follow(last, x, target, drift float64, fast bool) {
	if x < p.knots[p.newest].x+knotSpan {
		return
	}
	at := p.at(x)
	if gap := x - last; gap > gapSpan {
		// The rate of the last piece was not meant for a gap: go straight to
		// where the target can be reached.
		from := p.at(last)
		off := target - from - gap*(1+drift)
		limit := gap * slewLimit(off, fast)
		rate := drift + clamp(off, -limit, limit)/gap
		p.bend(knot{last, from, rate})
		at = from + gap*(1+rate)
	}
	off := target - at
	if off > stepLimit {
		at, off = target, 0
	}
	limit, constant := slewLimit(off, fast), slewTime
	if fast {
		constant = slewFast
	}
	rate := drift + clamp(off/constant, -limit, limit)
	p.bend(knot{x, at, rate})
}

// slewLimit is by how much the rate may be changed.
func slewLimit(off float64, fast bool) float64 {
	switch {
	case off < -stepLimit:
		return backSpeed
	case fast:
		return slewMost
	}
	return clamp(math.Abs(off)/slewSlow, slewLeast, slewMost)
}
