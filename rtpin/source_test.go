package rtpin

import (
	"errors"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/media"
)

// a bench pushes packets of G.711 by hand: each is a sample, whose first byte
// is the lower one of its sequence number.
type handmade struct {
	t   testing.TB
	r   *Receiver
	got []media.Sample
	now time.Duration
}

func byHand(t testing.TB, change func(*Config)) *handmade {
	t.Helper()
	h := &handmade{t: t}
	cfg := Config{
		Format:    &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1},
		ClockRate: 8000, Clock: NewParticipant().NewTrack(8000),
		Deliver: func(s media.Sample) { h.got = append(h.got, s) },
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if h.r, err = NewReceiver(cfg); err != nil {
		t.Fatal(err)
	}
	return h
}

// push sends packet n of a stream of 20 ms packets.
func (h *handmade) push(ssrc uint32, n int, stamp uint32) {
	h.t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: ssrc, SequenceNumber: uint16(n), Timestamp: stamp}, Payload: []byte{byte(n), byte(ssrc)}}
	raw, err := p.Marshal()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.r.Push(raw, h.now); err != nil {
		h.t.Fatal(err)
	}
}

// run sends packets from to to, 20 ms apart.
func (h *handmade) run(ssrc uint32, from, to int, stamp uint32) {
	h.t.Helper()
	for n := from; n < to; n++ {
		h.push(ssrc, n, stamp+uint32(n-from)*160)
		h.now += 20 * time.Millisecond
	}
}

func (h *handmade) expect(samples int, lost ...int) {
	h.t.Helper()
	if len(h.got) != samples {
		h.t.Fatalf("%d samples, want %d: %+v", len(h.got), samples, h.r.Stats())
	}
	for i, n := range lost {
		if got := h.got[len(h.got)-len(lost)+i].Encoded.Lost; got != n {
			h.t.Fatalf("%d lost before the last sample but %d, want %d", got, len(lost)-1-i, n)
		}
	}
}

func TestSSRCChange(t *testing.T) {
	h := byHand(t, nil)
	h.run(1, 65530, 65540, 1000)
	h.push(1, 65541, 1000+11*160) // one missing
	h.expect(10)
	h.run(2, 100, 101, 77)
	h.expect(10) // one packet makes no stream
	h.run(2, 101, 110, 77+160)
	h.expect(10+1+10, 0)
	if lost := h.got[10].Encoded.Lost; lost != 1 {
		t.Errorf("%d lost before the flushed packet", lost)
	}
	h.push(1, 65542, 1000+12*160)
	h.push(1, 65543, 1000+13*160) // remnants
	h.run(2, 110, 112, 77+10*160)
	h.expect(23)
	for i := 1; i < len(h.got); i++ {
		if h.got[i].Time < h.got[i-1].Time {
			t.Errorf("sample %d is at %v, after %v", i, h.got[i].Time, h.got[i-1].Time)
		}
	}
	if s := h.r.Stats(); s.SSRCChanges != 1 || s.Strays != 2 || s.Lost != 1 {
		t.Errorf("%+v", s)
	}
	// Somebody who comes back after a while, as from hold, is heard.
	h.now += 3 * time.Second
	h.run(1, 300, 310, 5000)
	h.expect(33)
}

