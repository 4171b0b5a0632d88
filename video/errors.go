package video

import (
	"errors"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// Errors of the stages. They reach who runs a chain as its failures: see
// [pipeline.Chain].
var (
	// ErrArgument: a stage was made with a value that it does not take.
	ErrArgument = errors.New("video: invalid argument")
	// ErrOutside: nothing of a picture is inside what was to be kept of it.
	ErrOutside = errors.New("video: nothing left of the picture")
)

// refuse is a stage whose arguments make no sense. Each picture it gets is a
// failure.
func refuse(err error) Stage {
	return func(pipeline.Stream) pipeline.Processor { return refused{err} }
}

type refused struct{ err error }

func (r refused) Process(media.Sample, func(media.Sample)) error { return r.err }
