package rtp

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/rtpin"
)

// lab is a stream without goroutines: the test hands it packets, and says what
// time it is. What the stream sends arrives at back, the port behind the
// sender's.
type lab struct {
	t *testing.T
	*stream
	got  *collected
	from netip.AddrPort
	back *net.UDPConn
}

const ssrcA, ssrcB = 0xaaaa, 0xbbbb

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// newLab makes a stream of what an m= line and attributes describe; %d is the
// port.
func newLab(t *testing.T, mline string, attributes ...string) *lab {
	t.Helper()
	ports := freePorts(t, 4)
	lines := append([]string{"c=IN IP4 127.0.0.1", fmt.Sprintf(mline, ports)}, attributes...)
	d, err := parse(sdp(lines...))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := listen(d.sections[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.close)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := newStream(d.sections[0], tr, rtpin.NewParticipant(), "us", 0, log)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, stream: s, got: collect(), from: netip.MustParseAddrPort(fmt.Sprintf("127.0.0.1:%d", ports+2))}
	s.track, _ = l.got.AddTrack(backend.Track{Kind: s.kind})
	if l.back, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(l.from.Addr(), l.from.Port()+1))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.back.Close() })
	return l
}

// packet is an RTP packet of 160 bytes.
func packet(t testing.TB, ssrc uint32, number int, payloadType uint8, timestamp uint32) []byte {
	t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, Marker: payloadType&0x80 != 0, PayloadType: payloadType & 0x7f, SequenceNumber: uint16(number), Timestamp: timestamp, SSRC: ssrc},
		Payload: make([]byte, 160)}
	data, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// voice sends a packet of 20 ms of PCMU, or what else the type says, that takes
// no time.
func (l *lab) voice(ssrc uint32, number int, payloadType uint8) {
	l.takeRTP(packet(l.t, ssrc, number, payloadType, uint32(160*number)), l.from, at(number))
}

func at(number int) time.Duration { return time.Duration(number) * 20 * time.Millisecond }

// rtcpIn sends RTCP.
func (l *lab) rtcpIn(from netip.AddrPort, arrival time.Duration, packets ...rtcp.Packet) {
	l.t.Helper()
	data, err := rtcp.Marshal(packets)
	if err != nil {
		l.t.Fatal(err)
	}
	l.takeRTCP(data, from, arrival)
}

// sent returns the next compound packet that the stream has sent, nil if there
// is none.
func sent(t *testing.T, back *net.UDPConn, wait time.Duration) []rtcp.Packet {
	t.Helper()
	data := sentData(t, back, wait)
	if data == nil {
		return nil
	}
	packets, err := rtcp.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return packets
}

