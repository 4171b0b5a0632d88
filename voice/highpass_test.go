package voice

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// gains returns what a filter does to frequencies, in dB, worked out from its
// response to a pulse.
func gains(t *testing.T, hz float64, rate int, at ...float64) (dB []float64) {
	t.Helper()
	coef, err := butterworth(hz, rate)
	if err != nil {
		t.Fatal(err)
	}
	pulse := make([]float64, int(5*float64(rate)/hz)) // until it has rung out, to e^(-√2·π·5)
	pulse[0] = 1
	var s section
	s.filter(coef, pulse, 1)
	for _, f := range at {
		sum, turn, step := 0i, 1+0i, cmplx.Rect(1, -2*math.Pi*f/float64(rate))
		for _, v := range pulse {
			sum += complex(v, 0) * turn
			turn *= step
		}
		dB = append(dB, 20*math.Log10(cmplx.Abs(sum)))
	}
	return dB
}

// The response is the Butterworth filter's, warped as the bilinear transform
// does: |H|² = 1/(1+(tan(π·hz/rate)/tan(π·f/rate))⁴).
func TestHighPassResponse(t *testing.T) {
	for _, rate := range []int{8000, 16000, 44100, 48000, 768000} {
		for _, hz := range []float64{20, 100, 390} {
			at := []float64{hz, hz / 4, 10 * hz, hz / 2, 2 * hz}
			got := gains(t, hz, rate, at...)
			for i, f := range at {
				r := math.Tan(math.Pi*hz/float64(rate)) / math.Tan(math.Pi*f/float64(rate))
				if want := -10 * math.Log10(1+math.Pow(r, 4)); math.Abs(got[i]-want) > 0.01 {
					t.Errorf("%g Hz at %d Hz: %.3f dB at %g Hz, want %.3f", hz, rate, got[i], f, want)
				}
			}
			if math.Abs(got[0]+3.01) > 0.01 || got[1] > -20 || got[2] < -0.1 {
				t.Errorf("%g Hz at %d Hz: %.3f dB there, %.2f at a quarter, %.3f at ten times", hz, rate, got[0], got[1], got[2])
			}
		}
	}
}

// The same as a user sees it, in every format and both channels.
func TestHighPassInEveryFormat(t *testing.T) {
	for sample := media.S16; sample <= media.F32; sample++ {
		for channels := 1; channels <= 2; channels++ {
			f := format(16000, channels, sample)
			for _, c := range []struct{ hz, min, max float64 }{{25, 0, 0.04}, {1000, 0.79, 0.801}} {
				in := tone(0, f, 16000, c.hz, 0.8)
				before := bytes.Clone(in.PCM.Data)
				out := feed(t, newChain(t, HighPass(150)), in)
				if !bytes.Equal(in.PCM.Data, before) || out[0].Time != 0 || out[0].PCM.Format != f {
					t.Fatalf("%s: the input was written to, or lost", f)
				}
				most := 0.0
				settled := values(out[0])[8000*channels:]
				for i, v := range settled {
					most = max(most, v)
					if channels == 2 && i%2 == 1 && v != settled[i-1] {
						t.Fatalf("%s: channels differ", f)
					}
				}
				if tolerance := 1.0 / 128; most < c.min-tolerance || most > c.max+tolerance {
					t.Errorf("%s: %g Hz has %.3f, want %g to %g", f, c.hz, most, c.min, c.max)
				}
			}
		}
	}
}

// Channels do not touch each other.
func TestHighPassStereo(t *testing.T) {
	f := format(16000, 2, media.F32)
	in := tone(0, f, 1600, 400, 0.5)
	for i := 0; i < len(in.PCM.Data); i += 8 {
		clear(in.PCM.Data[i : i+4]) // the left one is silent
	}
	for i, v := range values(feed(t, newChain(t, HighPass(100)), in)[0]) {
		if i%2 == 0 && v != 0 {
			t.Fatalf("silent channel has %g", v)
		}
	}
}

