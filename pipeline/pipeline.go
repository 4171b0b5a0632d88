// Package pipeline is what the pipelines of voices and of pictures have in
// common: [Processor], the step that anybody can write, and [Chain], which runs
// steps one behind the other without trusting any of them. Packages voice and
// video have the steps that come with the library.
package pipeline

import "github.com/roomkit-live/roomkit-go/media"

// A Stream says what a processor is made for.
type Stream struct {
	Room, Channel, Session, Participant string
	Kind                                media.Kind
}

// A Processor is one step for one stream of one participant; it may keep state
// from sample to sample. It is used by one goroutine at a time.
type Processor interface {
	// Process makes something of a sample, which is valid, raw and read-only,
	// and hands that to emit: once as a rule, several times or not at all where
	// its output does not fall together with its input. It borrows s. What it
	// emits is s itself, or has a payload of its own whose only reference emit
	// takes over. emit is valid during the call only.
	//
	// Samples keep the instants at which they were captured: what is held back
	// is emitted with its own time.
	//
	// With an error, or a panic, s passes on unprocessed, unless something was
	// emitted for it.
	Process(s media.Sample, emit func(media.Sample)) error
}

// A Flusher is a [Processor] that holds media back. Flush emits what it still
// has, as at the end of the stream; another may begin afterwards.
type Flusher interface {
	Flush(emit func(media.Sample)) error
}

// A processor that is an io.Closer is closed at the end of its stream, after it
// was flushed.
