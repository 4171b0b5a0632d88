package rtpin

import (
	"bytes"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/media"
)

// a rawStream pushes payloads of any codec by hand.
type rawStream struct {
	*handmade
	seq uint16
}

func rawOf(t testing.TB, f media.EncodedFormat, change func(*Config)) *rawStream {
	t.Helper()
	return &rawStream{handmade: byHand(t, func(c *Config) {
		c.Format, c.ClockRate, c.Clock = &f, 90000, NewParticipant().NewTrack(90000)
		if change != nil {
			change(c)
		}
	})}
}

func (s *rawStream) send(stamp uint32, marker bool, payload ...byte) {
	s.r.PushPacket(&rtp.Packet{Header: rtp.Header{SSRC: 1, SequenceNumber: s.seq, Timestamp: stamp, Marker: marker}, Payload: payload}, s.now)
	s.seq++
}

func (s *rawStream) wants(t *testing.T, data ...[]byte) {
	t.Helper()
	for i := range max(len(data), len(s.got)) {
		switch {
		case i >= len(s.got):
			t.Errorf("sample %d is missing, %x", i, data[i])
		case i >= len(data):
			t.Errorf("sample %d is too many, %x", i, s.got[i].Encoded.Data)
		case !bytes.Equal(s.got[i].Encoded.Data, data[i]):
			t.Errorf("sample %d: %x, want %x", i, s.got[i].Encoded.Data, data[i])
		}
	}
}

func nal(parts ...byte) []byte { return append([]byte{0, 0, 0, 1}, parts...) }

// Heads of access units of each codec, with which decoding can begin and not.
var heads = []struct {
	name      string
	format    media.EncodedFormat
	key, next []byte
	mid       []byte // what cannot be told from a later packet
	want      []byte // of key
	wantNext  []byte
}{
	{"h264 SPS", media.EncodedFormat{Codec: media.H264}, []byte{24, 0, 2, 0x67, 1, 0, 2, 0x68, 1, 0, 2, 0x65, 0x88}, []byte{0x41, 0x9a}, []byte{0x41, 0x9a}, append(append(nal(0x67, 1), nal(0x68, 1)...), nal(0x65, 0x88)...), nal(0x41, 0x9a)},
	{"h264 out of band", media.EncodedFormat{Codec: media.H264, Config: nal(0x67, 1)}, []byte{0x65, 0x88}, []byte{0x41, 0x9a}, []byte{0x65, 0x08}, nal(0x65, 0x88), nal(0x41, 0x9a)},
	{"hevc VPS", media.EncodedFormat{Codec: media.HEVC}, []byte{48 << 1, 1, 0, 3, 32 << 1, 1, 5, 0, 4, 19 << 1, 1, 0x80, 7}, []byte{1 << 1, 1, 0x80}, []byte{19 << 1, 1, 0x80}, append(nal(32<<1, 1, 5), nal(19<<1, 1, 0x80, 7)...), nal(1<<1, 1, 0x80)},
	{"hevc out of band", media.EncodedFormat{Codec: media.HEVC, Config: nal(32<<1, 1)}, []byte{19 << 1, 1, 0x80}, []byte{1 << 1, 1, 0x80}, []byte{19 << 1, 1, 0x00}, nal(19<<1, 1, 0x80), nal(1<<1, 1, 0x80)},
	{"vp8", media.EncodedFormat{Codec: media.VP8}, []byte{0x10, 0, 1}, []byte{0x10, 1, 1}, []byte{0x00, 9}, []byte{0, 1}, []byte{1, 1}},
	{"vp9", media.EncodedFormat{Codec: media.VP9}, []byte{0x0c, 1}, []byte{0x4c, 2}, []byte{0x44, 9}, []byte{1}, []byte{2}},
	{"vp9 layers", media.EncodedFormat{Codec: media.VP9}, []byte{0x2c, 0, 0, 1}, []byte{0x6c, 0, 0, 2}, []byte{0x2c, 3, 0, 9}, []byte{1}, []byte{2}},
	{"av1", media.EncodedFormat{Codec: media.AV1}, []byte{0x18, 0x30, 7}, []byte{0x10, 0x30, 8}, []byte{0x10, 0x30, 9}, []byte{0x32, 1, 7}, []byte{0x32, 1, 8}},
}

