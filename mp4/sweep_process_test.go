package mp4_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// How much of what a killed process leaves is shown to programs, for each pair
// of codecs.
const (
	sweepProcess   = 200 // to ffprobe and ffmpeg
	sweepGStreamer = 4
	sweepChromium  = 1
)

func needSweep(t *testing.T, tools ...string) {
	t.Helper()
	if !isSlow() {
		t.Skip("takes minutes; make sweep runs it")
	}
	judge.Need(t, tools...)
}

// TestSweepKilled again, with the programs that people have: half of the states
// are of the first fragments.
func TestSweepProcesses(t *testing.T) {
	needSweep(t, "ffprobe", "ffmpeg")
	everyPair(t, func(t *testing.T, video, audio string) {
		d := trouble.NewDisk(nil)
		l := newLedger(d)
		o := mp4.Options{Fragment: 300 * time.Millisecond, SyncInterval: eachFragment, Written: l.written}
		if err := record(t, d, o, sweepParts(t, video, audio, 3)); err != nil {
			t.Fatal(err)
		}
		s := newSweep(t, d, l)
		states := s.randomStates(t, d, sweepProcess)
		for _, st := range states {
			showPrograms(t, st.path, st.what, st.least)
			if t.Failed() {
				return
			}
		}
		for _, st := range states[:sweepGStreamer] {
			if r := judge.GStreamer(t, st.path, 1, 1); len(r.Complaints) > 0 {
				t.Errorf("%s: GStreamer: %q", st.what, r.Complaints)
			}
		}
		if video != "hevc" { // which Debian's Chromium lacks
			for _, st := range states[:sweepChromium] {
				judge.Chromium(t, st.path)
			}
		}
		t.Logf("%d states", len(states))
	})
}

// state is a file as a killed process left it.
type state struct {
	path, what string
	least      []int // what is decoded of each stream at least, pictures or frames of PCM
}

// randomStates draws from the states that have all tracks in a fragment.
func (s *sweep) randomStates(t *testing.T, d *trouble.Disk, count int) (states []state) {
	t.Helper()
	from := s.fragments[s.complete()-1].calls
	middle := s.fragments[s.complete()+1].calls // two fragments later
	early, late := 0, 0
	for m := range d.Killed() {
		if m.Call.N >= middle {
			late++
		} else if m.Call.N >= from {
			early++
		}
	}
	rng := rand.New(rand.NewPCG(uint64(early), uint64(late)))
	drawEarly, drawLate := drawer(rng, count/2, early), drawer(rng, count/2, late)
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for m := range d.Killed() {
		apply(t, file, m)
		if n := m.Call.N; n >= middle && drawLate() || n >= from && n < middle && drawEarly() {
			states = append(states, s.state(t, m))
		}
	}
	rng.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
	return states
}

// state keeps the file as it is.
func (s *sweep) state(t *testing.T, m trouble.Moment) state {
	t.Helper()
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	least := s.least[s.wholeAt(m.Call.N)]
	st := state{
		path: scratch(t, data), least: slices.Clone(least.frames),
		what: fmt.Sprintf("killed after %d of %d bytes of call %d at %d", m.Done, m.Call.Len, m.Call.N, m.Call.Off),
	}
	for i, info := range least.streams {
		if info.Kind == media.KindAudio {
			st.least[i] -= hiddenPriming
		}
	}
	return st
}

// showPrograms checks that ffprobe and ffmpeg say nothing against a file, and
// that ffmpeg decodes so many pictures, or frames of mono sound, of each of its
// first streams. The others may be without a sample, which ffmpeg would not
// take.
func showPrograms(t *testing.T, path, what string, least []int) {
	t.Helper()
	if _, err := quietly("ffprobe", "-v", "error", path); err != nil {
		t.Errorf("%s: ffprobe: %v", what, err)
		return
	}
	args := []string{"-nostdin", "-v", "error", "-xerror", "-i", path}
	for i := range least {
		args = append(args, "-map", fmt.Sprintf("0:%d", i))
	}
	out, err := quietly("ffmpeg", append(args, "-fps_mode", "passthrough", "-enc_time_base:v", "1:90000", "-f", "framecrc", "-")...)
	if err != nil {
		t.Errorf("%s: ffmpeg: %v", what, err)
		return
	}
	if got := frameCounts(out, len(least)); !atLeast(got, least) {
		t.Errorf("%s: ffmpeg decodes %v, want at least %v", what, got, least)
	}
}

