package timeline

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// settleTime is how long audio waits in the timeline for the other
	// direction of the same voice to be added to it. Both are delivered when
	// they have been captured or played, so only scheduling separates them.
	settleTime = 200 * time.Millisecond
	// leadTime is how far ahead of the participant's audio may be delivered
	// what is played to them, and none of theirs is lost. It is short: if they
	// are muted, the speech they hear waits so long for theirs.
	leadTime = time.Second
	// patience is how long packets are held for others to tell where they
	// belong, in capture time.
	patience = time.Second
)

// An Audio lays the audio of one track out on the recording's timeline at the
// track's rate: each piece where its capture time says, the inbound and the
// outbound direction summed, silence where there is nothing. What it gives out
// has no holes and as many frames as its time says.
//
//	inbound  ──hold──resample──►┐
//	                            ├─ + ─► [ sumBuffer ] ─► Next, Take
//	outbound ──hold──resample──►┘
//
// No frame that was taken is left out, but for those whose place has been given
// out with the other direction's, and those that come twice. Audio of which
// there is more than time has passed follows on what was before it; it gets
// back to its time with the next gap, or by resampling.
//
// Frames are interleaved, full scale is ±1; a position counts frames from the
// timeline's zero. It is used by one goroutine at a time.
type Audio struct {
	rate, channels int
	sum            sumBuffer
	streams        [2]audioStream

	// Decided is told what becomes of each packet, once: the position behind
	// it, and how it was placed.
	Decided func(end int64, what Placed)
	// Cross is told before a run is laid out that begins so many frames behind
	// everything; it may Fill, Advance, Next or Take. An error ends the track.
	Cross func(gap int64) error
}

// NewAudio returns a timeline of so many frames per second, of 1 or 2 channels.
func NewAudio(rate, channels int) *Audio {
	t := &Audio{rate: rate, channels: channels, sum: sumBuffer{channels: channels}}
	t.Decided = func(int64, Placed) {}
	t.Cross = func(int64) error { return nil }
	for i := range t.streams {
		t.streams[i] = audioStream{rate: rate, channels: channels, stretch: newStretcher(rate, channels)}
	}
	return t
}

// Channels is the number of values in a frame.
func (t *Audio) Channels() int { return t.channels }

// position returns the frame that belongs at a time.
func (t *Audio) position(at time.Duration) int64 { return Ticks(at, int64(t.rate)) }

// Ticks converts a time that is not negative into units of which a second has
// the given number, to the nearest. Seconds are converted apart, so that no
// product overflows.
func Ticks(at time.Duration, perSecond int64) int64 {
	sec, rest := int64(at/time.Second), int64(at%time.Second)
	return sec*perSecond + (rest*perSecond+int64(time.Second)/2)/int64(time.Second)
}

// TimeOf is the inverse of Ticks, rounded down to nanoseconds.
func TimeOf(n, perSecond int64) time.Duration {
	return time.Duration(n/perSecond)*time.Second + time.Duration(n%perSecond)*time.Second/time.Duration(perSecond)
}

// Placed says what became of a piece of audio.
type Placed uint8

// What becomes of audio.
const (
	InPlace     Placed = iota
	Held               // not decided yet
	BeforeStart        // all of it was captured before zero
	Behind             // all of its place is taken already
	Surplus            // its source runs fast; encoded audio only
)

// Add takes a piece of audio that was captured at a time counted from zero;
// negative is too early for any place. It borrows pcm, whose data is a whole
// number of frames of a valid format. It says what became of it, which Decided
// is told too, then or later. An error is that of Cross, or of the resampler:
// then this piece has no place, nor have those that were held.
func (t *Audio) Add(dir media.Direction, at time.Duration, pcm *media.PCM) (Placed, error) {
	at, data := fromZero(at, pcm)
	if len(data) == 0 {
		return t.decide(0, BeforeStart), nil
	}
	s, other := &t.streams[dir], &t.streams[1-dir]
	if !other.hold.empty() && t.sum.end()-other.hold.since > t.position(patience) {
		if _, err := t.resolve(other, true); err != nil {
			return Held, err
		}
	}
	if err := t.ready(s, at, pcm.Format); err != nil {
		return Held, err
	}
	if s.located && s.hold.empty() {
		if e := s.error(at); !s.suspicious(e) {
			s.clock.observe(e)
			return t.lay(s, data)
		}
	}
	t.keep(s, at, data)
	return t.resolve(s, s.hold.full())
}