// TestHoleBefore: after a hole an access unit counts if it surely begins with
// the next packet, and the one after it in any case.
func TestHoleBefore(t *testing.T) {
	for _, c := range heads {
		t.Run(c.name, func(t *testing.T) {
			s := rawOf(t, c.format, nil)
			s.send(0, true, c.key...)
			s.seq++
			s.send(6000, true, c.mid...)
			s.send(9000, true, c.next...)
			s.r.Flush()
			s.wants(t, c.want, c.wantNext)
			if l := s.got[1].Encoded.Lost; l != 1 {
				t.Errorf("%d lost", l)
			}
			if st := s.r.Stats(); st.DamagedFrames != 1 || st.Discarded != 1 {
				t.Errorf("%+v", st)
			}

			s = rawOf(t, c.format, nil)
			s.send(0, true, c.key...)
			s.seq++
			s.send(6000, true, c.key...)
			s.r.Flush()
			s.wants(t, c.want, c.want)
		})
	}
}

// TestHoleWithin: what has a hole in it, or at an end, is dropped.
func TestHoleWithin(t *testing.T) {
	vp8 := media.EncodedFormat{Codec: media.VP8}
	s := rawOf(t, vp8, nil)
	s.send(0, true, 0x10, 0)
	s.send(3000, false, 0x10, 1) // its middle is lost
	s.seq++
	s.send(3000, true, 0x00, 1)
	s.send(6000, false, 0x10, 2) // its end is
	s.seq++
	s.send(9000, false, 0x10, 3) // whole, ended by the timestamp
	s.send(12000, true, 0x10, 4)
	s.send(15000, false, 0x10, 5) // still open at the end
	s.r.Flush()
	s.wants(t, []byte{0}, []byte{3}, []byte{4})
	if st := s.r.Stats(); st.DamagedFrames != 3 || st.Discarded != 4 || st.Lost != 2 {
		t.Errorf("%+v", st)
	}
	if s.got[1].Encoded.Lost != 2 {
		t.Errorf("%d lost", s.got[1].Encoded.Lost)
	}
}

func TestWithoutMarkers(t *testing.T) {
	s := rawOf(t, media.EncodedFormat{Codec: media.VP8}, nil)
	for i := range 4 {
		s.send(uint32(i)*3000, false, 0x10, byte(i))
		s.send(uint32(i)*3000, false, 0x00, byte(i))
	}
	s.r.Flush()
	s.wants(t, []byte{0, 0}, []byte{1, 1}, []byte{2, 2}, []byte{3, 3})
}

// TestGoesOnAfterFlush: a flush between two pictures costs none of them.
func TestGoesOnAfterFlush(t *testing.T) {
	s := rawOf(t, media.EncodedFormat{Codec: media.H264}, nil)
	s.send(0, true, 0x67, 1)
	s.r.Flush()
	s.send(3000, true, 0x41, 2)
	s.send(6000, false, 0x41, 3)
	s.r.Flush() // within a picture
	s.send(6000, true, 0x41, 4)
	s.send(9000, true, 0x41, 5)
	s.wants(t, nal(0x67, 1), nal(0x41, 2), nal(0x41, 5))
}

// TestPiecesHaveOneTime: a sender that sets the marker on each NAL unit makes
// pieces of an access unit, which must not come apart.
func TestPiecesHaveOneTime(t *testing.T) {
	s := rawOf(t, media.EncodedFormat{Codec: media.H264}, nil)
	for i := range 300 {
		s.now += time.Duration(33-i%7) * time.Millisecond // the clock has to learn
		s.send(uint32(i)*3000, true, 0x67, 1)
		s.now += time.Duration(i%7) * time.Millisecond
		s.send(uint32(i)*3000, true, 0x65, 0x88)
	}
	for i := 0; i < len(s.got); i += 2 {
		if s.got[i].Time != s.got[i+1].Time {
			t.Fatalf("%v and %v", s.got[i].Time, s.got[i+1].Time)
		}
	}
}

