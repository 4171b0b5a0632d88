package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// whole is all that --json prints of a recording with its layers.
type whole struct {
	printed
	Reason   string `json:"reason"`
	Sessions []struct {
		printed
		Reason string `json:"reason"`
	} `json:"sessions"`
}

func recordWhole(t *testing.T, args ...string) (w whole) {
	t.Helper()
	args = append([]string{"record", "--json", "--fast", "--output", t.TempDir()}, args...)
	code, stdout, stderr := execute(t, args...)
	if code != exitDone {
		t.Fatalf("roomkit %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &w); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	return w
}

func TestLimits(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	long := recordWhole(t, "--participant", "a=test", "--max-duration", "3")
	if long.Reason != "maximum duration" || long.Duration < 2.9 || long.Duration > 3.1 {
		t.Errorf("ended by %q after %v s", long.Reason, long.Duration)
	}
	judge.DecodesClean(t, long.Path)
	large := recordWhole(t, "--participant", "a=test", "--duration", "1h", "--max-size", "200kB")
	if large.Reason != "maximum size" || large.Size < 200_000 || large.Size > 1_000_000 {
		t.Errorf("ended by %q with %d bytes", large.Reason, large.Size)
	}
	judge.DecodesClean(t, large.Path)
	if usual := recordWhole(t, "--participant", "a=test", "--duration", "1", "--max-duration", "1h", "--max-size", "1GB", "--min-free", "1kB"); usual.Reason != "room closed" {
		t.Errorf("ended by %q", usual.Reason)
	}
	code, _, stderr := execute(t, "record", "--participant", "a=test", "--duration", "1", "--output", t.TempDir(), "--min-free", "9000000GB")
	if code != exitFailed || !strings.Contains(stderr, "too little disk space") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// Each source's voice and pictures go into files of their own, too.
func TestSessionFiles(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe", "soxi")
	dir := t.TempDir()
	w := recordWhole(t, "--participant", "ann=test", "--participant", "bob=avsync", "--duration", "3",
		"--wav", filepath.Join(dir, "voices"), "--session-video", filepath.Join(dir, "pictures"))
	if len(w.Sessions) != 4 || len(w.Tracks) != 4 {
		t.Fatalf("%d recordings of sessions, %d tracks in the room's", len(w.Sessions), len(w.Tracks))
	}
	for _, s := range w.Sessions {
		if len(s.Tracks) != 1 || s.Duration < 2.99 || s.Duration > 3.01 || s.Error != "" {
			t.Errorf("recording of a session: %+v", s)
		}
		switch filepath.Ext(s.Path) {
		case ".wav":
			out, err := exec.Command("soxi", "-D", s.Path).CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || !strings.HasPrefix(got, "3.0") {
				t.Errorf("%s: sox says %q, %v", s.Path, got, err)
			}
		default:
			judge.DecodesClean(t, s.Path)
			if d := judge.Probe(t, s.Path).Length(); (d - 3*time.Second).Abs() > 50*time.Millisecond {
				t.Errorf("%s lasts %v", s.Path, d)
			}
		}
	}
	for pattern, n := range map[string]int{"voices/voice_ann_*.wav": 1, "voices/voice_bob_*.wav": 1, "pictures/video_ann_*.mp4": 1, "pictures/video_bob_*.mp4": 1} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) != n {
			t.Errorf("%s: %v", pattern, found)
		}
	}
}

// What was asked for and cannot be had is said before anything is recorded.
func TestSessionFilesThatCannotBe(t *testing.T) {
	for _, flag := range []string{"--wav", "--session-video"} {
		code, stdout, stderr := execute(t, "record", "--fast", "--output", t.TempDir(), "--participant", "ann=test", "--duration", "1", flag, "/proc/nowhere")
		if code != exitFailed || stdout != "" || !strings.Contains(stderr, flag+` "/proc/nowhere"`) {
			t.Errorf("exit code %d, %q\n%s", code, stdout, stderr)
		}
	}
}

// Limits are those of each source's own recordings, too.
func TestLimitsOfSessions(t *testing.T) {
	dir := t.TempDir()
	w := recordWhole(t, "--participant", "ann=test", "--duration", "5", "--max-duration", "2", "--wav", dir, "--session-video", dir)
	if len(w.Sessions) != 2 {
		t.Fatalf("%d recordings of sessions", len(w.Sessions))
	}
	for _, s := range w.Sessions {
		if s.Reason != "maximum duration" || s.Duration < 1.95 || s.Duration > 2.05 {
			t.Errorf("%s ended by %q after %v s", s.Path, s.Reason, s.Duration)
		}
	}
	for _, tr := range w.Tracks {
		if len(tr.Dropped) > 0 {
			t.Errorf("a recording that has ended lost %v", tr.Dropped)
		}
	}
}
