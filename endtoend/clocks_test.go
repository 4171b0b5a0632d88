package endtoend_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Two participants whose clocks are apart, and drift apart, talk over a network
// that delays by 20 to 200 ms. In the file each one's picture and sound are in
// step, and so are the two: what happens at one moment is at one moment.
func TestClocksApart(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe", "gst-launch-1.0")
	seconds := 90
	if os.Getenv("ROOMKIT_SWEEP") != "" {
		seconds = 600
	}
	const (
		settled = 10 * time.Second
		apart   = 20 * time.Millisecond
		lip     = 10 * time.Millisecond
	)
	flows := []flow{h264Flow(t, seconds), opusFlow(t, seconds)}
	way := network{least: 20 * time.Millisecond, queue: 180 * time.Millisecond}
	fast := &replay{name: "fast", sender: sender{flows: flows, seed: 3, ppm: 200, ahead: 500 * time.Millisecond, net: way}}
	slow := &replay{name: "slow", sender: sender{flows: flows, seed: 4, ppm: -200, net: way}}

	r := newRoom(t, media.NewVirtualClock(), recorder.Config{})
	record(t, r, fast, slow)
	result := r.close()
	plays(t, result.Path, 2, 2)
	file := judge.Probe(t, result.Path)
	seen := map[string][]time.Duration{}
	heard := map[string][]time.Duration{}
	for _, b := range []*replay{fast, slow} {
		flashes := judge.Flashes(t, result.Path, streamOf(t, file, b.name, "video"))
		beeps := judge.Beeps(t, result.Path, streamOf(t, file, b.name, "audio"))
		atFirst := func(at time.Duration) bool { return at < settled }
		flashes, beeps = slices.DeleteFunc(flashes, atFirst), slices.DeleteFunc(beeps, atFirst)
		if len(flashes) < seconds-12 || len(beeps) < seconds-12 {
			t.Fatalf("%s: %d flashes and %d beeps", b.name, len(flashes), len(beeps))
		}
		seen[b.name], heard[b.name] = b.sender.late(flashes), b.sender.late(beeps)
		off := slices.Sorted(slices.Values(pairs(flashes, beeps)))
		t.Logf("%s: flashes late by %v to %v, beeps by %v to %v, beeps behind flashes by %v to %v", b.name,
			slices.Min(seen[b.name]), slices.Max(seen[b.name]), slices.Min(heard[b.name]), slices.Max(heard[b.name]), off[0], off[len(off)-1])
		if off[0] < -lip || off[len(off)-1] > lip {
			t.Errorf("%s: beeps are %v to %v behind flashes", b.name, off[0], off[len(off)-1])
		}
	}
	for what, of := range map[string]map[string][]time.Duration{"flashes": seen, "beeps": heard} {
		low := min(slices.Min(of["fast"]), slices.Min(of["slow"]))
		high := max(slices.Max(of["fast"]), slices.Max(of["slow"]))
		if high-low > apart {
			t.Errorf("%s of one moment are up to %v apart", what, high-low)
		}
	}
}

// late returns by how much instants in the file are behind those of the capture
// of the same full second of the sender's own time; time zero is the same for
// all.
func (s *sender) late(instants []time.Duration) []time.Duration {
	var late []time.Duration
	for _, at := range instants {
		own := time.Duration(float64(at) * (1 + s.ppm/1e6)).Round(time.Second)
		late = append(late, at-s.real(own))
	}
	return late
}