func atLeast(got, least []int) bool {
	for i := range least {
		if got[i] < least[i] {
			return false
		}
	}
	return true
}

// quietly runs a program that must not say anything on standard error.
func quietly(name string, args ...string) ([]byte, error) {
	var out, said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		return nil, fmt.Errorf("%w: %s", cmp.Or(err, errTalks), said.Bytes())
	}
	return out.Bytes(), nil
}

var errTalks = errors.New("complains")

// frameCounts reads what the framecrc muxer says: a line with stream, DTS, PTS,
// duration, size and sum for each frame. Sound is 16 bits mono there.
func frameCounts(out []byte, streams int) []int {
	counts, sound := make([]int, streams), make([]bool, streams)
	for line := range strings.Lines(string(out)) {
		var n, size int
		var dts, pts, length int64
		if _, err := fmt.Sscanf(line, "#media_type %d: audio", &n); err == nil {
			sound[n] = true
		}
		if k, _ := fmt.Sscanf(line, "%d, %d, %d, %d, %d", &n, &dts, &pts, &length, &size); k < 5 {
			continue
		}
		if sound[n] {
			counts[n] += size / 2
		} else {
			counts[n]++
		}
	}
	return counts
}

// How much of what a power loss leaves is shown to programs, for each shape.
const (
	lossProcess   = 60 // to ffprobe and ffmpeg
	lossGStreamer = 4
	lossChromium  = 2
)

// TestPowerLoss again, with the programs that people have.
func TestSweepPowerLoss(t *testing.T) {
	needSweep(t, "ffprobe", "ffmpeg")
	parts := lateParts(t)
	for name, o := range powerShapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := trouble.NewDisk(nil)
			if err := record(t, d, o, parts); err != nil {
				t.Fatal(err)
			}
			losses, of := randomLosses(d, lossProcess)
			for i, image := range losses {
				path, tables := scratch(t, image.Data), judge.ListSamples(image.Durable)
				showPrograms(t, path, image.What, make([]int, sampled(tables)))
				if t.Failed() {
					return
				}
				if i < lossGStreamer {
					judge.GStreamer(t, path, 1, 1)
				}
				if i < lossChromium {
					judge.Chromium(t, path)
				}
			}
			t.Logf("%d of %d images", len(losses), of)
		})
	}
}

// sampled returns how many tracks, of those in the order of joining, have a
// sample.
func sampled(f judge.Tables) int {
	n := slices.IndexFunc(f.Tracks, func(tr judge.Table) bool { return len(tr.Samples) == 0 })
	if n < 0 {
		return len(f.Tracks)
	}
	return n
}

// randomLosses draws from the images of a power loss before which samples of
// the camera and the voice were made durable, and returns how many those are.
func randomLosses(d *trouble.Disk, count int) (drawn []trouble.Image, of int) {
	rng := rand.New(rand.NewPCG(3, 4))
	var durable []byte
	begun := false
	for image := range d.PowerLoss(1, 12) {
		if len(image.Durable) != len(durable) || len(durable) > 0 && &image.Durable[0] != &durable[0] {
			durable, begun = image.Durable, sampled(judge.ListSamples(image.Durable)) >= 2
		}
		if !begun {
			continue
		}
		of++
		if len(drawn) < count {
			drawn = append(drawn, image)
		} else if n := rng.IntN(of); n < count {
			drawn[n] = image
		}
	}
	rng.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	return drawn, of
}
