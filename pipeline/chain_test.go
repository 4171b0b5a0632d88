package pipeline

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// each is a processor made of a function.
type each func(s media.Sample, emit func(media.Sample)) error

func (f each) Process(s media.Sample, emit func(media.Sample)) error { return f(s, emit) }

func stage(f each) func(Stream) Processor { return func(Stream) Processor { return f } }

// add makes samples whose bytes are larger by n.
func add(n byte) func(Stream) Processor {
	return stage(func(s media.Sample, emit func(media.Sample)) error {
		out := &media.PCM{Format: s.PCM.Format, Data: bytes.Clone(s.PCM.Data)}
		for i := range out.Data {
			out.Data[i] += n
		}
		s.PCM = out
		emit(s)
		return nil
	})
}

var u8 = media.AudioFormat{Rate: 8000, Channels: 1, Sample: media.U8}

func sample(data ...byte) media.Sample {
	return media.Sample{PCM: &media.PCM{Format: u8, Data: data}}
}

func anything(_, _ media.Sample) error { return nil }

// run returns the first bytes of what a chain makes of a sample.
func run(c *Chain, s media.Sample) (out []byte) {
	c.Process(s, func(x media.Sample) { out = append(out, x.PCM.Data[0]); x.Release() })
	return out
}

func TestOrder(t *testing.T) {
	double := stage(func(s media.Sample, emit func(media.Sample)) error { emit(s); emit(s); return nil })
	nothing := stage(func(media.Sample, func(media.Sample)) error { return nil })
	for _, c := range []struct {
		stages []func(Stream) Processor
		want   []byte
	}{
		{nil, []byte{1}},
		{[]func(Stream) Processor{add(1), add(10)}, []byte{12}},
		{[]func(Stream) Processor{double, add(1), double}, []byte{2, 2, 2, 2}},
		{[]func(Stream) Processor{add(1), nothing}, nil},
	} {
		chain := New(c.stages, Stream{}, anything, nil)
		if got := run(chain, sample(1)); !bytes.Equal(got, c.want) || chain.Failures() != 0 {
			t.Errorf("%v, %d failures, want %v", got, chain.Failures(), c.want)
		}
	}
}

func TestFailuresPassUnprocessed(t *testing.T) {
	boom := errors.New("boom")
	for name, f := range map[string]each{
		"error":   func(media.Sample, func(media.Sample)) error { return boom },
		"panic":   func(media.Sample, func(media.Sample)) error { panic("ouch") },
		"nothing": func(_ media.Sample, emit func(media.Sample)) error { emit(media.Sample{}); return nil },
		"odd": func(s media.Sample, emit func(media.Sample)) error {
			emit(media.Sample{PCM: &media.PCM{Format: s.PCM.Format}})
			return nil
		},
		"refused": func(s media.Sample, emit func(media.Sample)) error { s.Direction = media.Outbound; emit(s); return nil },
	} {
		var log bytes.Buffer
		check := func(in, out media.Sample) error {
			if in.Direction != out.Direction {
				return boom
			}
			return nil
		}
		c := New([]func(Stream) Processor{stage(f), add(1)}, Stream{}, check, slog.New(slog.NewTextHandler(&log, nil)))
		for range 3 {
			if got := run(c, sample(1)); !bytes.Equal(got, []byte{2}) {
				t.Errorf("%s: got % x", name, got)
			}
		}
		if c.Failures() != 3 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %d failures, log %q", name, c.Failures(), &log)
		}
	}
}

// What fails after it has emitted something is not doubled.
func TestFailureBehindOutput(t *testing.T) {
	c := New([]func(Stream) Processor{stage(func(s media.Sample, emit func(media.Sample)) error { emit(s); panic("ouch") })}, Stream{}, anything, nil)
	if got := run(c, sample(1)); !bytes.Equal(got, []byte{1}) || c.Failures() != 1 {
		t.Errorf("% x, %d failures", got, c.Failures())
	}
}

func TestStagesThatMakeNothing(t *testing.T) {
	c := New([]func(Stream) Processor{func(Stream) Processor { return nil }, func(Stream) Processor { panic("ouch") }, add(1)}, Stream{}, anything, nil)
	if c.Len() != 1 || c.Failures() != 2 {
		t.Errorf("%d processors, %d failures", c.Len(), c.Failures())
	}
}

