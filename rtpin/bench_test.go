package rtpin

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/roomkit-live/roomkit-go/media"
)

// packetsOf returns a stream's packets of 1200 bytes: pictures of 12 KB, or the
// packets of audio.
func benchPackets(codec media.Codec) (payloads [][]byte, rate int) {
	frame := make([]byte, 12000)
	for i := range frame {
		frame[i] = byte(i*7) | 1 // no start codes
	}
	switch codec {
	case media.H264:
		return (&codecs.H264Payloader{}).Payload(1200, append([]byte{0, 0, 1, 0x41}, frame...)), 90000
	case media.HEVC:
		return (&codecs.H265Payloader{}).Payload(1200, append([]byte{0, 0, 1, 0x02, 1}, frame...)), 90000
	case media.VP8:
		return (&codecs.VP8Payloader{}).Payload(1200, frame), 90000
	case media.VP9:
		frame[0] = 0x86 // a picture that is no keyframe
		return (&codecs.VP9Payloader{}).Payload(1200, frame), 90000
	case media.AV1:
		return (&codecs.AV1Payloader{}).Payload(1200, append([]byte{0x32, 0xe0, 0x5d}, frame...)), 90000
	}
	return [][]byte{frame[:100]}, 48000
}

// BenchmarkPush: time and allocations per packet in order, in a steady stream.
func BenchmarkPush(b *testing.B) {
	for _, codec := range []media.Codec{media.H264, media.HEVC, media.VP8, media.VP9, media.AV1, media.PCMU} {
		b.Run(codec.String(), func(b *testing.B) { push(b, codec, nil) })
	}
	b.Run("vp8 with a packet missing all the time", func(b *testing.B) {
		push(b, media.VP8, func(n int) bool { return n%500 == 499 })
	})
}

func push(b *testing.B, codec media.Codec, lost func(n int) bool) {
	payloads, rate := benchPackets(codec)
	samples := 0
	r, err := NewReceiver(Config{
		Format: &media.EncodedFormat{Codec: codec, Rate: 8000, Channels: 1}, ClockRate: rate, Clock: NewParticipant().NewTrack(rate),
		Deliver: func(s media.Sample) { samples++; s.Release() }, Nack: func([]uint16) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	p := rtp.Packet{}
	one := func() {
		i := n % len(payloads)
		p.Header = rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: uint32(n/len(payloads)) * 3000, Marker: i == len(payloads)-1}
		p.Payload = payloads[i]
		if lost == nil || !lost(n) {
			r.PushPacket(&p, time.Duration(n)*time.Millisecond)
		}
		n++
	}
	for range 2000 {
		one()
	}
	b.SetBytes(int64(len(payloads[0])))
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
	if samples == 0 {
		b.Fatal("no samples")
	}
}

// BenchmarkAV1KeyFrame is a keyframe of a megabyte: the reason for a
// depacketiser of our own.
func BenchmarkAV1KeyFrame(b *testing.B) {
	frame := append([]byte{0x30}, make([]byte, 1<<20)...)
	payloads := (&codecs.AV1Payloader{}).Payload(1200, frame)
	b.Run("rtpin", func(b *testing.B) {
		b.ReportAllocs()
		d := &av1{}
		var u unit
		for b.Loop() {
			u.reset()
			d.reset()
			for _, p := range payloads {
				if _, err := d.add(&u, p); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("pion", func(b *testing.B) {
		b.ReportAllocs()
		d := &codecs.AV1Depacketizer{}
		for b.Loop() {
			for _, p := range payloads {
				if _, err := d.Unmarshal(p); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