func sentData(t *testing.T, back *net.UDPConn, wait time.Duration) []byte {
	t.Helper()
	if err := back.SetReadDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, err := back.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

const soon, notAtAll = 5 * time.Second, 50 * time.Millisecond

// Receiver reports say what RFC 3550 wants of them, in the intervals it wants.
func TestReceiverReport(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 0")
	const first = 65530
	for i := range 10 { // 65530 … 65539, of which two are lost
		if i == 3 || i == 4 {
			continue
		}
		late := time.Duration(0)
		if i == 9 {
			late = 4 * time.Millisecond // 32 ticks
		}
		l.takeRTP(packet(t, ssrcA, first+i, 0, uint32(160*i)), l.from, at(i)+late)
	}
	if p := sent(t, l.back, notAtAll); p != nil {
		t.Fatalf("sent before it is due: %v", p)
	}
	l.rtcpIn(l.from, time.Second, &rtcp.SenderReport{SSRC: ssrcA, NTPTime: 0x1122334455667788, RTPTime: 0})
	l.source.rtcp = netip.AddrPort{} // as if none had come
	if due := l.reportDue; due < 1250*time.Millisecond || due > 3750*time.Millisecond {
		t.Errorf("first report due after %v, want half of 2.5 s to 7.5 s", due)
	}
	now := 3500 * time.Millisecond
	l.reportDue = now
	l.poll(now - 1)
	l.poll(now)
	l.poll(now)
	packets := sent(t, l.back, soon)
	if len(packets) != 2 {
		t.Fatalf("sent %v, want a report and a name", packets)
	}
	rr, sdes := packets[0].(*rtcp.ReceiverReport), packets[1].(*rtcp.SourceDescription)
	want := rtcp.ReceptionReport{
		SSRC: ssrcA, FractionLost: 256 * 2 / 10, TotalLost: 2, LastSequenceNumber: 1<<16 | (first+9)&0xffff,
		Jitter: 2, LastSenderReport: 0x33445566, Delay: 2.5 * 65536, // 32 ticks / 16
	}
	if rr.SSRC != l.ssrc || len(rr.Reports) != 1 || rr.Reports[0] != want {
		t.Errorf("report %+v, want %+v", rr, want)
	}
	if c := sdes.Chunks; len(c) != 1 || c[0].Source != l.ssrc || c[0].Items[0].Type != rtcp.SDESCNAME || c[0].Items[0].Text != "us" {
		t.Errorf("name %+v", sdes)
	}
	if p := sent(t, l.back, notAtAll); p != nil {
		t.Errorf("sent again: %v", p)
	}
	if next := l.reportDue - now; next < 2500*time.Millisecond || next > 7500*time.Millisecond {
		t.Errorf("next report due after %v", next)
	}

	// A second interval without a loss, of a sender whose own RTCP comes from
	// another port.
	l.takeRTP(packet(t, ssrcA, first+10, 0, 160*10), l.from, at(10))
	other, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.rtcpIn(other.LocalAddr().(*net.UDPAddr).AddrPort(), now, &rtcp.SenderReport{SSRC: ssrcA})
	l.poll(l.reportDue)
	packets = sent(t, other, soon)
	if len(packets) == 0 {
		t.Fatal("no report to where RTCP comes from")
	}
	if b := packets[0].(*rtcp.ReceiverReport).Reports[0]; b.FractionLost != 0 || b.TotalLost != 2 {
		t.Errorf("second report %+v", b)
	}
}

// The sender report that comes ahead of the first packet counts: it is the only
// one for five seconds.
func TestReportAheadOfPackets(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 0")
	back := netip.AddrPortFrom(l.from.Addr(), 9999)
	l.rtcpIn(back, 0, &rtcp.SenderReport{SSRC: ssrcA, NTPTime: 1 << 32})
	l.voice(ssrcA, 1, 0)
	if r := l.source.reception; !r.reported || r.report.NTPTime != 1<<32 || l.source.rtcp != back {
		t.Errorf("%+v", l.source)
	}
	l.rtcpIn(netip.MustParseAddrPort("127.9.9.9:1"), 0, &rtcp.SenderReport{SSRC: ssrcA, NTPTime: 2 << 32})
	if l.source.reception.report.NTPTime != 1<<32 {
		t.Error("a report from another address is taken for the sender's")
	}
}

// A keyframe is asked for at once, in the way that the source takes; before
// there is a source, when there is one.
func TestKeyFrameRequest(t *testing.T) {
	for name, c := range map[string]struct {
		feedback []string
		fir      bool
	}{
		"not mentioned": {nil, false},
		"PLI":           {[]string{"a=rtcp-fb:* nack pli"}, false},
		"FIR":           {[]string{"a=rtcp-fb:* ccm fir"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "m=video %d RTP/AVP 96", append(c.feedback, "a=rtpmap:96 VP8/90000")...)
			l.stream.requestKeyFrame(0)
			if p := sent(t, l.back, notAtAll); p != nil {
				t.Fatalf("sent without a source: %v", p)
			}
			l.voice(ssrcA, 1, 96)
			for n := range uint8(2) {
				packets := sent(t, l.back, soon)
				if len(packets) != 3 {
					t.Fatalf("sent %v, want report, name and request", packets)
				}
				switch p := packets[2].(type) {
				case *rtcp.PictureLossIndication:
					if c.fir || p.MediaSSRC != ssrcA || p.SenderSSRC != l.ssrc {
						t.Errorf("sent %+v", p)
					}
				case *rtcp.FullIntraRequest:
					if !c.fir || len(p.FIR) != 1 || p.FIR[0] != (rtcp.FIREntry{SSRC: ssrcA, SequenceNumber: n + 1}) {
						t.Errorf("sent %+v, number %d", p, n+1)
					}
				default:
					t.Errorf("sent %v", p)
				}
				l.stream.requestKeyFrame(0)
			}
		})
	}
}