// However a stream is cut into samples, it sounds the same, bit for bit.
func TestHighPassInPieces(t *testing.T) {
	for sample := media.S16; sample <= media.F32; sample++ {
		f := format(48000, 2, sample)
		whole := tone(0, f, 9600, 150, 0.9)
		want := feed(t, newChain(t, HighPass(120)), whole)[0].PCM.Data
		var samples []media.Sample
		for at, k := 0, 0; at < 9600; k++ {
			n := min(k*389%1531+1, 9600-at)
			p := &media.PCM{Format: f, Data: whole.PCM.Data[at*f.FrameBytes() : (at+n)*f.FrameBytes()]}
			shake := time.Duration(k%41-20) * ms
			samples = append(samples, media.Sample{Time: f.Duration(at) + shake, PCM: p})
			at += n
		}
		var got []byte
		for _, s := range feed(t, newChain(t, HighPass(120)), samples...) {
			got = append(got, s.PCM.Data...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: differs when cut up", f)
		}
	}
}

// A stream begins as after silence; so does what follows a long gap, a jump back
// or another format, and nothing else.
func TestHighPassBeginsAnew(t *testing.T) {
	f := format(16000, 1, media.F32)
	const hz = 100
	fresh := func(s media.Sample) []byte { return feed(t, newChain(t, HighPass(hz)), s)[0].PCM.Data }
	for name, c := range map[string]struct {
		second media.AudioFormat
		at     time.Duration
		anew   bool
	}{
		"follows":        {f, 20 * ms, false},
		"short gap":      {f, 1019 * ms, false},
		"long gap":       {f, 1021 * ms, true},
		"short way back": {f, -979 * ms, false},
		"long way back":  {f, -981 * ms, true},
		"another format": {format(8000, 1, media.F32), 20 * ms, true},
	} {
		second := tone(c.at, c.second, 320, 55, 0.5)
		out := feed(t, newChain(t, HighPass(hz)), tone(0, f, 320, 55, 0.5), second)
		if anew := bytes.Equal(out[1].PCM.Data, fresh(second)); anew != c.anew {
			t.Errorf("%s: begins anew: %v, want %v", name, anew, c.anew)
		}
	}
	c := newChain(t, HighPass(hz))
	s := tone(0, f, 320, 55, 0.5)
	feed(t, c, s)
	if out := feed(t, c, s); !bytes.Equal(out[0].PCM.Data, fresh(s)) {
		t.Error("goes on behind a flush")
	}
}

func TestHighPassSaturates(t *testing.T) {
	f := format(8000, 1, media.S16)
	step := make([]float64, 800)
	for i := range step {
		step[i] = 1 - 2*float64(i/400) // a step of twice full scale
	}
	out := values(feed(t, newChain(t, HighPass(100)), sampleOf(0, f, step...))[0])
	if out[400] != -1 || out[399] > 0.2 {
		t.Errorf("%g and %g around the step", out[399], out[400])
	}
}

// Whatever comes, it is over a second later: silence is silence, of zeros, which
// cost no more than others.
func TestHighPassRingsOut(t *testing.T) {
	f := format(48000, 1, media.F32)
	worst := tone(0, f, 4800, 440, 1)
	for i, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat32, -math.MaxFloat32} {
		bits := math.Float32bits(float32(v))
		for b := range 4 {
			worst.PCM.Data[4*i*10+b] = byte(bits >> (8 * b))
		}
	}
	h := HighPass(80)(pipeline.Stream{}).(*highPass)
	var last media.Sample
	keep := func(s media.Sample) { last = s }
	for i := range 11 {
		s := sampleOf(f.Duration(4800*(i+1)), f, make([]float64, 4800)...)
		if i == 0 {
			s = worst
		}
		if err := h.Process(s, keep); err != nil {
			t.Fatal(err)
		}
		if err := last.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	if h.state != [2]section{} {
		t.Errorf("state %v after a second of silence", h.state)
	}
	for _, v := range values(last) {
		if v != 0 {
			t.Fatalf("silence of %g", v)
		}
	}
}

// At the lowest cut-offs a filter neither drifts nor takes off.
func TestHighPassIsStable(t *testing.T) {
	for _, c := range []struct {
		hz   float64
		rate int
	}{{1e-300, 768000}, {1e-3, 768000}, {0.1, 48000}, {1, 8000}, {3999.999, 8000}, {0.49, 1}} {
		coef, err := butterworth(c.hz, c.rate)
		if err != nil {
			t.Fatal(err)
		}
		var s section
		wave := tone(0, format(48000, 1, media.F32), 1<<14, 2827, 1)
		for range 20 {
			block := values(wave)
			s.filter(coef, block, 1)
			for _, v := range block {
				if !(math.Abs(v) < 2) {
					t.Fatalf("%g Hz at %d Hz: %g", c.hz, c.rate, v)
				}
			}
		}
	}
}

func TestHighPassRefuses(t *testing.T) {
	for _, hz := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 4000, 5000} {
		s := tone(0, format(8000, 1, media.S16), 160, 440, 0.5)
		if err := HighPass(hz)(pipeline.Stream{}).Process(s, func(media.Sample) {}); !errors.Is(err, ErrSetting) {
			t.Errorf("%g Hz: %v, want ErrSetting", hz, err)
		}
		c := newChain(t, HighPass(hz))
		if out := feed(t, c, s, s); len(out) != 2 || out[0] != s || c.Failures() != 2 {
			t.Errorf("%g Hz: %d samples, %d failures", hz, len(out), c.Failures())
		}
	}
	// It depends on the rate, which may change.
	c := newChain(t, HighPass(5000))
	out := feed(t, c, tone(0, format(8000, 1, media.S16), 160, 440, 0.5), tone(20*ms, format(16000, 1, media.S16), 320, 440, 0.5))
	if c.Failures() != 1 || fmt.Sprint(values(out[1])[319]) == fmt.Sprint(values(tone(20*ms, format(16000, 1, media.S16), 320, 440, 0.5))[319]) {
		t.Errorf("%d failures, or unfiltered at 16 kHz", c.Failures())
	}
}
