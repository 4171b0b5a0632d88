package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// sample makes a second of picture and tone.
func sample(t *testing.T, name string, more ...string) string {
	t.Helper()
	return judge.Make(t, name, append([]string{"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1", "-f", "lavfi", "-i", "sine=duration=1:sample_rate=48000",
		"-c:v", "libx264", "-g", "5", "-pix_fmt", "yuv420p", "-c:a", "aac", "-metadata", "title=A talk"}, more...)...)
}

const fragmentFlags = "frag_keyframe+empty_moov+default_base_moof"

func TestInspect(t *testing.T) {
	path := sample(t, "a.mp4")
	code, stdout, stderr := call(t, "inspect", path)
	if code != exitDone || stderr != "" {
		t.Errorf("exit code %d, standard error %q", code, stderr)
	}
	for _, words := range []string{"finished", "00:01.000", "title    A talk", "H.264 High", "64x48 25/s", "AAC LC", "48000 Hz mono", "on"} {
		if !strings.Contains(stdout, words) {
			t.Errorf("output does not say %q:\n%s", words, stdout)
		}
	}
	if _, verbose, _ := call(t, "inspect", "-v", path); !strings.Contains(verbose, "edits of track 1") {
		t.Errorf("verbose output has no edits:\n%s", verbose)
	}
	fragmented := sample(t, "b.mp4", "-movflags", fragmentFlags)
	_, few, _ := call(t, "inspect", fragmented)
	_, all, _ := call(t, "inspect", "--fragments", fragmented)
	if !strings.Contains(few, "fragmented") || !strings.Contains(few, "5 fragments") || strings.Count(all, "at byte") != 5 {
		t.Errorf("fragments:\n%s\n%s", few, all)
	}
}