// Missing packets are asked for from those who offer them.
func TestNack(t *testing.T) {
	for _, offered := range []bool{true, false} {
		var more []string
		if offered {
			more = []string{"a=rtcp-fb:0 nack"}
		}
		l := newLab(t, "m=audio %d RTP/AVPF 0", more...)
		for _, n := range []int{1, 2, 5, 6, 7} {
			l.voice(ssrcA, n, 0)
		}
		var asked []uint16
		for packets := sent(t, l.back, notAtAll); packets != nil; packets = sent(t, l.back, notAtAll) {
			nack, ok := packets[len(packets)-1].(*rtcp.TransportLayerNack)
			if !ok || nack.MediaSSRC != ssrcA || len(packets) != 3 {
				t.Fatalf("sent %+v", packets)
			}
			for _, pair := range nack.Nacks {
				asked = append(asked, pair.PacketList()...)
			}
		}
		want := "[3 4]"
		if !offered {
			want = "[]"
		}
		slices.Sort(asked) // more than once, as long as they do not come
		if asked = slices.Compact(asked); fmt.Sprint(asked) != want {
			t.Errorf("asked for %d, want %s", asked, want)
		}
		l.voice(ssrcA, 3, 0)
		l.voice(ssrcA, 4, 0)
		if got := l.got.of(media.KindAudio); len(got) != 7 {
			t.Errorf("%d samples, want 7", len(got))
		}
	}
}

// One sender is listened to; another takes over when it is silent, and at once
// when it has said goodbye.
func TestTwoSenders(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 0")
	l.voice(ssrcA, 1, 0)
	l.voice(ssrcB, 1, 0)
	l.voice(ssrcA, 2, 0)
	l.voice(ssrcB, 2, 0)
	other := netip.AddrPortFrom(l.from.Addr(), l.from.Port()+5)
	l.takeRTP(packet(t, ssrcA, 3, 0, 480), other, at(3)) // the right SSRC from elsewhere
	if got := l.got.of(media.KindAudio); len(got) != 2 || l.counts.strays != 3 || l.counts.sources != 1 {
		t.Fatalf("%d samples, %+v", len(got), l.counts)
	}
	l.voice(ssrcB, 101, 0) // 1.98 s after the last
	if l.source.ssrc != ssrcA {
		t.Fatal("taken over too soon")
	}
	l.voice(ssrcB, 102, 0)
	l.voice(ssrcB, 103, 0)
	if got := l.got.of(media.KindAudio); len(got) != 4 || got[3].time < got[2].time || l.source.ssrc != ssrcB {
		t.Fatalf("%d samples, %+v", len(got), l.source)
	}
	l.rtcpIn(l.from, at(104), &rtcp.Goodbye{Sources: []uint32{ssrcA}})
	l.voice(ssrcA, 104, 0)
	if l.source.ssrc != ssrcB {
		t.Fatal("taken over by a goodbye of another")
	}
	l.rtcpIn(l.from, at(104), &rtcp.Goodbye{Sources: []uint32{ssrcB}})
	l.voice(ssrcB, 105, 0) // was still under way
	l.voice(ssrcA, 105, 0)
	if got := l.got.of(media.KindAudio); len(got) != 6 || l.source.ssrc != ssrcA || l.counts.sources != 3 {
		t.Fatalf("%d samples, %+v", len(got), l.source)
	}
	l.finish()
	if l.total.Samples != 6 || l.total.Lost != 1 { // 104 of B's
		t.Errorf("%+v", l.total)
	}
}

// A source that the description names goes before others.
func TestListedSource(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 0", fmt.Sprintf("a=ssrc:%d cname:x", ssrcB))
	l.voice(ssrcA, 1, 0)
	l.voice(ssrcB, 2, 0)
	l.voice(ssrcA, 3, 0)
	if l.source.ssrc != ssrcB || l.counts.strays != 1 {
		t.Errorf("%+v, %+v", l.source, l.counts)
	}
}

