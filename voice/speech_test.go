package voice

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// said is a plan of what is heard: from when on, at what level of RMS. A level
// of 0 is a gap: nothing comes.
type said struct {
	at time.Duration
	dB float64
}

// speak makes a plan a stream, up to its last entry.
func speak(f media.AudioFormat, packet time.Duration, plan ...said) (samples []media.Sample) {
	for i, p := range plan[:len(plan)-1] {
		for at := p.at; at < plan[i+1].at && p.dB != 0; at += packet {
			n := int(min(packet, plan[i+1].at-at) * time.Duration(f.Rate) / time.Second)
			samples = append(samples, tone(at, f, n, 300, math.Sqrt2*math.Pow(10, p.dB/20)))
		}
	}
	return samples
}

func spoken(t *testing.T, o SpeechOptions, samples ...media.Sample) (events []SpeechEvent) {
	t.Helper()
	c := newChain(t, Speech(o, func(e SpeechEvent) { events = append(events, e) }))
	if out := feed(t, c, samples...); !slices.Equal(out, samples) {
		t.Error("audio does not pass untouched")
	}
	return events
}

func TestSpeech(t *testing.T) {
	const quiet, between, loud, gap = -60, -45, -20, 0
	for name, c := range map[string]struct {
		plan []said
		o    SpeechOptions
		want []time.Duration // begins, ends, begins, …
	}{
		"nothing":          {plan: []said{{0, quiet}, {3 * time.Second, 0}}},
		"a sentence":       {plan: []said{{0, quiet}, {700 * ms, loud}, {2100 * ms, quiet}, {4 * time.Second, 0}}, want: []time.Duration{700 * ms, 2100 * ms}},
		"from the first":   {plan: []said{{5 * time.Second, loud}, {6 * time.Second, quiet}, {7 * time.Second, 0}}, want: []time.Duration{5 * time.Second, 6 * time.Second}},
		"a click":          {plan: []said{{0, quiet}, {700 * ms, loud}, {750 * ms, quiet}, {2 * time.Second, 0}}},
		"just long enough": {plan: []said{{0, quiet}, {700 * ms, loud}, {760 * ms, quiet}, {2 * time.Second, 0}}, want: []time.Duration{700 * ms, 760 * ms}},
		"a breath":         {plan: []said{{0, loud}, {time.Second, quiet}, {1490 * ms, loud}, {2 * time.Second, quiet}, {3 * time.Second, 0}}, want: []time.Duration{0, 2 * time.Second}},
		"a pause":          {plan: []said{{0, loud}, {time.Second, quiet}, {1500 * ms, loud}, {2 * time.Second, quiet}, {3 * time.Second, 0}}, want: []time.Duration{0, time.Second, 1500 * ms, 2 * time.Second}},
		"not loud enough":  {plan: []said{{0, between}, {3 * time.Second, 0}}},
		"loud enough yet":  {plan: []said{{0, loud}, {time.Second, between}, {3 * time.Second, quiet}, {4 * time.Second, 0}}, want: []time.Duration{0, 3 * time.Second}},
		"a gap":            {plan: []said{{0, loud}, {time.Second, gap}, {10 * time.Second, loud}, {11 * time.Second, 0}}, want: []time.Duration{0, time.Second, 10 * time.Second, 11 * time.Second}},
		"a short gap":      {plan: []said{{0, loud}, {time.Second, gap}, {1400 * ms, loud}, {2 * time.Second, 0}}, want: []time.Duration{0, 2 * time.Second}},
		"quiet and a gap":  {plan: []said{{0, loud}, {time.Second, quiet}, {1200 * ms, gap}, {1600 * ms, loud}, {2 * time.Second, 0}}, want: []time.Duration{0, time.Second, 1600 * ms, 2 * time.Second}},
		"a gap in a click": {plan: []said{{0, loud}, {40 * ms, gap}, {120 * ms, loud}, {160 * ms, quiet}, {time.Second, 0}}},
		"ends as it falls": {plan: []said{{0, loud}, {time.Second, quiet}, {1200 * ms, 0}}, want: []time.Duration{0, time.Second}},
		"options": {
			plan: []said{{0, -40}, {time.Second, -25}, {1200 * ms, -40}, {2 * time.Second, 0}},
			o:    SpeechOptions{Open: -30, Close: -35, Attack: 150 * ms, Release: 100 * ms},
			want: []time.Duration{time.Second, 1200 * ms},
		},
	} {
		for _, packet := range []time.Duration{10 * ms, 20 * ms, 30 * ms} {
			got := spoken(t, c.o, speak(format(16000, 1, media.S16), packet, c.plan...)...)
			if len(got) != len(c.want) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
				continue
			}
			for i, e := range got {
				if e.Time != c.want[i] || e.Speaking != (i%2 == 0) {
					t.Errorf("%s: %+v, want %v", name, e, c.want[i])
				}
			}
		}
	}
}

