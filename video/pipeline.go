// Package video processes the pictures of participants between their channel
// and whoever sees or records them: what comes out is what is recorded.
//
// The stages take every raw pixel format, stride and size, odd ones included,
// and either of them may change from picture to picture. They keep the pixel
// format, do not touch the picture they get, and allocate nothing once they run.
package video

import (
	"errors"
	"log/slog"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// A Stage makes the processor of one stream of pictures. It is safe for
// concurrent use.
type Stage func(pipeline.Stream) pipeline.Processor

// A Pipeline is an ordered list of stages for raw pictures; what comes encoded is
// decoded for it. It is immutable: channels, rooms and participants can share
// it.
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
// changes nothing. log may be nil. Samples that go through it must be raw
// pictures.
func (p *Pipeline) NewChain(of pipeline.Stream, log *slog.Logger) *pipeline.Chain {
	var stages []Stage
	if p != nil {
		stages = p.stages
	}
	return pipeline.New(stages, of, check, log)
}

var errOther = errors.New("video: something else than a raw picture")

// check is what a processor must keep to.
func check(_, out media.Sample) error {
	if out.Picture == nil {
		return errOther
	}
	return nil
}
