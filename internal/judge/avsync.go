package judge

import (
	"testing"
	"time"
)

// FlashBeep decodes a recording of the sync pattern and returns, for each
// second in which both are found, how much later the beep begins than the
// flash.
func FlashBeep(t testing.TB, path string) []time.Duration {
	t.Helper()
	flashes, beeps := Flashes(t, path, 0), Beeps(t, path, 0)
	var offsets []time.Duration
	for _, f := range flashes {
		for _, b := range beeps {
			if d := b - f; d.Abs() < 500*time.Millisecond {
				offsets = append(offsets, d)
			}
		}
	}
	if len(offsets) != len(flashes) || len(offsets) != len(beeps) {
		t.Fatalf("%s: %d flashes and %d beeps make %d pairs", path, len(flashes), len(beeps), len(offsets))
	}
	return offsets
}

// Flashes decodes the nth video stream and returns when pictures turn from dark
// to bright. The first picture is no flash.
func Flashes(t testing.TB, path string, n int) []time.Duration {
	t.Helper()
	return flashOnsets(Pictures(t, path, n))
}

// Beeps decodes the nth audio stream and returns when sound begins after quiet.
func Beeps(t testing.TB, path string, n int) []time.Duration {
	t.Helper()
	return beepOnsets(Audio(t, path, n, beepRate))
}

func flashOnsets(pictures []Picture) []time.Duration {
	var onsets []time.Duration
	for i, p := range pictures {
		if p.Luma > 128 && i > 0 && pictures[i-1].Luma <= 128 {
			onsets = append(onsets, p.Time)
		}
	}
	return onsets
}

const beepRate = 48000

// beepOnsets finds where a beep's envelope crosses a quarter of full scale
// after at least 200 ms of quiet.
func beepOnsets(pcm []float64) []time.Duration {
	var onsets []time.Duration
	quiet := 0
	for i, v := range pcm {
		if v < 0.25 && v > -0.25 {
			quiet++
			continue
		}
		if quiet >= beepRate/5 {
			onsets = append(onsets, time.Duration(i)*time.Second/beepRate)
		}
		quiet = 0
	}
	return onsets
}
