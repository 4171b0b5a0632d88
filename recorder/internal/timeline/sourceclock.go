package timeline

import "math"

const (
	// driftPrior is what is believed of a source before anything is measured:
	// quartz is within 100 ppm, cheap sound cards and virtual machines reach
	// some hundred.
	driftPrior = 500e-6
	// driftLimit bounds the estimate. It is wider than the ±1000 ppm that are
	// promised, so that noise at the edge does not bias it.
	driftLimit = 1200e-6
	// driftWander is how far a rate walks in a second, in 1/√s: 4 ppm in a
	// minute, a sound card that warms up.
	driftWander = 0.5e-6

	// Bounds of the estimated standard deviation of stamps, in seconds. The
	// lower one is that of stamps in whole milliseconds (1/√12), so that such
	// a grid is not taken for a measurement. The upper one is beyond uniform
	// ±20 ms, which is 11.5 ms.
	jitterFloor = 0.25e-3
	jitterLimit = 15e-3
	// jitterMemory is over how many packets jitter is averaged.
	jitterMemory = 32
)

// A sourceClock estimates how a source's clock runs against the capture clock,
// from stamps that jitter. It is a Kalman filter with two states, which is a
// phase-locked loop of second order whose bandwidth is always the best one for
// what is known: wide at first, so that it locks within seconds, and then
//
//	ω = (q/r)^¼,  q = driftWander², r = jitter²·(packet's duration)
//
// which for packets of 20 ms is 1/6 rad/s at a jitter of 0.25 ms and 1/40 rad/s
// at uniform ±20 ms. The rate's standard deviation is there (√2·q^¾·r^¼)^½,
// 0.6 and 7 ppm. Before, it is that of a straight line through N stamps of t
// seconds, jitter·√(12/N)/t: at ±20 ms 180 ppm after 10 s, 35 ppm after 30 s.
//
// Stamps that lie too far off never come here; see placement.go.
type sourceClock struct {
	// offset is the true capture time of the source's next frame less the time
	// at which that frame would be due at the nominal rate, in seconds.
	offset float64
	// drift is how offset changes in a second of nominal time: negative if the
	// source is fast.
	drift float64
	// Variances of offset and drift, and their covariance.
	voo, vod, vdd float64
	jitter        float64 // standard deviation of stamps, in seconds
}

// begin locks onto a source of which n stamps have been averaged.
func (c *sourceClock) begin(offset, jitter float64, n int) {
	*c = sourceClock{vdd: driftPrior * driftPrior}
	c.jitter = clamp(jitter, jitterFloor, jitterLimit)
	c.relocate(offset, n)
}

// relocate sets the offset anew, to the average of n stamps, as after a gap.
// The rate is the same source's.
func (c *sourceClock) relocate(offset float64, n int) {
	c.offset, c.vod = offset, 0
	c.voo = c.jitter * c.jitter / float64(max(n, 1))
}

// advance moves on by a time at nominal rate, in seconds.
func (c *sourceClock) advance(dt float64) {
	c.offset += c.drift * dt
	c.voo += dt * (2*c.vod + dt*c.vdd)
	c.vod += dt * c.vdd
	c.vdd += driftWander * driftWander * dt
}

// observe takes a stamp of the source's next frame, as its distance in seconds
// from what was expected.
func (c *sourceClock) observe(e float64) {
	s := c.voo + c.jitter*c.jitter
	ko, kd := c.voo/s, c.vod/s
	c.offset += ko * e
	c.drift = clamp(c.drift+kd*e, -driftLimit, driftLimit)
	c.vdd -= kd * c.vod
	c.vod -= ko * c.vod
	c.voo -= ko * c.voo
	c.sway(e)
}

// sway follows the jitter. For the uniform distribution the standard deviation
// is 1.155 times the mean distance, for the normal one 1.253 times.
func (c *sourceClock) sway(e float64) {
	c.jitter += (1.2*math.Abs(e) - c.jitter) / jitterMemory
	c.jitter = clamp(c.jitter, jitterFloor, jitterLimit)
}

// uncertainty is the standard deviation of offset, in seconds.
func (c *sourceClock) uncertainty() float64 { return math.Sqrt(max(c.voo, 0)) }

// ppm is how much faster than nominal the source runs, in millionths.
func (c *sourceClock) ppm() float64 { return (1/(1+c.drift) - 1) * 1e6 }

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
