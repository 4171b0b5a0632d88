package voice

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

const middleC = 261.63

// Whatever the formats and the sizes of packets: as many frames as the time
// has, each where it was in time, at its level.
func TestResampleShiftsNothing(t *testing.T) {
	noObjects(t)
	for i, rates := range [][2]int{{48000, 16000}, {16000, 48000}, {44100, 16000}, {8000, 48000}, {11025, 44100}, {16000, 16000}, {192000, 8000}, {768000, 48000}} {
		for sample := media.S16; sample <= media.F32; sample++ {
			in := format(rates[0], 1+i%2, sample)
			to := format(rates[1], 1+(i/2)%2, media.F32-sample)
			if in == to {
				continue
			}
			t.Run(fmt.Sprint(in, " to ", to), func(t *testing.T) {
				const begin, amplitude = 3 * time.Second, 0.7
				var samples []media.Sample
				total := 0
				for k := 0; total < in.Rate/4; k++ {
					n := k*389%1531 + 1
					samples = append(samples, tone(begin+in.Duration(total), in, n, middleC, amplitude))
					total += n
				}
				c := newChain(t, Resample(to))
				out := feed(t, c, samples...)
				if want := math.Round(float64(total) * float64(to.Rate) / float64(in.Rate)); float64(frames(out)) != want {
					t.Errorf("%d frames, want %v", frames(out), want)
				}
				done := 0
				for _, s := range out {
					if s.PCM.Format != to {
						t.Fatalf("format %s", s.PCM.Format)
					}
					// A nanosecond each for the stamps in and out.
					if want := begin + to.Duration(done); !near(s.Time, want, 2) {
						t.Fatalf("frame %d is stamped %v, want %v", done, s.Time, want)
					}
					off, at := worst(s, total*to.Rate/in.Rate, done, amplitude)
					if off > 0.02 { // 8 bits have steps of 0.008
						t.Fatalf("frame %d is off by %.3f", at, off)
					}
					done += s.PCM.Frames()
				}
				if c.Failures() != 0 {
					t.Errorf("%d failures", c.Failures())
				}
			})
		}
	}
}

// worst compares s, which begins with frame from of total, with the tone. At the
// edges of a stream the filter has but one side to go by.
func worst(s media.Sample, total, from int, amplitude float64) (off float64, at int) {
	f := s.PCM.Format
	edge := f.Rate / 100
	for i, v := range values(s) {
		n := from + i/f.Channels
		when := s.Time.Seconds() + float64(i/f.Channels)/float64(f.Rate)
		if d := math.Abs(v - amplitude*math.Sin(2*math.Pi*middleC*when)); d > off && n > edge && n < total-edge {
			off, at = d, n
		}
	}
	return off, at
}

// Jitter passes through: each output is off by as much as what it came with.
func TestResampleKeepsJitter(t *testing.T) {
	noObjects(t)
	in, to := format(48000, 1, media.S16), format(16000, 1, media.S16)
	c := newChain(t, Resample(to))
	fed, done := 0, 0
	for k := range 500 {
		shake := time.Duration(k*7919%41-20) * ms // within ±20 ms
		c.Process(tone(in.Duration(fed)+shake, in, 960, 440, 0.5), func(s media.Sample) {
			if want := to.Duration(done) + shake; !near(s.Time, want, 2) {
				t.Fatalf("frame %d is stamped %v, want %v", done, s.Time, want)
			}
			done += s.PCM.Frames()
		})
		fed += 960
	}
	if held := fed/3 - done; held < 1 || held > 100 {
		t.Errorf("%d frames held back: the stream was cut", held)
	}
}

