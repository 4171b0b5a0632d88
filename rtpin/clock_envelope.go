package rtpin

import (
	"math"
	"slices"
)

const (
	// The least delay is that of the last 40 s in which packets came, in
	// buckets of 2 s. It is longer than a queue usually stands in a router, so
	// that the packets which met none are in it, and as short as the time that
	// a longer route may take to be believed.
	windowBuckets = 20
	windowWidth   = 2.0
	// The drift is that of the minima of the last 300 s, in buckets of 10 s.
	// Minima that scatter by σ give a slope that scatters by σ·√(12/30)/300 s,
	// 4 ppm for 2 ms, which over the 40 s of the window is 0.17 ms.
	trendBuckets = 30
	trendWidth   = 10.0
	// driftTrust is the span after which what is measured weighs as much as
	// what was believed before: minima that scatter by 3 ms against clocks that
	// are within 200 ppm. Meanwhile the window bounds the error: a clock that
	// is 200 ppm slow is 8 ms late after 40 s, and no later.
	driftTrust = 15.0
	// driftLimit is 0.5 %. Clocks are within 0.05 %; the rest is for rates that
	// were declared wrong.
	driftLimit = 5e-3
	// routeChange is by how much the least delay changes at once if the way has
	// changed. Drift cannot be measured across that.
	routeChange = 10e-3
)

// A point is a packet: its source time and by how much its arrival time is
// larger, in seconds.
type point struct{ x, late float64 }

// minima are the earliest points of the last buckets of arrival time. Buckets
// without packets do not count, so that it is not one late packet that decides
// after a pause.
type minima struct {
	points        [max(windowBuckets, trendBuckets)]point
	count, newest int
	until         float64 // when the newest bucket ends
}

// add takes a point, and says whether it opened a bucket.
func (m *minima) add(p point, arrival float64, size int, width float64) bool {
	if m.count > 0 && arrival < m.until {
		if p.late < m.points[m.newest].late {
			m.points[m.newest] = p
		}
		return false
	}
	m.newest = (m.newest + 1) % size
	m.points[m.newest] = p
	m.count = min(m.count+1, size)
	m.until = arrival + width
	return true
}

// An envelope is the line below the arrival times of a stream, which has the
// drift of its clock and touches the earliest packet in the window. Whoever
// makes one sets its base, so that there is a line before the first packet.
// A packet costs a few comparisons, every 2 s 20, and every 10 s the median of 406
// slopes.
type envelope struct {
	window, trend minima
	base          point   // a point of the line
	drift         float64 // by how much late changes in a second of source time
	prior         float64 // the drift that was believed when trend began
}

// late is how much larger the least arrival time of x is than x.
func (e *envelope) late(x float64) float64 { return e.base.late + e.drift*(x-e.base.x) }

// arrival is the least arrival time of x.
func (e *envelope) arrival(x float64) float64 { return x + e.late(x) }

// observe takes a packet.
func (e *envelope) observe(x, arrival float64) {
	p := point{x, arrival - x}
	if e.trend.add(p, arrival, trendBuckets, trendWidth) {
		e.learn()
	}
	before := e.late(x)
	if e.window.add(p, arrival, windowBuckets, windowWidth) {
		e.settle()
	} else if p.late < e.late(x) {
		e.base = p
	}
	if math.Abs(e.late(x)-before) > routeChange {
		e.prior, e.trend.count = e.drift, 0
	}
}

// settle lays the line on the earliest packet in the window.
func (e *envelope) settle() {
	e.base = e.window.points[e.window.newest]
	for i := 1; i < e.window.count; i++ {
		p := e.window.points[(e.window.newest-i+windowBuckets)%windowBuckets]
		if p.late < e.late(p.x) {
			e.base = p
		}
	}
}

// learn estimates the drift from all buckets but the one that has just begun:
// the median of the slopes of all pairs that are not close by, drawn towards what was believed.
func (e *envelope) learn() {
	var room [trendBuckets * (trendBuckets - 1) / 2]float64
	slopes, span := room[:0], 0.0
	for i := 1; i < e.trend.count; i++ {
		late := e.trend.points[(e.trend.newest-i+trendBuckets)%trendBuckets]
		for j := i + 1; j < e.trend.count; j++ {
			early := e.trend.points[(e.trend.newest-j+trendBuckets)%trendBuckets]
			if late.x-early.x >= trendWidth/2 {
				span = max(span, late.x-early.x)
				slopes = append(slopes, (late.late-early.late)/(late.x-early.x))
			}
		}
	}
	if len(slopes) == 0 {
		return
	}
	slices.Sort(slopes)
	weight := span * span / (span*span + driftTrust*driftTrust)
	drift := e.prior + weight*(slopes[len(slopes)/2]-e.prior)
	e.drift = clamp(drift, -driftLimit, driftLimit)
	e.settle()
}

func clamp(v, low, high float64) float64 { return min(max(v, low), high) }
