package rtpin

import (
	"math"
	"time"
)

const (
	// reportLimit is how much earlier or later than its timestamp tells, in
	// seconds, a report may arrive. Beyond it, its timestamp does not count from
	// where those of packets do, as with some senders.
	reportLimit = 3.0
	// beyond is how far a path is followed past the packets of its segment, and
	// how far capture times may be past the last arrival, in seconds.
	beyond = 10.0
)

// A TrackClock maps the RTP timestamps of one stream to capture times on the
// kit's clock. It is safe for concurrent use.
//
// Capture times of successive timestamps are apart as the timestamps are, but
// for the stream's drift, and corrections: 1 ms/s where they are off by less
// than 20 ms, one twentieth a second of what is more, up to 30 ms/s, which is
// also allowed in the first 10 s of a stream and in the 5 s after it was first
// aligned with another of the participant. They step on where the source stood
// still, where timestamps jump, and where they are early by more than a second.
type TrackClock struct {
	participant *Participant
	rate        float64 // ticks in a second, as declared
	lag         float64 // of the segment before a restart
	now         float64 // the last arrival

	segments [2]segment
	current  *segment // of the newest packet, nil before the first
	previous *segment // the one before, or nil
	reading  *segment // that of the last timestamp asked for

	given   bool // whether there is
	givenAt int64
	floor   float64 // the last capture time given
}

// A ClockState tells what a [TrackClock] knows.
type ClockState struct {
	// Locked is whether sender reports are in that hold. If not, it is arrival
	// times that decide, or what earlier reports have told.
	Locked bool
	// PPM is how much faster than declared the timestamps run on the kit's
	// clock, in millionths.
	PPM float64
	// Lag is how much longer the track's packets take at least than those of
	// the participant's fastest track, as its encoder is slower. How long those
	// take cannot be known.
	Lag time.Duration
	// Late is how much longer the newest packet took than the fastest ones.
	Late time.Duration
}

// Arrived takes note of a packet's timestamp, unwrapped to 64 bits, and of when
// it came. It is called for every packet, in the order in which they come.
func (t *TrackClock) Arrived(timestamp int64, arrival time.Duration) {
	t.participant.mu.Lock()
	defer t.participant.mu.Unlock()
	now := t.advance(arrival)
	if t.current == nil {
		t.begin(timestamp, now, t.lowest())
	} else if t.strayed(timestamp, now) {
		t.current, t.previous, t.reading = t.previous, nil, t.previous
	} else if !t.current.accepts(timestamp, now) {
		t.begin(timestamp, now, t.lowest())
		t.current.jumped = true
	}
	s := t.current
	x := s.seconds(timestamp)
	if s.stalled(x, now) {
		t.resume()
		s = t.current
		x = s.seconds(timestamp)
	}
	s.observe(x, now)
	t.participant.align(s, now)
	s.follow(x, now)
}

// advance returns an arrival in seconds, which is not before the last one.
func (t *TrackClock) advance(arrival time.Duration) float64 {
	if now := arrival.Seconds(); t.current == nil || now > t.now {
		t.now = now
	}
	return t.now
}

// lowest is the capture time that a new segment is not to begin below.
func (t *TrackClock) lowest() float64 {
	floor := math.Inf(-1)
	if t.given {
		floor = t.floor
	}
	if s := t.current; s != nil {
		floor = max(floor, s.path.at(s.newest))
	}
	return floor
}

// begin starts a segment in the place of the one before the current.
func (t *TrackClock) begin(first int64, arrival, floor float64) {
	s := &t.segments[0]
	if s == t.current {
		s = &t.segments[1]
	}
	lag := t.lag
	if t.current != nil {
		lag = t.current.lag
	}
	s.begin(first, arrival, floor, t.current, t.rate, lag)
	t.previous, t.current = t.current, s
	if t.reading != t.previous || t.reading == nil {
		t.reading = t.current
	}
}

// strayed says whether what seemed to be a jump was but packets that strayed,
// because the segment before goes on.
func (t *TrackClock) strayed(timestamp int64, arrival float64) bool {
	s, before := t.current, t.previous
	if before == nil || !s.jumped || arrival-s.begun > jumpLimit || !before.accepts(timestamp, arrival) {
		return false
	}
	x := before.seconds(timestamp)
	return x > before.newest || !s.accepts(timestamp, arrival)
}

