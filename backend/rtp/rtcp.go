package rtp

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reportInterval is the mean time between two receiver reports: the least that
// RFC 3550, section 6.2, allows. Each interval is drawn from half of it to one
// and a half times as much, so that receivers do not fall into step.
const reportInterval = 5 * time.Second

func nextInterval() time.Duration {
	return reportInterval/2 + time.Duration(rand.Int64N(int64(reportInterval)))
}

// isRTCP tells RTCP from RTP by the packet type (RFC 5761, section 4), which
// stands where RTP has marker and payload type.
func isRTCP(data []byte) bool {
	return len(data) >= 2 && data[0]>>6 == 2 && data[1] >= 192 && data[1] <= 223
}

// takeRTCP takes a compound packet.
func (s *stream) takeRTCP(data []byte, from netip.AddrPort, arrival time.Duration) {
	if s.decrypt != nil {
		plain, err := s.decrypt.DecryptRTCP(s.plain[:0], data, nil)
		if err != nil {
			s.counts.undecryptable++
			return
		}
		s.plain, data = plain, plain
	}
	packets, err := rtcp.Unmarshal(data)
	if err != nil {
		s.counts.invalid++
		return
	}
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			s.takeReport(p, from, arrival)
		case *rtcp.Goodbye:
			for _, ssrc := range p.Sources {
				if s.isSource(ssrc, from) {
					s.leave(arrival)
				}
			}
		}
	}
}

// isSource reports whether RTCP from there speaks for the source that is
// received. Its port may be any.
func (s *stream) isSource(ssrc uint32, from netip.AddrPort) bool {
	return s.source.begun && s.source.ssrc == ssrc && s.source.address.Addr() == from.Addr()
}

// takeReport takes a sender report. The first often comes ahead of the first
// packet, and may be the only one for five seconds: that of a source which has
// not begun is kept until it does.
func (s *stream) takeReport(sr *rtcp.SenderReport, from netip.AddrPort, arrival time.Duration) {
	if !s.isSource(sr.SSRC, from) {
		s.early = earlyReport{sr, from, arrival}
		return
	}
	s.source.rtcp = from
	s.source.reception.sender(sr, arrival)
	if s.receiver != nil {
		s.receiver.Report(sr, arrival)
	}
}

// report sends a receiver report when it is due.
func (s *stream) report(now time.Duration) {
	if !s.source.begun || s.source.left || now < s.reportDue {
		return
	}
	s.reportDue = now + nextInterval()
	s.send(now)
}

// requestKeyFrame asks the source for a keyframe. A source that said in its
// description that it takes only full intra requests gets one; all others get
// a picture loss indication, also those that did not mention feedback: they
// ignore what they do not know (RFC 3550, section 6.1), and many that take it
// do not say so, since an SDP file is seldom written for feedback.
func (s *stream) requestKeyFrame(now time.Duration) {
	if !s.source.begun {
		s.keyPending = true
		return
	}
	s.keyPending = false
	s.counts.keyRequests++
	if s.fir {
		s.firNumber++ // a repetition would have the same (RFC 5104, section 4.3.1.1)
		s.send(now, &rtcp.FullIntraRequest{SenderSSRC: s.ssrc, FIR: []rtcp.FIREntry{{SSRC: s.source.ssrc, SequenceNumber: s.firNumber}}})
		return
	}
	s.send(now, &rtcp.PictureLossIndication{SenderSSRC: s.ssrc, MediaSSRC: s.source.ssrc})
}

// requestPackets asks for missing packets. Only who offered to repeat them is
// asked, for others it would be noise at every loss.
func (s *stream) requestPackets(missing []uint16) {
	s.send(s.now, &rtcp.TransportLayerNack{SenderSSRC: s.ssrc, MediaSSRC: s.source.ssrc,
		Nacks: rtcp.NackPairsFromSequenceNumbers(missing)})
}

// send sends a compound packet: a receiver report and our name, which each one
// must begin with (RFC 3550, section 6.1), and what is added. What cannot be
// sent is as good as lost on the way, and only counted.
func (s *stream) send(now time.Duration, more ...rtcp.Packet) {
	packets := append([]rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: s.ssrc, Reports: []rtcp.ReceptionReport{s.source.reception.block(s.source.ssrc, now)}},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
			Source: s.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: s.cname}},
		}}},
	}, more...)
	data, err := rtcp.Marshal(packets)
	if err == nil && s.encrypt != nil {
		data, err = s.encrypt.EncryptRTCP(nil, data, nil)
	}
	if err == nil {
		_, err = s.transport.rtcp.WriteToUDPAddrPort(data, s.rtcpPeer())
	}
	if err != nil {
		s.counts.unsent++
	}
}

// rtcpPeer is where the source takes RTCP: a group's members all hear it, else
// where its own comes from, or as long as none has come, by custom, the port
// after that of its packets.
func (s *stream) rtcpPeer() netip.AddrPort {
	src := &s.source
	switch {
	case s.address.IsMulticast():
		return netip.AddrPortFrom(s.address, s.rtcpPort)
	case src.rtcp.IsValid():
		return src.rtcp
	case s.mux() || src.address.Port() == 1<<16-1:
		return src.address
	}
	return netip.AddrPortFrom(src.address.Addr(), src.address.Port()+1)
}
