package mp4

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// sources are two seconds of a moving pattern and a tone.
var sources = []string{"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"}

var encoding = []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "12", "-pix_fmt", "yuv420p", "-c:a", "aac"}

// pattern makes two seconds of picture, with reordered ones, and tone.
func pattern(t testing.TB, name string, output ...string) string {
	t.Helper()
	args := append(slices.Clone(sources), encoding...)
	return judge.Make(t, name, append(args, output...)...)
}

// foreign are files as other programs make them.
var foreign = map[string][]string{
	"progressive":         nil,
	"fast start":          {"-movflags", "+faststart"},
	"fragments":           {"-movflags", "frag_keyframe+empty_moov"},
	"base is moof":        {"-movflags", "frag_keyframe+empty_moov+default_base_moof"},
	"fragment per sample": {"-movflags", "frag_every_frame+empty_moov+default_base_moof"},
	"negative offsets":    {"-movflags", "frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"},
	"negative in index":   {"-movflags", "negative_cts_offsets"},
	"delayed":             {"-movflags", "frag_keyframe+delay_moov+default_base_moof"},
	"samples in both":     {"-movflags", "frag_keyframe"},
	"separate":            {"-movflags", "frag_keyframe+empty_moov+separate_moof"},
	"dash":                {"-movflags", "frag_keyframe+empty_moov+default_base_moof+dash+global_sidx"},
	"omit offset":         {"-movflags", "frag_keyframe+empty_moov+omit_tfhd_offset"},
	"pcm":                 {"-c:a", "pcm_s16le", "-f", "mov"},
	"opus":                {"-c:a", "libopus", "-ar", "48000"},
	"short fragments":     {"-movflags", "empty_moov+default_base_moof", "-frag_duration", "100000"},
}

func TestReadAgreesWithFFprobe(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for name, output := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareWithFFprobe(t, pattern(t, "a.mp4", output...))
		})
	}
	t.Run("shared", func(t *testing.T) { compareWithFFprobe(t, judge.SharedMedia(t, "big-buck-bunny-480p-30s.mp4")) })
}

func TestReadGStreamer(t *testing.T) {
	judge.Need(t, "gst-launch-1.0", "ffprobe")
	for name, muxer := range map[string]string{
		"progressive": "mp4mux", "fragmented": "mp4mux fragment-duration=500", "quicktime": "qtmux", "reserved": "qtmux reserved-max-duration=5000000000 reserved-moov-update-period=500000000",
		"streamable": "mp4mux fragment-duration=300 streamable=true",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "g.mp4")
			line := "videotestsrc num-buffers=50 ! video/x-raw,width=160,height=120,framerate=25/1 ! openh264enc gop-size=12 ! h264parse ! mux. " +
				"audiotestsrc num-buffers=86 ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! aacparse ! mux. " + muxer + " name=mux ! filesink location=" + path
			if out, err := exec.Command("gst-launch-1.0", append([]string{"-q"}, strings.Fields(line)...)...).CombinedOutput(); err != nil {
				t.Skipf("gst-launch-1.0: %v\n%s", err, out)
			}
			compareWithFFprobe(t, path)
		})
	}
}

type packet struct {
	Stream   int    `json:"stream_index"`
	PTS      int64  `json:"pts"`
	DTS      int64  `json:"dts"`
	Duration int64  `json:"duration"`
	Size     string `json:"size"`
	Pos      string `json:"pos"`
	Flags    string `json:"flags"`
}

// packetsOf asks ffprobe for the samples of each stream.
func packetsOf(t testing.TB, path string) map[int][]packet {
	t.Helper()
	var answer struct {
		Packets []packet `json:"packets"`
	}
	out := judge.Run(t, "ffprobe", "-v", "error", "-ignore_editlist", "1", "-show_packets", "-of", "json", path)
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	streams := map[int][]packet{}
	for _, p := range answer.Packets {
		streams[p.Stream] = append(streams[p.Stream], p)
	}
	return streams
}

func compareWithFFprobe(t *testing.T, path string) {
	t.Helper()
	m, close := open(t, path)
	defer close()
	for _, odd := range m.Trouble {
		t.Errorf("trouble: %v", odd)
	}
	streams, probed := packetsOf(t, path), judge.Probe(t, path)
	if len(m.Tracks) != len(probed.Streams) {
		t.Fatalf("%d tracks, ffprobe sees %d streams", len(m.Tracks), len(probed.Streams))
	}
	for i, track := range m.Tracks {
		compareTrack(t, track, streams[i])
		s := probed.Streams[i]
		rate, _ := strconv.Atoi(s.SampleRate)
		if track.Width != s.Width || track.Height != s.Height || track.Channels != s.Channels || int(track.Rate) != rate || track.Kind != s.Type {
			t.Errorf("track %d is %s %dx%d %d channels %v Hz; ffprobe: %+v", track.ID, track.Kind, track.Width, track.Height, track.Channels, track.Rate, s)
		}
	}
}

