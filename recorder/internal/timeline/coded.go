package timeline

import (
	"math"
	"time"
)

const (
	// steadyJitter is up to which jitter the stamps of a source count as exact:
	// those in whole milliseconds, as Matroska's are, have 0.29 ms.
	steadyJitter = 0.5e-3
	// steadyTolerance is how far an exact stamp may be from expected: two that
	// are rounded to milliseconds differ by one, the shortest packet that may
	// be missing has 2.5.
	steadyTolerance = 1.5e-3
	// correctionRest is the time between two corrections of the drift that are
	// heard, in seconds. At the ±1000 ppm that are promised 5 ms are needed in
	// five seconds.
	correctionRest = 1
	// OpusGrain is the shortest Opus frame, 2.5 ms, in ticks of 48 kHz.
	OpusGrain = 120
)

// A Packet is what the timeline has to know of an encoded packet.
type Packet struct {
	At     time.Duration // its stamp, counted from zero
	Length int64         // ticks of decoded audio
	Lost   int           // packets that are known to be missing before it
	Quiet  bool          // nobody hears if it is left out

	gap float64 // seconds before it that are known to be missing although it is held
}

// A Place says what becomes of a packet. Positions count ticks from zero.
type Place struct {
	Fill int64 // ticks of silence to put before it
	At   int64 // its position, valid if it is in place
	What Placed
}

// A Coded finds the place of encoded audio on the recording's timeline.
// Packets have a length that nobody can change: they are laid out one behind
// the other, without a hole, whatever their stamps say to a few milliseconds,
// so that what is copied stays as it was. Where more time has passed than
// there is audio, silence fills up. It is a multiple of the grain: what is left
// over stays as an error, and counts with the next gap.
//
// A source's drift is such an error too. It cannot be resampled away, so it is
// taken out in steps, where it is quiet if such a place comes in time: silence
// is put in, or a packet is left out with silence for what is too much of it.
//
// It is an [audioStream] without the audio: packets whose stamps are suspicious
// are held and judged in the same way. It is used by one goroutine at a time.
type Coded struct {
	rate  int64
	grain int64 // ticks of the shortest silence
	step  int64 // ticks of the smallest correction
	// From which error on, in seconds, drift is corrected where it is quiet,
	// and anywhere.
	soft, hard float64

	located bool // clock is valid
	// clock.offset is the capture time of the source's next frame less end.
	clock   sourceClock
	alarm   shiftAlarm
	sober   float64 // drift before the alarm began to rise
	end     int64   // position behind everything laid out, silence included
	given   int64   // position behind what places have told
	floor   int64   // position of the first packet at the earliest
	last    Packet
	hold    holdback
	packets []Packet // those in hold
	missing float64  // gaps of those, in seconds
	spare   []Packet
	errors  []float64 // of those in spare
	out     []Place

	rests       int64 // position before which no correction is to be heard
	corrections int64
	largest     float64 // error that was corrected, in seconds
	gaps        Gaps
}

// NewOpus returns a timeline that counts 48000 ticks a second, as Opus does. It
// keeps within 10 ms of the capture time.
func NewOpus() *Coded {
	return &Coded{rate: 48000, grain: OpusGrain, step: 2 * OpusGrain, soft: 5e-3, hard: 9e-3}
}

// NewAAC returns a timeline of AAC of a rate in Hz, whose frames have so many
// ticks of it. It keeps within half of a frame and 2.5 ms. The margin is more
// than the estimate's noise: beyond half of a frame the other sign would be as
// far away.
func NewAAC(rate, frame int64) *Coded {
	half := float64(frame) / float64(rate) / 2
	return &Coded{rate: rate, grain: frame, step: frame, soft: half + 1.5e-3, hard: half + 2.5e-3}
}

// Rate is the number of ticks in a second.
func (t *Coded) Rate() int64 { return t.rate }

// Add takes a packet and returns what becomes of packets that were taken: those
// that were held and are decided, in their order, and perhaps this one. The
// slice is valid until the next call.
func (t *Coded) Add(p Packet) []Place {
	t.out = t.out[:0]
	if !t.hold.empty() && (p.At < 0 || p.At-t.hold.packets[0].at > patience) {
		t.resolve(true)
	}
	if p.At < 0 {
		t.out = append(t.out, Place{What: BeforeStart})
		return t.out
	}
	if !t.take(p) {
		t.keep(p)
		t.resolve(t.hold.full())
	}
	return t.out
}

// Flush decides about everything that is held, as Add does.
func (t *Coded) Flush() []Place {
	t.out = t.out[:0]
	t.resolve(true)
	return t.out
}

// Resume goes on after a while, perhaps with another device.
func (t *Coded) Resume() { t.clock.vod, t.clock.vdd = 0, driftPrior*driftPrior }

