package bitstream

// A Reorder works out decode times (DTS) of a stream whose pictures come in the
// order of decoding with their presentation times (PTS) only, as over RTP.
//
// With a depth of n pictures (see [Video.ReorderDepth]) the PTS go through a
// buffer of n+1, and the smallest is the DTS of the picture that fills it:
//
//	depth 1   PTS  0  2  1  4  3
//	          DTS -1  0  1  2  3
//
// A picture is at most n places earlier in decoding than in output, so the
// smallest of n+1 is never above its own PTS; and it is the smallest of all that
// are still to come, so DTS increase as long as no two PTS are the same. The first n pictures find the buffer not
// full yet and get times before the first PTS, an interval apart.
//
// A PTS that is not above the last DTS shows that the depth is too small, or
// that the stream begins with pictures which are shown before its first one (an
// open GOP's leading pictures, which cannot be decoded there). The depth grows
// to what would have been right, and until the buffer has caught up DTS increase
// by one tick only. While they do, they are above the PTS: an earlier one has
// been given out already. One such picture at depth 0 is late by the distance to
// the PTS before it and all that follow up to there; then DTS <= PTS again.
//
// It is not safe for concurrent use.
type Reorder struct {
	depth    int
	interval int64
	waiting  [maxReorder + 1]int64 // PTS in rising order
	fill     int
	recent   [maxReorder]int64 // the last PTS, in the order of decoding
	seen     int
	last     int64 // DTS
}

// NewReorder begins with a depth, 0 if it is not known; negative ones count as
// 0, and there are at most 16. interval is the usual distance of two pictures in
// the ticks of the times, at least 1.
func NewReorder(depth int, interval int64) *Reorder {
	r := &Reorder{interval: max(interval, 1)}
	r.SetDepth(depth)
	return r
}

// Depth returns the depth in use, which grows as the stream shows it.
func (r *Reorder) Depth() int { return r.depth }

// SetDepth sets the depth from the next picture on: another SPS may say another.
// With a larger one the next pictures' DTS increase by one tick only, with a
// smaller one they skip times.
func (r *Reorder) SetDepth(depth int) { r.depth = min(max(depth, 0), maxReorder) }

// Next returns the decode time of the next picture. It is above the one before
// and, once the depth is right, not above pts.
func (r *Reorder) Next(pts int64) (dts int64) {
	if r.seen > 0 && pts <= r.last {
		r.depth = max(r.depth, r.overtaken(pts))
	}
	r.insert(pts)
	r.recent[r.seen%maxReorder] = pts
	r.seen++
	switch missing := r.depth + 1 - r.fill; {
	case missing <= 0:
		dts = r.take(1 - missing)
	case r.seen <= r.depth:
		dts = r.waiting[0] - int64(missing)*r.interval
	default:
		dts = r.last // the depth has grown in mid-stream
	}
	if r.seen > 1 {
		dts = max(dts, r.last+1)
	}
	r.last = dts
	return dts
}

// overtaken counts the pictures decoded before this one and shown after it.
func (r *Reorder) overtaken(pts int64) (n int) {
	for _, earlier := range r.recent[:min(r.seen, maxReorder)] {
		if earlier > pts {
			n++
		}
	}
	return n
}

func (r *Reorder) insert(pts int64) {
	at := r.fill
	for ; at > 0 && r.waiting[at-1] > pts; at-- {
		r.waiting[at] = r.waiting[at-1]
	}
	r.waiting[at] = pts
	r.fill++
}

// take removes the n smallest and returns the last of them.
func (r *Reorder) take(n int) (pts int64) {
	pts = r.waiting[n-1]
	copy(r.waiting[:], r.waiting[n:r.fill])
	r.fill -= n
	return pts
}
