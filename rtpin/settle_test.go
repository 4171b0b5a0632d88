package rtpin

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/media"
)

// What a stream begins with waits until its clock has seen a little of it, and
// then is stamped by that: a sender that hurries to catch up does not look late
// for good.
func TestSettle(t *testing.T) {
	var got []media.Sample
	r, err := NewReceiver(Config{
		Format: &media.EncodedFormat{Codec: media.Opus, Rate: 48000, Channels: 2}, ClockRate: 48000,
		Clock: NewParticipant().NewTrack(48000), Settle: time.Second,
		Deliver: func(s media.Sample) { got = append(got, s) },
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := func(i int) time.Duration { return 5*time.Second + time.Duration(i)*20*time.Millisecond }
	push := func(i int) {
		p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i) * 960, SSRC: 7}, Payload: []byte{0xF8, byte(i)}}
		r.PushPacket(p, sent(i)+max(0, time.Duration(30-i)*time.Millisecond))
	}
	for i := range 51 {
		push(i)
	}
	if len(got) != 0 {
		t.Fatalf("%d samples within the first second", len(got))
	}
	at, ok := r.Next()
	if want := sent(0) + 30*time.Millisecond + time.Second; !ok || at != want {
		t.Errorf("to be polled at %v, %v; want %v", at, ok, want)
	}
	r.Poll(at)
	push(51)
	push(52)
	if len(got) != 53 {
		t.Fatalf("%d samples of 53", len(got))
	}
	for i, s := range got {
		if s.Encoded.Data[1] != byte(i) || (s.Time-sent(i)).Abs() > 2*time.Millisecond {
			t.Errorf("sample %d is packet %d at %v, sent at %v", i, s.Encoded.Data[1], s.Time, sent(i))
		}
	}
}

// What has waited is not lost where the stream ends before.
func TestSettleEndsEarly(t *testing.T) {
	n := 0
	r, err := NewReceiver(Config{
		Format: &media.EncodedFormat{Codec: media.Opus, Rate: 48000, Channels: 2}, ClockRate: 48000,
		Clock: NewParticipant().NewTrack(48000), Settle: time.Second,
		Deliver: func(media.Sample) { n++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.PushPacket(&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7}, Payload: []byte{0xF8, 1}}, 0)
	r.Flush()
	if n != 1 {
		t.Errorf("%d samples, want the one", n)
	}
}

// A flood is not held, but to the bound.
func TestSettleIsBounded(t *testing.T) {
	n := 0
	r, err := NewReceiver(Config{
		Format: &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}, ClockRate: 8000,
		Clock: NewParticipant().NewTrack(8000), Settle: 10 * time.Second,
		Deliver: func(media.Sample) { n++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 60000)
	most := 0
	for i := range 2 * maxSettling / len(payload) {
		r.PushPacket(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: uint16(i), Timestamp: uint32(i), SSRC: 7}, Payload: payload},
			time.Duration(i)*time.Millisecond)
		most = max(most, r.assemble.settling.bytes)
	}
	if n == 0 || most > maxSettling+len(payload) {
		t.Errorf("%d samples delivered, up to %d bytes held", n, most)
	}
}
