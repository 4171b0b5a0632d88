package rtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// piece is a sample that a backend has delivered.
type piece struct {
	time   time.Duration
	format media.EncodedFormat
	data   []byte
	lost   int
}

// collected is what a session has delivered.
type collected struct {
	*sinktest.Sink
	mu     sync.Mutex
	pieces map[media.Kind][]piece
}

func collect() *collected {
	c := &collected{pieces: map[media.Kind][]piece{}}
	c.Sink = sinktest.New(func(kind media.Kind, s media.Sample, waited bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		e := s.Encoded
		c.pieces[kind] = append(c.pieces[kind], piece{s.Time, *e.Format, bytes.Clone(e.Data), e.Lost})
	})
	return c
}

func (c *collected) of(kind media.Kind) []piece {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pieces[kind]
}

// connect begins a session that is closed when the test ends.
func connect(t *testing.T, b *Backend, sink backend.Sink, kinds ...media.Kind) backend.Conn {
	t.Helper()
	s := sinktest.Session(media.NewRealClock(), kinds...)
	s.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	conn, err := b.Connect(t.Context(), s, sink)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// freePorts returns the first of n UDP ports in a row that nobody has, an even
// one.
func freePorts(t *testing.T, n int) int {
	t.Helper()
search:
	for range 100 {
		probe, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		first := probe.LocalAddr().(*net.UDPAddr).Port &^ 1
		probe.Close()
		for i := range n {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: first + i})
			if err != nil {
				continue search
			}
			c.Close()
		}
		return first
	}
	t.Fatal("no free ports")
	return 0
}

// decoded writes a stream as it is and returns how many pictures, or seconds
// of sound, FFmpeg decodes of it without a complaint.
func decoded(t *testing.T, pieces []piece) (frames int, length time.Duration) {
	t.Helper()
	if len(pieces) == 0 {
		t.Fatal("nothing was received")
	}
	path, demuxer := elementary(t, pieces)
	judge.Need(t, "ffmpeg", "ffprobe")
	in := []string{"-f", demuxer}
	f := pieces[0].format
	switch f.Codec {
	case media.PCMU, media.PCMA:
		in = append(in, "-ar", fmt.Sprint(f.Rate))
	}
	args := append(append([]string{"-nostdin", "-v", "warning", "-xerror"}, in...), "-i", path)
	if f.Codec.IsPicture() {
		out := judge.Run(t, "ffmpeg", append(args, "-fps_mode", "passthrough", "-f", "framecrc", "-")...)
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") {
				frames++
			}
		}
		return frames, 0
	}
	pcm := judge.Run(t, "ffmpeg", append(args, "-ar", "8000", "-ac", "1", "-f", "s16le", "-")...)
	return 0, time.Duration(len(pcm)/2) * time.Second / 8000
}

// elementary writes a stream in the simplest container it has.
func elementary(t *testing.T, pieces []piece) (path, demuxer string) {
	t.Helper()
	f := pieces[0].format
	var out []byte
	switch f.Codec {
	case media.VP8, media.VP9, media.AV1:
		out, demuxer = ivf(f, pieces), "ivf"
	case media.AAC:
		for _, p := range pieces {
			out = append(append(out, adts(f.Config, len(p.data))...), p.data...)
		}
		demuxer = "aac"
	case media.Opus:
		out, demuxer = ogg(pieces), "ogg"
	default:
		out = append(out, f.Config...) // what is not in the stream
		for _, p := range pieces {
			out = append(out, p.data...)
		}
		demuxer = map[media.Codec]string{media.H264: "h264", media.HEVC: "hevc", media.PCMU: "mulaw", media.PCMA: "alaw", media.G722: "g722"}[f.Codec]
	}
	path = filepath.Join(t.TempDir(), "stream."+demuxer)
	if err := os.WriteFile(path, out, 0o666); err != nil {
		t.Fatal(err)
	}
	return path, demuxer
}

func ivf(f media.EncodedFormat, pieces []piece) []byte {
	fourcc := map[media.Codec]string{media.VP8: "VP80", media.VP9: "VP90", media.AV1: "AV01"}[f.Codec]
	le := binary.LittleEndian
	out := append([]byte("DKIF\x00\x00\x20\x00"), fourcc...)
	out = le.AppendUint16(out, 320)
	out = le.AppendUint16(out, 240)
	out = le.AppendUint32(out, 1000)
	out = le.AppendUint32(out, 1)
	out = le.AppendUint64(out, uint64(len(pieces)))
	for i, p := range pieces {
		out = le.AppendUint32(out, uint32(len(p.data)))
		out = le.AppendUint64(out, uint64(40*i))
		out = append(out, p.data...)
	}
	return out
}

// adts returns the header of a frame of the AudioSpecificConfig.
func adts(config []byte, size int) []byte {
	bits := uint16(config[0])<<8 | uint16(config[1])
	object, rate, channels := bits>>11, bits>>7&15, bits>>3&15
	n := size + 7
	return []byte{0xff, 0xf1, byte((object-1)<<6 | rate<<2 | channels>>2), byte(channels<<6) | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1f, 0xfc}
}

// ogg writes packets of Opus of 20 ms, one a page.
func ogg(pieces []piece) []byte {
	head := []byte("OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00")
	tags := append([]byte("OpusTags"), make([]byte, 8)...)
	out := oggPage(nil, 2, 0, 0, head)
	out = oggPage(out, 0, 0, 1, tags)
	for i, p := range pieces {
		out = oggPage(out, 0, uint64(960*(i+1)), uint32(i+2), p.data)
	}
	return out
}

func oggPage(out []byte, flags byte, granule uint64, number uint32, data []byte) []byte {
	le := binary.LittleEndian
	page := append([]byte("OggS\x00"), flags)
	page = le.AppendUint64(page, granule)
	page = append(page, "room"...)
	page = le.AppendUint32(page, number)
	page = append(page, 0, 0, 0, 0, byte(len(data)/255+1))
	page = append(page, bytes.Repeat([]byte{255}, len(data)/255)...)
	page = append(append(page, byte(len(data)%255)), data...)
	crc := uint32(0)
	for _, b := range page {
		crc ^= uint32(b) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	le.PutUint32(page[22:], crc)
	return append(out, page...)
}