// Follows reports whether a stream can go on on this timeline that would begin
// with the next one. If it cannot, that follows on this one.
func (t *Coded) Follows(next *Coded) bool {
	if t.rate == next.rate && t.grain == next.grain {
		return true
	}
	next.floor = Ticks(TimeOf(t.end, t.rate), next.rate)
	next.gaps = t.gaps
	return false
}

// error is how far the stamp of the packet behind all held ones is from where
// it is expected, in seconds.
func (t *Coded) error(at time.Duration) float64 {
	return (at - TimeOf(t.end+t.hold.frames, t.rate)).Seconds() - t.clock.offset - t.missing - t.clock.drift*t.hold.length
}

func (t *Coded) seconds(ticks int64) float64 { return float64(ticks) / float64(t.rate) }

// take lays out a packet if there is no doubt where it belongs.
func (t *Coded) take(p Packet) bool {
	if !t.located || !t.hold.empty() {
		return false
	}
	e := t.error(p.At)
	if gap, n, ok := t.leap(p, e); ok {
		t.skip(gap, n)
		e -= gap
	} else if t.suspicious(e) {
		return false
	}
	t.clock.observe(e)
	t.lay(p)
	return true
}

// leap returns the gap before a packet, where it is known without waiting for
// others: from what was lost, if the stamp does not speak against it, or from
// an exact stamp behind silence, after which the next packet may be long in
// coming. Of stamps it is as sure as n are.
func (t *Coded) leap(p Packet, e float64) (gap float64, n int, ok bool) {
	if gap := t.lost(p, t.last, e); gap > 0 {
		return gap, 0, true
	}
	return e, 1, t.isSteady() && e > t.tolerance() && (p.Lost > 0 || p.Quiet || t.last.Quiet)
}

// lost is how long the packets lasted that were lost before one, to go by the
// one before, in seconds; 0 if its stamp speaks against that.
func (t *Coded) lost(p, before Packet, e float64) (gap float64) {
	gap = float64(p.Lost) * t.seconds(before.Length)
	if math.Abs(e-gap) > t.tolerance() {
		return 0
	}
	return gap
}

func (t *Coded) isSteady() bool { return t.clock.jitter <= steadyJitter }

// tolerance is how far from expected a stamp may be before its packet is held.
func (t *Coded) tolerance() float64 {
	if t.isSteady() {
		return steadyTolerance
	}
	return tolerance(t.clock.jitter)
}

func (t *Coded) suspicious(e float64) bool {
	if t.alarm.calm() {
		t.sober = t.clock.drift
	}
	return t.alarm.observe(e, t.clock.jitter) || math.Abs(e) > t.tolerance()
}

// keep holds a packet.
func (t *Coded) keep(p Packet) {
	if !t.located && t.hold.empty() { // errors count from the first stamp
		t.end = Ticks(p.At, t.rate)
		t.clock.offset = (p.At - TimeOf(t.end, t.rate)).Seconds()
	}
	before := t.last
	if n := len(t.packets); n > 0 {
		before = t.packets[n-1]
	}
	p.gap = t.lost(p, before, t.error(p.At))
	t.missing += p.gap
	t.hold.push(heldPacket{at: p.At, frames: int(p.Length), length: t.seconds(p.Length), error: t.error(p.At)}, nil)
	t.packets = append(t.packets, p)
}

// resolve lays out what is held, as far as it can be decided where.
func (t *Coded) resolve(forced bool) {
	for !t.hold.empty() {
		if !t.located {
			v, ok := t.begin(forced)
			if !ok {
				return
			}
			t.locate(v)
			continue
		}
		v, ok := t.judge(forced)
		if !ok {
			return
		}
		t.alarm = shiftAlarm{}
		t.execute(v)
	}
}

// begin decides where a source begins, by its first stamps. If they are exact
// and none falls back the first of them counts, whatever is missing behind it.
func (t *Coded) begin(forced bool) (verdict, bool) {
	v, ok := t.hold.begin(forced)
	if !ok {
		return v, false
	}
	exact := t.hold.spread() <= steadyJitter
	for _, p := range t.hold.packets {
		exact = exact && p.error > -steadyTolerance
	}
	if exact {
		v = verdict{n: 1, jitter: jitterFloor}
	}
	return v, true
}

// judge judges what is held. Of a source whose stamps are exact two that agree
// are enough for a gap: those of a burst fall by a packet's length from one to
// the next.
func (t *Coded) judge(forced bool) (verdict, bool) {
	held := t.hold.packets
	from := len(held) - 1
	shift := held[from].error
	for from > 0 && math.Abs(held[from-1].error-shift) < held[from-1].length/2 {
		from--
	}
	if from < len(held)-1 && shift > t.tolerance() && t.isSteady() {
		return verdict{from: from, shifted: true, shift: held[from].error, n: 1}, true
	}
	return t.hold.decide(&t.clock, forced)
}

