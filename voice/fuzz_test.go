package voice

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// fuzzed reads a session from bytes: of each sample its format, how far its
// time jumps, its frames.
type fuzzed struct {
	data []byte
	pool media.PCMPool
	at   time.Duration
}

func (z *fuzzed) byte() byte {
	if len(z.data) == 0 {
		return 0
	}
	b := z.data[0]
	z.data = z.data[1:]
	return b
}

var (
	fuzzRates = []int{1, 7, 99, 100, 8000, 11025, 16000, 44100, 48000, 192000, 767999, 768000}
	fuzzJumps = []time.Duration{0, 0, 0, 0, 1, -1, 49 * ms, -49 * ms, 51 * ms, -51 * ms, time.Second, -time.Hour, math.MaxInt64, math.MinInt64}
)

func (z *fuzzed) format() media.AudioFormat {
	b := z.byte()
	return format(fuzzRates[int(z.byte())%len(fuzzRates)], 1+int(b&1), media.SampleFormat(b>>1%5))
}

// stages are a few in any order, with settings of which some are impossible.
func (z *fuzzed) stages() (stages []Stage) {
	for range z.byte() % 6 {
		b := z.byte()
		v := math.Float32frombits(binary.LittleEndian.Uint32([]byte{z.byte(), z.byte(), z.byte(), z.byte()}))
		stages = append(stages, []Stage{
			Gain(float64(v)), HighPass(float64(v)), HighPass(float64(b)), Resample(z.format()),
			Level(time.Duration(b)*ms, func(LevelEvent) {}),
			Speech(SpeechOptions{Open: float64(v), Attack: time.Duration(b) * ms}, func(SpeechEvent) {}),
		}[b%6])
	}
	return stages
}

func (z *fuzzed) next() media.Sample {
	f := z.format()
	if b := z.byte(); b%4 != 0 { // as a rule the format remains
		f = format(48000, 1, media.S16)
	}
	n := int(z.byte()) + 1
	p := z.pool.Get(f, n)
	for i := range p.Data {
		p.Data[i] = 0
		if len(z.data) > 0 {
			p.Data[i] = z.data[i%len(z.data)]
		}
	}
	z.at += fuzzJumps[int(z.byte())%len(fuzzJumps)]
	s := media.Sample{Time: z.at, PCM: p}
	z.at += p.Duration()
	return s
}

// play runs a session and holds it to what every pipeline promises: no panic, no
// invalid sample, nothing given back that somebody still has, no C object left.
func play(t *testing.T, data []byte) {
	before := ffmpeg.LiveObjects()
	z := &fuzzed{data: data}
	c := NewPipeline(z.stages()...).NewChain(pipeline.Stream{}, nil)
	emit := func(s media.Sample) {
		if err := s.Validate(); err != nil {
			t.Errorf("emitted: %v", err)
		}
		s.Release()
	}
	for range 30 {
		s := z.next()
		s.Retain() // ours: whoever gives back too much, gives this
		c.Process(s, emit)
		other := z.pool.Get(s.PCM.Format, 1)
		if other == s.PCM {
			t.Fatal("given back while it was held")
		}
		other.Release()
		s.Release()
		if z.byte()%16 == 15 {
			c.Flush(emit)
		}
	}
	c.Flush(emit)
	c.Close()
	if n := ffmpeg.LiveObjects() - before; n != 0 {
		t.Errorf("%d objects left", n)
	}
}

func FuzzChain(f *testing.F) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		data := make([]byte, 50+r.IntN(400))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { play(t, data) })
}