// A sender that goes on after its goodbye is there.
func TestGoodbyeTakenBack(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 0")
	l.voice(ssrcA, 0, 0)
	l.rtcpIn(l.from, 0, &rtcp.Goodbye{Sources: []uint32{ssrcA}})
	if l.gone(grace-1) || !l.gone(grace) {
		t.Error("not gone after the time of grace")
	}
	l.voice(ssrcA, 24, 0)
	if !l.gone(grace) {
		t.Error("a packet within the time of grace takes the goodbye back")
	}
	l.voice(ssrcA, 25, 0)
	if l.gone(time.Minute) {
		t.Error("gone although it sends")
	}
}

// The codec changes in mid-stream; tones in between leave no hole, and what
// cannot be recorded is counted.
func TestPayloadTypes(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 0 8 18 101", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:18 G729/8000")
	for i, payloadType := range []uint8{101, 0, 0, 101, 101, 0, 8, 8, 18, 8, 50, 0} {
		l.voice(ssrcA, i, payloadType)
	}
	l.finish()
	var codecs []string
	for _, p := range l.got.of(media.KindAudio) {
		codecs = append(codecs, p.format.Codec.String())
		if p.lost > 0 {
			t.Errorf("%d packets lost before a sample at %v", p.lost, p.time)
		}
	}
	want := "pcm_mulaw pcm_mulaw pcm_mulaw pcm_alaw pcm_alaw pcm_alaw pcm_mulaw"
	if got := strings.Join(codecs, " "); got != want {
		t.Errorf("samples of %s, want %s", got, want)
	}
	if l.counts.unsupported != 1 || l.counts.unlisted != 1 || l.total.Lost != 0 {
		t.Errorf("%+v, %+v", l.counts, l.total)
	}
}

// Every suite, both directions; without the key nobody is heard.
func TestSRTP(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			n, _ := suite.profile.KeyLen()
			m, _ := suite.profile.SaltLen()
			for _, mki := range []string{"", "|1:4"} {
				key := strings.Repeat("k", n+m)
				l := newLab(t, "m=audio %d RTP/SAVP 0", "a=crypto:1 "+suite.name+" inline:"+base64Of(key)+mki)
				sender := srtpContext(t, key[:n], key[n:], suite.profile, mki != "")
				forger := srtpContext(t, strings.Repeat("x", n), key[n:], suite.profile, mki != "")

				forged := encrypt(t, forger, packet(t, ssrcB, 0, 0, 0))
				l.takeRTP(forged, l.from, 0)
				l.voice(ssrcB, 1, 0) // not encrypted at all
				if l.source.begun || l.counts.undecryptable != 2 {
					t.Fatalf("a forger is taken for the source: %+v", l.counts)
				}
				for i := range 3 {
					l.takeRTP(encrypt(t, sender, packet(t, ssrcA, i, 0, uint32(160*i))), l.from, at(i))
				}
				got := l.got.of(media.KindAudio)
				if len(got) != 3 || len(got[2].data) != 160 {
					t.Fatalf("samples: %v, %+v", got, l.counts)
				}
				report, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: ssrcA, NTPTime: 77 << 16}})
				report, err := sender.EncryptRTCP(nil, report, nil)
				if err != nil {
					t.Fatal(err)
				}
				l.takeRTCP(report, netip.AddrPortFrom(l.from.Addr(), l.from.Port()+1), 0)
				l.takeRTCP(report, l.from, 0) // replayed
				l.reportDue = time.Second
				l.poll(time.Second)
				answer, err := srtpContext(t, key[:n], key[n:], suite.profile, mki != "").DecryptRTCP(nil, sentData(t, l.back, soon), nil)
				if err != nil {
					t.Fatal(err)
				}
				packets, err := rtcp.Unmarshal(answer)
				if err != nil || packets[0].(*rtcp.ReceiverReport).Reports[0].LastSenderReport != 77 || l.counts.undecryptable != 3 {
					t.Errorf("answer %v, %v, %+v", packets, err, l.counts)
				}
			}
		})
	}
}

