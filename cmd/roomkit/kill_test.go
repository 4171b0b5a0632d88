package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// mayBeLost is how much of a live recording a killed process may cost: a second
// in "make sweep", which has the machine to itself. Beside other tests the
// encoders do not keep up with the clock.
func mayBeLost() time.Duration {
	if os.Getenv("ROOMKIT_SWEEP") != "" {
		return time.Second
	}
	return 2 * time.Second
}

// A killed process leaves a file that plays, with all tracks, to one second
// before its end at least.
func TestKill(t *testing.T) {
	program := binary(t)
	killAtRandom(t, 6, func(dir string) *process {
		return begin(t, program, "record", "--participant", "a=test", "--participant", "b=test", "--duration", "0", "--output", dir)
	})
}

// The same of a room that somebody joins a second after it began. No command
// does that yet: this test's own program is killed.
func TestKillLate(t *testing.T) {
	if dir := os.Getenv(lateRoom); dir != "" {
		recordLateRoom(t, dir)
		return
	}
	killAtRandom(t, 3, func(dir string) *process {
		t.Setenv(lateRoom, dir)
		return begin(t, os.Args[0], "-test.run=^TestKillLate$")
	})
}

// lateRoom is the variable that makes TestKillLate the program to be killed,
// and says where it records.
const lateRoom = "ROOMKIT_TEST_LATE_ROOM"

// recordLateRoom records until it is killed. When the late participant joins it
// prints the time.
func recordLateRoom(t *testing.T, dir string) {
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	kit := roomkit.New()
	room, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: dir}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "late"} {
		b, err := testpattern.New(testpattern.Options{Name: name, Live: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel(name, b)); err != nil {
			t.Fatal(err)
		}
		if name == "late" {
			time.Sleep(time.Second)
			fmt.Println(lateSays, time.Now().UnixNano())
		}
		if _, err := kit.Join(t.Context(), room.ID(), name, roomkit.WithParticipant(name)); err != nil {
			t.Fatal(err)
		}
	}
	select {}
}

const lateSays = "joins at"

// killAtRandom kills recordings that start begins in a directory, 50 of them in
// "make sweep".
func killAtRandom(t *testing.T, moments int, start func(dir string) *process) {
	judge.Need(t, "ffmpeg", "ffprobe")
	if os.Getenv("ROOMKIT_SWEEP") != "" {
		moments = 50
	} else if testing.Short() {
		t.Skip("takes half a minute")
	}
	rng := rand.New(rand.NewPCG(7, 7))
	worst := time.Duration(0)
	for range moments {
		after := 1500*time.Millisecond + time.Duration(rng.Int64N(int64(2*time.Second)))
		worst = max(worst, killOnce(t, after, start))
	}
	t.Logf("%d kills, at most %v lost", moments, worst)
}

// killOnce kills a recording some time after its file has come to be, and
// returns how much it lost of any track.
func killOnce(t *testing.T, after time.Duration, start func(dir string) *process) (worst time.Duration) {
	t.Helper()
	dir := t.TempDir()
	p := start(dir)
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
	joined := joinTime(t, p, begun)
	for _, name := range slices.Sorted(maps.Keys(joined)) {
		for _, kind := range []string{"audio", "video"} {
			end := joined[name]
			if s, ok := streamOf(f, name, kind); ok {
				end = max(end, streamEnd(t, path, s.Index))
			}
			worst = max(worst, lasted-end)
			if lasted-end > mayBeLost() {
				t.Errorf("killed after %v: %s of %s ends at %v, %v before", lasted, kind, name, end, lasted-end)
			}
		}
	}
	return worst
}

// joinTime returns when everybody in a recording joined it.
func joinTime(t *testing.T, p *process, begun time.Time) map[string]time.Duration {
	t.Helper()
	_, at, isLate := strings.Cut(p.stdout.String(), lateSays)
	if !isLate {
		return map[string]time.Duration{"a": 0, "b": 0}
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(at), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]time.Duration{"a": 0, "late": time.Unix(0, ns).Sub(begun)}
}

// streamOf finds a participant's stream of a kind.
func streamOf(f judge.File, participant, kind string) (judge.Stream, bool) {
	for _, s := range f.Of(kind) {
		if s.Tags["handler_name"] == participant {
			return s, true
		}
	}
	return judge.Stream{}, false
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