// What was said before a gap, a jump back or another format is whole before it.
func TestResampleBreaks(t *testing.T) {
	noObjects(t)
	mono, stereo, to := format(48000, 1, media.S16), format(44100, 2, media.F32), format(16000, 1, media.S16)
	for name, c := range map[string]struct {
		second media.AudioFormat
		at     time.Duration
		joined bool
	}{
		"follows":        {mono, 200 * ms, true},
		"jitter forth":   {mono, 249 * ms, true},
		"jitter back":    {mono, 151 * ms, true},
		"gap":            {mono, 251 * ms, false},
		"long gap":       {mono, time.Hour, false},
		"back":           {mono, 149 * ms, false},
		"another format": {stereo, 200 * ms, false},
	} {
		t.Run(name, func(t *testing.T) {
			first := tone(0, mono, mono.Rate/5, 440, 0.5)
			first.Direction = media.Outbound
			second := tone(c.at, c.second, c.second.Rate/5, 440, 0.5)
			second.Direction = media.Outbound
			out := feed(t, newChain(t, Resample(to)), first, second)
			if frames(out) != 2*to.Rate/5 {
				t.Errorf("%d frames, want %d", frames(out), 2*to.Rate/5)
			}
			if out[0].Time != 0 {
				t.Errorf("begins at %v", out[0].Time)
			}
			for _, s := range out {
				if s.Direction != media.Outbound {
					t.Error("lost its direction")
				}
			}
			if !c.joined {
				if end := out[1].Time + out[1].PCM.Duration(); !near(end, 200*ms, 2) || !near(out[2].Time, c.at, 2) {
					t.Errorf("ends at %v and goes on at %v, want 200ms and %v", end, out[2].Time, c.at)
				}
				if n := frames(out[:2]); n != to.Rate/5 {
					t.Errorf("%d frames before the break", n)
				}
			}
		})
	}
}

// A stream that is flushed may go on.
func TestResampleAfterFlush(t *testing.T) {
	noObjects(t)
	in, to := format(44100, 1, media.U8), format(16000, 2, media.S32)
	c := newChain(t, Resample(to))
	for k := range 3 {
		at := time.Duration(k) * time.Minute
		out := feed(t, c, tone(at, in, 801, 440, 0.5))
		if frames(out) != 291 || !near(out[0].Time, at, 2) { // of 290.6
			t.Errorf("%d frames from %v, want 291 from %v", frames(out), out[0].Time, at)
		}
	}
}

func TestResampleLeavesWhatFits(t *testing.T) {
	noObjects(t)
	f := format(16000, 1, media.S16)
	c := newChain(t, Resample(f))
	s := tone(time.Second, f, 320, 440, 0.5)
	s.Missed = 3
	if out := feed(t, c, s); len(out) != 1 || out[0] != s {
		t.Errorf("%v, want the sample itself", out)
	}
	// What was held back comes before it, and what comes after it is new.
	other := format(48000, 1, media.S16)
	out := feed(t, c, tone(0, other, 960, 440, 0.5), tone(20*ms, f, 320, 440, 0.5), tone(40*ms, other, 960, 440, 0.5))
	at := time.Duration(0)
	for _, s := range out {
		if !near(s.Time, at, 2) {
			t.Errorf("stamped %v, want %v", s.Time, at)
		}
		at = s.Time + s.PCM.Duration()
	}
	if frames(out) != 3*320 {
		t.Errorf("%d frames", frames(out))
	}
}

