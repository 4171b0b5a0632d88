package voice

import (
	"fmt"
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/pcm"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// forgotten is the gap after which what was heard before is no matter: a filter
// for voices rings for a fraction of it.
const forgotten = time.Second

// HighPass takes away what is below hz hertz: rumble, hum, wind, a constant
// offset. 80 to 120 leave a voice as it is. It is a Butterworth filter of second
// order: -3.01 dB at hz, 12 dB less with each octave below.
//
// It delays nothing, takes every format and saturates at full scale. It begins
// anew, as after silence, with a stream, when its format changes, and when its
// times jump by more than a second.
//
// The frequency must be above 0 and below half of the sample rate, or audio
// passes unchanged with an error that wraps [ErrSetting].
func HighPass(hz float64) Stage {
	return func(pipeline.Stream) pipeline.Processor { return &highPass{hz: hz} }
}

type highPass struct {
	hz     float64
	stamps stamps
	err    error
	coef   coefficients
	state  [2]section // by channel
	values []float64
	pool   media.PCMPool
}

func (h *highPass) Process(s media.Sample, emit func(media.Sample)) error {
	f := s.PCM.Format
	if !h.stamps.begun || h.stamps.another(s) {
		h.state = [2]section{}
		h.coef, h.err = butterworth(h.hz, f.Rate)
	}
	if !within(h.stamps.off(s), forgotten) {
		h.state = [2]section{}
	}
	h.stamps.passed(s)
	if h.err != nil {
		return h.err
	}
	h.values = pcm.Decode(h.values, f.Sample, s.PCM.Data)
	for c := range f.Channels {
		h.state[c].filter(h.coef, h.values[c:], f.Channels)
	}
	out := h.pool.Get(f, s.PCM.Frames())
	pcm.Encode(out.Data, f.Sample, h.values)
	s.PCM = out
	emit(s)
	return nil
}

// Flush emits nothing: what follows is another stream.
func (h *highPass) Flush(func(media.Sample)) error {
	h.stamps = stamps{}
	return nil
}

// coefficients of a section: g is the warped cut-off, k the damping.
type coefficients struct{ k, a1, a2, a3 float64 }

// butterworth returns the filter whose response is that of the high-pass in R.
// Bristow-Johnson's Audio EQ Cookbook with Q = 1/√2: the analogue prototype
// s²/(s²+√2·s+1) through the bilinear transform with g = tan(π·hz/rate).
func butterworth(hz float64, rate int) (coefficients, error) {
	if !(hz > 0 && hz < float64(rate)/2) { // so written that NaN fails
		return coefficients{}, fmt.Errorf("%w: high-pass of %g Hz for audio of %d Hz (allowed: above 0, below %g)",
			ErrSetting, hz, rate, float64(rate)/2)
	}
	g, k := math.Tan(math.Pi*hz/float64(rate)), math.Sqrt2
	a1 := 1 / (1 + g*(g+k))
	return coefficients{k: k, a1: a1, a2: g * a1, a3: g * g * a1}, nil
}

// A section is a state variable filter whose two integrators are trapezoidal:
// A. Simper, "Solving the continuous SVF equations using trapezoidal integration
// and equivalent currents", Cytomic 2013. Where a biquad's poles are lost to
// rounding, at cut-offs far below the sample rate, it remains stable.
type section struct{ ic1, ic2 float64 }

// filter works in place on every stride-th value.
func (s *section) filter(c coefficients, values []float64, stride int) {
	ic1, ic2 := s.ic1, s.ic2
	for i := 0; i < len(values); i += stride {
		x := values[i]
		v3 := x - ic2
		v1 := c.a1*ic1 + c.a2*v3
		v2 := ic2 + c.a2*ic1 + c.a3*v3
		ic1, ic2 = audible(2*v1-ic1), audible(2*v2-ic2)
		values[i] = x - c.k*v1 - v2
	}
	s.ic1, s.ic2 = ic1, ic2
}

// audible is zero for what no format could show, 500 dB below full scale.
// Otherwise a filter that rings out in silence comes to numbers so small that
// processors take a hundred times as long for them.
func audible(v float64) float64 {
	if -1e-25 < v && v < 1e-25 {
		return 0
	}
	return v
}
