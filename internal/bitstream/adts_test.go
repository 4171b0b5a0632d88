package bitstream_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// FFmpeg writes the same sound with ADTS headers and into an MP4: frames and
// configuration are the same.
func TestSplitADTS(t *testing.T) {
	for rate, channels := range map[int]int{8000: 1, 44100: 2, 96000: 1} {
		path := judge.Make(t, "a.mp4", "-f", "lavfi", "-i", fmt.Sprintf("sine=d=0.5:r=%d", rate), "-ac", fmt.Sprint(channels), "-c:a", "aac")
		adts := judge.Run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-c", "copy", "-f", "adts", "-")
		want, config := mp4Frames(t, path)
		for i, frame := range want {
			got, c, rest, err := bitstream.SplitADTS(adts)
			if err != nil || !bytes.Equal(got, frame) || !bytes.HasPrefix(config, c[:]) {
				t.Fatalf("frame %d of %d: %d bytes with %x, %v; want %d with %x", i, len(want), len(got), c, err, len(frame), config)
			}
			if r, n, length, err := bitstream.ParseAAC(c[:]); r != rate || n != channels || length != 1024 || err != nil {
				t.Fatalf("%d Hz, %d channels, frames of %d, %v; want %d, %d, 1024", r, n, length, err, rate, channels)
			}
			adts = rest
		}
		if len(adts) != 0 {
			t.Errorf("%d bytes are left", len(adts))
		}
	}
}

// mp4Frames returns the samples of the only track and its AudioSpecificConfig.
func mp4Frames(t *testing.T, path string) (frames [][]byte, config []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	movie, err := mp4.Read(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	for s, err := range movie.Tracks[0].Samples() {
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, raw[s.Offset:][:s.Size])
	}
	// In the esds it follows tag 5 and its size in four bytes.
	_, config, _ = bytes.Cut(raw, []byte{5, 0x80, 0x80, 0x80})
	return frames, config[1:][:config[0]]
}

func TestSplitADTSByHand(t *testing.T) {
	plain := []byte{0xFF, 0xF1, 0x50, 0x80, 0x01, 0x3F, 0xFC, 0xAA, 0xBB, 0x11} // 9 bytes, LC, 44100 Hz, stereo
	protected := []byte{0xFF, 0xF0, 0x50, 0x80, 0x01, 0x7F, 0xFC, 0x12, 0x34, 0xAA, 0xBB}
	for name, data := range map[string][]byte{"plain": plain, "with checksum": protected} {
		frame, config, rest, err := bitstream.SplitADTS(data)
		if err != nil || string(frame) != "\xAA\xBB" || config != [2]byte{0x12, 0x10} || len(rest) != len(data)-9-2*int(data[1]&1^1) {
			t.Errorf("%s: % x with % x, %d bytes left, %v", name, frame, config, len(rest), err)
		}
	}
	change := func(at int, v byte) []byte {
		d := bytes.Clone(plain)
		d[at] = v
		return d
	}
	for name, tt := range map[string]struct {
		data []byte
		want error
	}{
		"empty":               {nil, media.ErrLength},
		"header cut":          {plain[:6], media.ErrLength},
		"frame cut":           {plain[:8], media.ErrLength},
		"no sync":             {change(1, 0xE1), media.ErrFormat},
		"layer":               {change(1, 0xF3), media.ErrFormat},
		"no more than header": {change(4, 0x00), media.ErrFormat},
		"two blocks":          {change(6, 0xFD), media.ErrFormat},
		"rate":                {change(2, 0x7C), media.ErrFormat},
		"no channels":         {change(3, 0x00), media.ErrFormat},
	} {
		if frame, _, _, err := bitstream.SplitADTS(tt.data); !errors.Is(err, tt.want) || frame != nil {
			t.Errorf("%s: % x, %v, want %v", name, frame, err, tt.want)
		}
	}
}

