package mp4

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// gapFile has a track of each kind with the given decode times, of samples
// that say they last for length.
func gapFile(t *testing.T, codec Codec, timescale uint32, length int64, times []int64) *Movie {
	t.Helper()
	f := &memoryFile{}
	w, err := NewWriter(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	track, err := w.AddTrack(TrackConfig{Codec: codec, Timescale: timescale})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range times {
		if err := track.Write(t.Context(), Sample{DTS: at, PTS: at, Duration: length, Sync: true, Data: []byte{1, 2, 3, 4}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := Read(bytes.NewReader(f.p), int64(len(f.p)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func steps(n int, step int64, extra map[int]int64) (times []int64) {
	at := int64(0)
	for i := range n {
		at += extra[i]
		times = append(times, at)
		at += step
	}
	return times
}

func TestGaps(t *testing.T) {
	opus := Opus{Channels: 1, PreSkip: 312}
	video := VP8{Width: 16, Height: 16}
	for name, c := range map[string]struct {
		codec  Codec
		scale  uint32
		length int64
		times  []int64
		want   string
	}{
		"audio, none":         {opus, 48000, 960, steps(100, 960, nil), "[]"},
		"audio, one":          {opus, 48000, 960, steps(100, 960, map[int]int64{50: 4800}), "[{1s 100ms}]"},
		"audio, two":          {opus, 48000, 960, steps(100, 960, map[int]int64{50: 960, 75: 480}), "[{1s 20ms} {1.52s 10ms}]"},
		"video, none":         {video, 90000, 3000, steps(100, 3000, nil), "[]"},
		"video, a slow one":   {video, 90000, 3000, steps(100, 3000, map[int]int64{60: 9000}), "[]"},
		"video, a second":     {video, 90000, 3000, steps(100, 3000, map[int]int64{60: 90000}), "[{2s 1s}]"},
		"pictures each 500ms": {video, 90000, 45000, steps(100, 45000, nil), "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			m := gapFile(t, c.codec, c.scale, c.length, c.times)
			if got := fmt.Sprint(m.Tracks[0].Gaps); got != c.want {
				t.Errorf("gaps are %s, want %s", got, c.want)
			}
			if want := ticksToTime(c.times[len(c.times)-1]+c.length, c.scale); (m.Tracks[0].MediaDuration - want).Abs() > time.Millisecond {
				t.Errorf("media lasts %v, want %v", m.Tracks[0].MediaDuration, want)
			}
		})
	}
}
