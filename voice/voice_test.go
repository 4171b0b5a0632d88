package voice

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// through returns what a chain makes of a sample, which must be one.
func through(c *pipeline.Chain, s media.Sample) (out media.Sample) {
	c.Process(s, func(x media.Sample) { out = x })
	return out
}

func encode(f media.SampleFormat, values ...float64) []byte {
	var b []byte
	for _, v := range values {
		switch f {
		case media.U8:
			b = append(b, byte(v))
		case media.S8:
			b = append(b, byte(int8(v)))
		case media.S16:
			b = binary.LittleEndian.AppendUint16(b, uint16(int16(v)))
		case media.S32:
			b = binary.LittleEndian.AppendUint32(b, uint32(int32(v)))
		case media.F32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		}
	}
	return b
}

func TestGainInEveryFormat(t *testing.T) {
	double := 20 * math.Log10(2)
	inf := math.Inf(1)
	for _, c := range []struct {
		f        media.SampleFormat
		dB       float64
		in, want []float64
	}{
		{media.S16, double, []float64{0, 100, -100, 20000, -20000, -32768}, []float64{0, 200, -200, 32767, -32768, -32768}},
		{media.S16, -double, []float64{0, 100, -100, 32767, -32768}, []float64{0, 50, -50, 16384, -16384}},
		{media.U8, double, []float64{128, 138, 118, 200, 0}, []float64{128, 148, 108, 255, 0}},
		{media.S8, double, []float64{0, 10, -10, 100, -128}, []float64{0, 20, -20, 127, -128}},
		{media.S32, double, []float64{0, 1000, 1 << 30, -1 << 31}, []float64{0, 2000, math.MaxInt32, math.MinInt32}},
		{media.F32, double, []float64{0, 0.25, -0.25, 0.75, -1, inf, math.NaN()}, []float64{0, 0.5, -0.5, 1, -1, 1, 0}},
		{media.S16, math.Inf(-1), []float64{5, -5}, []float64{0, 0}},
		{media.S16, inf, []float64{0, 5, -5}, []float64{0, 32767, -32768}},
		{media.S16, math.NaN(), []float64{5, -5}, []float64{5, -5}},
		{media.S16, 0, []float64{5, -5}, []float64{5, -5}},
	} {
		in := &media.PCM{Format: media.AudioFormat{Rate: 8000, Channels: 1, Sample: c.f}, Data: encode(c.f, c.in...)}
		before := bytes.Clone(in.Data)
		out := through(NewPipeline(Gain(c.dB)).NewChain(pipeline.Stream{}, nil), media.Sample{Time: 7, PCM: in})
		if want := encode(c.f, c.want...); !bytes.Equal(out.PCM.Data, want) || out.Time != 7 || out.PCM.Format != in.Format {
			t.Errorf("%s by %g dB: % x, want % x", c.f, c.dB, out.PCM.Data, want)
		}
		if !bytes.Equal(in.Data, before) {
			t.Errorf("%s: the input was written to", c.f)
		}
	}
}

// What a processor must not do leaves the voice as it was.
func TestVoiceRefuses(t *testing.T) {
	for name, f := range map[string]func(media.Sample) (media.Sample, error){
		"picture": func(media.Sample) (media.Sample, error) {
			return media.Sample{Picture: media.NewPicture(media.VideoFormat{Width: 2, Height: 2})}, nil
		},
		"direction": func(s media.Sample) (media.Sample, error) { s.Direction = media.Outbound; return s, nil },
	} {
		c := NewPipeline(Func(f), nil, Gain(20)).NewChain(pipeline.Stream{}, nil)
		in := media.Sample{PCM: &media.PCM{Format: media.AudioFormat{Rate: 8000, Channels: 1}, Data: encode(media.S16, 10)}}
		if out := through(c, in); !bytes.Equal(out.PCM.Data, encode(media.S16, 100)) || c.Failures() != 1 {
			t.Errorf("%s: got % x, %d failures", name, out.PCM.Data, c.Failures())
		}
	}
}