// decide tells what became of a piece.
func (t *Audio) decide(end int64, what Placed) Placed {
	t.Decided(end, what)
	return what
}

// fromZero cuts off what was captured before zero, to the sample.
func fromZero(at time.Duration, pcm *media.PCM) (time.Duration, []byte) {
	if at >= 0 {
		return at, pcm.Data
	}
	if at <= -pcm.Duration() { // first, for the product below overflows far before zero
		return 0, nil
	}
	cut := int((int64(-at)*int64(pcm.Format.Rate) + int64(time.Second) - 1) / int64(time.Second))
	cut = min(cut, pcm.Frames())
	return max(at+pcm.Format.Duration(cut), 0), pcm.Data[cut*pcm.Format.FrameBytes():]
}

// ready decides about what a stream holds where a packet cannot help with that,
// behind a pause or of another format, and opens the resampler.
func (t *Audio) ready(s *audioStream, at time.Duration, f media.AudioFormat) error {
	if !s.hold.empty() && (f != s.format || at-s.hold.last() > patience) {
		if _, err := t.resolve(s, true); err != nil {
			return err
		}
	}
	if s.resampler != nil && f == s.format {
		return nil
	}
	if err := t.endRun(s); err != nil {
		return err
	}
	return s.use(f)
}

// keep holds a packet.
func (t *Audio) keep(s *audioStream, at time.Duration, data []byte) {
	if s.hold.empty() {
		s.hold.since = t.sum.end()
		if !t.sum.begun {
			s.hold.since = t.position(at)
		}
		if !s.located { // errors count from the first stamp
			s.begin(t.position(at))
			s.clock.offset = (at - s.due(0)).Seconds()
		}
	}
	n := len(data) / s.format.FrameBytes()
	s.hold.push(heldPacket{at: at, frames: n, bytes: len(data),
		length: float64(n) / float64(s.format.Rate), error: s.error(at)}, data)
}

// resolve lays out what a stream holds, as far as it can be decided where, and
// says what became of the last of it.
func (t *Audio) resolve(s *audioStream, forced bool) (last Placed, err error) {
	for !s.hold.empty() && err == nil {
		judge, execute := s.judge, t.execute
		if !s.located {
			judge, execute = s.hold.begin, t.locate
		}
		v, ok := judge(forced)
		if !ok {
			return Held, nil
		}
		s.alarm = shiftAlarm{}
		last, err = execute(s, v)
	}
	if err != nil {
		last = Held
	}
	return last, err
}

// locate begins a source's first run, and judges what was held by that.
func (t *Audio) locate(s *audioStream, v verdict) (last Placed, err error) {
	s.clock.begin(s.clock.offset+v.shift, v.jitter, v.n)
	s.sober = 0
	start := t.position(max(s.due(0)+seconds(s.clock.offset), 0))
	s.located = true
	if err := t.approach(s, start); err != nil {
		return Held, err
	}
	s.begin(start)
	h := s.release()
	return t.again(s, h.packets, h.data)
}

// again judges packets that were held, by what is known now.
func (t *Audio) again(s *audioStream, packets []heldPacket, data []byte) (last Placed, err error) {
	for _, p := range packets {
		piece := data[:p.bytes]
		data = data[p.bytes:]
		if !s.hold.empty() || s.suspicious(s.error(p.at)) {
			t.keep(s, p.at, piece)
			last = Held
		} else if last, err = t.lay(s, piece); err != nil {
			return Held, err
		}
	}
	return last, nil
}

