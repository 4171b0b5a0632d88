package voice

import (
	"math"

	"github.com/roomkit-live/roomkit-go/internal/pcm"
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
	return func(pipeline.Stream) pipeline.Processor { return &gain{factor: factor} }
}

type gain struct {
	factor float64
	pool   media.PCMPool
	values []float64
}

func (g *gain) Process(s media.Sample, emit func(media.Sample)) error {
	if g.factor == 1 {
		emit(s)
		return nil
	}
	g.values = pcm.Decode(g.values, s.PCM.Format.Sample, s.PCM.Data)
	for i := range g.values {
		g.values[i] *= g.factor
	}
	out := g.pool.Get(s.PCM.Format, s.PCM.Frames())
	pcm.Encode(out.Data, out.Format.Sample, g.values)
	s.PCM = out
	emit(s)
	return nil
}
