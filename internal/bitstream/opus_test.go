package bitstream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

func TestOpusDuration(t *testing.T) {
	tests := []struct {
		name   string
		packet []byte
		want   int // 0: an error
	}{
		{"SILK 10 ms", []byte{0 << 3, 1, 2}, 480},
		{"SILK 60 ms", []byte{11 << 3, 1, 2}, 2880},
		{"hybrid 10 ms", []byte{12 << 3, 1}, 480},
		{"hybrid 20 ms", []byte{15 << 3, 1}, 960},
		{"CELT 2.5 ms", []byte{16 << 3, 1}, 120},
		{"CELT 20 ms", []byte{31 << 3, 1}, 960},
		{"nothing but the TOC byte", []byte{31 << 3}, 960},
		{"two equal frames", []byte{31<<3 | 1, 1, 2}, 1920},
		{"two frames of odd bytes", []byte{31<<3 | 1, 1, 2, 3}, 0},
		{"two frames", []byte{31<<3 | 2, 1, 7, 8, 9}, 1920},
		{"two frames, the first too long", []byte{31<<3 | 2, 5, 7, 8, 9}, 0},
		{"two frames without a length", []byte{31<<3 | 2}, 0},
		{"a length of two bytes that is cut", []byte{31<<3 | 2, 252}, 0},
		{"six frames of 20 ms", []byte{31<<3 | 3, 6}, 5760},
		{"seven frames of 20 ms", []byte{31<<3 | 3, 7}, 0},
		{"48 frames of 2.5 ms", []byte{16<<3 | 3, 48}, 5760},
		{"no frames", []byte{31<<3 | 3, 0}, 0},
		{"no count", []byte{31<<3 | 3}, 0},
		{"three frames of uneven bytes", []byte{31<<3 | 3, 3, 1, 2}, 0},
		{"three frames of different bytes", []byte{31<<3 | 3, 0x80 | 3, 1, 0, 7, 8}, 2880},
		{"three frames, longer than the packet", []byte{31<<3 | 3, 0x80 | 3, 1, 2, 7, 8}, 0},
		{"padding", []byte{31<<3 | 3, 0x40 | 1, 2, 9, 0, 0}, 960},
		{"padding longer than the packet", []byte{31<<3 | 3, 0x40 | 1, 4, 9, 0, 0}, 0},
		{"padding of 254 and 1", append([]byte{31<<3 | 3, 0x40 | 1, 255, 1}, make([]byte, 255)...), 960},
		{"padding without an end", []byte{31<<3 | 3, 0x40 | 1, 255, 255}, 0},
		{"a frame of 1275 bytes", append([]byte{31 << 3}, make([]byte, 1275)...), 960},
		{"a frame of 1276 bytes", append([]byte{31 << 3}, make([]byte, 1276)...), 0},
		{"empty", nil, 0},
	}
	for _, tt := range tests {
		got, err := bitstream.OpusDuration(tt.packet)
		ok := err == nil || errors.Is(err, media.ErrFormat) || errors.Is(err, media.ErrLength)
		if got != tt.want || (err != nil) != (tt.want == 0) || !ok {
			t.Errorf("%s: %d, %v, want %d", tt.name, got, err, tt.want)
		}
	}
}

func TestOpusOfEncoder(t *testing.T) {
	for channels := 1; channels <= 2; channels++ {
		c := clip.Encode(t, "opus", clip.Options{Channels: channels})
		for i, s := range c.Samples {
			if n, err := bitstream.OpusDuration(s.Data); err != nil || int64(n) != s.Duration {
				t.Fatalf("packet %d: %d samples, %v, want %d", i, n, err, s.Duration)
			}
			if n := bitstream.OpusChannels(s.Data); n != channels {
				t.Fatalf("packet %d: %d channels of %d", i, n, channels)
			}
		}
	}
}

type opusFill func(dst []byte, samples, channels int) ([]byte, int)

// Between tones there are gaps: each decoder gives out as many samples as were
// asked for, without a warning, and is silent where it is to be. Where it is to
// conceal, libopus goes on with the tone and lets it fade; FFmpeg's own decoder
// is silent.
func TestOpusGaps(t *testing.T) {
	for name, tone := range map[string]opusTone{"CELT, mono": celtTone(t, 1), "CELT, stereo": celtTone(t, 2), "SILK": silkTone(t)} {
		for _, decoder := range []string{"opus", "libopus"} {
			t.Run(name+", "+decoder, func(t *testing.T) {
				path, samples := opusWithGaps(t, tone, bitstream.AppendOpusSilence)
				judgeGaps(t, decodeOpus(t, path, decoder, tone.channels), samples, func(gap []int16) {
					if got := loudest(gap[min(480, len(gap)):]); got != 0 {
						t.Errorf("gap of %d: up to %d after 10 ms", len(gap), got)
					}
				})
				path, samples = opusWithGaps(t, tone, bitstream.AppendOpusConceal)
				judgeGaps(t, decodeOpus(t, path, decoder, tone.channels), samples, func(gap []int16) {
					if decoder == "libopus" && len(gap) >= 960 && loudest(gap[480:960]) < 2000 {
						t.Errorf("gap of %d: no more than %d after 10 ms", len(gap), loudest(gap[480:960]))
					}
				})
			})
		}
	}
}