// execute lays held packets out as a verdict says. Those behind a shift are
// judged again.
func (t *Audio) execute(s *audioStream, v verdict) (last Placed, err error) {
	h := s.release()
	before, rest, data := h.packets[:v.from], h.packets[v.from:], h.data
	level := 0.0 // seconds that gaps among those before take of the shift
	for _, p := range before {
		piece := data[:p.bytes]
		data = data[p.bytes:]
		if v.repeats {
			last = t.decide(0, Behind)
		} else if last, err = t.follow(s, p, piece, v, &level); err != nil {
			return Held, err
		}
	}
	if len(rest) == 0 {
		return last, nil
	}
	if v.shifted {
		if err := t.shift(s, v.shift-level, v.n); err != nil {
			return Held, err
		}
	}
	if last, err = t.lay(s, data[:rest[0].bytes]); err != nil || len(rest) == 1 {
		return last, err
	}
	return t.again(s, rest[1:], data[rest[0].bytes:])
}

// follow lays out a packet from before a shift: behind a gap of its own, or as
// what follows on, whose stamp jittered.
func (t *Audio) follow(s *audioStream, p heldPacket, data []byte, v verdict, level *float64) (Placed, error) {
	limit := tolerance(s.clock.jitter)
	if v.isStep(p.error, *level, limit) {
		if err := t.shift(s, p.error-*level, 1); err != nil {
			return Held, err
		}
		*level = p.error
	} else {
		s.clock.sway(clamp(p.error, -limit, limit))
	}
	return t.lay(s, data)
}

// shift begins a new run behind a gap, as the mean of n stamps says. Where that
// is not behind, the run goes on.
func (t *Audio) shift(s *audioStream, by float64, n int) error {
	s.clock.relocate(s.clock.offset+by, n)
	s.clock.drift = s.sober
	if s.lag() < quietTolerance {
		return nil
	}
	if err := t.endRun(s); err != nil {
		return err
	}
	start := max(t.position(max(s.due(0)+seconds(s.clock.offset), 0)), s.cursor)
	s.gaps.add(TimeOf(s.cursor, int64(t.rate)), TimeOf(start-s.cursor, int64(t.rate)))
	err := t.approach(s, start)
	s.begin(start)
	return err
}

// approach tells Cross of the silence before a run.
func (t *Audio) approach(s *audioStream, start int64) error {
	other := &t.streams[0]
	if s == other {
		other = &t.streams[1]
	}
	if !other.hold.empty() {
		start = min(start, t.earliest(other))
	}
	if !t.sum.begun {
		t.sum.begin(start)
		return nil
	}
	if gap := start - t.sum.end(); gap > 0 {
		return t.Cross(gap)
	}
	return nil
}

// earliest is the earliest position that what a stream holds may get: behind
// its run, unless that has been given out, or its stamps are so far from there
// that it is hardly jitter.
func (t *Audio) earliest(s *audioStream) int64 {
	at := t.position(s.hold.earliest())
	if s.located && s.cursor >= t.sum.base && at-s.cursor < t.position(patience) {
		return s.cursor
	}
	return at
}

// lay lays out a packet behind the run.
func (t *Audio) lay(s *audioStream, data []byte) (Placed, error) {
	frames, err := s.convert(data)
	if err != nil {
		return Held, err
	}
	if n := t.put(s, frames); n == 0 && len(frames) > 0 {
		return t.decide(s.cursor, Behind), nil
	}
	return t.decide(s.cursor, InPlace), nil
}

// put adds frames at the stream's cursor and returns how many had a place.
func (t *Audio) put(s *audioStream, frames []float32) int64 {
	n := t.sum.lay(s.cursor, frames)
	s.cursor += int64(len(frames) / t.channels)
	return n
}

