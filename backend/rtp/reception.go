package rtp

import (
	"time"

	"github.com/pion/rtcp"
)

// Limits of RFC 3550, appendix A.1: a sequence number up to maxDropout ahead or
// maxMisorder behind belongs to the sequence; others begin it anew, if the next
// one follows.
const (
	maxDropout  = 3000
	maxMisorder = 100
)

// reception counts the packets of one source as a receiver report says them
// (RFC 3550, section 6.4.1 and appendix A).
type reception struct {
	begun    bool
	highest  uint32 // extended by the number of cycles in the upper half
	first    uint32
	awaited  uint32 // the number that would begin the sequence anew; none has more than 16 bits
	received uint32

	// At the last report.
	expectedBefore, receivedBefore uint32

	transit uint32  // arrival less timestamp, in ticks
	jitter  float64 // in ticks

	report   rtcp.SenderReport // the latest
	reportAt time.Duration
	reported bool
}

// noneAwaited is no sequence number.
const noneAwaited = 1 << 16

// packet takes note of one that came.
func (r *reception) packet(number uint16, timestamp uint32, clockRate int, arrival time.Duration) {
	switch ahead := number - uint16(r.highest); {
	case !r.begun:
		r.restart(number)
	case ahead < maxDropout:
		r.highest += uint32(ahead) // carries into the cycles
	case ahead <= 1<<16-maxMisorder:
		if uint32(number) != r.awaited {
			r.awaited = uint32(number + 1)
			return
		}
		r.restart(number)
	}
	r.received++
	r.vary(timestamp, clockRate, arrival)
}

// restart begins the sequence.
func (r *reception) restart(number uint16) {
	r.begun = true
	r.first, r.highest, r.awaited = uint32(number), uint32(number), noneAwaited
	r.received, r.receivedBefore, r.expectedBefore, r.jitter, r.transit = 0, 0, 0, 0, 0
}

// vary estimates the jitter (RFC 3550, appendix A.8). The differences are taken
// modulo 2^32, so no origin matters.
func (r *reception) vary(timestamp uint32, clockRate int, arrival time.Duration) {
	ticks := uint64(arrival/time.Second)*uint64(clockRate) + uint64(arrival%time.Second)*uint64(clockRate)/uint64(time.Second)
	transit := uint32(ticks) - timestamp
	if r.received > 1 {
		d := float64(int32(transit - r.transit))
		r.jitter += (max(d, -d) - r.jitter) / 16
	}
	r.transit = transit
}

// sender takes note of a sender report.
func (r *reception) sender(sr *rtcp.SenderReport, arrival time.Duration) {
	r.report, r.reportAt, r.reported = *sr, arrival, true
	r.report.Reports, r.report.ProfileExtensions = nil, nil
}

// maxLost is the largest number lost that a report can say, in 24 bits with a
// sign.
const maxLost = 1<<23 - 1

// block returns the report on the source and begins its next interval.
func (r *reception) block(ssrc uint32, now time.Duration) rtcp.ReceptionReport {
	expected := r.highest - r.first + 1
	inInterval := expected - r.expectedBefore
	lost := int64(inInterval) - int64(r.received-r.receivedBefore)
	r.expectedBefore, r.receivedBefore = expected, r.received

	b := rtcp.ReceptionReport{
		SSRC:               ssrc,
		LastSequenceNumber: r.highest,
		Jitter:             uint32(r.jitter),
		// Duplicates can make it negative, which is said as none.
		TotalLost: uint32(min(max(int64(expected)-int64(r.received), 0), maxLost)),
	}
	if inInterval > 0 && lost > 0 {
		b.FractionLost = uint8(min(lost<<8/int64(inInterval), 255))
	}
	if r.reported {
		b.LastSenderReport = uint32(r.report.NTPTime >> 16)
		b.Delay = uint32((now - r.reportAt).Seconds() * (1 << 16)) // in 1/65536 s
	}
	return b
}
