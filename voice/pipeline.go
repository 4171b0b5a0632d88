// Package voice processes the audio of participants between their channel and
// whoever hears or records it.
package voice

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Processor is one step of a pipeline for one participant; it may keep state
// from sample to sample. It is used by one goroutine at a time.
type Processor interface {
	// Process borrows s, which is valid PCM and read-only. It returns either s
	// itself, or a sample with a new payload whose only reference the caller
	// takes over. With an error nothing else is returned, and s passes
	// unprocessed.
	//
	// It runs in the goroutine of the source, which a slow processor holds up.
	Process(s media.Sample) (media.Sample, error)
}

// A Stage makes the processor of one participant. It is safe for concurrent
// use.
type Stage func() Processor

// A Pipeline is an ordered list of stages for what participants say. It is
// immutable: channels, rooms and participants can share it.
type Pipeline struct{ stages []Stage }

// NewPipeline returns a pipeline that runs the stages in the given order. Nil
// stages are left out.
func NewPipeline(stages ...Stage) *Pipeline {
	p := &Pipeline{}
	for _, s := range stages {
		if s != nil {
			p.stages = append(p.stages, s)
		}
	}
	return p
}

// NewChain makes the processors of one participant. A nil pipeline makes a
// chain that changes nothing. log may be nil.
func (p *Pipeline) NewChain(log *slog.Logger) *Chain {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Chain{log: log}
	if p == nil {
		return c
	}
	for _, stage := range p.stages {
		if proc, err := build(stage); err != nil {
			c.failed(err)
		} else {
			c.steps = append(c.steps, proc)
		}
	}
	return c
}

func build(stage Stage) (proc Processor, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPanic, v)
		} else if proc == nil {
			err = errors.New("voice: a stage made no processor")
		}
	}()
	return stage(), nil
}

// ErrPanic: a processor panicked.
var ErrPanic = errors.New("voice: processor panicked")

// A Chain is a pipeline at work for one participant. It is used by one
// goroutine at a time.
type Chain struct {
	steps    []Processor
	log      *slog.Logger
	failures atomic.Int64
}

// Len returns the number of processors.
func (c *Chain) Len() int { return len(c.steps) }

// Failures returns how often a processor failed and its input passed
// unprocessed instead. It is safe for concurrent use.
func (c *Chain) Failures() int64 { return c.failures.Load() }

// Process runs s through all processors. It takes over the caller's reference
// to the payload and returns a sample whose reference the caller takes over.
// What a processor fails on, or panics on, passes it unchanged: a voice that
// sounds different is worth more than silence. The first failure is logged,
// all are counted.
func (c *Chain) Process(s media.Sample) media.Sample {
	for _, step := range c.steps {
		out, err := apply(step, s)
		if err != nil {
			c.failed(err)
			continue
		}
		if out.PCM != s.PCM {
			s.Release()
		}
		s = out
	}
	return s
}

func (c *Chain) failed(err error) {
	if c.failures.Add(1) == 1 {
		c.log.Error("voice processor failed; audio passes it unprocessed, further failures are only counted", "error", err)
	}
}

// apply calls a processor and refuses what it must not return.
func apply(step Processor, s media.Sample) (out media.Sample, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", ErrPanic, v)
		}
	}()
	if out, err = step.Process(s); err != nil {
		return s, err
	}
	if err := out.Validate(); err != nil {
		return s, fmt.Errorf("voice: processor %T returned: %w", step, err)
	}
	if out.PCM == nil || out.Direction != s.Direction {
		return s, fmt.Errorf("voice: processor %T returned something else than %s audio", step, direction(s.Direction))
	}
	return out, nil
}

func direction(d media.Direction) string {
	if d == media.Outbound {
		return "outbound"
	}
	return "inbound"
}