func TestBrokenPayloads(t *testing.T) {
	vp8, h264, hevc := media.EncodedFormat{Codec: media.VP8}, media.EncodedFormat{Codec: media.H264}, media.EncodedFormat{Codec: media.HEVC}
	av1 := media.EncodedFormat{Codec: media.AV1}
	for _, c := range []struct {
		name     string
		format   media.EncodedFormat
		key      []byte
		payloads [][]byte
	}{
		{"VP8 descriptor only", vp8, []byte{0x10, 0}, [][]byte{{0x10}}},
		{"VP8 descriptor cut off", vp8, []byte{0x10, 0}, [][]byte{{0x90, 0x80}}},
		{"VP8 frame within another", vp8, []byte{0x10, 0}, [][]byte{{0x10, 1}, {0x10, 1}}},
		{"H.264 fragment without start", h264, []byte{0x67, 1}, [][]byte{{28, 0x05, 1}}},
		{"H.264 fragment without end", h264, []byte{0x67, 1}, [][]byte{{28, 0x85, 1}}},
		{"H.264 fragment interrupted", h264, []byte{0x67, 1}, [][]byte{{28, 0x85, 1}, {0x41, 1}, {28, 0x45, 1}}},
		{"H.264 two starts", h264, []byte{0x67, 1}, [][]byte{{28, 0x85, 1}, {28, 0x85, 1}, {28, 0x45, 1}}},
		{"H.264 aggregation too long", h264, []byte{0x67, 1}, [][]byte{{24, 0, 9, 1}}},
		{"H.264 type 0", h264, []byte{0x67, 1}, [][]byte{{0, 1}}},
		{"HEVC fragment without start", hevc, []byte{64, 1, 1}, [][]byte{{49 << 1, 1, 0x53, 1}}},
		{"HEVC fragment interrupted", hevc, []byte{64, 1, 1}, [][]byte{{49 << 1, 1, 0x93, 1}, {2, 1, 1}}},
		{"HEVC control information", hevc, []byte{64, 1, 1}, [][]byte{{50 << 1, 1, 0, 0, 2, 1, 1}}},
		{"AV1 fragment without start", av1, []byte{0x18, 0x30, 7}, [][]byte{{0x90, 1}}},
		{"AV1 fragment without end", av1, []byte{0x18, 0x30, 7}, [][]byte{{0x50, 0x30, 1}}},
		{"AV1 element too long", av1, []byte{0x18, 0x30, 7}, [][]byte{{0x00, 0x7f, 1}}},
		{"AV1 elements missing", av1, []byte{0x18, 0x30, 7}, [][]byte{{0x30, 1, 0x30}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := rawOf(t, c.format, nil)
			s.send(0, true, c.key...)
			for i, p := range c.payloads {
				s.send(3000, i == len(c.payloads)-1, p...)
			}
			s.send(6000, true, c.key...)
			s.expect(2, 0, 1)
			if st := s.r.Stats(); st.DamagedFrames != 1 || int(st.Discarded) != len(c.payloads) {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestUnitTooLarge(t *testing.T) {
	s := rawOf(t, media.EncodedFormat{Codec: media.VP8}, nil)
	s.send(0, true, 0x10, 0)
	part := make([]byte, 60000)
	part[0] = 0x10
	for range maxUnit/len(part) + 2 {
		s.send(3000, false, part...)
		part[0] = 0
	}
	if n := cap(s.r.assemble.unit.data); n > 2*maxUnit {
		t.Errorf("%d bytes held", n)
	}
	s.send(3000, true, part...)
	s.send(6000, true, 0x10, 0)
	s.expect(2, 0, 1)
}

func TestRequestKeyFrame(t *testing.T) {
	var asked []time.Duration
	var s *rawStream
	s = rawOf(t, media.EncodedFormat{Codec: media.VP8}, func(c *Config) {
		c.RequestKeyFrame = func() { asked = append(asked, s.now) }
	})
	key, delta := []byte{0x10, 0}, []byte{0x10, 1}
	step := func(payload []byte) {
		s.now += 100 * time.Millisecond
		s.send(uint32(s.now/time.Millisecond)*90, true, payload...)
	}
	expect := func(n int) {
		t.Helper()
		if len(asked) != n {
			t.Errorf("asked at %v, want %d times", asked, n)
		}
	}
	for range 25 { // begins without a keyframe: at once, and each second
		step(delta)
	}
	expect(3)
	step(key)
	step(delta)
	expect(3)
	s.seq++ // lost
	step(delta)
	s.now += 300 * time.Millisecond
	s.r.Poll(s.now)
	expect(4)
	step(delta)
	step(key)
	step(delta)
	expect(4)
}

// TestNewStreamIsNew: another stream needs a keyframe of its own, and may have
// no markers.
func TestNewStreamIsNew(t *testing.T) {
	asked := 0
	s := rawOf(t, media.EncodedFormat{Codec: media.VP8}, func(c *Config) { c.RequestKeyFrame = func() { asked++ } })
	send := func(ssrc uint32, n uint16, marker bool, payload ...byte) {
		s.r.PushPacket(&rtp.Packet{Header: rtp.Header{SSRC: ssrc, SequenceNumber: n, Timestamp: uint32(n) * 3000, Marker: marker}, Payload: payload}, s.now)
		s.now += 33 * time.Millisecond
	}
	send(1, 1, true, 0x10, 0)
	send(1, 2, true, 0x10, 1)
	send(2, 1, false, 0x10, 3)
	send(2, 2, false, 0x10, 5)
	if asked != 1 {
		t.Errorf("asked for %d keyframes", asked)
	}
	s.r.Flush()
	s.wants(t, []byte{0}, []byte{1}, []byte{3}, []byte{5})
}

func TestNoKeyFramesOfAudio(t *testing.T) {
	h := byHand(t, func(c *Config) { c.RequestKeyFrame = func() { t.Error("asked for a keyframe") } })
	h.push(1, 1, 0)
	h.push(1, 5, 0)
	h.r.Flush()
	h.expect(2)
}
