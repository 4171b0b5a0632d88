package timeline

import (
	"math"
	"slices"
	"time"
)

// A stamp that is not where it was expected may be jitter, the end of a gap, a
// repeat, or a clock that was set. The stamp alone does not tell; those after
// it do: jitter returns, a gap stays. So the packet is held, with those that
// follow, until their stamps agree with each other. Held audio still goes
// where it was captured; it is only decided later, within a second.
const (
	// gapTolerance is how far a stamp may lie off and pass for jitter,
	// whatever is known of the source.
	gapTolerance = 30e-3
	// quietTolerance is the same for a source that was never seen to jitter.
	// What is below is left to resampling.
	quietTolerance = 5e-3
	// meanGoal is how well the average of held stamps must be known: of
	// packets that jitter by σ, (σ/meanGoal)² are needed. At uniform ±20 ms
	// that are 21, and four times meanGoal is the 10 ms that are promised.
	meanGoal = 2.5e-3
	// A decision takes so many packets, at the start of a source, whose jitter
	// nobody knows, more. They must last a while, or the falling delays of a
	// burst of short packets would pass for agreement.
	fewestHeld   = 4
	fewestAtOnce = 8
	mostWanted   = 48
	shortestHold = 50e-3
	// Above this jitter, guessed from the first few packets, the start of a
	// source takes all it can get: everything is counted from there.
	quietJitter = 1e-3
	// Nothing is held for longer: this many packets, or seconds of audio.
	mostHeld    = 64
	longestHold = 1.0
	// A mean of stamps is believed from so many standard deviations on.
	meanSignificance = 4
)

// tolerance is how far from expected a stamp may be before its packet is held.
func tolerance(jitter float64) float64 {
	return clamp(3*jitter+2e-3, quietTolerance, gapTolerance)
}

// A shiftAlarm notices a shift that is smaller than the jitter around it, such
// as one lost packet of 20 ms at ±20 ms. It is a CUSUM: what exceeds ¾ of the
// standard deviation adds up, in either direction, until it reaches 5. A shift
// of 1½ σ is noticed after some 7 packets, and without one the alarm is false
// once in a few thousand; then nothing comes of it but a wait.
type shiftAlarm struct{ up, down float64 }

func (a *shiftAlarm) observe(e, jitter float64) (suspicious bool) {
	const slack, limit = 0.75, 5
	e /= max(jitter, 1e-3)
	a.up, a.down = max(a.up+e-slack, 0), max(a.down-e-slack, 0)
	return a.up > limit || a.down > limit
}

// calm reports whether nothing has added up: a shift that is noticed later began
// after this.
func (a *shiftAlarm) calm() bool { return a.up < 1 && a.down < 1 }

// heldPacket is a packet whose place is not decided.
type heldPacket struct {
	at     time.Duration // its stamp
	frames int
	bytes  int
	length float64 // in seconds
	error  float64 // of its stamp against what was expected, in seconds
}

// holdback keeps such packets, oldest first.
type holdback struct {
	packets []heldPacket
	data    []byte
	length  float64 // of the packets, in seconds
	frames  int64   // of the packets
	since   int64   // how far the timeline had got when the first was held
}

func (h *holdback) empty() bool { return len(h.packets) == 0 }

func (h *holdback) push(p heldPacket, data []byte) {
	h.packets = append(h.packets, p)
	h.data = append(h.data, data...)
	h.length += p.length
	h.frames += int64(p.frames)
}

func (h *holdback) clear() { *h = holdback{packets: h.packets[:0], data: h.data[:0]} }

// last is the stamp behind the packet held last.
func (h *holdback) last() time.Duration {
	p := h.packets[len(h.packets)-1]
	return p.at + seconds(p.length)
}

// earliest is the earliest stamp held.
func (h *holdback) earliest() time.Duration {
	at := h.packets[0].at
	for _, p := range h.packets {
		at = min(at, p.at)
	}
	return at
}

// full reports whether a decision can wait no longer.
func (h *holdback) full() bool { return len(h.packets) >= mostHeld || h.length >= longestHold }

// verdict says what became of held packets: those before index from follow on
// what was before them, or are repeats of it and have no place; those from
// there on are shifted against what was expected.
type verdict struct {
	from    int
	repeats bool
	shifted bool
	shift   float64 // seconds
	n       int     // stamps that shift is the average of
	jitter  float64 // their standard deviation
}

// decide judges held packets against what the source's clock expects. If forced
// it decides on what there is.
func (h *holdback) decide(c *sourceClock, forced bool) (v verdict, decided bool) {
	n := h.tail(max(fewestHeld, wanted(c.jitter)))
	if n == 0 {
		if !forced {
			return v, false
		}
		n = len(h.packets)
	}
	v = h.average(h.packets[len(h.packets)-n:], c.jitter)
	limit := gapTolerance
	if v.n == n || n > 2*fewestHeld && v.n*4 >= n*3 { // they agree
		limit = max(quietTolerance, meanSignificance*math.Sqrt(c.jitter*c.jitter/float64(v.n)+c.voo))
	} else if !forced {
		return v, false
	}
	v.jitter = max(v.jitter, c.jitter) // few stamps may agree by chance
	h.sentence(&v, math.Abs(v.shift) > limit)
	// A clock that was set back can wait: its audio follows on anyway. If it
	// was repeats, it returns.
	return v, forced || !v.shifted || v.shift > 0
}

