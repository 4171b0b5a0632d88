package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// feed passes frames through in uneven pieces.
func feed(s *stretcher, out, frames []float32) []float32 {
	for i := 1; len(frames) > 0; i++ {
		n := min(i*389%1531+1, len(frames)/s.channels) * s.channels
		out = s.convert(out, frames[:n])
		frames = frames[n:]
	}
	return out
}

func TestStretcherPassesOnBitForBit(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	in := make([]float32, 20000)
	for i := range in {
		in[i] = r.Float32()*2 - 1
	}
	for _, channels := range []int{1, 2} {
		s := newStretcher(16000, channels)
		if out := s.flush(feed(&s, nil, in)); !slices.Equal(out, in) {
			t.Errorf("%d channels: not the same", channels)
		}
		// Nor does a kernel at phase zero change anything.
		s.aim(0)
		if out := s.flush(feed(&s, nil, in)); !slices.Equal(out, in) {
			t.Errorf("%d channels: not the same through the kernel", channels)
		}
	}
}

// The stretcher is taken into use in the middle of a sine, up to 0.4 of the
// rate: there is no seam, its frames are where skew says, and nothing is lost.
func TestStretcherHasNoSeam(t *testing.T) {
	Calculates(t)
	const rate, n = 16000, 60 * 16000
	for _, channels := range []int{1, 2} {
		for _, hz := range []float64{50, 440, 3000, 6400} {
			for _, excess := range []float64{1000e-6, -1000e-6, 2700e-6} {
				in := make([]float32, 0, n*channels)
				for i := range n {
					for range channels {
						in = append(in, float32(0.8*math.Sin(2*math.Pi*hz*float64(i)/rate)))
					}
				}
				s := newStretcher(rate, channels)
				out := feed(&s, nil, in[:10007*channels])
				s.aim(excess)
				worst, place, speed := 0.0, 10007.0, 0.0
				out = s.flush(feed(&s, out, in[10007*channels:]))
				for i := range len(out)/channels - 20 {
					at := float64(i)
					if i >= 10007 {
						at = place
						speed += clamp((excess-speed)*s.ease, -s.slew, s.slew)
						place += 1 + speed
					}
					want := 0.8 * math.Sin(2*math.Pi*hz*at/rate)
					worst = max(worst, math.Abs(float64(out[i*channels])-want), math.Abs(float64(out[(i+1)*channels-1])-want))
				}
				if db := 20 * math.Log10(worst/0.8); db > -75 {
					t.Errorf("%v Hz at %v, %d channels: off by %.1f dB", hz, excess, channels, db)
				}
				if d := place + 20*(1+speed) - n; d < 0 || d > 1.01 {
					t.Errorf("%v at %v: ends %.2f frames behind the last", hz, excess, d)
				}
			}
		}
	}
}

// A sine from a source that runs fast or slow is corrected so that nobody hears
// it: THD+N under −60 dB in every fifth of a second, from before the correction
// begins on.
func TestNobodyHearsTheCorrection(t *testing.T) {
	Calculates(t)
	worst := math.Inf(-1)
	for _, rate := range []int{8000, 16000, 24000, 44100, 48000} {
		for _, out := range []int{16000, 48000} {
			for _, ppm := range []float64{1000, -1000, 300, -300, 100, -100} {
				for _, jitter := range []func(*rand.Rand, int) float64{nil, uniform} {
					if jitter != nil && (out != 16000 || math.Abs(ppm) == 100) {
						continue
					}
					t.Run(fmt.Sprintf("%d to %d/%v/jitter %v", rate, out, ppm, jitter != nil), func(t *testing.T) {
						length := 10 + 3500/math.Abs(ppm) // of which 3 ms are as it is
						x := sine(t, source{rate: rate, ppm: ppm, length: seconds(length), jitter: jitter}, out)
						worst = max(worst, wantPure(t, x, float64(out)))
					})
				}
			}
		}
	}
	t.Logf("worst THD+N %.1f dB", worst)
}

// Once it has settled the speed is steady over seconds, and the pitch that of
// the capture clock.
func TestCorrectionSettles(t *testing.T) {
	Calculates(t)
	for _, rates := range [][2]int{{16000, 16000}, {44100, 48000}, {48000, 16000}} {
		for _, ppm := range []float64{1000, -1000, 300, -300, 100, -100} {
			rate := float64(rates[1])
			length := 55 + 3500/math.Abs(ppm) // of which 3 ms are as it is
			x := sine(t, source{rate: rates[0], ppm: ppm, length: seconds(length)}, rates[1])
			from := len(x) - int(2.1*rate)
			hz, _, db := judge.FitSine(x[from:from+int(2*rate)], rate, 440)
			if db > -60 {
				t.Errorf("%v, %v ppm: THD+N %.1f dB over 2 s", rates, ppm, db)
			}
			if math.Abs(hz/440-1) > 40e-6 { // what is left of the error decays
				t.Errorf("%v, %v ppm: %.4f Hz", rates, ppm, hz)
			}
		}
	}
}

// sine plays a source of 440 Hz and returns what comes out.
func sine(t *testing.T, s source, rate int) (out []float64) {
	t.Helper()
	s.sizes = []int{20}
	s.signal = func(at float64) float32 { return float32(0.8 * math.Sin(2*math.Pi*440*at)) }
	tl := NewAudio(rate, 1)
	defer tl.Close()
	s.run(1, func(_, stamp time.Duration, pcm *media.PCM, _ bool) { add(t, tl, media.Inbound, max(stamp, 0), pcm) })
	if err := tl.Flush(); err != nil {
		t.Fatal(err)
	}
	for frames, _ := tl.Next(960, true); frames != nil; frames, _ = tl.Next(960, true) {
		for _, v := range frames {
			out = append(out, float64(v))
		}
	}
	if !tl.streams[0].stretch.engaged && s.jitter == nil {
		t.Error("nothing was corrected")
	}
	return out
}

func wantPure(t *testing.T, x []float64, rate float64) (worst float64) {
	t.Helper()
	worst = math.Inf(-1)
	window := int(rate / 5)
	for from := int(rate / 10); from+window < len(x)-int(rate/10); from += window {
		_, amplitude, db := judge.FitSine(x[from:from+window], rate, 440)
		if worst = max(worst, db); db > -60 {
			t.Errorf("THD+N %.1f dB at %.1f s", db, float64(from)/rate)
		}
		if math.Abs(amplitude-0.8) > 1e-3 {
			t.Errorf("amplitude %v at %.1f s", amplitude, float64(from)/rate)
		}
	}
	return worst
}

func BenchmarkStretcher(b *testing.B) {
	for _, channels := range []int{1, 2} {
		b.Run(fmt.Sprint(channels), func(b *testing.B) {
			s := newStretcher(48000, channels)
			s.aim(300e-6)
			in, out := make([]float32, 960*channels), make([]float32, 0, 4096)
			for b.Loop() { // 20 ms
				out = s.convert(out[:0], in)
			}
		})
	}
}
