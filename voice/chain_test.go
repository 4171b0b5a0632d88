package voice

import (
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// A passage of a plan: audio of one format without a break.
type passage struct {
	at     time.Duration
	length time.Duration
	f      media.AudioFormat
	dB     float64 // RMS of a tone of 1 kHz, which lies on a hum as loud
}

// A session with gaps and changes of format goes through all stages. What comes
// out has as many frames as the plan has time, at the plan's times and levels,
// and without the hum; the meters before and behind tell the same.
func TestChainOfAllStages(t *testing.T) {
	noObjects(t)
	plan := []passage{
		{2000 * ms, 1000 * ms, format(48000, 1, media.S16), -20},
		{3000 * ms, 500 * ms, format(44100, 2, media.F32), -26},
		{4500 * ms, 700 * ms, format(44100, 2, media.F32), -20}, // behind a gap
		{5200 * ms, 300 * ms, format(16000, 1, media.S32), -26}, // already of the rate
		{3600000 * ms, 2000 * ms, format(8000, 1, media.S16), -20},
		{3602000 * ms, 500 * ms, format(16000, 1, media.S16), -32}, // and of the format
	}
	to := format(16000, 1, media.S16)
	var before, behind []LevelEvent
	var speech []SpeechEvent
	c := newChain(t,
		Level(0, func(e LevelEvent) { before = append(before, e) }),
		HighPass(200), Gain(6), Resample(to),
		Level(0, func(e LevelEvent) { behind = append(behind, e) }),
		Speech(SpeechOptions{}, func(e SpeechEvent) { speech = append(speech, e) }))

	var out []media.Sample
	keep := func(s media.Sample) { out = append(out, s) }
	for _, p := range plan {
		for at := time.Duration(0); at < p.length; at += 20 * ms {
			c.Process(hummed(p, at), keep)
		}
	}
	c.Flush(keep)

	if c.Failures() != 0 {
		t.Errorf("%d failures", c.Failures())
	}
	checkPassages(t, plan, to, out)
	if len(before) != 50 || math.Abs(before[3].RMS+17) > 0.1 { // the hum doubles the power
		t.Errorf("%d windows before, %+v", len(before), before[3])
	}
	if len(behind) < 50 || math.Abs(behind[3].RMS+14) > 0.1 {
		t.Errorf("%d windows behind, %+v", len(behind), behind[3])
	}
	want := []time.Duration{2000 * ms, 3500 * ms, 4500 * ms, 5500 * ms, 3600000 * ms, 3602500 * ms}
	for i, e := range speech {
		if len(speech) != len(want) || e.Speaking != (i%2 == 0) || !near(e.Time, want[i], 10*ms) {
			t.Fatalf("speech %+v, want %v", speech, want)
		}
	}
}

// hummed makes 20 ms of a passage.
func hummed(p passage, at time.Duration) media.Sample {
	amplitude := math.Sqrt2 * math.Pow(10, p.dB/20)
	n := p.f.Rate / 50
	v := values(tone(p.at+at, format(p.f.Rate, p.f.Channels, media.F32), n, 1000, amplitude))
	for i, hum := range values(tone(p.at+at, format(p.f.Rate, p.f.Channels, media.F32), n, 20, amplitude)) {
		v[i] += hum
	}
	return sampleOf(p.at+at, p.f, v...)
}

// checkPassages finds the passages of a plan in what came out, which must be all
// of it.
func checkPassages(t *testing.T, plan []passage, to media.AudioFormat, out []media.Sample) {
	t.Helper()
	for _, p := range plan {
		var got []float64
		end := p.at
		for len(out) > 0 && near(out[0].Time, end, 3) && end < p.at+p.length-1 {
			if out[0].PCM.Format != to {
				t.Fatalf("format %s at %v", out[0].PCM.Format, out[0].Time)
			}
			got = append(got, values(out[0])...)
			end = out[0].Time + out[0].PCM.Duration()
			out = out[1:]
		}
		if want := int(p.length.Milliseconds()) * to.Rate / 1000; len(got) != want {
			t.Errorf("passage at %v: %d frames, want %d", p.at, len(got), want)
			continue
		}
		squares, from := 0.0, to.Rate/10 // until the hum has gone
		for _, v := range got[from : len(got)-to.Rate/100] {
			squares += v * v
		}
		rms := 10 * math.Log10(squares/float64(len(got)-from-to.Rate/100))
		if math.Abs(rms-p.dB-6) > 0.1 {
			t.Errorf("passage at %v: %.2f dB, want %.2f", p.at, rms, p.dB+6)
		}
	}
	if len(out) > 0 {
		t.Errorf("%d samples more, from %v on", len(out), out[0].Time)
	}
}

// allStages are one of each, and Resample both ways.
func allStages() []Stage {
	return []Stage{
		Level(0, func(LevelEvent) {}), Speech(SpeechOptions{}, func(SpeechEvent) {}),
		HighPass(100), Resample(format(16000, 2, media.F32)), Gain(-3), Resample(format(48000, 1, media.S16)),
	}
}

// Buffers go back to their pool, each once: none is lost, none is given twice.
func TestChainReferences(t *testing.T) {
	noObjects(t)
	var pool media.PCMPool
	f := format(44100, 1, media.S16)
	c := newChain(t, allStages()...)
	taken := map[*media.PCM]bool{}
	const rounds = 200
	for k := range rounds {
		p := pool.Get(f, 882)
		taken[p] = true
		clear(p.Data)
		c.Process(media.Sample{Time: time.Duration(k) * 20 * ms, PCM: p}, func(s media.Sample) { s.Release() })
		a, b := pool.Get(f, 882), pool.Get(f, 882)
		if a == b {
			t.Fatal("a buffer was given back twice")
		}
		a.Release()
		b.Release()
	}
	// A pool forgets some, under the race detector a quarter. If the chain kept
	// its reference, each round would take a new one.
	if len(taken) > 3*rounds/4 {
		t.Errorf("%d buffers for %d rounds", len(taken), rounds)
	}
}

// given returns an emit for a chain that gets the same payload again and again.
func given(s media.Sample) func(media.Sample) {
	return func(x media.Sample) {
		if x.PCM != s.PCM {
			x.Release()
		}
	}
}

func TestStagesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	noObjects(t)
	for name, stages := range map[string][]Stage{
		"all":      allStages(),
		"level":    {Level(0, func(LevelEvent) {})},
		"speech":   {Speech(SpeechOptions{}, func(SpeechEvent) {})},
		"highpass": {HighPass(100)},
		"refused":  {HighPass(48000), Resample(media.AudioFormat{}), Level(0, nil)},
		"resample": {Resample(format(16000, 1, media.S16))},
		"gain":     {Gain(3)},
	} {
		c := newChain(t, stages...)
		s := tone(0, format(48000, 1, media.S16), 960, 440, 0.5)
		emit := given(s)
		next := func() {
			c.Process(s, emit)
			s.Time += 20 * ms
		}
		for range 20 { // until all buffers have grown
			next()
		}
		// The collector may empty a pool meanwhile.
		if n := testing.AllocsPerRun(500, next); n != 0 {
			t.Errorf("%s: %v allocations for a sample", name, n)
		}
	}
}

// A packet of 20 ms at 48 kHz.
func BenchmarkStages(b *testing.B) {
	for _, c := range []struct {
		name  string
		stage Stage
	}{
		{"gain", Gain(3)},
		{"highpass", HighPass(100)},
		{"level", Level(0, func(LevelEvent) {})},
		{"speech", Speech(SpeechOptions{}, func(SpeechEvent) {})},
		{"resample to 16 kHz", Resample(format(16000, 1, media.S16))},
	} {
		b.Run(c.name, func(b *testing.B) {
			chain := newChain(b, c.stage)
			s := tone(0, format(48000, 1, media.S16), 960, 440, 0.5)
			emit := given(s)
			for b.Loop() {
				chain.Process(s, emit)
				s.Time += 20 * ms
			}
		})
	}
}