func TestStrayPacketOfAnotherSSRC(t *testing.T) {
	h := byHand(t, nil)
	h.run(1, 0, 10, 0)
	h.push(9, 4242, 0)
	h.run(1, 10, 20, 1600)
	h.push(8, 4242, 0)
	h.run(1, 20, 30, 3200)
	h.r.Flush()
	h.expect(30, 0)
	if s := h.r.Stats(); s.Strays != 2 || s.SSRCChanges != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestBeginsReordered: the packet that confirms a stream may be its first.
func TestBeginsReordered(t *testing.T) {
	h := byHand(t, nil)
	h.run(1, 0, 5, 0)
	h.push(2, 101, 160)
	h.push(2, 100, 0)
	h.push(2, 102, 320)
	h.expect(8, 0, 0, 0)
	for i, want := range []byte{100, 101, 102} {
		if got := h.got[5+i].Encoded.Data[0]; got != want {
			t.Errorf("sample %d is of packet %d, want %d", 5+i, got, want)
		}
	}
}

// TestStraysAreNoStream: packets of one SSRC that have nothing to do with each
// other begin none.
func TestStraysAreNoStream(t *testing.T) {
	h := byHand(t, nil)
	h.run(1, 0, 5, 0)
	h.push(2, 100, 160)
	h.push(2, 30000, 0)
	h.push(2, 30000, 0)
	h.push(2, 12000, 320)
	h.run(1, 5, 10, 800)
	h.r.Flush()
	h.expect(10, 0)
	if s := h.r.Stats(); s.Strays != 3 || s.Duplicates != 1 || s.SSRCChanges != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRestartOfSequence(t *testing.T) {
	for name, stamp := range map[string]uint32{"and timestamps": 4000000000, "only": 10 * 160} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, nil)
			h.run(1, 20000, 20010, 0)
			h.run(1, 500, 510, stamp)
			h.expect(20, 0)
			for i := 1; i < len(h.got); i++ {
				if d := h.got[i].Time - h.got[i-1].Time; d < 10*time.Millisecond || d > 30*time.Millisecond {
					t.Errorf("sample %d is %v after the one before", i, d)
				}
			}
			if s := h.r.Stats(); s.Restarts != 1 || s.Lost != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestOutage: five thousand packets are lost at once. Timestamps tell that it
// is the same stream.
func TestOutage(t *testing.T) {
	h := byHand(t, nil)
	h.run(1, 60000, 60010, 0)
	h.now += 5000 * 20 * time.Millisecond
	h.run(1, 65010, 65020, 5010*160)
	h.r.Flush()
	h.expect(20, 0)
	if s := h.r.Stats(); s.Lost != 5000 || s.Restarts != 0 || h.got[10].Encoded.Lost != 5000 {
		t.Errorf("%+v, %d told", s, h.got[10].Encoded.Lost)
	}
	if d := h.got[10].Time - h.got[9].Time; d < 100*time.Second || d > 100*time.Second+40*time.Millisecond {
		t.Errorf("an outage of 100 s lasts %v", d)
	}
}

func TestVeryLatePackets(t *testing.T) {
	h := byHand(t, nil)
	h.run(1, 0, 5000, 0)
	for n := 3800; n < 3810; n++ { // a copy that went round the world for 24 s
		h.push(1, n, uint32(n)*160)
	}
	h.run(1, 5000, 5010, 5000*160)
	h.expect(5010, 0)
	if s := h.r.Stats(); s.Late+s.Duplicates != 10 || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLateAndDuplicate(t *testing.T) {
	h := byHand(t, nil)
	h.push(1, 100, 0)
	h.push(1, 99, 0)  // before the first
	h.push(1, 99, 0)  // again
	h.push(1, 100, 0) // again
	h.push(1, 102, 320)
	h.push(1, 102, 320) // again, while it waits
	h.now += 300 * time.Millisecond
	h.r.Poll(h.now)
	h.expect(2, 0, 1)
	h.push(1, 101, 160) // given up
	h.push(1, 101, 160) // again
	h.expect(2)
	if s := h.r.Stats(); s.Late != 2 || s.Duplicates != 4 || s.Lost != 1 {
		t.Errorf("%+v", s)
	}
}

func TestMaxDelayAndNext(t *testing.T) {
	h := byHand(t, func(c *Config) { c.MaxDelay = 100 * time.Millisecond })
	if at, ok := h.r.Next(); ok {
		t.Errorf("something is to be done at %v", at)
	}
	h.now = time.Second
	h.push(1, 1, 0)
	h.push(1, 3, 320)
	h.now += 50 * time.Millisecond
	h.push(1, 5, 640)
	for _, want := range []time.Duration{1100 * time.Millisecond, 1150 * time.Millisecond} {
		at, ok := h.r.Next()
		if !ok || at != want {
			t.Fatalf("next at %v, want %v", at, want)
		}
		before := len(h.got)
		h.r.Poll(at - 1)
		if len(h.got) != before {
			t.Error("given up too early")
		}
		h.r.Poll(at)
		if len(h.got) != before+1 {
			t.Error("not given up")
		}
	}
	if _, ok := h.r.Next(); ok {
		t.Error("something waits")
	}
}

func TestMaxPackets(t *testing.T) {
	h := byHand(t, func(c *Config) { c.MaxPackets = 8 })
	h.push(1, 0, 0)
	for n := 2; n < 20; n++ { // 1 is missing
		h.push(1, n, uint32(n)*160)
		if w := h.r.Stats().Waiting; w > 8 {
			t.Fatalf("%d packets wait", w)
		}
	}
	h.expect(19)
	if h.got[1].Encoded.Lost != 1 {
		t.Errorf("%d lost", h.got[1].Encoded.Lost)
	}
	h.push(1, 1000, 160000) // 980 at once: all but what still fits are given up
	if s := h.r.Stats(); s.Lost != 1+980-7 || s.Waiting != 1 {
		t.Errorf("%+v", s)
	}
}

func TestForeignPayloadTypes(t *testing.T) {
	h := byHand(t, func(c *Config) { c.PayloadTypes = []uint8{0, 8} })
	h.run(1, 0, 5, 0)
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 101, SSRC: 1, SequenceNumber: 5, Timestamp: 0}, Payload: []byte{1, 2, 3, 4}}
	h.r.PushPacket(&p, h.now)
	h.run(1, 6, 10, 800)
	h.expect(9, 0, 0, 0, 0)
	if s := h.r.Stats(); s.Foreign != 1 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMalformed(t *testing.T) {
	h := byHand(t, nil)
	rr, err := (&rtcp.ReceiverReport{SSRC: 1}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"empty": nil, "short": {0x80, 0, 0}, "RTCP": append(rr, 0, 0, 0, 0),
		"STUN":                 append([]byte{0, 1, 0, 0}, make([]byte, 16)...),
		"extension too long":   {0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff},
		"padding too long":     {0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff},
		"sources that are not": {0x8f, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1},
	}
	for name, raw := range bad {
		if err := h.r.Push(raw, 0); !errors.Is(err, ErrPacket) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.run(1, 0, 5, 0)
	h.expect(5, 0)
	if s := h.r.Stats(); int(s.Malformed) != len(bad) || s.Received != s.Malformed+5 {
		t.Errorf("%+v", s)
	}
}

// TestReports: a report that comes before its stream counts, and one of
// another stream does not.
func TestReports(t *testing.T) {
	h := byHand(t, nil)
	ntp := func(at time.Duration) uint64 { return uint64(3e9)<<32 + uint64(at.Seconds()*(1<<32)) }
	h.r.Report(&rtcp.SenderReport{SSRC: 1, NTPTime: ntp(0), RTPTime: 1<<32 - 800}, h.now)
	h.run(1, 0, 200, 1<<32-800)
	h.r.Report(&rtcp.SenderReport{SSRC: 2, NTPTime: 1, RTPTime: 1}, h.now)
	h.r.Report(&rtcp.SenderReport{SSRC: 1, NTPTime: ntp(4 * time.Second), RTPTime: 200*160 - 800}, h.now)
	h.run(1, 200, 202, 200*160-800)
	if s := h.r.cfg.Clock.State(); !s.Locked {
		t.Errorf("%+v", s)
	}
	// Where only sequence numbers begin anew, the clock has not.
	h.run(1, 30000, 30010, 202*160-800)
	if s := h.r.cfg.Clock.State(); !s.Locked || h.r.Stats().Restarts != 1 {
		t.Errorf("%+v after the restart", s)
	}
	h.run(3, 1, 10, 1)
	if s := h.r.cfg.Clock.State(); s.Locked {
		t.Errorf("%+v with another SSRC", s)
	}
}

func TestUnwrap(t *testing.T) {
	s := sequence{highest: 65535}
	if a, b := s.unwrap(3), s.unwrap(65000); a != 65539 || b != 65000 {
		t.Errorf("%d %d", a, b)
	}
	stamps := timestamps{rate: 90000, last: 1 << 31, lastAt: 0}
	// Ten hours of silence are 3.24e9 ticks, three quarters of a lap.
	later := 10 * time.Hour
	want := int64(1<<31) + 36000*90000
	if got := stamps.unwrap(uint32(want+4500), later+40*time.Millisecond); got != want+4500 {
		t.Errorf("%d, want %d", got, want+4500)
	}
	if got := stamps.unwrap(uint32(want-9000), later); got != want-9000 {
		t.Errorf("%d, want %d", got, want-9000)
	}
}
