package video

import (
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// Func makes a stage of a function that turns each picture into one. It borrows
// the sample, whose picture it must not change, and returns either that itself,
// or one with a picture of its own whose only reference is the caller's. All
// streams share the function: it must be safe for concurrent use, and keeps no
// state of a stream; a stage of one's own does, see [pipeline.Processor].
func Func(f func(media.Sample) (media.Sample, error)) Stage {
	return func(pipeline.Stream) pipeline.Processor { return pipeline.Func(f) }
}
