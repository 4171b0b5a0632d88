package timeline

import (
	"math"
	"slices"
	"sync"
)

const (
	// stretchHalf is how many frames on either side of a place are looked at.
	// With a Kaiser window of β 8 the 32 taps are flat to 0.42 of the rate
	// (20 kHz at 48 kHz) with images 80 dB down.
	stretchHalf = 16
	stretchTaps = 2 * stretchHalf
	stretchBeta = 8
	// stretchPhases is how finely the kernel is tabulated. Between two rows it
	// is taken as straight, which costs (π²/3)/8/256² = 6·10⁻⁶, −104 dB.
	stretchPhases = 256
	// stretchSlew bounds how fast the speed changes, per second. 200 ppm are a
	// third of a cent, a thousandth of what an ear notices in a second; and
	// within 0.2 s the curvature leaves 0.3 µs of error, −62 dB at 440 Hz.
	stretchSlew = 200e-6
	// stretchEase is the time in which the speed approaches its target, in
	// seconds, so that small changes are slower still.
	stretchEase = 2.5
)

// stretchKernel is the interpolation kernel, a row for each phase and one for
// the phase behind the last.
var stretchKernel = sync.OnceValue(func() *[stretchPhases + 1][stretchTaps]float32 {
	rows := new([stretchPhases + 1][stretchTaps]float32)
	for p := range rows {
		frac := float64(p) / stretchPhases
		for i := range rows[p] {
			x := float64(i-stretchHalf+1) - frac // distance of the tap's frame from the place
			rows[p][i] = float32(windowedSinc(x))
		}
	}
	return rows
})

func windowedSinc(x float64) float64 {
	if x == math.Trunc(x) { // exact, so that phase zero changes nothing
		if x == 0 {
			return 1
		}
		return 0
	}
	u := x / stretchHalf
	if u*u >= 1 {
		return 0
	}
	return math.Sin(math.Pi*x) / (math.Pi * x) * bessel0(stretchBeta*math.Sqrt(1-u*u)) / bessel0(stretchBeta)
}

// bessel0 is the modified Bessel function of the first kind, of order zero.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-16; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// A stretcher plays frames a little faster or slower, by so little that nobody
// hears it. Until a speed is asked for it passes them on as they are, bit for
// bit, and from there on its speed changes smoothly, so that it can be taken
// into use in the middle of a word. It shifts nothing: a frame that goes in
// comes out at its place, though the last 16 wait for those after them.
//
// swresample does it as well (swr_set_compensation), but only where it
// resamples anyway, and it cannot begin in the middle of a stream of equal
// rates without a seam.
type stretcher struct {
	channels int
	slew     float64 // largest change of excess per frame
	ease     float64 // part of its distance to target by which it changes

	engaged bool
	excess  float64 // speed less one: input frames per output frame
	target  float64 // what excess moves to

	in   []float32 // interleaved; begins with the history that the kernel needs
	at   int       // frame of in at or before the place of the next output frame
	frac float64   // how far behind it that place is, 0 to 1
	skew float64   // output frames less the input frames they came from
}

func newStretcher(rate, channels int) stretcher {
	s := stretcher{channels: channels, slew: stretchSlew / float64(rate), ease: 1 / (stretchEase * float64(rate))}
	s.reset()
	return s
}

// reset begins a new stream, at the speed of the one before.
func (s *stretcher) reset() {
	s.in = slices.Grow(s.in[:0], stretchHalf*s.channels)[:stretchHalf*s.channels]
	clear(s.in)
	s.at, s.frac, s.skew = stretchHalf, 0, 0
}

// aim sets the speed to move to, as what it is more than one.
func (s *stretcher) aim(excess float64) { s.engaged, s.target = true, excess }

// convert appends to dst what frames turn into.
func (s *stretcher) convert(dst, frames []float32) []float32 {
	if !s.engaged {
		// The history stays silent: the speed begins at zero, and until 16
		// frames have passed the kernel looks at nothing but the frame itself.
		return append(dst, frames...)
	}
	s.in = append(s.in, frames...)
	return s.run(dst, len(s.in)/s.channels-stretchHalf)
}

// flush appends what waits, as if silence followed, and begins a new stream.
func (s *stretcher) flush(dst []float32) []float32 {
	if s.engaged {
		end := len(s.in) / s.channels
		s.in = slices.Grow(s.in, stretchHalf*s.channels)[:(end+stretchHalf)*s.channels]
		clear(s.in[end*s.channels:])
		dst = s.run(dst, end)
	}
	s.reset()
	return dst
}

// run gives out all frames whose place is before the given frame of in, and
// forgets what no later one needs.
func (s *stretcher) run(dst []float32, end int) []float32 {
	kernel := stretchKernel()
	dst = slices.Grow(dst, max(end-s.at, 0)*s.channels*101/100+s.channels)
	for s.at < end {
		phase := s.frac * stretchPhases
		row := min(int(phase), stretchPhases-1)
		part := float32(phase - float64(row))
		from := s.at - stretchHalf + 1
		window := s.in[from*s.channels : (from+stretchTaps)*s.channels]
		if s.channels == 1 {
			dst = append(dst, interpolate(window, &kernel[row], &kernel[row+1], part))
		} else {
			left, right := interpolate2(window, &kernel[row], &kernel[row+1], part)
			dst = append(dst, left, right)
		}
		s.step()
	}
	if drop := s.at - stretchHalf; drop > 0 {
		s.in = s.in[:copy(s.in, s.in[drop*s.channels:])]
		s.at -= drop
	}
	return dst
}

// step moves on by one output frame.
func (s *stretcher) step() {
	s.excess += clamp((s.target-s.excess)*s.ease, -s.slew, s.slew)
	s.skew -= s.excess
	s.frac += s.excess
	s.at++
	switch {
	case s.frac >= 1:
		s.frac--
		s.at++
	case s.frac < 0:
		s.frac++
		s.at--
	}
}

// interpolate returns the value between two rows of the kernel.
func interpolate(x []float32, a, b *[stretchTaps]float32, part float32) float32 {
	w := (*[stretchTaps]float32)(x)
	var a0, a1, b0, b1 float32
	for i := 0; i < stretchTaps; i += 2 {
		a0 += w[i] * a[i]
		b0 += w[i] * b[i]
		a1 += w[i+1] * a[i+1]
		b1 += w[i+1] * b[i+1]
	}
	lo, hi := a0+a1, b0+b1
	return lo + part*(hi-lo)
}

// interpolate2 does so for stereo.
func interpolate2(x []float32, a, b *[stretchTaps]float32, part float32) (left, right float32) {
	w := (*[2 * stretchTaps]float32)(x)
	var la, lb, ra, rb float32
	for i := range stretchTaps {
		la += w[2*i] * a[i]
		lb += w[2*i] * b[i]
		ra += w[2*i+1] * a[i]
		rb += w[2*i+1] * b[i]
	}
	return la + part*(lb-la), ra + part*(rb-ra)
}
