package rtp

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/rtpin"
)

const (
	// takeover is for how long a source must be silent until another one may
	// take its place: a sender that was started anew, with another SSRC.
	takeover = 2 * time.Second
	// grace is for how long packets of a source that said goodbye are still
	// under way: RTCP comes through another port and may overtake them.
	grace = 500 * time.Millisecond
)

// A stream receives one section of the description: it finds out whom to
// listen to, and gives the packets to a receiver. Its methods are for one
// goroutine at a time.
type stream struct {
	*section
	transport transport
	track     backend.TrackSink
	log       *slog.Logger
	cname     string

	participant *rtpin.Participant
	settle      time.Duration     // what a sender begins with waits for so long
	receiver    *rtpin.Receiver   // for what arrives now; nil before the first source
	clock       *rtpin.TrackClock // receiver's
	payload     *payload          // what receiver is for
	source      source
	early       earlyReport

	ssrc             uint32 // ours
	decrypt, encrypt *srtp.Context
	plain            []byte // reused
	packet           rtp.Packet
	now              time.Duration // of the call in progress

	keyWanted  atomic.Bool // a keyframe is to be asked for; set from any goroutine
	reportDue  time.Duration
	keyPending bool // a keyframe was asked for before there was anybody to ask
	firNumber  uint8
	counts     counts
	total      rtpin.Stats // of former receivers
}

// source is the sender that a stream listens to.
type source struct {
	begun     bool
	ssrc      uint32
	address   netip.AddrPort
	rtcp      netip.AddrPort // where its RTCP comes from; invalid before any
	last      time.Duration  // its latest packet
	left      bool           // it said goodbye
	leftAt    time.Duration
	reception reception
}

// earlyReport is the latest sender report of a source that has not begun.
type earlyReport struct {
	report *rtcp.SenderReport // nil if there was none
	from   netip.AddrPort
	at     time.Duration
}

// counts are of packets, but for sources and keyRequests.
type counts struct {
	invalid       uint64 // neither RTP nor RTCP
	undecryptable uint64 // wrong key, forged, or repeated
	strays        uint64 // of others than the source
	unlisted      uint64 // of payload types that are not in the description
	unsupported   uint64 // of codecs that cannot be recorded
	unsent        uint64
	sources       int
	keyRequests   int
}

func newStream(s *section, t transport, p *rtpin.Participant, cname string, settle time.Duration, log *slog.Logger) (*stream, error) {
	st := &stream{
		section: s, transport: t, participant: p, cname: cname, settle: max(settle, 0),
		ssrc: rand.Uint32(), log: log.With("stream", s.String()),
	}
	if s.keys == nil {
		return st, nil
	}
	var err error
	if st.decrypt, err = s.keys.context(); err != nil {
		return nil, err
	}
	// The description has one key. That it serves both directions is allowed
	// as long as the SSRCs differ (RFC 3711, section 9.1).
	st.encrypt, err = s.keys.context()
	return st, err
}

// format is that of the first payload type, by which the track is announced.
func (s *section) format() media.EncodedFormat {
	for _, p := range s.payloads {
		if p.known() {
			return p.format
		}
	}
	return media.EncodedFormat{}
}

// find returns the payload of a type, nil if it is not in the description.
func (s *section) find(number uint8) *payload {
	for i := range s.payloads {
		if s.payloads[i].number == number {
			return &s.payloads[i]
		}
	}
	return nil
}

// sharesTypes reports whether payload types look like RTCP (RFC 5761, section
// 4). Such a stream cannot have both on one port.
func (s *section) sharesTypes() bool {
	for _, p := range s.payloads {
		if p.number >= 64 && p.number <= 95 {
			return true
		}
	}
	return false
}

// takeRTP takes a datagram of the stream's own port. It keeps nothing of it.
func (s *stream) takeRTP(data []byte, from netip.AddrPort, arrival time.Duration) {
	if isRTCP(data) && !s.sharesTypes() {
		s.takeRTCP(data, from, arrival)
		return
	}
	if len(data) < 12 || data[0]>>6 != 2 {
		s.counts.invalid++
		return
	}
	p := s.find(data[1] & 0x7f)
	if p == nil {
		if s.counts.unlisted++; s.counts.unlisted == 1 {
			s.log.Warn("packets of a payload type that is not in the description are left out", "from", from, "payload_type", data[1]&0x7f)
		}
		return
	}
	if s.decrypt != nil {
		// Before anything else: nobody without the key becomes the source.
		plain, err := s.decrypt.DecryptRTP(s.plain, data, &s.packet.Header)
		if err != nil {
			s.counts.undecryptable++
			return
		}
		s.plain, data = plain, plain
	}
	if err := s.packet.Unmarshal(data); err != nil {
		s.counts.invalid++
		return
	}
	if !s.admit(s.packet.SSRC, from, arrival) {
		return
	}
	s.receive(p, arrival)
}

