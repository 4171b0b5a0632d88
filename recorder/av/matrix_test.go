package av_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// fullSweep says that long tests are to run in full; see the Makefile.
func fullSweep() bool { return os.Getenv("ROOMKIT_SWEEP") != "" }

// A syncCase is one combination of a camera, a microphone and a network.
type syncCase struct {
	fps     float64
	rate    int
	packets []time.Duration
	late    time.Duration // packets are handed over up to so much late
	encoded int           // rate in the file
}

func (c syncCase) String() string {
	return fmt.Sprintf("%g/%d/%v/%v/%d", c.fps, c.rate, c.packets, c.late, c.encoded)
}

// syncCases are all combinations.
func syncCases() (cases []syncCase) {
	ms := time.Millisecond
	encoded := []int{16000, 48000, 8000, 24000, 44100}
	for _, fps := range []float64{10, 15, 24, 30000.0 / 1001, 30, 50, 60} {
		for _, rate := range []int{8000, 16000, 24000, 44100, 48000} {
			for _, packets := range [][]time.Duration{{10 * ms}, {20 * ms}, {60 * ms}, {300 * ms, 20 * ms, 100 * ms}} {
				for _, late := range []time.Duration{0, 20 * ms, 200 * ms} {
					cases = append(cases, syncCase{fps, rate, packets, late, encoded[len(cases)%len(encoded)]})
				}
			}
		}
	}
	return cases
}

// offsets are how far a beep was from its flash, and from where that was
// captured, over several recordings.
type offsets struct {
	n          int
	worst      time.Duration
	worstError time.Duration
	sum, sumOf time.Duration
}

// Whatever the camera, the microphone and the network, in the decoded file a
// beep and its flash are as far apart as they were captured.
func TestSyncMatrix(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg", "ffprobe")
	stride := 19 // coprime to all the numbers of choices
	if fullSweep() {
		stride = 1
	}
	var all offsets
	cases := syncCases()
	for i := 0; i < len(cases); i += stride {
		c := cases[i]
		t.Run(c.String(), func(t *testing.T) { c.run(t, uint64(i), &all) })
	}
	mean := all.sum / time.Duration(all.n)
	t.Logf("%d flashes: largest offset %v, mean %v; against their capture largest %v, mean %v",
		all.n, all.worst, mean, all.worstError, all.sumOf/time.Duration(all.n))
	if mean.Abs() > 5*time.Millisecond {
		t.Errorf("mean offset %v", mean)
	}
}

func (c syncCase) run(t *testing.T, seed uint64, all *offsets) {
	r := rand.New(rand.NewPCG(seed, 2))
	rec := start(t, recorder.Config{AudioSampleRate: c.encoded, VideoFPS: 30})
	f := media.AudioFormat{Rate: c.rate, Channels: 1 + r.IntN(2)}
	vf := media.VideoFormat{Width: 64, Height: 48}
	a := addTrack(t, rec, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: f})
	v := addTrack(t, rec, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Video: vf})
	clap := clapper{from: 7 * time.Second, length: 4500 * time.Millisecond}
	pictures, late := clap.camera(vf, c.fps, clap.from)
	var s scene
	s.add(v, pictures, upTo(c.late, r))
	s.add(a, clap.microphone(f, clap.from+time.Duration(r.IntN(50))*time.Millisecond, c.packets), upTo(c.late, r))
	s.play(t)
	c.check(t, stop(t, rec), late, all)
}

// check compares flash and beep in the file. late is how much later than the
// beep each flash was captured.
func (c syncCase) check(t *testing.T, result recorder.Result, late []time.Duration, all *offsets) {
	t.Helper()
	balanced(t, result)
	got := judge.FlashBeep(t, result.Path)
	if len(got) != len(late) {
		t.Fatalf("%d flashes in the file, %d captured", len(got), len(late))
	}
	bound := time.Duration(float64(time.Second)/c.fps/2) + 5*time.Millisecond
	for i, d := range got {
		e := d + late[i]
		all.n++
		all.sum += d
		all.sumOf += e
		all.worst, all.worstError = max(all.worst, d.Abs()), max(all.worstError, e.Abs())
		if d.Abs() > bound || e.Abs() > 5*time.Millisecond {
			t.Errorf("beep %d is %v behind its flash, captured %v", i, d, -late[i])
		}
	}
	for _, tr := range result.Tracks { // pictures from before the first sound are not in the file
		if tr.Losses() != tr.Dropped[recorder.DropBeforeStart] || tr.GapCount != 0 {
			t.Errorf("track %s lost %v, gaps %v", tr.ID, tr.Dropped, tr.Gaps)
		}
	}
}
