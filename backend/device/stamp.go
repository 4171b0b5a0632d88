package device

import "time"

// How the estimate of the offset between two clocks behaves.
const (
	// window is how long a reading counts. Within it at least one packet is
	// expected to arrive without having been held up.
	window = 10 * time.Second
	// warmUp is how long readings are gathered before the first stamp: the
	// first packets of a device often arrive late.
	warmUp = 300 * time.Millisecond
	// slew is how fast the offset follows the minimum, in parts of the time
	// that passes: far above any clock's drift, too slow to be heard.
	slew = 0.005
	// tooHigh is by how much the offset may be above the minimum before it
	// drops to it at once: it was estimated while everything was late.
	tooHigh = 20 * time.Millisecond
	// jump is a step of the time stamps that no delay explains.
	jump = 500 * time.Millisecond
)

// A reading is what is known about a packet when it arrives.
type reading struct {
	arrival  time.Duration // on the session's clock
	pts      time.Duration // on the device's clock, of the first audio frame
	hasPTS   bool
	duration time.Duration // of audio; zero for a picture
}

// captured is the capture time if nothing held the packet up.
func (r reading) captured() time.Duration { return r.arrival - r.duration }

// A stamper turns a device's time stamps into times of the session's clock.
// The epoch of the former is unknown (wall clock and monotonic clock both
// occur), and arrival is the latter plus a delay that varies:
//
//	arrival = pts + offset + duration + delay,  delay >= 0
//
// so the least arrival - duration - pts seen in the last seconds is the best
// estimate of the offset, and the delays' jitter does not reach the stamps.
//
// The zero value is ready. It is used by one goroutine.
type stamper struct {
	offset  time.Duration
	known   bool
	prev    reading
	begun   time.Duration // arrival of the first reading
	latest  time.Duration // arrival of the last one
	started bool

	// candidates for the minimum: offsets rise from front to back, as do the
	// arrivals. Whoever is followed by a lower one can never be the minimum.
	candidates []candidate
	last       time.Duration // stamp given out
	stamped    bool
}

type candidate struct{ arrival, offset time.Duration }

// observe learns from a packet. It must be called for each, in order, with the
// clock's reading right after the packet came.
func (s *stamper) observe(r reading) {
	if !s.started {
		s.begun, s.latest, s.started = r.arrival, r.arrival, true
	}
	passed := r.arrival - s.latest
	s.latest = r.arrival
	if !r.hasPTS {
		return
	}
	now := candidate{r.arrival, r.captured() - r.pts}
	if s.known && s.jumped(r, now.offset) {
		s.known, s.candidates = false, s.candidates[:0]
	}
	s.push(now)
	s.follow(s.candidates[0].offset, passed)
	s.prev = r
}

// jumped tells a step of the device's time from a packet that is late: a late
// one still carries on where the one before it ended.
func (s *stamper) jumped(r reading, offset time.Duration) bool {
	step := r.pts - s.prev.pts - s.prev.duration
	return (step < -jump || step > jump) && (offset-s.offset).Abs() > jump
}

func (s *stamper) push(c candidate) {
	n := len(s.candidates)
	for n > 0 && s.candidates[n-1].offset >= c.offset {
		n--
	}
	s.candidates = append(s.candidates[:n], c)
	old := 0
	for s.candidates[old].arrival < c.arrival-window {
		old++
	}
	s.candidates = append(s.candidates[:0], s.candidates[old:]...)
}

func (s *stamper) follow(least, passed time.Duration) {
	if !s.known || s.warmingUp() || least < s.offset-tooHigh {
		s.offset, s.known = least, true
		return
	}
	most := time.Duration(slew * float64(passed))
	s.offset += min(max(least-s.offset, -most), most)
}

// warmingUp reports whether samples should be kept back until more is known.
func (s *stamper) warmingUp() bool { return s.latest-s.begun < warmUp }

// stamp returns the capture time of what came with the reading. Stamps never
// run backwards.
func (s *stamper) stamp(r reading) time.Duration {
	at := r.captured()
	if r.hasPTS && s.known {
		at = min(at, r.pts+s.offset) // nothing arrives before it is captured
	}
	if s.stamped {
		at = max(at, s.last)
	}
	s.last, s.stamped = at, true
	return at
}
