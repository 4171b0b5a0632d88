package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// printed is what --json prints.
type printed struct {
	Path     string  `json:"path"`
	Duration float64 `json:"duration"`
	Size     int64   `json:"size"`
	Error    string  `json:"error"`
	Tracks   []struct {
		Kind           string           `json:"kind"`
		Participant    string           `json:"participant"`
		SamplesIn      int64            `json:"samples_in"`
		SamplesWritten int64            `json:"samples_written"`
		Dropped        map[string]int64 `json:"dropped"`
	} `json:"tracks"`
}

// execute runs the command and returns what it printed.
func execute(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), args, streams{&out, &err})
	return code, out.String(), err.String()
}

// recordJSON runs "roomkit record --json" and reads its result.
func recordJSON(t *testing.T, args ...string) printed {
	t.Helper()
	args = append([]string{"record", "--json", "--output", t.TempDir()}, args...)
	code, stdout, stderr := execute(t, args...)
	if code != exitDone {
		t.Fatalf("roomkit %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	var o printed
	if err := json.Unmarshal([]byte(stdout), &o); err != nil {
		t.Fatalf("standard output is not one JSON value: %v\n%s", err, stdout)
	}
	return o
}

// The README's first command makes a file that everything plays.
func TestDemo(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe", "mediainfo", "chromium")
	dir := t.TempDir()
	code, stdout, stderr := execute(t, "record", "--participant", "alice=test", "--participant", "bob=test",
		"--duration", "4", "--output", dir)
	if code != exitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	path := strings.TrimSpace(stdout)
	if !regexp.MustCompile(`^room_[0-9a-f]{12}_\d{8}T\d{6}\.mp4$`).MatchString(filepath.Base(path)) {
		t.Fatalf("standard output is %q, want the file's path", stdout)
	}
	f := judge.Probe(t, path)
	if d := f.Length(); (d - 4*time.Second).Abs() > 100*time.Millisecond {
		t.Errorf("file lasts %v, want 4 s", d)
	}
	for i, s := range f.Of("audio") {
		if want := []string{"alice", "bob"}[i]; s.Tags["handler_name"] != want {
			t.Errorf("voice %d is named %q, want %q", i, s.Tags["handler_name"], want)
		}
	}
	judge.DecodesClean(t, path)
	judge.MediaInfo(t, path, 2, 2)
	p := judge.Chromium(t, path)
	if math.Abs(p.Duration-4) > 0.1 || p.Width != 640 || p.Height != 480 || p.Played < 1 || p.Sought < 3.4 || p.Frames < 30 || p.Audio == 0 {
		t.Errorf("Chromium: %+v", p)
	}
}

// A film and a voice, paced and fast: both voices are what their files hold,
// and the picture is the film's.
func TestRecordFilm(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	film, voice := judge.SharedMedia(t, "big-buck-bunny-480p-30s.mp4"), judge.SharedMedia(t, "jfk.flac")
	for _, mode := range []string{"fast", "paced"} {
		t.Run(mode, func(t *testing.T) {
			args := []string{"--participant", "host=file:" + film, "--participant", "guest=file:" + voice}
			if mode == "fast" {
				args = append(args, "--fast")
			} else if testing.Short() {
				t.Skip("takes half a minute")
			}
			o := recordJSON(t, args...)
			if math.Abs(o.Duration-30) > 0.05 {
				t.Errorf("result lasts %.3f s, want 30", o.Duration)
			}
			f := judge.Probe(t, o.Path)
			if d := f.Length(); (d - 30*time.Second).Abs() > 50*time.Millisecond {
				t.Errorf("file lasts %v, want 30 s", d)
			}
			judge.DecodesClean(t, o.Path)
			for n, source := range []string{film, voice} {
				want, got := judge.Audio(t, source, 0, 16000), judge.Audio(t, o.Path, n, 16000)
				r, shift := correlation(want, got, 800)
				t.Logf("voice %d: correlation %.4f, shift %.2f ms", n, r, float64(shift)/16)
				if r < 0.97 {
					t.Errorf("voice %d correlates with its source by %.3f", n, r)
				}
				if shift < -320 || shift > 320 {
					t.Errorf("voice %d is shifted by %d samples of 16 kHz", n, shift)
				}
			}
			if s := ssim(t, o.Path, film); s < 0.9 {
				t.Errorf("picture's SSIM to the film is %.3f", s)
			} else {
				t.Logf("SSIM %.4f", s)
			}
			for _, tr := range o.Tracks {
				if tr.SamplesIn != tr.SamplesWritten {
					t.Errorf("%s of %s: %d in, %d written, lost %v", tr.Kind, tr.Participant, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
				}
			}
		})
	}
}

// correlation returns the highest normalised correlation of two signals within
// a shift, and that shift.
func correlation(a, b []float64, reach int) (best float64, at int) {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	best = -1
	for shift := -reach; shift <= reach; shift++ {
		var ab, aa, bb float64
		for i := max(0, -shift); i < n-max(0, shift); i += 3 {
			x, y := a[i], b[i+shift]
			ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
		}
		if r := ab / math.Sqrt(aa*bb); r > best {
			best, at = r, shift
		}
	}
	return best, at
}

var ssimAll = regexp.MustCompile(`All:([0-9.]+)`)

// ssim compares the pictures of two files, matched by their times.
func ssim(t *testing.T, path, source string) float64 {
	t.Helper()
	stats := filepath.Join(t.TempDir(), "ssim")
	judge.Run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-i", source,
		"-lavfi", "[0:v]fps=24[a];[1:v]fps=24[b];[a][b]ssim=stats_file="+stats, "-f", "null", "-")
	text, err := os.ReadFile(stats)
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0
	for _, m := range ssimAll.FindAllStringSubmatch(string(text), -1) {
		v, _ := strconv.ParseFloat(m[1], 64)
		sum, n = sum+v, n+1
	}
	return sum / float64(n)
}

// Flash and beep of the sync pattern meet in the decoded file, whatever the
// capture rate.
func TestSyncPattern(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, fps := range []int{15, 24, 30, 60} {
		t.Run(fmt.Sprint(fps), func(t *testing.T) {
			o := recordJSON(t, "--participant", "demo=avsync", "--fps", fmt.Sprint(fps), "--duration", "12", "--fast")
			if math.Abs(o.Duration-12) > 0.05 {
				t.Errorf("lasts %.3f s, want 12", o.Duration)
			}
			if pictures, packets := o.Tracks[0].SamplesIn, o.Tracks[1].SamplesIn; pictures != int64(12*fps) || packets != 600 {
				t.Errorf("%d pictures and %d packets of audio, want %d and 600", pictures, packets, 12*fps)
			}
			offsets := judge.FlashBeep(t, o.Path)
			if len(offsets) != 11 {
				t.Errorf("%d flashes with beeps in 12 s", len(offsets))
			}
			worst := time.Duration(0)
			for _, d := range offsets {
				worst = max(worst, d.Abs())
			}
			t.Logf("largest offset %v", worst)
			if worst > 20*time.Millisecond {
				t.Errorf("largest offset is %v of %v", worst, offsets)
			}
		})
	}
}
