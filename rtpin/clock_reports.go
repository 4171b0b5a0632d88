package rtpin

import "math"

const (
	// reportMemory is how many reports are regressed: 32 s to 160 s at 1 to 5 s
	// between them. If they scatter by σ the line is off by 2σ/√32 at its end,
	// and its slope by σ·√(12/32)/160 s: 0.4 ms and 2 ppm for 1 ms.
	reportMemory = 32
	// slopeWeight is (2 ms / 300 ppm)², in s²: reports that scatter by 2 ms
	// against clocks that are within 300 ppm. It keeps two reports in quick
	// succession from making a slope.
	slopeWeight = 44.0
	// reportScatter and reportDrift are how far a report may be off the line
	// of those before. What is further off is a mistake, or the clock was set.
	reportScatter = 50e-3
	reportDrift   = 1e-3
)

// A report is what a sender report says: the sender's clock at source time x,
// in seconds.
type report struct{ x, ntp float64 }

// reports is the regression line of the sender's clock over source time. The
// zero value has none.
type reports struct {
	ring          [reportMemory]report
	count, newest int
	odd           report // a report that was off the line
	isOdd         bool

	middle report  // a point of the line
	slope  float64 // the line's slope less 1
	prior  float64 // the slope that was believed when the ring began
}

// ntp is the sender's clock at x.
func (r *reports) ntp(x float64) float64 {
	return r.middle.ntp + (x-r.middle.x)*(1+r.slope)
}

// add takes a report and says whether the line follows it now, and whether it
// begins anew with it, because it and the one before agree with each other and
// not with the line. Reports out of order, and those whose timestamp does not
// move on, are ignored.
func (r *reports) add(n report) (taken, anew bool) {
	if r.count == 0 {
		r.push(n)
		return true, false
	}
	last := r.ring[r.newest]
	if n.x <= last.x || r.isOdd && n.x <= r.odd.x {
		return false, false
	}
	if math.Abs(n.ntp-r.ntp(n.x)) <= reportScatter+reportDrift*(n.x-last.x) {
		r.isOdd = false
		r.push(n)
		return true, false
	}
	was, had := r.odd, r.isOdd
	r.odd, r.isOdd = n, true
	apart := n.x - was.x
	if !had || math.Abs(n.ntp-was.ntp-apart*(1+r.slope)) > reportScatter+reportDrift*apart {
		return false, false
	}
	*r = reports{slope: r.slope, prior: r.slope}
	r.push(was)
	r.push(n)
	return true, true
}

// push adds a report to the ring and draws the line.
func (r *reports) push(n report) {
	r.newest = (r.newest + 1) % reportMemory
	r.ring[r.newest] = n
	r.count = min(r.count+1, reportMemory)

	// Relative to the newest, so that nothing is lost of clocks that are
	// decades away.
	var x, d float64
	for i := range r.count {
		o := r.back(i)
		x += o.x - n.x
		d += (o.ntp - n.ntp) - (o.x - n.x)
	}
	x, d = x/float64(r.count), d/float64(r.count)
	sxx, sxd := slopeWeight, slopeWeight*r.prior
	for i := range r.count {
		o := r.back(i)
		ox := o.x - n.x - x
		sxx += ox * ox
		sxd += ox * ((o.ntp - n.ntp) - (o.x - n.x) - d)
	}
	r.slope = clamp(sxd/sxx, -driftLimit, driftLimit)
	r.middle = report{n.x + x, n.ntp + x + d}
}

// back returns the report that many before the newest.
func (r *reports) back(i int) report {
	return r.ring[(r.newest-i+reportMemory)%reportMemory]
}
