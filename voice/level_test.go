package voice

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// square is n frames at one level: its RMS and its peak.
func square(at time.Duration, f media.AudioFormat, n int, amplitude float64) media.Sample {
	v := make([]float64, n*f.Channels)
	for i := range v {
		v[i] = amplitude * float64(1-2*(i/f.Channels%2))
	}
	return sampleOf(at, f, v...)
}

func levels(t *testing.T, window time.Duration, samples ...media.Sample) (events []LevelEvent) {
	t.Helper()
	c := newChain(t, Level(window, func(e LevelEvent) { events = append(events, e) }))
	for i, s := range feed(t, c, samples...) {
		if s != samples[i] {
			t.Error("audio does not pass untouched")
		}
	}
	return events
}

func TestLevelInEveryFormat(t *testing.T) {
	for sample := media.S16; sample <= media.F32; sample++ {
		for channels := 1; channels <= 2; channels++ {
			f := format(16000, channels, sample)
			for _, c := range []struct {
				s         media.Sample
				rms, peak float64
			}{
				{square(0, f, 1600, 0.5), -6.02, -6.02},
				{square(0, f, 1600, 0.125), -18.06, -18.06},
				{square(0, f, 1600, 0), MinLevel, MinLevel},
				{tone(0, f, 1600, 100, 0.5), -9.03, -6.02},
			} {
				e := levels(t, 0, c.s)
				if len(e) != 1 || math.Abs(e[0].RMS-c.rms) > 0.05 || math.Abs(e[0].Peak-c.peak) > 0.05 {
					t.Errorf("%s: %+v, want %g and %g", f, e, c.rms, c.peak)
				}
			}
		}
	}
	f := format(16000, 2, media.F32)
	if e := levels(t, 0, sampleOf(0, f, 1, 0, -1, 0)); math.Abs(e[0].RMS+3.01) > 0.01 || e[0].Peak != 0 {
		t.Errorf("one channel of two: %+v, want -3.01 and 0", e)
	}
	nan := sampleOf(0, f, 0, 0)
	copy(nan.PCM.Data, []byte{0, 0, 0xc0, 0x7f})
	if e := levels(t, 0, nan); e[0].RMS != MinLevel {
		t.Errorf("NaN: %+v", e)
	}
}

// Windows go by the audio's frames and times, whatever the packets.
func TestLevelWindows(t *testing.T) {
	f, other := format(16000, 1, media.S16), format(48000, 2, media.F32)
	const loud, soft = 0.5, 0.125
	var samples []media.Sample
	for at := 0; at < 4000; at += 80 { // 250 ms in packets of 5 ms, the last 50 ms softer
		a := loud
		if at >= 3200 {
			a = soft
		}
		samples = append(samples, square(time.Second+f.Duration(at), f, 80, a))
	}
	samples = append(samples,
		square(1400*ms, f, 800, loud),        // behind a gap of 150 ms
		square(1450*ms, other, 48*30, soft),  // of another format
		square(1480*ms, other, 48*250, loud), // and longer than a window
		square(1200*ms, other, 48*20, soft),  // back in time
		square(1260*ms, other, 48*100, loud)) // jitter of 40 ms
	want := []struct{ at, length, dB int }{
		{1000, 100, -6}, {1100, 100, -6}, {1200, 50, -18},
		{1400, 50, -6},
		{1450, 100, -7}, {1550, 100, -6}, {1650, 80, -6},
		{1200, 100, -7}, {1340, 20, -6},
	}
	got := levels(t, 0, samples...)
	if len(got) != len(want) {
		t.Fatalf("%d windows, want %d: %+v", len(got), len(want), got)
	}
	for i, e := range got {
		w := want[i]
		if e.Time != time.Duration(w.at)*ms || e.Duration != time.Duration(w.length)*ms || math.Round(e.RMS) != float64(w.dB) {
			t.Errorf("window %d: %+v, want %+v", i, e, w)
		}
	}
	if got[1].Peak < -7 || got[2].Peak > -17 {
		t.Errorf("peaks %g and %g, want each window's own", got[1].Peak, got[2].Peak)
	}
}

func TestLevelOfOddAudio(t *testing.T) {
	for _, c := range []struct {
		rate, frames int
		window       time.Duration
		want         int
	}{
		{1, 3, 0, 3},                 // a frame is longer than the window
		{768000, 768000, 0, 10},      //
		{11025, 11025, 10 * ms, 101}, // 110 frames and a quarter: 9.98 ms, and the rest
		{16000, 16000, math.MaxInt64, 1},
		{16000, 10, 1, 10},
	} {
		f := format(c.rate, 1, media.U8)
		e := levels(t, c.window, square(0, f, c.frames, 0.5))
		total := time.Duration(0)
		for i, x := range e {
			if i > 0 && !near(x.Time, total, time.Duration(i+1)) {
				t.Errorf("%d Hz: window %d is at %v, want %v", c.rate, i, x.Time, total)
			}
			total += x.Duration
		}
		if len(e) != c.want {
			t.Errorf("%d Hz: %d windows, want %d", c.rate, len(e), c.want)
		}
	}
}

func TestLevelRefuses(t *testing.T) {
	s := tone(0, format(8000, 1, media.S16), 160, 440, 0.5)
	for name, stage := range map[string]Stage{
		"window":   Level(-1, func(LevelEvent) {}),
		"function": Level(0, nil),
	} {
		if err := stage(pipeline.Stream{}).Process(s, func(media.Sample) {}); !errors.Is(err, ErrSetting) {
			t.Errorf("%s: %v, want ErrSetting", name, err)
		}
		c := newChain(t, stage)
		if out := feed(t, c, s); len(out) != 1 || out[0] != s || c.Failures() != 1 {
			t.Errorf("%s: %v, %d failures", name, out, c.Failures())
		}
	}
}

// A callback that panics costs its stage a failure and the audio nothing.
func TestLevelSurvivesItsCallback(t *testing.T) {
	f := format(8000, 1, media.S16)
	calls := 0
	c := newChain(t,
		Level(20*ms, func(LevelEvent) { calls++; panic("ouch") }),
		Speech(SpeechOptions{Attack: 1}, func(SpeechEvent) { panic("ouch") }))
	out := feed(t, c, square(0, f, 160, 0.5), square(20*ms, f, 160, 0.5), square(time.Second, f, 160, 0))
	if len(out) != 3 || calls != 3 || c.Failures() != 5 {
		t.Errorf("%d samples, %d calls, %d failures", len(out), calls, c.Failures())
	}
}
