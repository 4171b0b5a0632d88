package pipeline

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/roomkit-live/roomkit-go/media"
)

// ErrPanic: a processor panicked.
var ErrPanic = errors.New("pipeline: processor panicked")

// A Chain is a pipeline at work for one stream. It is used by one goroutine at
// a time, but for Failures.
type Chain struct {
	steps    []*step
	check    func(in, out media.Sample) error
	log      *slog.Logger
	failures atomic.Int64
	out      func(media.Sample) // where the last step's output goes, during a call
}

// New makes the processors of one stream, in the given order. A stage that
// panics or makes nothing is left out and counts as a failure. check refuses
// what a processor must not make of a sample; the sample in is zero where a
// processor is flushed. log may be nil.
func New[S ~func(Stream) Processor](stages []S, of Stream, check func(in, out media.Sample) error, log *slog.Logger) *Chain {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Chain{check: check, log: log}
	for _, stage := range stages {
		proc, err := build(stage, of)
		if err != nil {
			c.failures.Add(1)
			c.tell(err)
			continue
		}
		s := &step{chain: c, proc: proc, index: len(c.steps)}
		s.emit = s.take // bound once: a method value allocates
		c.steps = append(c.steps, s)
	}
	return c
}

func build(stage func(Stream) Processor, of Stream) (proc Processor, err error) {
	defer recovered(&err)
	if proc = stage(of); proc == nil {
		return nil, errors.New("pipeline: a stage made no processor")
	}
	return proc, nil
}

// Len returns the number of processors.
func (c *Chain) Len() int { return len(c.steps) }

// Failures returns how often a processor failed. It is safe for concurrent use.
func (c *Chain) Failures() int64 { return c.failures.Load() }

// Process runs s through all processors. It takes over the caller's reference
// to the payload, and emit that to each sample that comes out.
//
// What a processor fails on, or panics on, passes it unchanged: a voice that
// sounds different is worth more than silence. The first failure of each is
// logged, all are counted.
func (c *Chain) Process(s media.Sample, emit func(media.Sample)) {
	c.out = emit
	c.feed(0, s)
	c.out = nil
}

// feed gives a sample, with its reference, to a step.
func (c *Chain) feed(index int, s media.Sample) {
	if index == len(c.steps) {
		c.out(s)
		return
	}
	st := c.steps[index]
	st.in, st.emitted, st.err = s, false, nil
	err := st.process(s)
	if err == nil {
		err = st.err
	}
	passes := err != nil && !st.emitted
	st.in = media.Sample{} // or it would be kept alive
	if err != nil {
		st.failed(err)
	}
	if passes {
		c.feed(index+1, s)
		return
	}
	s.Release()
}

// Flush hands out what processors hold back: the stream has ended, or pauses.
func (c *Chain) Flush(emit func(media.Sample)) {
	c.out = emit
	for _, st := range c.steps {
		if f, ok := st.proc.(Flusher); ok {
			st.in, st.err = media.Sample{}, nil
			if err := errors.Join(st.flush(f), st.err); err != nil {
				st.failed(err)
			}
		}
	}
	c.out = nil
}

// Close frees the processors. The chain is of no more use.
func (c *Chain) Close() {
	for _, st := range c.steps {
		if closer, ok := st.proc.(io.Closer); ok {
			if err := closing(closer); err != nil {
				st.failed(err)
			}
		}
	}
	c.steps = nil
}

func closing(closer io.Closer) (err error) {
	defer recovered(&err)
	return closer.Close()
}

func (c *Chain) tell(err error) {
	c.log.Error("pipeline: processor failed; media passes it unprocessed, further failures of it are only counted", "error", err)
}

// step is one processor in its place.
type step struct {
	chain *Chain
	index int
	proc  Processor
	emit  func(media.Sample)
	told  bool // a failure has been logged

	// Of the sample that is being processed:
	in      media.Sample
	emitted bool
	err     error // what was wrong with what was emitted
	open    bool
}

// failed counts a failure, and tells of the first.
func (st *step) failed(err error) {
	st.chain.failures.Add(1)
	if !st.told {
		st.told = true
		st.chain.tell(err)
	}
}

func (st *step) process(s media.Sample) (err error) {
	defer recovered(&err)
	st.open = true
	defer func() { st.open = false }()
	return st.proc.Process(s, st.emit)
}

func (st *step) flush(f Flusher) (err error) {
	defer recovered(&err)
	st.open = true
	defer func() { st.open = false }()
	return f.Flush(st.emit)
}

// take is the step's emit.
func (st *step) take(out media.Sample) {
	if !st.open {
		st.failed(fmt.Errorf("pipeline: processor %T emits outside of a call", st.proc))
		return
	}
	same := samePayload(out, st.in)
	err := out.Validate()
	if err == nil {
		err = st.chain.check(st.in, out)
	}
	if err != nil {
		st.err = fmt.Errorf("pipeline: processor %T made: %w", st.proc, err)
		if !same {
			out.Release()
		}
		return
	}
	if same {
		out.Retain() // one for who comes next, one for feed to give back
	}
	st.emitted = true
	st.chain.feed(st.index+1, out)
}

func samePayload(a, b media.Sample) bool {
	return a.PCM == b.PCM && a.Picture == b.Picture && a.Encoded == b.Encoded
}

// recovered turns a panic into an error. It must be deferred itself.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%w: %v", ErrPanic, v)
	}
}
