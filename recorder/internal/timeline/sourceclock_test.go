package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// drive lets a clock see a source of a rate for some seconds, and returns the
// largest error of its offset in the last of them.
func drive(c *sourceClock, r *rand.Rand, ppm, from, to, packet float64, jitter func(*rand.Rand) float64) (worst float64) {
	drift := 1/(1+ppm*1e-6) - 1
	for at := from; at < to; at += packet {
		truth := drift * at
		if at > to-1 {
			worst = max(worst, math.Abs(c.offset-truth))
		}
		c.observe(truth + jitter(r) - c.offset)
		c.advance(packet)
	}
	return worst
}

func TestSourceClockLocks(t *testing.T) {
	none := func(*rand.Rand) float64 { return 0 }
	grid := func(r *rand.Rand) float64 { return (r.Float64() - 0.5) / 1e3 } // whole milliseconds
	wide := func(r *rand.Rand) float64 { return (2*r.Float64() - 1) * 20e-3 }
	for _, c := range []struct {
		name    string
		jitter  func(*rand.Rand) float64
		sigma   float64
		seconds float64
		ppm     float64 // how well the rate is known then
		offset  float64 // and the offset, in ms
	}{
		{"exact", none, 0, 3, 3, 0.02},
		{"exact, later", none, 0, 60, 0.1, 0.001},
		{"whole ms", grid, 0.3e-3, 10, 12, 0.3},
		{"±20 ms, 10 s", wide, 11.5e-3, 10, 600, 5},
		{"±20 ms, 30 s", wide, 11.5e-3, 30, 110, 3},
		{"±20 ms, 120 s", wide, 11.5e-3, 120, 20, 2},
	} {
		for _, ppm := range []float64{0, 20, -100, 300, 1000, -1000} {
			for _, packet := range []float64{0.01, 0.02} {
				t.Run(fmt.Sprint(c.name, "/", ppm, "/", packet), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(ppm+2000), 7))
					var clock sourceClock
					clock.begin(0, c.sigma, 8)
					worst := drive(&clock, r, ppm, 0, c.seconds, packet, c.jitter)
					if math.Abs(clock.ppm()-ppm) > c.ppm {
						t.Errorf("%.2f ppm", clock.ppm())
					}
					if worst*1e3 > c.offset {
						t.Errorf("offset is off by %.3f ms", worst*1e3)
					}
				})
			}
		}
	}
}

// A device that warms up is followed.
func TestSourceClockFollows(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var c sourceClock
	c.begin(0, 0.5e-3, 8)
	offset, at := 0.0, 0.0
	for ; at < 600; at += 0.02 {
		drift := 50e-6 + 20e-6*at/600
		c.observe(offset + (r.Float64()-0.5)*2e-3 - c.offset)
		c.advance(0.02)
		offset += drift * 0.02
	}
	if got := -c.ppm(); math.Abs(got-70) > 3 {
		t.Errorf("%.1f ppm slow, want 70", got)
	}
	if math.Abs(c.offset-offset) > 0.3e-3 {
		t.Errorf("offset is off by %v s", c.offset-offset)
	}
}

func TestSourceClockKeepsItsRateOverGaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var c sourceClock
	c.begin(0, 0, 8)
	drive(&c, r, 400, 0, 10, 0.02, func(*rand.Rand) float64 { return 0 })
	c.relocate(5, 4)
	if math.Abs(c.ppm()-400) > 1 || c.offset != 5 {
		t.Errorf("%.1f ppm, offset %v", c.ppm(), c.offset)
	}
	before := c.drift
	if c.observe(1e-3); c.drift != before {
		t.Error("where the source is now says something of its rate")
	}
}

func TestSourceClockStaysWithinItsRange(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var c sourceClock
	c.begin(0, 0, 8)
	drive(&c, r, 20000, 0, 10, 0.02, func(*rand.Rand) float64 { return 0 })
	if c.ppm() > 1300 {
		t.Errorf("%.1f ppm", c.ppm())
	}
	c = sourceClock{}
	c.begin(math.MaxFloat64, math.MaxFloat64, 0)
	c.observe(-1e12)
	c.advance(1e9)
	if math.IsNaN(c.drift) || math.Abs(c.drift) > driftLimit {
		t.Errorf("drift %v", c.drift)
	}
}