// hoarder keeps everything until it is flushed.
type hoarder struct {
	kept   []media.Sample
	closed int
	emit   func(media.Sample)
}

func (h *hoarder) Process(s media.Sample, emit func(media.Sample)) error {
	s.Retain()
	h.kept, h.emit = append(h.kept, s), emit
	return nil
}

func (h *hoarder) Flush(emit func(media.Sample)) error {
	for _, s := range h.kept {
		emit(s)
	}
	h.kept = nil
	return nil
}

func (h *hoarder) Close() error { h.closed++; return nil }

func TestFlush(t *testing.T) {
	first, second := &hoarder{}, &hoarder{}
	c := New([]func(Stream) Processor{func(Stream) Processor { return first }, add(1), func(Stream) Processor { return second }}, Stream{}, anything, nil)
	if got := run(c, sample(1)); len(got) != 0 {
		t.Fatalf("% x before the flush", got)
	}
	var got []byte
	c.Flush(func(s media.Sample) { got = append(got, s.PCM.Data[0]); s.Release() })
	if !bytes.Equal(got, []byte{2}) {
		t.Errorf("flushed % x", got)
	}
	second.emit(sample(9)) // outside of any call
	if c.Failures() != 1 {
		t.Errorf("%d failures of a late emit", c.Failures())
	}
	c.Close()
	c.Close()
	if first.closed != 1 || second.closed != 1 {
		t.Errorf("closed %d and %d times", first.closed, second.closed)
	}
}

// References come out even, whatever a processor does: a pooled buffer is back
// when the last of its holders is done, and not before.
func TestReferences(t *testing.T) {
	var pool media.PCMPool
	keep := stage(func(s media.Sample, emit func(media.Sample)) error { emit(s); emit(s); return nil })
	drop := stage(func(media.Sample, func(media.Sample)) error { return nil })
	fail := stage(func(media.Sample, func(media.Sample)) error { panic("ouch") })
	for name, stages := range map[string][]func(Stream) Processor{
		"none": nil, "kept twice": {keep, keep}, "dropped": {drop}, "failed": {fail}, "made anew": {add(1)},
	} {
		pcm := pool.Get(u8, 1)
		pcm.Retain() // ours: released last, it must be the last one
		var out []media.Sample
		New(stages, Stream{}, anything, nil).Process(media.Sample{PCM: pcm}, func(s media.Sample) { out = append(out, s) })
		for _, s := range out {
			s.Release()
		}
		if before := pcm.Data; &before[0] != &pcm.Data[0] {
			t.Fatal("given back too early")
		}
		pcm.Release()
		next := pool.Get(u8, 1)
		again := pool.Get(u8, 1)
		if next == again {
			t.Errorf("%s: given back twice", name)
		}
	}
}

func TestProcessDoesNotAllocate(t *testing.T) {
	keep := stage(func(s media.Sample, emit func(media.Sample)) error { emit(s); return nil })
	c := New([]func(Stream) Processor{keep, keep}, Stream{}, anything, nil)
	s := sample(1)
	out := func(media.Sample) {}
	if n := testing.AllocsPerRun(100, func() { c.Process(s, out) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestStagesKnowTheirStream(t *testing.T) {
	var got Stream
	want := Stream{Room: "room", Participant: "ann", Kind: media.KindAudio}
	New([]func(Stream) Processor{func(of Stream) Processor { got = of; return nil }}, want, anything, nil)
	if got != want {
		t.Errorf("made for %+v, want %+v", got, want)
	}
}

// The first failure of each processor is logged, not of the first alone.
func TestFirstFailureOfEach(t *testing.T) {
	var log bytes.Buffer
	fails := func(err string) func(Stream) Processor {
		return stage(func(media.Sample, func(media.Sample)) error { return errors.New(err) })
	}
	c := New([]func(Stream) Processor{fails("one"), fails("two")}, Stream{}, anything, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		run(c, sample(1))
	}
	if s := log.String(); strings.Count(s, "\n") != 2 || !strings.Contains(s, "one") || !strings.Contains(s, "two") || c.Failures() != 6 {
		t.Errorf("%d failures, log %q", c.Failures(), s)
	}
}