// resume begins a segment with the packet with which the source went on after
// it had stood still.
func (t *TrackClock) resume() {
	s := t.current
	h := s.held
	s.newest = h.before
	first := s.first + int64(math.Round(h.x*s.rate))
	t.begin(first, h.x+h.base.late, t.lowest())
	t.current.observe(h.base.x-h.x, h.at)
}

// Report takes note of an RTCP sender report: its NTP timestamp (32.32 bits),
// its RTP timestamp, unwrapped as those of packets are, and when it came.
// Reports that cannot be true, or came before the first packet, are ignored.
func (t *TrackClock) Report(ntp uint64, timestamp int64, arrival time.Duration) {
	t.participant.mu.Lock()
	defer t.participant.mu.Unlock()
	s := t.current
	if s == nil || ntp == 0 { // RFC 3550, 6.4.1: 0 if the sender has no clock
		return
	}
	now := arrival.Seconds()
	x := s.seconds(timestamp)
	if x < 0 || math.Abs(now-s.envelope.arrival(x)) > reportLimit {
		return
	}
	taken, anew := s.reports.add(report{x, t.participant.seconds(ntp)})
	if taken {
		s.reported = now
	}
	if anew {
		t.participant.reset = now + resetTime
	}
}

// Capture returns the capture time, on the kit's clock, of the first sample or
// the picture with this timestamp. Ask for it when the timestamp has arrived;
// of one up to 6 s older it is right as well. Who asks for the first time only
// when some more has arrived gets times by all of that. Asked for a timestamp that is not
// lower than that asked for before, it returns no earlier time. Before the first
// packet it is 0, and after a restart the last one given.
func (t *TrackClock) Capture(timestamp int64) time.Duration {
	t.participant.mu.Lock()
	defer t.participant.mu.Unlock()
	if t.current == nil {
		return duration(t.floor)
	}
	if !t.given && t.previous == nil { // nothing is decided: all that has arrived counts
		t.current.settle()
	}
	s := t.find(timestamp)
	t.reading = s
	x := s.seconds(timestamp)
	at := min(s.path.at(clamp(x, -beyond, s.newest+beyond)), t.now+beyond)
	if t.given && timestamp >= t.givenAt {
		at = max(at, t.floor)
	}
	t.given, t.givenAt, t.floor = true, timestamp, at
	return duration(at)
}

// find returns the segment of a timestamp. Where the two overlap, because
// timestamps jumped back a little, it is that of the last one asked for, until
// they have jumped there too.
func (t *TrackClock) find(timestamp int64) *segment {
	if t.previous == nil {
		return t.current
	}
	was, is := t.previous.has(timestamp), t.current.has(timestamp)
	if !was {
		return t.current
	}
	back := t.given && float64(t.givenAt)-float64(timestamp) > t.rate*jumpLimit
	if is && (t.reading == t.current || back) {
		return t.current
	}
	return t.previous
}

// Restart says that timestamps begin anew, with another SSRC. Get the capture
// times of what has arrived before it first. What follows is not earlier.
func (t *TrackClock) Restart() {
	t.participant.mu.Lock()
	defer t.participant.mu.Unlock()
	if t.current == nil {
		return
	}
	t.lag = t.current.lag
	t.current, t.previous, t.reading = nil, nil, nil
	t.givenAt = math.MinInt64
}

// Close takes the track out of its participant, whose other tracks are no
// longer compared with it.
func (t *TrackClock) Close() {
	t.participant.mu.Lock()
	defer t.participant.mu.Unlock()
	t.participant.remove(t)
}

// State returns what is known now.
func (t *TrackClock) State() ClockState {
	t.participant.mu.Lock()
	defer t.participant.mu.Unlock()
	s := t.current
	if s == nil {
		return ClockState{}
	}
	return ClockState{
		Locked: s.locked(t.now),
		PPM:    (1/(1+s.envelope.drift) - 1) * 1e6,
		Lag:    duration(s.lag),
		Late:   duration(s.excess),
	}
}

// duration converts seconds, to the nearest and within bounds.
func duration(seconds float64) time.Duration {
	ns := math.Round(seconds * 1e9)
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(max(ns, math.MinInt64))
}