// admit reports whether a packet is the source's, which its sender becomes if
// there is none, or none any more.
func (s *stream) admit(ssrc uint32, from netip.AddrPort, arrival time.Duration) bool {
	src := &s.source
	switch {
	case src.begun && src.ssrc == ssrc && src.address == from:
		src.last = arrival
		src.left = src.left && arrival < src.leftAt+grace
		return true
	case !src.begun, src.left, arrival >= src.last+takeover, s.lists(ssrc) && !s.lists(src.ssrc):
		s.adopt(ssrc, from, arrival)
		return true
	}
	if s.counts.strays++; s.counts.strays == 1 {
		s.log.Warn("packets of another sender are ignored", "from", from, "ssrc", ssrc, "received", src.address, "its_ssrc", src.ssrc)
	}
	return false
}

// adopt makes a sender the source.
func (s *stream) adopt(ssrc uint32, from netip.AddrPort, arrival time.Duration) {
	s.log.Info("stream begins", "from", from, "ssrc", ssrc)
	s.counts.sources++
	s.retire()
	s.source = source{begun: true, ssrc: ssrc, address: from, last: arrival}
	if e := s.early; e.report != nil && e.report.SSRC == ssrc && e.from.Addr() == from.Addr() {
		s.source.rtcp = e.from
		s.source.reception.sender(e.report, e.at)
	}
	s.early = earlyReport{}
	for s.ssrc == ssrc {
		s.ssrc = rand.Uint32()
	}
	s.reportDue = arrival + nextInterval()/2 // the first comes sooner (RFC 3550, section 6.2)
}

// receive gives a packet of the source to the receiver of what it carries.
func (s *stream) receive(p *payload, arrival time.Duration) {
	s.now = arrival
	if !p.known() && !p.auxiliary {
		if s.counts.unsupported++; s.counts.unsupported == 1 {
			s.log.Warn("packets of a codec that cannot be recorded are left out", "codec", p.name)
		}
	}
	if p.known() && s.payload != p && !s.begin(p) {
		return
	}
	if s.receiver == nil {
		return
	}
	s.source.reception.packet(s.packet.SequenceNumber, s.packet.Timestamp, s.payload.clockRate, arrival)
	// Packets of other types take their place in the sequence.
	s.receiver.PushPacket(&s.packet, arrival)
	if s.keyPending {
		s.requestKeyFrame(arrival)
	}
}

// begin makes the receiver for a payload, in place of the one before.
func (s *stream) begin(p *payload) bool {
	s.retire()
	clock := s.participant.NewTrack(p.clockRate)
	c := p.config(clock, s.track.Push)
	c.Settle = s.settle
	if s.kind.IsPicture() {
		c.RequestKeyFrame = func() { s.requestKeyFrame(s.now) }
	}
	if s.nack {
		c.Nack = s.requestPackets
	}
	r, err := rtpin.NewReceiver(c)
	if err != nil { // parse has made one alike
		s.log.Error("no receiver", "codec", p.name, "err", err)
		clock.Close()
		return false
	}
	if rec := &s.source.reception; rec.reported {
		r.Report(&rec.report, rec.reportAt)
	}
	s.receiver, s.clock, s.payload = r, clock, p
	return true
}

// retire delivers what the receiver still has.
func (s *stream) retire() {
	if s.receiver == nil {
		return
	}
	s.receiver.Flush()
	add(&s.total, s.receiver.Stats())
	s.clock.Close()
	s.receiver, s.clock, s.payload = nil, nil, nil
}

// leave takes note of a goodbye.
func (s *stream) leave(now time.Duration) {
	if !s.source.left {
		s.source.left, s.source.leftAt = true, now
	}
}

// gone reports whether the source has said goodbye and nothing of it is under
// way.
func (s *stream) gone(now time.Duration) bool {
	return s.source.left && now >= s.source.leftAt+grace
}

// poll does what is due by the time alone.
func (s *stream) poll(now time.Duration) {
	s.now = now
	if s.receiver != nil {
		s.receiver.Poll(now)
	}
	s.report(now)
}

// next returns when the receiver wants to be polled.
func (s *stream) next() (at time.Duration, ok bool) {
	if s.receiver == nil {
		return 0, false
	}
	return s.receiver.Next()
}

// finish delivers what is left, and says how it was.
func (s *stream) finish() {
	s.retire()
	level := slog.LevelInfo
	t, c := s.total, s.counts
	if t.Lost+t.DamagedFrames+c.strays+c.unlisted+c.invalid+c.undecryptable+c.unsupported > 0 {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, "stream received", "samples", t.Samples, "packets", t.Received, "lost", t.Lost,
		"late", t.Late, "reordered", t.Reordered, "recovered", t.Recovered, "damaged_frames", t.DamagedFrames,
		"sources", c.sources, "strays", c.strays, "unlisted", c.unlisted, "invalid", c.invalid, "undecryptable", c.undecryptable,
		"unsupported", c.unsupported, "key_requests", c.keyRequests, "unsent", c.unsent)
}

// add sums up what a receiver counted.
func add(total *rtpin.Stats, s rtpin.Stats) {
	total.Samples += s.Samples
	total.Received += s.Received
	total.Lost += s.Lost
	total.Late += s.Late
	total.Reordered += s.Reordered
	total.Recovered += s.Recovered
	total.DamagedFrames += s.DamagedFrames
}
