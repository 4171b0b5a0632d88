package voice

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// Gain makes audio louder or softer by the given number of decibels; 6 dB
// double the amplitude. Values beyond full scale saturate, in every sample
// format. Negative infinity is silence; NaN means 0.
func Gain(dB float64) Stage {
	factor := math.Pow(10, dB/20)
	if math.IsNaN(dB) {
		factor = 1
	}
	return func() pipeline.Processor { return &gain{factor: factor} }
}

type gain struct {
	factor float64
	pool   media.PCMPool
}

func (g *gain) Process(s media.Sample, emit func(media.Sample)) error {
	if g.factor == 1 {
		emit(s)
		return nil
	}
	scale := scalers[s.PCM.Format.Sample]
	if scale == nil {
		return fmt.Errorf("voice: gain does not know sample format %s", s.PCM.Format.Sample)
	}
	out := g.pool.Get(s.PCM.Format, s.PCM.Frames())
	scale(out.Data, s.PCM.Data, g.factor)
	s.PCM = out
	emit(s)
	return nil
}

// scalers multiply each value of in into out, which is as long. They are
// indexed by sample format.
var scalers = [...]func(out, in []byte, factor float64){
	media.S16: func(out, in []byte, factor float64) {
		for i := 0; i+2 <= len(in); i += 2 {
			v := float64(int16(binary.LittleEndian.Uint16(in[i:])))
			binary.LittleEndian.PutUint16(out[i:], uint16(int16(saturate(v*factor, 1<<15))))
		}
	},
	media.U8: func(out, in []byte, factor float64) {
		for i, b := range in {
			out[i] = byte(saturate((float64(b)-128)*factor, 1<<7) + 128)
		}
	},
	media.S8: func(out, in []byte, factor float64) {
		for i, b := range in {
			out[i] = byte(int8(saturate(float64(int8(b))*factor, 1<<7)))
		}
	},
	media.S32: func(out, in []byte, factor float64) {
		for i := 0; i+4 <= len(in); i += 4 {
			v := float64(int32(binary.LittleEndian.Uint32(in[i:])))
			binary.LittleEndian.PutUint32(out[i:], uint32(int32(saturate(v*factor, 1<<31))))
		}
	},
	media.F32: func(out, in []byte, factor float64) {
		for i := 0; i+4 <= len(in); i += 4 {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(in[i:])))
			if v *= factor; math.IsNaN(v) {
				v = 0
			}
			v = max(-1, min(1, v))
			binary.LittleEndian.PutUint32(out[i:], math.Float32bits(float32(v)))
		}
	},
}

// saturate rounds to a whole number in [-full, full-1]. NaN, which is what
// silence times infinity makes, is 0.
func saturate(v, full float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return max(-full, min(full-1, math.RoundToEven(v)))
}
