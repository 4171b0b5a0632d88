package wav_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// chunkOf is a chunk of a file: its name, where its body is, and its size.
type chunkOf struct {
	id       string
	at, size int64
}

// parse reads the chunk tree of a file, which must be whole. The size of data
// may be more than the file has, which is the caller's to judge.
func parse(b []byte) (chunks []chunkOf, err error) {
	le := binary.LittleEndian
	if len(b) < 12 || string(b[8:12]) != "WAVE" {
		return nil, errors.New("no WAVE")
	}
	riff, at := int64(le.Uint32(b[4:])), int64(12)
	var ds64 []byte
	for at+8 <= int64(len(b)) {
		c := chunkOf{string(b[at : at+4]), at + 8, int64(le.Uint32(b[at+4:]))}
		if c.id == "ds64" {
			ds64 = b[c.at : c.at+c.size]
			riff = int64(le.Uint64(ds64))
		}
		if c.id == "data" && ds64 != nil {
			c.size = int64(le.Uint64(ds64[8:]))
		}
		chunks = append(chunks, c)
		at = c.at + c.size + c.size&1
		if c.id == "data" {
			break
		}
	}
	switch {
	case len(chunks) == 0 || chunks[len(chunks)-1].id != "data":
		return nil, errors.New("no data")
	case riff+8 != at:
		return nil, fmt.Errorf("RIFF ends at %d, its last chunk at %d", riff+8, at)
	case (string(b[:4]) == "RF64") != (ds64 != nil):
		return nil, fmt.Errorf("%s, with ds64: %v", b[:4], ds64 != nil)
	}
	return chunks, nil
}

func TestHeaderSaysWhatTheRecordingIs(t *testing.T) {
	judge.Need(t, "ffprobe", "soxi")
	rec := newRecorder(t, wav.Options{Sample: wav.S24})
	rec.SetTime(time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600)))
	r := start(t, rec, recorder.Config{Title: "Größe: " + strings.Repeat("é", 600), Name: "call"})
	write(t, addTrack(t, r, voice), spoken(in, 0, 4001))
	result := stop(t, r)
	if want := "call_" + r.ID() + "_20260304T040607.wav"; !strings.HasSuffix(result.Path, "/"+want) {
		t.Errorf("path %s, want %s", result.Path, want)
	}
	tags := judge.Probe(t, result.Path).Format.Tags
	if tags["artist"] != "ann" || tags["encoder"] != "RoomKit" || tags["date"] != "2026-03-04T04:06:07Z" {
		t.Errorf("tags %v", tags)
	}
	if title := tags["title"]; len(title) != 127 || !strings.HasPrefix("Größe: "+strings.Repeat("é", 600), title) {
		t.Errorf("title of %d bytes: %q", len(title), title)
	}
}

// A file that outgrows RIFF while it is written is the same in RF64.
func TestSmallRF64(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	for _, sample := range []wav.SampleFormat{wav.S16, wav.S24, wav.S32, wav.F32} {
		rec := newRecorder(t, wav.Options{Sample: sample})
		rec.SetMostRIFF(40_000)
		r := start(t, rec, recorder.Config{})
		w := addTrack(t, r, voice)
		samples := speech(in, 0, ms(1500))
		write(t, w, samples[:40]...)
		waitFor(t, "the first of it", func() bool { return r.(recorder.Reporter).Report().Size > 0 })
		write(t, w, samples[40:]...)
		result := stop(t, r)
		b, err := os.ReadFile(result.Path)
		if err != nil || string(b[:4]) != "RF64" {
			t.Fatalf("begins with %q, %v", b[:4], err)
		}
		if _, err := parse(b); err != nil {
			t.Error(err)
		}
		var m model
		m.hear(0, samples)
		wantFile(t, result.Path, m.voices[in])
	}
}

// Beyond 4 GiB a file is RF64. Hours of silence are a hole in it, of which the
// disk knows nothing.
func TestRF64(t *testing.T) {
	judge.Need(t, "ffprobe", "ffmpeg")
	const rate = 192000
	f := media.AudioFormat{Rate: rate, Channels: 2, Sample: media.F32}
	gap := 50 * time.Minute // of 1.536 MB a second: 4.6 GB
	for _, sample := range []wav.SampleFormat{wav.F32, wav.S32} {
		t.Run(string(sample), func(t *testing.T) {
			result := record(t, wav.Options{Sample: sample}, append(tone(in, f, 0, ms(300), 0), tone(in, f, gap, ms(300), 0)...))
			want := gap + ms(300)
			if result.Duration != want || result.Size < 4<<30 {
				t.Errorf("lasts %v, %d bytes", result.Duration, result.Size)
			}
			if used := blocks(t, result.Path); used > 4<<20 {
				t.Errorf("%d bytes of disk are used", used)
			}
			if d := judge.Probe(t, result.Path).Length(); d != want {
				t.Errorf("ffprobe says %v, want %v", d, want)
			}
			if os.Getenv("ROOMKIT_SWEEP") != "" { // soxi reads all of the file, for minutes
				if says := strings.TrimSpace(string(judge.Run(t, "soxi", "-s", result.Path))); says != fmt.Sprint(int64(want.Seconds()*rate)) {
					t.Errorf("soxi says %s frames, want %.0f", says, want.Seconds()*rate)
				}
			}
			// The end is where it belongs.
			b := judge.Run(t, "ffmpeg", "-v", "error", "-ss", fmt.Sprint(gap.Seconds()-0.1), "-i", result.Path, "-f", "f32le", "-c:a", "pcm_f32le", "-")
			if n := len(b) / 8; n != rate*4/10 {
				t.Fatalf("%d frames from shortly before the end, want %d", n, rate*4/10)
			}
			for i := range rate / 10 * 8 {
				if b[i] != 0 {
					t.Fatalf("byte %d of the silence is %d", i, b[i])
				}
			}
			x := make([]float64, rate/10)
			for i := range x {
				v := binary.LittleEndian.Uint32(b[8*(rate/5+i):])
				x[i] = float64(math.Float32frombits(v))
			}
			if hz, a, _ := judge.FitSine(x, rate, 440); hz < 439.9 || hz > 440.1 || a < 0.49 || a > 0.51 {
				t.Errorf("%.2f Hz at %.3f", hz, a)
			}
		})
	}
}
