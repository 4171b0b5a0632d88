package wav_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// victimDir is the variable that makes TestKill the program to be killed, and
// says where it records.
const victimDir = "ROOMKIT_TEST_WAV_VICTIM"

// mayBeLost is what a killed process may cost of what it had been given.
const mayBeLost = 500 * time.Millisecond

// A process that is killed leaves files that play, up to half a second before.
func TestKill(t *testing.T) {
	if dir := os.Getenv(victimDir); dir != "" {
		beVictim(t, dir)
		return
	}
	judge.Need(t, "sox", "ffmpeg", "ffprobe")
	kills := 4
	if os.Getenv("ROOMKIT_SWEEP") != "" {
		kills = 50
	} else if testing.Short() {
		t.Skip("takes some seconds")
	}
	r := rand.New(rand.NewPCG(21, 21))
	worst := time.Duration(0)
	for range kills {
		worst = max(worst, killOnce(t, 1200*time.Millisecond+time.Duration(r.Int64N(int64(900*time.Millisecond)))))
	}
	t.Logf("%d kills, at most %v lost", kills, worst)
}

// beVictim records a conversation in real time through a feed, as a room does,
// and prints how much it has been given.
func beVictim(t *testing.T, dir string) {
	rec := newRecorder(t, wav.Options{Channels: wav.All})
	feed, err := recorder.OpenFeed(t.Context(), recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: dir}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	track := feed.AddTrack(voice)
	clock := media.NewRealClock()
	pacer := clock.NewPacer()
	for at := time.Duration(0); ; at += 20 * time.Millisecond {
		if err := pacer.SleepUntil(t.Context(), at+20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		track.Push(spoken(in, at, testRate/50))
		track.Push(spoken(out, at, testRate/50))
		fmt.Println("given", int64(at+20*time.Millisecond))
	}
}

// killOnce kills a recording some time after it was given the first audio, and
// returns how much of what it was given any file has lost.
func killOnce(t *testing.T, after time.Duration) (worst time.Duration) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	given, timer := time.Duration(0), (*time.Timer)(nil)
	for lines := bufio.NewScanner(stdout); lines.Scan(); { // until it is dead
		_, number, ok := strings.Cut(lines.Text(), "given ")
		if !ok {
			continue
		}
		ns, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		given = time.Duration(ns)
		if timer == nil {
			timer = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
	}
	return lostOf(t, dir, given)
}

// lostOf checks the files of a process that was killed.
func lostOf(t *testing.T, dir string, given time.Duration) (worst time.Duration) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.wav"))
	if err != nil || len(files) != 4 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(b); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		length := judge.Probe(t, path).Length()
		lost := given - length
		if worst = max(worst, lost); lost > mayBeLost {
			t.Errorf("%s: killed after %v, %v are lost", filepath.Base(path), given, lost)
		}
		values := raw(t, "sox", path)
		if !slices.Equal(values, raw(t, "ffmpeg", path)) {
			t.Errorf("%s: sox and ffmpeg do not read the same", path)
		}
		channels := 1
		if strings.HasSuffix(path, "_stereo.wav") {
			channels = 2
		}
		if n := int64(len(values) / channels); n != int64(length*testRate/time.Second) {
			t.Errorf("%s: sox reads %d frames, ffprobe %v", path, n, length)
		}
		if strings.HasSuffix(path, "_inbound.wav") {
			for i, v := range values {
				if int16(v>>16) != noise(in, int64(i)) {
					t.Fatalf("frame %d is not what was said", i)
				}
			}
		}
	}
	return worst
}
