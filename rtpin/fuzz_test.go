package rtpin

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/media"
)

// fuzzFormats are one of each depacketiser.
var fuzzFormats = []struct {
	format media.EncodedFormat
	rate   int
	fmtp   string
}{
	{media.EncodedFormat{Codec: media.H264}, 90000, ""},
	{media.EncodedFormat{Codec: media.HEVC, Config: []byte{0, 0, 0, 1, 0x40, 1}}, 90000, ""},
	{media.EncodedFormat{Codec: media.VP8}, 90000, ""},
	{media.EncodedFormat{Codec: media.VP9}, 90000, ""},
	{media.EncodedFormat{Codec: media.AV1}, 90000, ""},
	{media.EncodedFormat{Codec: media.Opus}, 48000, ""},
	{media.EncodedFormat{Codec: media.AAC}, 48000, testFMTP},
	{media.EncodedFormat{Codec: media.AAC}, 48000, "mode=AAC-lbr; sizelength=32; indexlength=32; indexdeltalength=1; config=1190"},
	{media.EncodedFormat{Codec: media.PCMA, Rate: 8000, Channels: 2}, 8000, ""},
}

// fuzzed makes a receiver that checks what it delivers.
func fuzzed(t *testing.T, kind byte) *Receiver {
	f := fuzzFormats[int(kind)%len(fuzzFormats)]
	r, err := NewReceiver(Config{
		Format: &f.format, ClockRate: f.rate, FMTP: f.fmtp, Clock: NewParticipant().NewTrack(f.rate),
		MaxPackets: 16, PayloadTypes: []uint8{0, 96},
		Nack: func(m []uint16) {
			if len(m) == 0 || len(m) > 16 {
				t.Fatalf("asks for %d packets", len(m))
			}
		},
		RequestKeyFrame: func() {},
		Deliver: func(s media.Sample) {
			if err := s.Validate(); err != nil {
				t.Fatal(err)
			}
			s.Release()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// checkBounds holds what is true after any packet.
func checkBounds(t *testing.T, r *Receiver) {
	s := r.Stats()
	if sum := s.Delivered + s.Discarded + s.Empty + s.Foreign + s.Duplicates + s.Late + s.Strays + s.Malformed + s.Waiting; sum != s.Received {
		t.Fatalf("%d packets received, %d counted: %+v", s.Received, sum, s)
	}
	if r.jitter.count > 16 || len(r.jitter.free) > 16 {
		t.Fatalf("%d packets wait, %d buffers are free", r.jitter.count, len(r.jitter.free))
	}
	if n := len(r.assemble.unit.data); n > maxUnit {
		t.Fatalf("access unit of %d bytes", n)
	}
}

// FuzzPush pushes arbitrary packets. Each has a control byte, 2 bytes of how
// sequence number, timestamp and time go on, and a length; a raw one has only
// the length.
func FuzzPush(f *testing.F) {
	for kind := range fuzzFormats {
		f.Add(byte(kind), []byte{0x00, 1, 0, 20, 0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x10, 1, 2, 3, 4, 5, 6, 7})
		f.Add(byte(kind), []byte{0x81, 1, 0, 4, 0x1c, 0x85, 1, 2, 0x81, 2, 9, 4, 0x1c, 0x45, 1, 2, 0x01, 0, 0, 3, 0x67, 1, 2})
		f.Add(byte(kind), []byte{0x01, 1, 1, 6, 0x50, 0x30, 1, 2, 3, 4, 0x81, 1, 0, 3, 0x90, 1, 2, 0x05, 1, 1, 2, 9, 9, 0x05, 1, 1, 2, 9, 9})
		f.Add(byte(kind), []byte{0x81, 1, 1, 8, 0, 32, 0, 8, 0, 8, 1, 2, 0x81, 1, 1, 6, 0, 16, 0, 32, 1, 2, 0x81, 1, 0, 6, 0, 16, 0, 32, 3, 4})
	}
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		r := fuzzed(t, kind)
		p := rtp.Packet{}
		now := time.Duration(0)
		for len(data) >= 4 {
			control, seq, stamp, n := data[0], int8(data[1]), data[2], int(data[3])
			data = data[4:]
			n = min(n, len(data))
			body := data[:n]
			data = data[n:]
			now += time.Duration(control>>4&7) * 5 * time.Millisecond
			if control&1 == 0 {
				_ = r.Push(body, now)
				checkBounds(t, r)
				continue
			}
			p.SequenceNumber += uint16(seq)
			if control&2 != 0 {
				p.SequenceNumber += uint16(seq) << 8
			}
			p.Timestamp += uint32(stamp)<<(control>>4&7*4) - uint32(stamp&1)
			p.SSRC = uint32(control >> 2 & 1)
			p.Marker = control&0x80 != 0
			p.PayloadType = 96 + control>>3&1
			p.Payload = body
			r.PushPacket(&p, now)
			checkBounds(t, r)
			if at, ok := r.Next(); ok && control&8 != 0 {
				r.Poll(at)
				checkBounds(t, r)
			}
		}
		r.Flush()
		checkBounds(t, r)
		if w := r.Stats().Waiting; w != 0 {
			t.Fatalf("%d packets wait after the end", w)
		}
	})
}

// FuzzAAC gives the depacketiser payloads as such, three to a unit.
func FuzzAAC(f *testing.F) {
	f.Add(uint16(13<<8|3), []byte{0, 16, 0, 16, 1, 2}, []byte{0, 32, 0, 8, 0, 8, 1, 2}, []byte{0, 0})
	f.Add(uint16(13<<8|3), []byte{0, 16, 0, 48, 1, 2}, []byte{0, 16, 0, 48, 1, 2}, []byte{0, 16, 0, 48, 1, 2})
	f.Fuzz(func(t *testing.T, lengths uint16, one, two, three []byte) {
		a := &aac{sizeLength: 1 + int(lengths>>8)%32, indexLength: int(lengths) % 33, deltaLength: int(lengths>>4) % 33, duration: 1024}
		var u unit
		given := 0
		for _, payload := range [][]byte{one, two, three} {
			if len(payload) == 0 {
				continue
			}
			given += len(payload)
			whole, err := a.add(&u, payload)
			if len(u.data) > given {
				t.Fatalf("%d bytes out of %d", len(u.data), given)
			}
			if err != nil || whole && a.expected != 0 {
				if err == nil {
					t.Fatal("whole with a fragment open")
				}
				return
			}
			if !whole {
				continue
			}
			at := 0
			for _, c := range u.cuts {
				if c.end <= at || c.end > len(u.data) {
					t.Fatalf("frame from %d to %d of %d bytes", at, c.end, len(u.data))
				}
				at = c.end
			}
			if len(u.cuts) > 0 && at != len(u.data) {
				t.Fatalf("%d bytes behind the last frame", len(u.data)-at)
			}
			u.reset()
			a.reset()
			given = 0
		}
	})
}

// FuzzFMTP: any string makes a receiver or an error.
func FuzzFMTP(f *testing.F) {
	f.Add(byte(0), "sprop-parameter-sets=Z0IACg==,aM4=")
	f.Add(byte(6), testFMTP)
	f.Fuzz(func(t *testing.T, kind byte, fmtp string) {
		c := fuzzFormats[int(kind)%len(fuzzFormats)]
		r, err := NewReceiver(Config{
			Format: &c.format, ClockRate: c.rate, FMTP: fmtp, Clock: NewParticipant().NewTrack(c.rate),
			Deliver: func(s media.Sample) { s.Release() },
		})
		if err != nil {
			return
		}
		payload := binary.BigEndian.AppendUint64([]byte{0, 16}, 0x0010_0102)
		r.PushPacket(&rtp.Packet{Header: rtp.Header{Marker: true}, Payload: payload}, 0)
	})
}
