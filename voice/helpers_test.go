package voice

import (
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/pcm"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// format is a short way to write one.
func format(rate, channels int, sample media.SampleFormat) media.AudioFormat {
	return media.AudioFormat{Rate: rate, Channels: channels, Sample: sample}
}

const ms = time.Millisecond

// tone is n frames of a sine with its phase by time, the same in all channels.
func tone(at time.Duration, f media.AudioFormat, n int, hz, amplitude float64) media.Sample {
	values := make([]float64, n*f.Channels)
	for i := range values {
		when := at.Seconds() + float64(i/f.Channels)/float64(f.Rate)
		values[i] = amplitude * math.Sin(2*math.Pi*hz*when)
	}
	return sampleOf(at, f, values...)
}

func sampleOf(at time.Duration, f media.AudioFormat, values ...float64) media.Sample {
	p := &media.PCM{Format: f, Data: make([]byte, len(values)*f.Sample.Bytes())}
	pcm.Encode(p.Data, f.Sample, values)
	return media.Sample{Time: at, PCM: p}
}

func values(s media.Sample) []float64 { return pcm.Decode(nil, s.PCM.Format.Sample, s.PCM.Data) }

// newChain makes a chain that is flushed and closed by run or at the end.
func newChain(t testing.TB, stages ...Stage) *pipeline.Chain {
	t.Helper()
	c := NewPipeline(stages...).NewChain(pipeline.Stream{}, nil)
	t.Cleanup(c.Close)
	return c
}

// feed returns what comes out, flush included, and checks that it is valid.
func feed(t testing.TB, c *pipeline.Chain, samples ...media.Sample) (out []media.Sample) {
	t.Helper()
	keep := func(s media.Sample) {
		if err := s.Validate(); err != nil {
			t.Errorf("emitted: %v", err)
		}
		out = append(out, s)
	}
	for _, s := range samples {
		c.Process(s, keep)
	}
	c.Flush(keep)
	return out
}

func frames(samples []media.Sample) (n int) {
	for _, s := range samples {
		n += s.PCM.Frames()
	}
	return n
}

// near reports whether two times are at most a nanosecond and a frame of
// rounding apart.
func near(a, b, by time.Duration) bool { return (a - b).Abs() <= by }

// noObjects fails the test if C objects are left when it ends.
func noObjects(t testing.TB) {
	t.Helper()
	before := ffmpeg.LiveObjects()
	t.Cleanup(func() {
		if n := ffmpeg.LiveObjects() - before; n != 0 {
			t.Errorf("%d objects left", n)
		}
	})
}