func compareTrack(t *testing.T, track *TrackInfo, want []packet) {
	t.Helper()
	if strings.Contains(track.CodecName, "PCM") { // ffprobe puts many into one packet
		length := int64(0)
		for _, p := range want {
			length += p.Duration
		}
		if length != track.SampleCount {
			t.Errorf("%d frames of PCM, ffprobe sees %d", track.SampleCount, length)
		}
		return
	}
	n, shift, early, bytes := 0, int64(0), int64(0), int64(0)
	for s, err := range track.Samples() {
		if err != nil {
			t.Fatalf("track %d: %v", track.ID, err)
		}
		if n >= len(want) {
			t.Fatalf("track %d has more than the %d samples ffprobe sees", track.ID, len(want))
		}
		w := want[n]
		if n == 0 { // ffprobe moves decode times back until none is after its presentation
			shift = s.DTS - w.DTS
			if strings.Contains(t.Name(), "negative_offsets") { // it moves presentation on instead
				early = s.PTS - w.PTS
			}
		}
		got := fmt.Sprintf("%d %d %d %d %v", s.Offset, s.Size, s.PTS-early, s.DTS-shift, s.Sync)
		if is := fmt.Sprintf("%s %s %d %d %v", w.Pos, w.Size, w.PTS, w.DTS, strings.HasPrefix(w.Flags, "K")); got != is {
			t.Fatalf("track %d sample %d: %s, ffprobe: %s", track.ID, n, got, is)
		}
		bytes += s.Size
		n++
	}
	if n != len(want) || int64(n) != track.SampleCount || bytes != track.Bytes {
		t.Errorf("track %d: %d samples of %d bytes, counted %d of %d; ffprobe sees %d", track.ID, n, bytes, track.SampleCount, track.Bytes, len(want))
	}
}

func open(t testing.TB, path string) (*Movie, func()) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(f, info.Size())
	if err != nil {
		f.Close()
		t.Fatal(err)
	}
	return m, func() { f.Close() }
}

func TestReadMetadata(t *testing.T) {
	chapters := filepath.Join(t.TempDir(), "chapters.txt")
	text := ";FFMETADATA1\ntitle=The title\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=2000\ntitle=Zwei é\n"
	if err := os.WriteFile(chapters, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.mp4", "a.mov"} {
		args := append(append(slices.Clone(sources), "-i", chapters), encoding...)
		m, close := open(t, judge.Make(t, name, append(args, "-map", "0", "-map", "1", "-map_metadata", "2", "-map_chapters", "2",
			"-metadata:s:a", "language=ita", "-metadata:s:a", "title=Her voice", "-disposition:a:0", "0", "-metadata", "creation_time=2026-01-02T03:04:05Z")...))
		defer close()
		got := fmt.Sprintf("%s %v %v %v %v %s", m.Title, m.Chapters, m.Created, m.Finished, m.Duration, m.Tracks[1].Language)
		want := "The title [{0s One} {500ms Zwei é}] 2026-01-02 03:04:05 +0000 UTC true 2s ita"
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if m.Tracks[0].CodecName != "H.264 High 1.1" || m.Tracks[1].CodecName != "AAC LC" {
			t.Errorf("codecs are %s, %s", m.Tracks[0].CodecName, m.Tracks[1].CodecName)
		}
		if m.Tracks[0].Start != 0 || m.Tracks[1].Start != 0 {
			t.Errorf("tracks start at %v, %v", m.Tracks[0].Start, m.Tracks[1].Start)
		}
	}
}

func TestReadNoMP4(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"empty": {"", ErrNotMP4}, "text": {strings.Repeat("This is no media. ", 100), ErrNotMP4}, "zeros": {strings.Repeat("\x00", 100), ErrNotMP4},
		"only ftyp": {"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00", ErrDamaged},
	} {
		if _, err := Read(strings.NewReader(c.content), int64(len(c.content))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A failing disk is not taken for damage of the file.
func TestReadFailingDisk(t *testing.T) {
	content, err := os.ReadFile(pattern(t, "a.mp4", "-movflags", "frag_keyframe+empty_moov"))
	if err != nil {
		t.Fatal(err)
	}
	for after := range 40 {
		r := &failingReader{Reader: bytes.NewReader(content), left: after}
		if _, err := Read(r, int64(len(content))); !errors.Is(err, errDisk) && r.left < 0 {
			t.Fatalf("after %d reads: %v", after, err)
		}
	}
}

var errDisk = errors.New("disk has failed")

type failingReader struct {
	*bytes.Reader
	left int
}

func (r *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if r.left--; r.left < 0 {
		return 0, errDisk
	}
	return r.Reader.ReadAt(p, off)
}
