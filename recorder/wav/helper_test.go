package wav_test

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

const testRate = 16000

var (
	mono   = media.AudioFormat{Rate: testRate, Channels: 1}
	stereo = media.AudioFormat{Rate: testRate, Channels: 2}
	voice  = recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"}
)

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

func newRecorder(t testing.TB, o wav.Options) *wav.Recorder {
	t.Helper()
	r, err := wav.NewRecorder(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t testing.TB, r *wav.Recorder, cfg recorder.Config) recorder.Recording {
	t.Helper()
	if cfg.Storage == "" {
		cfg.Storage = t.TempDir()
	}
	rec, err := r.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func addTrack(t testing.TB, r recorder.Recording, track recorder.Track) recorder.TrackWriter {
	t.Helper()
	w, err := r.AddTrack(track)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func write(t testing.TB, w recorder.TrackWriter, samples ...media.Sample) {
	t.Helper()
	for _, s := range samples {
		if err := w.WriteSample(s); err != nil {
			t.Fatal(err)
		}
	}
}

// stop stops a recording and checks that every sample is accounted for, and that
// its files are whole.
func stop(t testing.TB, r recorder.Recording) recorder.Result {
	t.Helper()
	result, err := r.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, result)
	whole(t, result)
	return result
}

// whole checks that files end where their headers say, pads included, and are
// as large as the result says.
func whole(t testing.TB, r recorder.Result) {
	t.Helper()
	total := int64(0)
	for _, p := range r.Parts {
		total += p.Size
		f, err := os.Open(p.Path)
		if errors.Is(err, fs.ErrNotExist) { // it was in memory
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 512)
		n, _ := f.ReadAt(head, 0)
		info, err := f.Stat()
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		chunks, err := parse(head[:n])
		if err != nil {
			t.Fatalf("%s: %v", p.Path, err)
		}
		data := chunks[len(chunks)-1]
		if end := data.at + data.size + data.size&1; end != info.Size() || end != p.Size {
			t.Errorf("%s ends at %d, is of %d bytes, in the result of %d", p.Path, end, info.Size(), p.Size)
		}
	}
	if total != r.Size {
		t.Errorf("files of %d bytes, the result says %d", total, r.Size)
	}
}

func balanced(t testing.TB, r recorder.Result) {
	t.Helper()
	for _, tr := range r.Tracks {
		if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
			t.Errorf("%s: %d samples came, %d are written, %v dropped", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
}

// pcm16 makes s16 PCM of values.
func pcm16(f media.AudioFormat, values []int16) *media.PCM {
	p := &media.PCM{Format: f, Data: make([]byte, 2*len(values))}
	for i, v := range values {
		binary.LittleEndian.PutUint16(p.Data[2*i:], uint16(v))
	}
	return p
}

// noise is a value for each frame and direction that no other has nearby.
func noise(d media.Direction, frame int64) int16 {
	x := uint64(frame)*2654435761 + uint64(d)*0x9E3779B97F4A7C15
	x ^= x >> 29
	x *= 0xBF58476D1CE4E5B9
	return int16(x >> 48)
}

// spoken is a piece of speech: noise that tells where it belongs.
func spoken(d media.Direction, at time.Duration, frames int) media.Sample {
	from := int64(math.Round(at.Seconds() * testRate))
	values := make([]int16, frames)
	for i := range values {
		values[i] = noise(d, from+int64(i))
	}
	return media.Sample{Time: at, Direction: d, PCM: pcm16(mono, values)}
}

// speech is pieces of 20 ms back to back.
func speech(d media.Direction, from, to time.Duration) (out []media.Sample) {
	for at := from; at < to; at += 20 * time.Millisecond {
		out = append(out, spoken(d, at, testRate/50))
	}
	return out
}

// byTime merges samples in the order in which they are over.
func byTime(streams ...[]media.Sample) []media.Sample {
	all := slices.Concat(streams...)
	slices.SortStableFunc(all, func(a, b media.Sample) int {
		return int(a.Time + a.PCM.Duration() - b.Time - b.PCM.Duration())
	})
	return all
}

// raw decodes a file with a tool to signed values of 32 bits.
func raw(t testing.TB, tool, path string) []int32 {
	t.Helper()
	var b []byte
	switch tool {
	case "sox":
		b = judge.Run(t, "sox", "-D", path, "-t", "raw", "-e", "signed-integer", "-b", "32", "-L", "-")
	default:
		b = judge.Run(t, "ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "s32le", "-c:a", "pcm_s32le", "-")
	}
	out := make([]int32, len(b)/4)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// wantFile checks a file's values, of 16 bits, in both tools.
func wantFile(t testing.TB, path string, want []int16) {
	t.Helper()
	for _, tool := range []string{"sox", "ffmpeg"} {
		got := raw(t, tool, path)
		if len(got) != len(want) {
			t.Errorf("%s: %s reads %d values, want %d", filepath.Base(path), tool, len(got), len(want))
		}
		for i := range min(len(got), len(want)) {
			if got[i] != int32(want[i])<<16 {
				t.Errorf("%s: %s reads %d at %d, want %d", filepath.Base(path), tool, got[i]>>16, i, want[i])
				break
			}
		}
	}
}

// model is what the directions of a recording say at each frame from its time
// zero on.
type model struct{ voices [2][]int16 }

// hear adds samples of testRate, mono, s16.
func (m *model) hear(zero time.Duration, samples []media.Sample) {
	for _, s := range samples {
		at := int(math.Round((s.Time - zero).Seconds() * testRate))
		v := m.voices[s.Direction]
		n := s.PCM.Frames()
		if grow := at + n - len(v); grow > 0 {
			v = append(v, make([]int16, grow)...)
		}
		for i := range n {
			v[at+i] = int16(binary.LittleEndian.Uint16(s.PCM.Data[2*i:]))
		}
		m.voices[s.Direction] = v
	}
}

func (m *model) at(d media.Direction, i int) int {
	if i < len(m.voices[d]) {
		return int(m.voices[d][i])
	}
	return 0
}

func (m *model) mixed() (out []int16) {
	for i := range max(len(m.voices[0]), len(m.voices[1])) {
		sum := m.at(media.Inbound, i) + m.at(media.Outbound, i)
		out = append(out, int16(min(max(sum, math.MinInt16), math.MaxInt16)))
	}
	return out
}

func (m *model) stereo() (out []int16) {
	for i := range max(len(m.voices[0]), len(m.voices[1])) {
		out = append(out, int16(m.at(media.Inbound, i)), int16(m.at(media.Outbound, i)))
	}
	return out
}

// files returns what is to be in the files of a mode, by the ends of their
// names.
func (m *model) files(mode wav.Mode, ch wav.Channels) map[string][]int16 {
	heard := *m
	if mode == wav.Inbound {
		heard.voices[media.Outbound] = nil
	}
	if mode == wav.Outbound {
		heard.voices[media.Inbound] = nil
	}
	out := map[string][]int16{}
	add := func(suffix string, values []int16) {
		if len(values) > 0 {
			out[suffix] = values
		}
	}
	switch ch {
	case wav.Mixed:
		add("", heard.mixed())
	case wav.Stereo:
		add("", heard.stereo())
	case wav.All:
		add("_mixed", heard.mixed())
		add("_stereo", heard.stereo())
	}
	if ch == wav.Separate || ch == wav.All {
		add("_inbound", heard.voices[media.Inbound])
		add("_outbound", heard.voices[media.Outbound])
	}
	return out
}

// wantFiles checks that the files of a result are those, and no others.
func wantFiles(t testing.TB, r recorder.Result, want map[string][]int16) {
	t.Helper()
	if len(r.Parts) != len(want) {
		t.Errorf("%d files, want %d", len(r.Parts), len(want))
	}
	for suffix, values := range want {
		path := partWith(r, suffix)
		if path == "" {
			t.Errorf("no file %q among %v", suffix, r.Parts)
			continue
		}
		wantFile(t, path, values)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(r.Path), "*"))
	if err != nil || len(left) != len(want) {
		t.Errorf("in the directory: %v, %v", left, err)
	}
}

// partWith returns the path of the file whose name ends so.
func partWith(r recorder.Result, suffix string) string {
	for _, p := range r.Parts {
		name := strings.TrimSuffix(filepath.Base(p.Path), ".wav")
		if _, end, _ := strings.Cut(name, r.ID); len(end) > 16 && end[16:] == suffix || len(end) == 16 && suffix == "" {
			return p.Path
		}
	}
	return ""
}

// blocks returns how many bytes of disk a file uses.
func blocks(t testing.TB, path string) int64 {
	t.Helper()
	var s syscall.Stat_t
	if err := syscall.Stat(path, &s); err != nil {
		t.Fatal(err)
	}
	return s.Blocks * 512
}

// waitFor waits for what another goroutine brings about.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has not come", what)
		}
	}
}
