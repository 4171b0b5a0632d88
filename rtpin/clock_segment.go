package rtpin

const (
	// jumpLimit is how far a timestamp may be ahead of time or behind the
	// newest, in seconds. Packets do not overtake each other by so much, nor
	// does a delay shrink by it at once: beyond it, timestamps have jumped.
	jumpLimit = 1.0
	// stallLimit is from which lateness on, in seconds, that came at once, a
	// source is thought to have stood still. Below, it is a delay, and is
	// followed as a change of route is.
	stallLimit = 0.5
	// A network that was held up gives out what it has queued faster than it
	// was sent, so lateness shrinks. It is a source that stood still if
	// lateness has not shrunk by stallDrain in stallProof, in seconds.
	stallDrain = 50e-3
	stallProof = 0.3
	// stallLong is a silence after which that is not waited for.
	stallLong = 10.0
	// fastBegin and fastAligned are how long, in seconds, the path may slew fast
	// from a segment's first packet and from its first alignment.
	fastBegin   = 10.0
	fastAligned = 5.0
	// reportsTime is for how long, in seconds, reports hold: the interval of
	// RTCP is 5 s, and some are lost.
	reportsTime = 60.0
)

// A segment is a stretch of a stream whose timestamps run on with time. All
// times are in seconds; x is source time, counted from the segment's first
// timestamp.
type segment struct {
	rate   float64
	first  int64
	newest float64 // the largest x so far
	last   float64 // the last arrival
	lastX  float64 // of that packet

	envelope envelope
	reports  reports
	reported float64 // when the last report that counts came
	path     path

	begun     float64 // when it began
	jumped    bool    // whether because timestamps were not where they should be
	isAligned bool    // whether it has been aligned with another track
	alignedAt float64 // when it first was
	lag       float64 // by how much its least delay is larger than the fastest track's
	excess    float64 // of the last packet's delay over the least

	held hold
}

// A hold is the suspicion that the source stood still.
type hold struct {
	on     bool
	x      float64 // of the first packet that was late
	before float64 // the newest x before it
	base   point   // the one of those since that was least late
	at     float64 // its arrival
}

// begin starts a segment with a timestamp whose least arrival time is known no
// better than one arrival, and whose path is not below floor.
func (s *segment) begin(first int64, arrival, floor float64, before *segment, rate, lag float64) {
	*s = segment{rate: rate, first: first, last: arrival, begun: arrival, lag: lag}
	if before != nil { // the same clocks
		s.envelope.drift, s.envelope.prior = before.envelope.drift, before.envelope.drift
		s.reports.slope, s.reports.prior = before.reports.slope, before.reports.slope
	}
	s.envelope.base = point{0, arrival}
	s.path.begin(0, max(arrival-lag, floor), s.envelope.drift)
}

// seconds is the source time of a timestamp. The difference may wrap around.
func (s *segment) seconds(timestamp int64) float64 {
	return float64(timestamp-s.first) / s.rate
}

// accepts says whether a packet goes on with the segment.
func (s *segment) accepts(timestamp int64, arrival float64) bool {
	x := s.seconds(timestamp)
	return x >= s.newest-jumpLimit && arrival-s.envelope.arrival(x) >= -jumpLimit
}

// stalled says whether the source stood still before the packet, or before
// those that came shortly before it.
func (s *segment) stalled(x, arrival float64) bool {
	late := arrival - x
	excess := late - s.envelope.late(x)
	h := &s.held
	switch {
	case x <= s.newest:
		return false // overtaken
	case excess < stallLimit*3/4:
		h.on = false
	case !h.on:
		silence := arrival - s.last
		if excess < stallLimit || silence-(x-s.newest) < stallLimit {
			return false // it came slowly, as a queue grows
		}
		*h = hold{on: true, x: x, before: s.newest, base: point{x, late}, at: arrival}
		return silence >= stallLong
	case late < h.base.late-stallDrain:
		h.base, h.at = point{x, late}, arrival
	default:
		return arrival-h.at >= stallProof
	}
	return false
}

// observe takes a packet that the segment accepts.
func (s *segment) observe(x, arrival float64) {
	s.envelope.observe(x, arrival)
	s.excess = arrival - s.envelope.arrival(x)
	s.last, s.lastX = arrival, x
}

// follow leads the path on to x.
func (s *segment) follow(x, now float64) {
	if x <= s.newest {
		return
	}
	fast := now < s.begun+fastBegin || now < s.alignedAt+fastAligned && s.isAligned
	s.path.follow(s.newest, x, s.envelope.arrival(x)-s.lag, s.envelope.drift, fast)
	s.newest = x
}

// settle lays the path anew by what is known now. Nobody has seen it yet.
func (s *segment) settle() { s.path.begin(0, s.envelope.arrival(0)-s.lag, s.envelope.drift) }

// locked says whether there are reports that hold.
func (s *segment) locked(now float64) bool {
	return s.reports.count > 0 && now-s.reported <= reportsTime
}

// behind is the least arrival time less the sender's clock, now.
func (s *segment) behind(now float64) float64 {
	x := s.lastX + now - s.last
	return s.envelope.arrival(x) - s.reports.ntp(x)
}

// has says whether a timestamp is in the segment.
func (s *segment) has(timestamp int64) bool {
	x := s.seconds(timestamp)
	return x >= 0 && x <= s.newest
}