// withADTS puts the header before a frame that config makes.
func withADTS(config, frame []byte) []byte {
	object, rate, layout := config[0]>>3, config[0]&7<<1|config[1]>>7, config[1]>>3&0xF
	n := len(frame) + 7
	return append([]byte{0xFF, 0xF1, (object-1)<<6 | rate<<2 | layout>>2, layout<<6 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}, frame...)
}

// FFmpeg decodes silent frames to digital silence, with nothing to say, at all
// rates and layouts.
func TestAACSilence(t *testing.T) {
	const rates, layouts = 12, 7
	for i := range rates {
		checkAACSilence(t, i, 1+i%2)
	}
	for layout := 3; layout <= layouts; layout++ {
		checkAACSilence(t, layout, layout)
	}
}

func checkAACSilence(t *testing.T, rateIndex, layout int) {
	t.Run(fmt.Sprintf("rate %d, layout %d", rateIndex, layout), func(t *testing.T) {
		t.Parallel()
		config := []byte{2<<3 | byte(rateIndex)>>1, byte(rateIndex)<<7 | byte(layout)<<3}
		frame, ok := bitstream.AACSilence(config)
		if !ok {
			t.Fatalf("% x: no silence", config)
		}
		const frames = 20
		pcm := decodeAAC(t, bytes.Repeat(withADTS(config, frame), frames))
		channels := [...]int{0, 1, 2, 3, 4, 5, 6, 8}
		if len(pcm) != frames*1024*channels[layout]*2 || !silent(pcm) {
			t.Errorf("% x: %d bytes, silent %v", frame, len(pcm), silent(pcm))
		}
	})
}

func silent(pcm []byte) bool { return len(bytes.Trim(pcm, "\x00")) == 0 }

// decodeAAC returns what FFmpeg decodes. A warning fails the test.
func decodeAAC(t *testing.T, adts []byte) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), judge.Tool(t, "ffmpeg"),
		"-nostdin", "-v", "warning", "-xerror", "-f", "aac", "-i", "pipe:0", "-f", "s16le", "-")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(adts), &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg: %v\n%s", err, stderr.String())
	}
	return out
}

// Between tones it is silent from the second frame on, and the tone comes back.
func TestAACSilenceBetweenTones(t *testing.T) {
	for channels := 1; channels <= 2; channels++ {
		path := judge.Make(t, "a.mp4", "-f", "lavfi", "-i", "sine=d=1:r=48000,volume=12dB", "-ac", fmt.Sprint(channels), "-c:a", "aac")
		frames, config := mp4Frames(t, path)
		silence, ok := bitstream.AACSilence(config)
		if !ok {
			t.Fatalf("% x: no silence", config)
		}
		const tone, gap = 20, 10
		var adts []byte
		for i := range tone + gap + tone {
			frame := silence
			if i < tone || i >= tone+gap {
				frame = frames[i%tone]
			}
			adts = append(adts, withADTS(config, frame)...)
		}
		pcm := decodeAAC(t, adts)
		frame := 1024 * 2 * channels
		if len(pcm) != (2*tone+gap)*frame || !silent(pcm[(tone+1)*frame:(tone+gap)*frame]) || silent(pcm[(tone+gap)*frame:]) {
			t.Errorf("%d channels: %d bytes, or not silent where it is to be", channels, len(pcm))
		}
	}
}

func TestAACSilenceUnknown(t *testing.T) {
	for name, config := range map[string][]byte{
		"nothing":          nil,
		"Main":             {1<<3 | 1, 0x90},
		"SBR":              {5<<3 | 3, 0x11, 0x88},
		"7.1 of layout 12": {2<<3 | 1, 0x80 | 12<<3},
		"program config":   {2<<3 | 1, 0x80},
	} {
		if frame, ok := bitstream.AACSilence(config); ok || frame != nil {
			t.Errorf("%s: % x, %v", name, frame, ok)
		}
	}
}