// endRun lays out what the stream's resampler still has.
func (t *Audio) endRun(s *audioStream) error {
	frames, err := s.end()
	if err != nil || s.resampler == nil {
		return err
	}
	t.put(s, frames)
	if s.located {
		s.begin(s.cursor)
	}
	return nil
}

// settled returns how many frames nothing more will be added to.
func (t *Audio) settled() int64 {
	until := t.sum.end() - t.position(settleTime)
	for i := range t.streams {
		if s := &t.streams[i]; !s.hold.empty() {
			until = min(until, t.earliest(s))
		}
	}
	if in := &t.streams[media.Inbound]; in.located && t.sum.end()-in.cursor < t.position(leadTime) {
		until = min(until, in.cursor)
	}
	return max(until-t.sum.base, 0)
}

// Next gives out n frames and their position, or nil where fewer are settled;
// at the end of the track it gives out the rest, however few. The slice is
// valid until the next call of any method.
func (t *Audio) Next(n int, ended bool) (frames []float32, pos int64) {
	have := t.settled()
	if ended {
		have = t.sum.frames()
		n = min(n, int(have))
	}
	if n == 0 || int64(n) > have {
		return nil, 0
	}
	return t.sum.take(n)
}

// Take gives out all that is laid out, and its position, without waiting for
// what could still be added: for who has a timeline for each direction. It is
// nil if there is nothing. The slice is valid until the next call of any method.
func (t *Audio) Take() (frames []float32, pos int64) { return t.Next(int(t.sum.frames()), true) }

// Base is the position of the next frame that is given out.
func (t *Audio) Base() int64 { return t.sum.base }

// Fill lays out n frames of silence behind everything.
func (t *Audio) Fill(n int64) { t.sum.fill(n) }

// Advance moves everything that is laid out, which must be silence, or nothing.
func (t *Audio) Advance(n int64) { t.sum.advance(n) }

// Drain lays out what the resamplers have, which is known to be followed by
// silence.
func (t *Audio) Drain() error {
	for i := range t.streams {
		if err := t.endRun(&t.streams[i]); err != nil {
			return err
		}
	}
	return nil
}

// Holds returns when the earliest packet was captured whose place is not
// decided yet; ok is false if there is none.
func (t *Audio) Holds() (from time.Duration, ok bool) {
	for i := range t.streams {
		if h := &t.streams[i].hold; !h.empty() && (!ok || h.earliest() < from) {
			from, ok = h.earliest(), true
		}
	}
	return from, ok
}

// HasBegun reports whether audio has been laid out, so that the source is
// located: what comes later is laid out behind that.
func (t *Audio) HasBegun() bool { return t.sum.begun }

// Resolve decides about everything that is held, as far as can be told by now:
// for when nothing more has come for so long that it says nothing about those.
func (t *Audio) Resolve() error {
	for i := range t.streams {
		if _, err := t.resolve(&t.streams[i], true); err != nil {
			return err
		}
	}
	return nil
}

// Flush lays out everything that is still inside.
func (t *Audio) Flush() error {
	if err := t.Resolve(); err != nil {
		return err
	}
	return t.Drain()
}

// Figures are what the timeline has measured: of what the participant says, or
// if they never said anything, of what is played to them: how much faster than
// nominal the source runs in millionths, the largest error that was corrected,
// and the silences, as times from zero.
func (t *Audio) Figures() (ppm float64, correction time.Duration, gaps Gaps) {
	s := &t.streams[media.Inbound]
	if !s.located {
		s = &t.streams[media.Outbound]
	}
	return s.clock.ppm(), seconds(s.largest), s.gaps
}

// Close frees what is large. The timeline can go on all the same.
func (t *Audio) Close() {
	for i := range t.streams {
		s := &t.streams[i]
		s.close()
		if s.hold.empty() {
			s.hold, s.spare = holdback{}, holdback{}
		}
	}
	if t.sum.frames() == 0 {
		t.sum.buf, t.sum.scratch = nil, nil
	}
}