// begin averages the first stamps of a source. Audio does not come faster than
// time passes: stamps that fall back were late before, as in a burst, and those
// that leap ahead leave a gap. So the first packet belongs where the lowest
// stamps say on which several agree. The others are to be judged after that.
func (h *holdback) begin(forced bool) (v verdict, decided bool) {
	n := len(h.packets)
	jitter := h.spread()
	goal := fewestAtOnce
	if jitter > quietJitter {
		goal = mostWanted
	}
	if !forced && (n < goal || h.length < shortestHold) {
		return v, false
	}
	if level, ok := h.lowest(near(jitter)); ok {
		return h.around(h.packets, level, jitter), true
	}
	return h.average(h.packets, jitter), true
}

// lowest returns the lowest error, as a median, on which some packets agree: so
// many that they are no outliers, so few that a short word is enough.
func (h *holdback) lowest(near float64) (level float64, ok bool) {
	const agreeing = 3
	var sorted [mostHeld]float64
	n := len(h.packets)
	for i, p := range h.packets {
		sorted[i] = p.error
	}
	slices.Sort(sorted[:n])
	for i := range n - agreeing + 1 {
		end := i
		for end < n && sorted[end]-sorted[i] <= near {
			end++
		}
		if end-i >= agreeing {
			return sorted[(i+end-1)/2], true
		}
	}
	return 0, false
}

// spread estimates the standard deviation of stamps by the median difference of
// one to the next, on which neither outliers nor gaps have much influence: that
// is 1.01 σ of uniform jitter and 0.95 σ of normal jitter.
func (h *holdback) spread() float64 {
	var values [mostHeld]float64
	n := len(h.packets) - 1
	if n < 1 {
		return jitterFloor
	}
	for i := range n {
		values[i] = math.Abs(h.packets[i+1].error - h.packets[i].error)
	}
	slices.Sort(values[:n])
	return clamp(values[n/2], jitterFloor, jitterLimit)
}

// wanted is how many stamps are to be averaged.
func wanted(jitter float64) int {
	return min(int(math.Ceil(jitter/meanGoal*jitter/meanGoal)), mostWanted)
}

// tail returns how many of the last packets are needed for at least n that
// last long enough, 0 if there are not so many.
func (h *holdback) tail(n int) int {
	length := 0.0
	for i := range h.packets {
		length += h.packets[len(h.packets)-1-i].length
		if i+1 >= n && length >= shortestHold {
			return i + 1
		}
	}
	return 0
}

// average returns the mean error of those of some packets that agree with their
// median, so that no outlier weighs.
func (h *holdback) average(some []heldPacket, jitter float64) (v verdict) {
	var sorted [mostHeld]float64
	n := len(some)
	for i, p := range some {
		sorted[i] = p.error
	}
	slices.Sort(sorted[:n])
	return h.around(some, sorted[(n-1)/2], jitter)
}

// around is average for those that agree with a median that is known.
func (h *holdback) around(some []heldPacket, median, jitter float64) (v verdict) {
	near := near(jitter)
	low, high := math.Inf(1), math.Inf(-1)
	sum, squares := 0.0, 0.0
	for _, p := range some {
		if d := p.error - median; math.Abs(d) <= near {
			v.n++
			sum += d
			squares += d * d
			low, high = min(low, p.error), max(high, p.error)
		}
	}
	k := float64(v.n)
	v.shift = median + sum/k
	v.jitter = math.Sqrt(max(squares-sum*sum/k, 0) / max(k-1, 1))
	if high-low < jitterFloor { // they agree to the sample: so does the first
		v.shift = h.first(median, jitterFloor)
	}
	return v
}

// near is how far apart stamps may be that agree.
func near(jitter float64) float64 { return 3*jitter + 2e-3 }

// first returns the first error that is as near to a value.
func (h *holdback) first(value, near float64) float64 {
	for _, p := range h.packets {
		if math.Abs(p.error-value) <= near {
			return p.error
		}
	}
	return value
}

// sentence finds where a shift began and what those before it are.
func (h *holdback) sentence(v *verdict, shifted bool) {
	if !shifted {
		v.from = len(h.packets)
		return
	}
	near := near(v.jitter)
	before, behind := 0.0, true
	for v.from < len(h.packets)-1 && math.Abs(h.packets[v.from].error-v.shift) > near {
		p := h.packets[v.from]
		before += p.length
		behind = behind && p.error < -p.length+near
		v.from++
	}
	// Packets from where the stream has been already, behind which it goes on
	// as if they had not come, are repeats.
	v.repeats = v.from > 0 && behind && math.Abs(v.shift+before) <= max(near, quietTolerance)
	v.shifted = !v.repeats
}

// isStep reports whether a packet before a shift forward is behind a gap of its
// own, the first of two: it lies between what was expected, with the gaps so
// far, and where the shift leads.
func (v *verdict) isStep(e, level, tolerance float64) bool {
	return v.shifted && e-level > tolerance && v.shift-e > tolerance
}
