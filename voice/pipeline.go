// Package voice processes the audio of participants between their channel and
// whoever hears or records it.
package voice

import (
	"errors"
	"log/slog"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// A Stage makes the processor of one stream. It is safe for concurrent use. The
// processor runs in the goroutine of the source, which a slow one holds up.
type Stage func(pipeline.Stream) pipeline.Processor

// A Pipeline is an ordered list of stages for PCM: for what participants say, or
// for what is played to them. It is immutable: channels, rooms and participants
// can share it.
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

// Len returns the number of stages; a nil pipeline has none.
func (p *Pipeline) Len() int {
	if p == nil {
		return 0
	}
	return len(p.stages)
}

// NewChain makes the processors of one stream. A nil pipeline makes a chain that
// changes nothing. log may be nil. Samples that go through it must be PCM.
func (p *Pipeline) NewChain(of pipeline.Stream, log *slog.Logger) *pipeline.Chain {
	var stages []Stage
	if p != nil {
		stages = p.stages
	}
	return pipeline.New(stages, of, check, log)
}

var errOther = errors.New("voice: something else than audio of the same direction")

// check is what a processor must keep to.
func check(in, out media.Sample) error {
	if out.PCM == nil || in.PCM != nil && out.Direction != in.Direction {
		return errOther
	}
	return nil
}