// Times are those of the samples: a clock that is off, jitter and another rate
// put a moment off by no more than they are off themselves.
func TestSpeechGoesByStamps(t *testing.T) {
	const seconds = 600
	var events []SpeechEvent
	c := newChain(t, Speech(SpeechOptions{}, func(e SpeechEvent) { events = append(events, e) }))
	for k := range seconds * 50 {
		f := format(8000, 1, media.S8)
		if k/75%2 == 1 {
			f = format(11025, 1, media.S8)
		}
		a := 0.0
		if k >= seconds*50-100 { // the last two seconds
			a = 0.5
		}
		// Slow by 1000 ppm, give or take 5 ms.
		at := time.Duration(k)*20020*time.Microsecond + time.Duration(k*7919%11-5)*ms
		c.Process(square(at, f, f.Rate/50, a), func(media.Sample) {})
	}
	want := (seconds*50 - 100) * 20020 * time.Microsecond
	if len(events) != 1 || (events[0].Time-want).Abs() > 15*ms {
		t.Errorf("%v, want speech from %v on", events, want)
	}
}

// It is known when a sample says so, and dated back.
func TestSpeechIsReportedAtOnce(t *testing.T) {
	f := format(16000, 1, media.S16)
	var events []SpeechEvent
	c := newChain(t, Speech(SpeechOptions{}, func(e SpeechEvent) { events = append(events, e) }))
	samples := speak(f, 20*ms, said{0, -20}, said{time.Second, -60}, said{2 * time.Second, 0})
	for _, s := range samples {
		s.Direction = media.Outbound
		c.Process(s, func(media.Sample) {})
		end, want := s.Time+20*ms, 0
		if end >= 60*ms {
			want++
		}
		if end >= 1500*ms {
			want++
		}
		if len(events) != want {
			t.Fatalf("%d events after %v, want %d", len(events), end, want)
		}
	}
	for _, e := range events {
		if e.Direction != media.Outbound {
			t.Error("lost its direction")
		}
	}
}

// Times that go back end what was being said.
func TestSpeechBackInTime(t *testing.T) {
	f := format(16000, 1, media.S16)
	samples := append(speak(f, 20*ms, said{10 * time.Second, -20}, said{11 * time.Second, 0}),
		speak(f, 20*ms, said{time.Second, -20}, said{2 * time.Second, 0})...)
	var got []time.Duration
	for _, e := range spoken(t, SpeechOptions{}, samples...) {
		got = append(got, e.Time)
	}
	if want := []time.Duration{10 * time.Second, 11 * time.Second, time.Second, 2 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// What is not yet speech does not add up with what is elsewhere.
	clicks := append(speak(f, 20*ms, said{10 * time.Second, -20}, said{10040 * ms, 0}),
		speak(f, 20*ms, said{time.Second, -20}, said{1040 * ms, 0})...)
	if got := spoken(t, SpeechOptions{}, clicks...); len(got) != 0 {
		t.Errorf("%v of two clicks", got)
	}
}

func TestSpeechRefuses(t *testing.T) {
	s := tone(0, format(8000, 1, media.S16), 160, 440, 0.5)
	nan, f := math.NaN(), func(SpeechEvent) {}
	for _, o := range []SpeechOptions{
		{Open: nan}, {Close: nan}, {Open: -40, Close: -39}, {Close: MinLevel}, {Open: math.Inf(-1)}, {Attack: -1}, {Release: -1},
	} {
		if err := Speech(o, f)(pipeline.Stream{}).Process(s, func(media.Sample) {}); !errors.Is(err, ErrSetting) {
			t.Errorf("%+v: %v, want ErrSetting", o, err)
		}
	}
	c := newChain(t, Speech(SpeechOptions{}, nil))
	if out := feed(t, c, s); len(out) != 1 || out[0] != s || c.Failures() != 1 {
		t.Errorf("without a function: %v, %d failures", out, c.Failures())
	}
}
