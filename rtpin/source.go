package rtpin

import (
	"slices"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

const (
	// A sequence number further ahead than maxDropout (RFC 3550, appendix A.1)
	// or further behind than maxMisorder is a jump: one second of the fastest
	// streams, and more than the history of the jitter buffer.
	maxDropout  = 3000
	maxMisorder = 1000
	// near is how far from a held packet the one may be that confirms it.
	near = 100
	// stragglers is how long packets of the SSRC before are taken for remnants.
	stragglers = 2 * time.Second
	// plausible is how far a timestamp may be from the expected one after a
	// jump of the sequence for the stream to be still the same: the delay that
	// a network or a loaded sender adds.
	plausible = 2 * time.Second
	// fastest is the time between packets of 100 Mbit/s. An outage takes at
	// least so much for each packet lost in it.
	fastest = 100 * time.Microsecond
	// outdated is how old a packet may be for a sequence number far behind to
	// mean that it is late, and not that the stream has begun anew.
	outdated = 30 * time.Second
)

// source says which packets belong to the stream, and where one begins anew. A
// packet of another SSRC or far off the sequence is held until a second one
// like it comes, for a single one may be damaged or misled.
type source struct {
	begun    bool
	ssrc     uint32
	former   uint32        // the SSRC before
	changed  time.Duration // when that was
	sequence sequence
	times    timestamps

	held    packet // valid where holding
	holding bool

	early earlyReport
}

// earlyReport is a sender report of a stream that has not begun.
type earlyReport struct {
	kept    bool
	ssrc    uint32
	ntp     uint64
	stamp   uint32
	arrival time.Duration
}

// sort finds out what a packet is and hands it on, in order of arrival.
func (r *Receiver) sort(p *rtp.Packet, arrival time.Duration) {
	s := &r.source
	switch {
	case !s.begun:
		r.begin(p.SSRC, p.SequenceNumber, p.Timestamp, arrival)
	case p.SSRC != s.ssrc:
		if s.former == p.SSRC && r.stats.SSRCChanges > 0 && arrival < s.changed+stragglers {
			r.stats.Strays++
			return
		}
		r.hold(p, arrival)
		return
	default:
		ahead := s.sequence.unwrap(p.SequenceNumber) - s.sequence.highest
		if ahead <= maxDropout && ahead >= -maxMisorder {
			break
		}
		if behind := -s.times.off(p.Timestamp, arrival); ahead < 0 && behind > 0 && behind < outdated {
			r.stats.Late++
			return
		}
		r.hold(p, arrival)
		return
	}
	r.accept(r.borrow(p, arrival))
}

// borrow returns the packet without a copy of its payload.
func (r *Receiver) borrow(p *rtp.Packet, arrival time.Duration) packet {
	return packet{
		ssrc: p.SSRC, number: p.SequenceNumber, stamp: p.Timestamp, arrival: arrival, marker: p.Marker,
		foreign: len(r.cfg.PayloadTypes) > 0 && !slices.Contains(r.cfg.PayloadTypes, p.PayloadType),
		payload: p.Payload,
	}
}

// hold keeps a packet of which a stream may begin, or begins one with the
// packet held and this one.
func (r *Receiver) hold(p *rtp.Packet, arrival time.Duration) {
	s := &r.source
	if s.holding && s.held.ssrc == p.SSRC {
		switch d := int16(p.SequenceNumber - s.held.number); {
		case d == 0:
			r.stats.Duplicates++
			return
		case d >= -near && d <= near:
			s.holding = false
			r.jump(r.borrow(p, arrival), d < 0)
			return
		}
	}
	r.flushSource()
	s.held = r.borrow(p, arrival).keep(s.held.payload)
	s.holding = true
}

// flushSource gives a held packet up.
func (r *Receiver) flushSource() {
	if r.source.holding {
		r.source.holding = false
		r.stats.Strays++
	}
}

// jump goes on with the held packet and the one that confirms it. inverted says
// that this one was sent first.
func (r *Receiver) jump(second packet, inverted bool) {
	s := &r.source
	first := s.held
	if inverted {
		first, second = second, first
	}
	off := s.times.off(first.stamp, first.arrival)
	inTime := max(off, -off) < plausible
	ahead := s.sequence.unwrap(first.number) - s.sequence.highest
	switch {
	case first.ssrc != s.ssrc:
		r.stats.SSRCChanges++
		r.flushStream()
		s.former, s.changed = s.ssrc, second.arrival
		r.cfg.Clock.Restart()
		r.begin(first.ssrc, first.number, first.stamp, first.arrival)
	case inTime && ahead > 0 && first.arrival-s.times.lastAt >= time.Duration(ahead)*fastest:
		// An outage: what lies between is lost.
	default:
		r.stats.Restarts++
		r.flushStream()
		if inTime {
			r.resume(first.number)
			break
		}
		r.cfg.Clock.Restart()
		r.begin(first.ssrc, first.number, first.stamp, first.arrival)
	}
	r.accept(first)
	r.accept(second)
}

// begin makes the stream ready for its first packet.
func (r *Receiver) begin(ssrc uint32, number uint16, stamp uint32, arrival time.Duration) {
	s := &r.source
	s.begun, s.ssrc = true, ssrc
	s.times = timestamps{rate: r.cfg.ClockRate, last: int64(stamp), lastAt: arrival}
	r.resume(number)
}

// resume goes on with another sequence number.
func (r *Receiver) resume(number uint16) {
	r.source.sequence = sequence{highest: int64(number)}
	r.jitter.restart(int64(number))
}

func (r *Receiver) flushStream() {
	r.jitter.flush()
	r.assemble.restart()
}

// accept puts a packet of the stream in its place.
func (r *Receiver) accept(p packet) {
	s := &r.source
	p.sequence = s.sequence.unwrap(p.number)
	if !r.jitter.isFresh(p.sequence) {
		return
	}
	p.timestamp = s.times.unwrap(p.stamp, p.arrival)
	s.sequence.advance(p.sequence)
	if len(p.payload) > 0 && !p.foreign {
		// Padding and events repeat timestamps of the past.
		s.times.advance(p.timestamp, p.arrival)
		r.cfg.Clock.Arrived(p.timestamp, p.arrival)
		r.replayReport()
	}
	r.jitter.insert(p)
}

// Report takes a sender report (RFC 3550, section 6.4.1) as it came from the
// network at the given time. One of another SSRC is kept for when that stream
// begins.
func (r *Receiver) Report(sr *rtcp.SenderReport, arrival time.Duration) {
	s := &r.source
	if !s.begun || sr.SSRC != s.ssrc {
		s.early = earlyReport{true, sr.SSRC, sr.NTPTime, sr.RTPTime, arrival}
		return
	}
	r.cfg.Clock.Report(sr.NTPTime, s.times.unwrap(sr.RTPTime, arrival), arrival)
}

// replayReport takes the report that came before the stream.
func (r *Receiver) replayReport() {
	s := &r.source
	if e := s.early; e.kept && e.ssrc == s.ssrc {
		s.early.kept = false
		r.cfg.Clock.Report(e.ntp, s.times.unwrap(e.stamp, e.arrival), e.arrival)
	}
}