func TestInspectJSON(t *testing.T) {
	code, stdout, _ := call(t, "inspect", "--json", sample(t, "a.mp4", "-movflags", fragmentFlags))
	var got inspected
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitDone {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if got.Shape != "fragmented" || len(got.Fragments) != 5 || len(got.Tracks) != 2 || got.Tracks[0].Samples != 25 || got.Tracks[1].Rate != 48000 {
		t.Errorf("%+v", got)
	}
	if strings.Contains(stdout, "null") {
		t.Errorf("a list is null:\n%s", stdout)
	}
}

// cut returns a copy of a file that ends early.
func cut(t *testing.T, path, name string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, content[:len(content)*3/4], 0o666); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestRepair(t *testing.T) {
	path := cut(t, sample(t, "a.mp4", "-movflags", fragmentFlags), "talk.mp4.partial")
	code, stdout, stderr := call(t, "repair", path)
	output := strings.TrimSuffix(path, ".partial")
	if code != exitDone || stdout != output+"\n" {
		t.Fatalf("exit code %d, standard output %q\n%s", code, stdout, stderr)
	}
	for _, words := range []string{"samples kept", "damage at byte", "2 tracks"} {
		if !strings.Contains(stderr, words) {
			t.Errorf("report does not say %q:\n%s", words, stderr)
		}
	}
	judge.DecodesClean(t, output)
	code, stdout, stderr = call(t, "repair", output)
	if code != exitDone || stdout != "" || !strings.Contains(stderr, "nothing to repair") {
		t.Errorf("again: exit code %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, _ = call(t, "repair", "--json", "--fast-start", "-o", filepath.Join(t.TempDir(), "f.mp4"), output)
	var got repaired
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitDone || !got.Whole || len(got.Tracks) != 2 {
		t.Errorf("--json: exit code %d, %v\n%s", code, err, stdout)
	}
	judge.DecodesClean(t, got.Output)
}

// interrupted is a recording by RoomKit that nobody finished.
func interrupted(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "room.mp4")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	written := make(chan struct{}, 1000)
	w, err := mp4.NewWriter(f, mp4.Options{Written: func(mp4.Written) { written <- struct{}{} }})
	if err != nil {
		t.Fatal(err)
	}
	track, err := w.AddTrack(mp4.TrackConfig{Codec: mp4.PCM{Rate: 8000, Channels: 1, Bits: 16}, Timescale: 8000, Name: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(100) {
		if err := track.Write(t.Context(), mp4.Sample{DTS: n * 160, PTS: n * 160, Duration: 160, Sync: true, Data: make([]byte, 320)}); err != nil {
			t.Fatal(err)
		}
	}
	<-written
	if err := w.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path
}

// A recording that was killed is told from one that goes on, and is finished
// in place.
func TestInterruptedRecording(t *testing.T) {
	judge.Need(t, "ffprobe")
	path := interrupted(t)
	if _, stdout, _ := call(t, "inspect", path); !strings.Contains(stdout, "room.mp4: recording") {
		t.Errorf("just written:\n%s", stdout)
	}
	before := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, before, before); err != nil {
		t.Fatal(err)
	}
	if _, stdout, _ := call(t, "inspect", path); !strings.Contains(stdout, "room.mp4: interrupted") || !strings.Contains(stdout, "roomkit repair") {
		t.Errorf("a minute later:\n%s", stdout)
	}
	code, stdout, stderr := call(t, "repair", "--in-place", path)
	if code != exitDone || stdout != path+"\n" {
		t.Fatalf("exit code %d, %q\n%s", code, stdout, stderr)
	}
	if _, stdout, _ := call(t, "inspect", path); !strings.Contains(stdout, "room.mp4: finished") || !strings.Contains(stdout, "alice") {
		t.Errorf("repaired:\n%s", stdout)
	}
	if length := judge.Probe(t, path).Length(); length < 500*time.Millisecond {
		t.Errorf("ffprobe says it lasts %v", length)
	}
	foreign := cut(t, sample(t, "a.mp4", "-movflags", fragmentFlags), "b.mp4")
	if code, _, stderr := call(t, "repair", "--in-place", foreign); code != exitFailed || !strings.Contains(stderr, "without --in-place") {
		t.Errorf("of another program: exit code %d\n%s", code, stderr)
	}
}

func TestInspectAndRepairMistakes(t *testing.T) {
	text := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("This is no media. ", 100)), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"no file":          {[]string{"inspect"}, exitUsage, []string{"file"}},
		"no file, repair":  {[]string{"repair"}, exitUsage, []string{"file"}},
		"two files":        {[]string{"inspect", text, text}, exitUsage, []string{"notes.txt"}},
		"missing":          {[]string{"inspect", "nothere.mp4"}, exitFailed, []string{"nothere.mp4", "no such file"}},
		"missing, repair":  {[]string{"repair", "nothere.mp4"}, exitFailed, []string{"nothere.mp4", "no such file"}},
		"missing in place": {[]string{"repair", "--in-place", "nothere.mp4"}, exitFailed, []string{"nothere.mp4", "no such file"}},
		"text":             {[]string{"inspect", "--json", text}, exitFailed, []string{"notes.txt", "not an MP4"}},
		"text, repair":     {[]string{"repair", "--json", text}, exitFailed, []string{"notes.txt", "not an MP4"}},
		"both ways":        {[]string{"repair", "--in-place", "-o", "x.mp4", text}, exitUsage, []string{"--in-place", "--output", "repair --help"}},
		"fast in place":    {[]string{"repair", "--in-place", "--fast-start", text}, exitUsage, []string{"--fast-start"}},
		"flag":             {[]string{"inspect", "--bogus", text}, exitUsage, []string{"--bogus", "--fragments"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := call(t, c.args...)
			if code != c.code || stdout != "" {
				t.Errorf("exit code %d, want %d; standard output %q", code, c.code, stdout)
			}
			for _, words := range c.says {
				if !strings.Contains(stderr, words) {
					t.Errorf("message does not say %q:\n%s", words, stderr)
				}
			}
		})
	}
}

func TestClock(t *testing.T) {
	for seconds, want := range map[float64]string{0: "00:00.000", 62.3456: "01:02.346", -0.5: "-00:00.500", 3600.9999: "1:00:01.000"} {
		if got := clock(seconds); got != want {
			t.Errorf("%v s is %s, want %s", seconds, got, want)
		}
	}
}
