package ffmpeg

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// put stores a value of ±1 in a format.
func put(b []byte, f media.SampleFormat, v float64) {
	switch f {
	case media.S16:
		binary.LittleEndian.PutUint16(b, uint16(int16(math.Round(v*32767))))
	case media.U8:
		b[0] = byte(math.Round(v*127)) + 128
	case media.S8:
		b[0] = byte(int8(math.Round(v * 127)))
	case media.S32:
		binary.LittleEndian.PutUint32(b, uint32(int32(math.Round(v*math.MaxInt32))))
	case media.F32:
		binary.LittleEndian.PutUint32(b, math.Float32bits(float32(v)))
	}
}

// sine makes n frames; the channels are given as gains.
func sine(f media.AudioFormat, hz float64, n int, gains ...float64) []byte {
	b := make([]byte, n*f.FrameBytes())
	for i := range n {
		v := 0.8 * math.Sin(2*math.Pi*hz*float64(i)/float64(f.Rate))
		for c := range f.Channels {
			put(b[(i*f.Channels+c)*f.Sample.Bytes():], f.Sample, v*gains[c])
		}
	}
	return b
}

// resample feeds pcm in uneven pieces and flushes.
func resample(t testing.TB, r *Resampler, frameBytes int, pcm []byte) []float32 {
	t.Helper()
	var out []float32
	var err error
	for i := 1; len(pcm) > 0 && err == nil; i++ {
		n := min(len(pcm), (i*389%1531+1)*frameBytes)
		out, err = r.Convert(out, pcm[:n])
		pcm = pcm[n:]
	}
	if err == nil {
		out, err = r.Flush(out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// phase correlates channel c with a sine and returns its amplitude and how far
// it lies from where it should, in output frames.
func phase(out []float32, rate, channels, c int, hz float64) (amplitude, shift float64) {
	var re, im float64
	n := len(out) / channels
	from, to := n/8, n-n/8
	// a whole number of periods
	period := float64(rate) / hz
	to = from + int(math.Floor(float64(to-from)/period)*period)
	for i := from; i < to; i++ {
		w := 2 * math.Pi * hz * float64(i) / float64(rate)
		re += float64(out[i*channels+c]) * math.Sin(w)
		im += float64(out[i*channels+c]) * math.Cos(w)
	}
	k := 2 / float64(to-from)
	return math.Hypot(re, im) * k, math.Atan2(im, re) / (2 * math.Pi) * period
}

func TestResamplerIsExact(t *testing.T) {
	noLeak(t)
	for _, rates := range [][2]int{{44100, 16000}, {16000, 48000}, {24000, 16000}, {8000, 48000}, {48000, 44100}, {16000, 16000}, {11025, 48000}} {
		for _, sample := range []media.SampleFormat{media.S16, media.U8, media.S8, media.S32, media.F32} {
			in := media.AudioFormat{Rate: rates[0], Channels: 1, Sample: sample}
			r := must(NewResampler(in, rates[1], 1))(t)
			for _, n := range []int{in.Rate * 2, in.Rate/3 + 17, 5, 1, 100} { // again and again: Flush starts anew
				out := resample(t, r, in.FrameBytes(), sine(in, 440, n, 1))
				want := float64(n) * float64(rates[1]) / float64(rates[0])
				if math.Abs(float64(len(out))-want) > 1 {
					t.Errorf("%v, %d frames: %d out, want %.1f", rates, n, len(out), want)
				}
				if n < 2*in.Rate {
					continue
				}
				amplitude, shift := phase(out, rates[1], 1, 0, 440)
				if math.Abs(amplitude-0.8) > 0.01 || math.Abs(shift) > 0.1 {
					t.Errorf("%v %s: amplitude %.4f, shifted by %.3f frames", rates, sample, amplitude, shift)
				}
			}
			r.Close()
		}
	}
}

func TestResamplerChannels(t *testing.T) {
	noLeak(t)
	for _, to := range []int{16000, 48000} {
		mono, stereo := media.AudioFormat{Rate: 16000, Channels: 1}, media.AudioFormat{Rate: 16000, Channels: 2, Sample: media.F32}
		for _, c := range []struct {
			in       media.AudioFormat
			gains    []float64
			channels int
			want     []float64
		}{
			{mono, []float64{1}, 2, []float64{0.8, 0.8}},
			{stereo, []float64{1, 0.5}, 1, []float64{0.6}},
			{stereo, []float64{1, -0.5}, 2, []float64{0.8, 0.4}},
		} {
			r := must(NewResampler(c.in, to, c.channels))(t)
			out := resample(t, r, c.in.FrameBytes(), sine(c.in, 440, 16000, c.gains...))
			if n := len(out) / c.channels; n < to-1 || n > to+1 {
				t.Errorf("%d frames", n)
			}
			for i, want := range c.want {
				if got, _ := phase(out, to, c.channels, i, 440); math.Abs(got-want) > 0.01 {
					t.Errorf("%s → %d channels at %d Hz: channel %d has %.3f, want %.3f", c.in, c.channels, to, i, got, want)
				}
			}
			r.Close()
		}
	}
}

func TestResamplerAllocations(t *testing.T) {
	noLeak(t)
	in := media.AudioFormat{Rate: 24000, Channels: 1}
	r := must(NewResampler(in, 16000, 2))(t)
	defer r.Close()
	pcm := sine(in, 440, 480, 1)
	dst := make([]float32, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if dst, err = r.Convert(dst[:0], pcm); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkResample(b *testing.B) {
	for _, rates := range [][2]int{{48000, 16000}, {16000, 48000}, {16000, 16000}} {
		b.Run(fmt.Sprint(rates), func(b *testing.B) {
			in := media.AudioFormat{Rate: rates[0], Channels: 1}
			r := must(NewResampler(in, rates[1], 1))(b)
			defer r.Close()
			pcm := sine(in, 440, rates[0]/50, 1) // 20 ms
			dst := make([]float32, 0, 4096)
			for b.Loop() {
				dst, _ = r.Convert(dst[:0], pcm)
			}
		})
	}
}
