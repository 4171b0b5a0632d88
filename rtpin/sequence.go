package rtpin

import "time"

// sequence extends the 16 bits of a sequence number to 64 (RFC 3550, appendix
// A.1).
type sequence struct{ highest int64 }

// unwrap returns the number nearest to the highest so far.
func (s *sequence) unwrap(n uint16) int64 {
	// The difference as a signed number of 16 bits is the shorter way round.
	return s.highest + int64(int16(n-uint16(s.highest)))
}

// advance is told every number that has been accepted.
func (s *sequence) advance(n int64) { s.highest = max(s.highest, n) }

// timestamps extends the 32 bits of RTP timestamps to 64.
type timestamps struct {
	rate   int
	last   int64
	lastAt time.Duration // arrival of last
}

// expected returns the timestamp that would be sent now if it were in step with
// the arrivals.
func (t *timestamps) expected(arrival time.Duration) int64 {
	elapsed := arrival - t.lastAt
	// In two parts, since an hour in nanoseconds times 384000 overflows.
	seconds, rest := int64(elapsed/time.Second), int64(elapsed%time.Second)
	return t.last + seconds*int64(t.rate) + rest*int64(t.rate)/int64(time.Second)
}

// unwrap returns the timestamp nearest to the expected one, so that neither a
// silence of many hours nor a wrap-around within it misleads: at 90 kHz half of
// the range is 6.6 hours.
func (t *timestamps) unwrap(n uint32, arrival time.Duration) int64 {
	at := t.expected(arrival)
	return at + int64(int32(n-uint32(at)))
}

// advance is told every timestamp that has been accepted.
func (t *timestamps) advance(n int64, arrival time.Duration) {
	if n >= t.last || arrival > t.lastAt+time.Second {
		t.last, t.lastAt = n, max(arrival, t.lastAt)
	}
}

// off returns how far a timestamp is from the expected one.
func (t *timestamps) off(n uint32, arrival time.Duration) time.Duration {
	ticks := t.unwrap(n, arrival) - t.expected(arrival)
	return time.Duration(ticks * 1000 / int64(t.rate) * int64(time.Millisecond))
}