func srtpContext(t *testing.T, key, salt string, p srtp.ProtectionProfile, mki bool) *srtp.Context {
	t.Helper()
	var options []srtp.ContextOption
	if mki {
		options = append(options, srtp.MasterKeyIndicator([]byte{0, 0, 0, 1}))
	}
	c, err := srtp.CreateContext([]byte(key), []byte(salt), p, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encrypt(t *testing.T, c *srtp.Context, data []byte) []byte {
	t.Helper()
	out, err := c.EncryptRTP(nil, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// RTP and RTCP on one port, whether announced or not.
func TestMux(t *testing.T) {
	for _, more := range [][]string{{"a=rtcp-mux"}, nil} {
		l := newLab(t, "m=audio %d RTP/AVP 0", more...)
		l.voice(ssrcA, 1, 0)
		data, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: ssrcA, NTPTime: 5}})
		l.takeRTP(data, l.from, time.Second)
		if !l.source.reception.reported || l.counts.invalid != 0 || l.rtcpPeer() != l.from {
			t.Errorf("%+v, %+v", l.source, l.counts)
		}
	}
}

// Payload types that look like RTCP where they carry a marker.
func TestPayloadTypeLikeRTCP(t *testing.T) {
	l := newLab(t, "m=audio %d RTP/AVP 72", "a=rtpmap:72 PCMU/8000")
	l.voice(ssrcA, 1, 72|0x80)
	if got := l.got.of(media.KindAudio); len(got) != 1 {
		t.Errorf("%d samples, %+v", len(got), l.counts)
	}
}

// Receiving a packet allocates nothing.
func TestNoAllocation(t *testing.T) {
	for _, more := range [][]string{nil, {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + base64Of(strings.Repeat("k", 30))}} {
		l := newLab(t, "m=audio %d RTP/AVP 0", more...)
		l.track, _ = sinktest.New(nil).AddTrack(backend.Track{Kind: media.KindAudio})
		sender := srtpContext(t, strings.Repeat("k", 16), strings.Repeat("k", 14), srtp.ProtectionProfileAes128CmHmacSha1_80, false)
		n := 0
		packets := make([][]byte, 1100)
		for i := range packets {
			packets[i] = packet(t, ssrcA, i, 0, uint32(160*i))
			if more != nil {
				packets[i] = encrypt(t, sender, packets[i])
			}
		}
		allocs := testing.AllocsPerRun(1000, func() {
			l.takeRTP(packets[n], l.from, at(n))
			n++
		})
		t.Logf("%.1f allocations a packet", allocs)
		if l.counts.undecryptable > 0 || l.receiver.Stats().Samples == 0 {
			t.Fatalf("%+v", l.counts)
		}
		// Of encryption one is left, in pion's protection against replay.
		if more == nil && allocs > 0 || allocs > 1 {
			t.Errorf("%.1f allocations a packet", allocs)
		}
	}
}

// FuzzStream: nothing that comes through a port does harm.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3}, false)
	f.Add([]byte{0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x90, 0x80, 1, 2}, false)
	bye, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 1}, &rtcp.Goodbye{Sources: []uint32{1}}})
	f.Add(bye, true)
	var streams []*stream
	for _, mline := range []string{"m=audio 9 RTP/AVP 0 8 101", "m=video 9 RTP/AVP 96 97", "m=audio 9 RTP/SAVP 0"} {
		d, err := parse(sdp(mline, "a=rtpmap:101 telephone-event/8000", "a=rtpmap:96 VP8/90000", "a=rtpmap:97 H264/90000",
			"a=rtcp-fb:* nack", "a=crypto:1 AEAD_AES_128_GCM inline:"+base64Of(strings.Repeat("k", 28))))
		if err != nil {
			f.Fatal(err)
		}
		if strings.Contains(mline, "RTP/AVP") {
			d.sections[0].keys = nil
		}
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { conn.Close() })
		s, err := newStream(d.sections[0], transport{conn, conn}, rtpin.NewParticipant(), "us", 0, slog.New(slog.DiscardHandler))
		if err != nil {
			f.Fatal(err)
		}
		s.track, _ = sinktest.New(nil).AddTrack(backend.Track{})
		streams = append(streams, s)
	}
	now := time.Duration(0)
	f.Fuzz(func(t *testing.T, data []byte, control bool) {
		now += 20 * time.Millisecond
		for _, s := range streams {
			from := netip.MustParseAddrPort("127.0.0.1:9")
			if control {
				s.takeRTCP(data, from, now)
			} else {
				s.takeRTP(data, from, now)
			}
			s.poll(now)
		}
	})
}