// judgeGaps checks that there are so many samples and that all tones are heard.
func judgeGaps(t *testing.T, pcm []int16, samples int, judge func(gap []int16)) {
	t.Helper()
	if len(pcm) != samples {
		t.Fatalf("%d samples, want %d", len(pcm), samples)
	}
	at := tonePackets * 960
	for _, gap := range opusGaps() {
		judge(pcm[at:][:gap])
		at += gap
		const rises = 960
		if got := loudest(pcm[at+rises:][:tonePackets*960-rises]); got < 3000 {
			t.Errorf("no more than %d after the gap of %d", got, gap)
		}
		at += tonePackets * 960
	}
}

// An opusTone is an encoded tone in packets of 20 ms.
type opusTone struct {
	head     []byte
	channels int
	packets  [][]byte
}

func celtTone(t *testing.T, channels int) opusTone {
	t.Helper()
	c := clip.Encode(t, "opus", clip.Options{Channels: channels, Seconds: 2})
	tone := opusTone{head: c.Extra, channels: channels}
	for _, s := range c.Samples {
		tone.packets = append(tone.packets, s.Data)
	}
	return tone
}

// silkTone is coded as speech at a low rate is.
func silkTone(t *testing.T) opusTone {
	t.Helper()
	path := judge.Make(t, "a.mp4", "-f", "lavfi", "-i", "sine=f=300:d=2:r=16000,volume=12dB", "-ac", "1", "-c:a", "libopus",
		"-b:a", "12k", "-application", "voip", "-frame_duration", "20")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	movie, err := mp4.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	// One channel, 16000 Hz.
	tone := opusTone{head: []byte("OpusHead\x01\x01\x00\x00\x80\x3e\x00\x00\x00\x00\x00"), channels: 1}
	for s, err := range movie.Tracks[0].Samples() {
		if err != nil {
			t.Fatal(err)
		}
		packet := bytes.Clone(raw[s.Offset:][:s.Size])
		const lastSILK = 11
		if packet[0]>>3 > lastSILK {
			t.Fatalf("packet %d is no SILK: % x", len(tone.packets), packet[:1])
		}
		tone.packets = append(tone.packets, packet)
	}
	return tone
}

func opusGaps() []int { return []int{120, 240, 840, 960, 2880, 4920, 48000} }

const tonePackets = 10

// opusWithGaps writes an MP4 file of some packets of a tone before, between and
// after all gaps, and returns how many samples there are.
func opusWithGaps(t *testing.T, tone opusTone, fill opusFill) (path string, samples int) {
	t.Helper()
	head := bytes.Clone(tone.head)
	binary.LittleEndian.PutUint16(head[10:], 0) // pre-skip
	f := newOpusFile(t, head, tone.channels)
	packets := tone.packets[5:]
	for _, gap := range append([]int{0}, opusGaps()...) {
		for left := gap; left >= 120; {
			packet, n := fill(nil, left, tone.channels)
			if d, err := bitstream.OpusDuration(packet); err != nil || d != n || bitstream.OpusChannels(packet) != tone.channels {
				t.Fatalf("% x: %d samples, %v, want %d", packet, d, err, n)
			}
			f.write(packet, n)
			left -= n
		}
		for _, p := range packets[:tonePackets] {
			f.write(p, 960)
		}
		packets = packets[tonePackets:]
	}
	return f.close()
}

// An opusFile is an MP4 file of one track of Opus.
type opusFile struct {
	t       *testing.T
	path    string
	file    *os.File
	writer  *mp4.Writer
	track   *mp4.Track
	samples int
}

func newOpusFile(t *testing.T, head []byte, channels int) *opusFile {
	t.Helper()
	f := &opusFile{t: t, path: filepath.Join(t.TempDir(), "a.mp4")}
	codec, err := mp4.CodecFromExtradata("opus", head, 0, 0, 48000, channels)
	f.must(err)
	f.file, err = os.Create(f.path)
	f.must(err)
	f.writer, err = mp4.NewWriter(f.file, mp4.Options{})
	f.must(err)
	f.track, err = f.writer.AddTrack(mp4.TrackConfig{Codec: codec, Timescale: 48000})
	f.must(err)
	return f
}

func (f *opusFile) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *opusFile) write(packet []byte, n int) {
	f.t.Helper()
	at := int64(f.samples)
	f.must(f.track.Write(f.t.Context(), mp4.Sample{DTS: at, PTS: at, Duration: int64(n), Sync: true, Data: packet}))
	f.samples += n
}

func (f *opusFile) close() (path string, samples int) {
	f.t.Helper()
	f.must(f.writer.Close(f.t.Context()))
	f.must(f.file.Close())
	return f.path, f.samples
}

// decodeOpus returns the first channel. A warning fails the test.
func decodeOpus(t *testing.T, path, decoder string, channels int) []int16 {
	t.Helper()
	out, err := exec.Command(judge.Tool(t, "ffmpeg"), "-nostdin", "-v", "warning", "-xerror", "-c:a", decoder, "-i", path, "-f", "s16le", path+".pcm", "-y").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("%s: %v\n%s", decoder, err, out)
	}
	raw, err := os.ReadFile(path + ".pcm")
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, len(raw)/2/channels)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*channels*i:]))
	}
	return pcm
}

func loudest(pcm []int16) (most int) {
	for _, v := range pcm {
		most = max(most, max(int(v), -int(v)))
	}
	return most
}

func TestOpusFillAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 8)
	allocs := testing.AllocsPerRun(10, func() {
		for left := 48000; left >= 120; {
			packet, n := bitstream.AppendOpusSilence(buf, left, 2)
			if _, err := bitstream.OpusDuration(packet); err != nil {
				t.Fatal(err)
			}
			left -= n
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if packet, n := bitstream.AppendOpusSilence(buf, 119, 1); len(packet) != 0 || n != 0 {
		t.Errorf("% x of %d samples for 119", packet, n)
	}
}
