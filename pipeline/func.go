package pipeline

import "github.com/roomkit-live/roomkit-go/media"

// A Func is a [Processor] that keeps nothing from sample to sample. It borrows the
// sample and returns either that itself, or one with a payload of its own whose
// only reference is the caller's.
type Func func(media.Sample) (media.Sample, error)

// Process implements [Processor].
func (f Func) Process(s media.Sample, emit func(media.Sample)) error {
	out, err := f(s)
	if err == nil {
		emit(out)
	}
	return err
}
