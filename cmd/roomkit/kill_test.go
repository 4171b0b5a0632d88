package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// mayBeLost is how much of a live recording a killed process may cost.
const mayBeLost = time.Second

// A killed process leaves a file that plays, with all tracks, to one second
// before its end at least.
func TestKill(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	moments := 6
	if os.Getenv("ROOMKIT_SWEEP") != "" {
		moments = 50
	} else if testing.Short() {
		t.Skip("takes half a minute")
	}
	program := binary(t)
	rng := rand.New(rand.NewPCG(7, 7))
	for range moments {
		killOnce(t, program, 1500*time.Millisecond+time.Duration(rng.Int64N(int64(3*time.Second))))
	}
}

// killOnce kills a recording some time after its file has come to be.
func killOnce(t *testing.T, program string, after time.Duration) {
	t.Helper()
	dir := t.TempDir()
	p := begin(t, program, "record", "--participant", "a=test", "--participant", "b=test", "--duration", "0", "--output", dir)
	defer func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	}()
	path := awaitPartial(t, dir)
	// The recording's time zero cannot lie before its file was made. Counting
	// from there makes the loss larger than it is, by the time that opening
	// the encoders takes.
	begun := time.Now()
	time.Sleep(after)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	lasted := time.Since(begun)
	_ = p.Wait()

	judge.DecodesClean(t, path)
	f := judge.Probe(t, path)
	if audio, video := len(f.Of("audio")), len(f.Of("video")); audio < 2 || video < 2 {
		t.Errorf("killed after %v: %d audio and %d video tracks", lasted, audio, video)
	}
	for _, s := range f.Streams {
		if s.Type != "audio" && s.Type != "video" {
			continue
		}
		end := streamEnd(t, path, s.Index)
		t.Logf("killed after %v: %s %d ends %v before", lasted, s.Type, s.Index, lasted-end)
		if lasted-end > mayBeLost {
			t.Errorf("killed after %v: %s %d ends at %v, %v before", lasted, s.Type, s.Index, end, lasted-end)
		}
	}
}

// awaitPartial waits for the file of a recording.
func awaitPartial(t *testing.T, dir string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if files, _ := filepath.Glob(filepath.Join(dir, "*.partial")); len(files) > 0 {
			return files[0]
		}
	}
	t.Fatal("no recording has begun")
	return ""
}

// streamEnd returns when the last packet of a stream ends.
func streamEnd(t *testing.T, path string, stream int) time.Duration {
	t.Helper()
	out := judge.Run(t, "ffprobe", "-v", "error", "-select_streams", strconv.Itoa(stream),
		"-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0", path)
	end := 0.0
	for line := range strings.Lines(string(out)) {
		pts, length, _ := strings.Cut(strings.TrimSpace(line), ",")
		from, err := strconv.ParseFloat(pts, 64)
		if err != nil {
			continue
		}
		lasts, _ := strconv.ParseFloat(strings.Trim(length, ","), 64)
		end = max(end, from+lasts)
	}
	return time.Duration(end * float64(time.Second))
}