// What cannot be converted passes unchanged and in order, and is counted.
func TestResampleRefuses(t *testing.T) {
	noObjects(t)
	good, low := format(48000, 1, media.S16), format(1, 1, media.S16)
	for name, c := range map[string]struct {
		to media.AudioFormat
		in media.AudioFormat
	}{
		"no format":  {media.AudioFormat{}, good},
		"channels":   {format(16000, 6, media.S16), good},
		"rate":       {format(-1, 1, media.S16), good},
		"sample":     {format(16000, 1, media.F32+1), good},
		"much lower": {format(48000, 1, media.S16), low},
		"higher":     {format(100, 1, media.S16), good},
	} {
		s := tone(0, c.in, 5, 440, 0.5)
		proc := Resample(c.to)(pipeline.Stream{})
		if err := proc.Process(s, func(media.Sample) {}); !errors.Is(err, media.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
		chain := newChain(t, Resample(c.to))
		if out := feed(t, chain, s, s); len(out) != 2 || out[0].PCM != s.PCM || chain.Failures() != 2 {
			t.Errorf("%s: %d samples, %d failures", name, len(out), chain.Failures())
		}
	}
	chain := newChain(t, Resample(format(16000, 1, media.S16)))
	odd := tone(20*ms, low, 5, 0.1, 0.5)
	out := feed(t, chain, tone(0, good, 960, 440, 0.5), odd)
	if n := len(out); n != 3 || out[2].PCM != odd.PCM || frames(out[:2]) != 320 || chain.Failures() != 1 {
		t.Errorf("%d samples, %d failures", n, chain.Failures())
	}
}

func TestResampleSaturates(t *testing.T) {
	noObjects(t)
	loud := make([]float64, 4800)
	s := sampleOf(0, format(48000, 1, media.F32), loud...)
	for i := range loud {
		four := math.Float32bits(float32(4 * (1 - 2*(i/100%2))))
		for b := range 4 {
			s.PCM.Data[4*i+b] = byte(four >> (8 * b))
		}
	}
	high, low := 0, 0
	for _, out := range feed(t, newChain(t, Resample(format(16000, 2, media.S16))), s) {
		for _, v := range values(out) {
			if v == 32767./32768 {
				high++
			}
			if v == -1 {
				low++
			}
		}
	}
	if high < 1400 || low < 1400 {
		t.Errorf("%d values at the top and %d at the bottom, of 3200", high, low)
	}
}

// Numbers that are none become silence, and do not stay in the filter.
func TestResampleOfNoNumbers(t *testing.T) {
	noObjects(t)
	in := format(48000, 1, media.F32)
	bad := tone(0, in, 480, middleC, 0.5)
	for i, bits := range []uint32{math.Float32bits(float32(math.NaN())), math.Float32bits(float32(math.Inf(1))), math.Float32bits(float32(math.Inf(-1)))} {
		for b := range 4 {
			bad.PCM.Data[4*(100*i+50)+b] = byte(bits >> (8 * b))
		}
	}
	out := feed(t, newChain(t, Resample(format(16000, 1, media.F32))), bad, tone(10*ms, in, 4800, middleC, 0.5))
	for _, s := range out {
		for _, v := range values(s) {
			if !(math.Abs(v) <= 1) {
				t.Fatalf("value %v", v)
			}
		}
	}
	if off, at := worst(out[1], 1760, out[0].PCM.Frames(), 0.5); off > 0.01 { // from 10 ms on
		t.Errorf("off by %.3f afterwards, in frame %d", off, at)
	}
}

// A long sample of a low rate comes out in pieces, one behind the other.
func TestResampleInPieces(t *testing.T) {
	noObjects(t)
	in, to := format(400, 1, media.S16), format(96000, 2, media.S16)
	s := tone(time.Second, in, 4000, 50, 0.5)
	s.Missed = 2
	out := feed(t, newChain(t, Resample(to)), s)
	at, missed := time.Second, 0
	for _, s := range out {
		if !near(s.Time, at, time.Microsecond) || s.PCM.Frames() > maxPiece {
			t.Errorf("%d frames at %v, want no more than %d at %v", s.PCM.Frames(), s.Time, maxPiece, at)
		}
		at = s.Time + s.PCM.Duration()
		missed += s.Missed
	}
	if frames(out) != 960000 || missed != 2 {
		t.Errorf("%d frames, %d missed before them", frames(out), missed)
	}
}

// Nothing is lost of samples so short that several come out as one.
func TestResampleOfSingleFrames(t *testing.T) {
	noObjects(t)
	in, to := format(44100, 1, media.S16), format(8000, 1, media.S16)
	var samples []media.Sample
	for i := range 441 {
		samples = append(samples, tone(in.Duration(i), in, 1, 440, 0.5))
	}
	samples[0].Missed = 7
	out := feed(t, newChain(t, Resample(to)), samples...)
	if frames(out) != 80 || out[0].Time != 0 || out[0].Missed != 7 {
		t.Errorf("%d frames from %v, %d missed", frames(out), out[0].Time, out[0].Missed)
	}
}

func TestResampleFrees(t *testing.T) {
	before := ffmpeg.LiveObjects()
	c := NewPipeline(Resample(format(16000, 1, media.S16))).NewChain(pipeline.Stream{}, nil)
	for k, rate := range []int{48000, 44100, 8000, 16000, 24000} {
		c.Process(tone(time.Duration(k)*20*ms, format(rate, 2, media.S16), rate/50, 440, 0.5), func(media.Sample) {})
		if n := ffmpeg.LiveObjects() - before; n > 1 {
			t.Errorf("%d objects at once", n)
		}
	}
	c.Close()
	if n := ffmpeg.LiveObjects() - before; n != 0 {
		t.Errorf("%d objects left", n)
	}
}