// locate finds the place of a source's first packet, and judges what was held
// by that.
func (t *Coded) locate(v verdict) {
	at := TimeOf(t.end, t.rate) + seconds(t.clock.offset+v.shift)
	t.end = max(Ticks(max(at, 0), t.rate), t.floor)
	t.given = t.end
	t.clock.begin((at - TimeOf(t.end, t.rate)).Seconds(), v.jitter, v.n)
	t.sober, t.located = 0, true
	t.release()
	t.again(t.spare)
}

// release empties hold; what was in it is in spare and errors then.
func (t *Coded) release() {
	t.packets, t.spare = t.spare[:0], t.packets
	t.errors = t.errors[:0]
	for _, p := range t.hold.packets {
		t.errors = append(t.errors, p.error)
	}
	t.hold.clear()
	t.missing = 0
}

// again judges packets that were held, by what is known now.
func (t *Coded) again(packets []Packet) {
	for _, p := range packets {
		p.gap = 0 // it is found anew
		if !t.take(p) {
			t.keep(p)
		}
	}
}

// execute lays held packets out as a verdict says. Those behind a shift are
// judged again.
func (t *Coded) execute(v verdict) {
	t.release()
	level := 0.0 // seconds that gaps among those before take of the shift
	for i, p := range t.spare[:v.from] {
		if v.repeats {
			t.out = append(t.out, Place{What: Behind})
		} else {
			level = t.follow(p, t.errors[i], v, level)
		}
	}
	rest := t.spare[v.from:]
	if len(rest) == 0 {
		return
	}
	if v.shifted {
		t.clock.drift = t.sober
		t.skip(v.shift-level, v.n)
	}
	t.lay(rest[0])
	t.again(rest[1:])
}

// follow lays out a packet from before a shift: behind a gap of its own, or as
// what follows on, whose stamp jittered. It returns the level.
func (t *Coded) follow(p Packet, e float64, v verdict, level float64) float64 {
	limit := t.tolerance()
	if v.isStep(e, level, limit) {
		t.skip(e-level, 1)
		level = e
	} else {
		t.clock.sway(clamp(e, -limit, limit))
	}
	t.lay(p)
	return level
}

// skip goes on behind a gap, as the mean of n stamps says, or for certain where
// n is 0. Where the gap is negative, or too short for any silence, what follows
// does so at once.
func (t *Coded) skip(gap float64, n int) {
	if n > 0 {
		t.clock.relocate(t.clock.offset+gap, n)
	} else {
		t.clock.offset += gap
	}
	grains := math.Round(t.clock.offset * float64(t.rate) / float64(t.grain))
	if grains < 1 {
		return
	}
	fill := int64(grains) * t.grain
	t.gaps.add(TimeOf(t.end, t.rate), TimeOf(fill, t.rate))
	t.insert(fill)
}

// insert puts silence before the next packet that is laid.
func (t *Coded) insert(fill int64) {
	t.end += fill
	t.clock.offset -= t.seconds(fill)
}

// lay lays out a packet behind everything, or leaves it out because there is
// more audio than time.
func (t *Coded) lay(p Packet) {
	if p.gap > 0 {
		t.skip(p.gap, 0)
	}
	place := Place{What: InPlace}
	switch n := t.correction(p); {
	case n > 0:
		t.insert(n)
	case n < 0:
		place.What = Surplus
		t.insert(p.Length + n)
		t.clock.offset += t.seconds(p.Length)
	}
	place.Fill, place.At = t.end-t.given, t.end
	if place.What == InPlace {
		t.end += p.Length
	}
	t.given = t.end
	t.clock.advance(t.seconds(p.Length))
	t.last = p
	t.out = append(t.out, place)
}

// correction is by how much there is more time than audio when it is to be
// corrected with this packet, negative if there is less, in ticks. An error
// that would take minutes waits for a gap.
func (t *Coded) correction(p Packet) int64 {
	e := math.Abs(t.clock.offset)
	heard := e > t.hard && t.end >= t.rests
	unheard := p.Quiet && e > clamp(4*t.clock.uncertainty(), t.soft, t.hard)
	if !heard && !unheard || t.clock.offset < -pullRange {
		return 0
	}
	t.rests = t.end + correctionRest*t.rate
	t.corrections++
	t.largest = max(t.largest, e)
	n := max(int64(e*float64(t.rate))/t.step, 1) * t.step
	if t.clock.offset < 0 {
		return -min(n, p.Length)
	}
	return n
}

// Figures are what the timeline has measured, as those of [Audio].
func (t *Coded) Figures() (ppm float64, correction time.Duration, gaps Gaps) {
	return t.clock.ppm(), seconds(t.largest), t.gaps
}
