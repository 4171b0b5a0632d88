// Package recorder is the contract between a room and whatever keeps its
// media: [Recorder], [Recording] and [TrackWriter]. It holds the configuration
// and the result they share, the [Feed] that connects a room to a recording
// without ever letting it hold the room up, and a [Mock] for tests.
//
// A destination of one's own needs three small methods sets; see the example
// program custom_recorder. The production recorder is package recorder/av.
package recorder

import (
	"context"
	"errors"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Recorder is a configured implementation that can start recordings. It is
// safe for concurrent use; one recorder may run recordings of many rooms.
type Recorder interface {
	// Name identifies the implementation in results and logs.
	Name() string
	// Start begins a recording. The configuration has its defaults filled in
	// and has passed [Config.Validate]; what the implementation cannot do
	// beyond that is an error here, before anything is written. ctx bounds
	// Start only: the recording lasts until its Stop.
	Start(ctx context.Context, cfg Config) (Recording, error)
}

// A Selective is a [Recorder] that is not for all kinds of media: tracks of others
// are not given to its recordings. It is asked once for each.
type Selective interface {
	Records(k media.Kind) bool
}

// A Recording is one running recording of one room. Its methods are safe for
// concurrent use.
type Recording interface {
	// ID is unique among recordings.
	ID() string
	// AddTrack adds one stream of one participant. It may be called at any
	// time before Stop; a recording that cannot take the track any more
	// returns an error. A track with the ID of one that was closed is that
	// one, going on: the participant has returned. Its former writer is not
	// used any more, and it is the new Track's source that can be asked for
	// keyframes.
	AddTrack(t Track) (TrackWriter, error)
	// Stop finishes the recording. Everything handed to WriteSample before is
	// in the result. The Result is valid even if err is not nil: it tells what
	// could be kept. A second Stop returns the same result and [ErrStopped].
	Stop(ctx context.Context) (Result, error)
}

// A TrackWriter takes the samples of one track in the order of capture. Its
// methods are called from one goroutine at a time; those of different tracks
// run concurrently.
//
// What a track has lost is told with the next of its samples that comes:
// [media.Sample] Missed counts those that were dropped between source and
// writer, such as by a full queue, [media.Encoded] Lost what never reached the
// source. Either way a writer that copies encoded pictures cannot rely on the
// picture before: it may leave out what follows until a keyframe, and ask for
// one by [Track] RequestKeyFrame.
type TrackWriter interface {
	// WriteSample takes one sample. It borrows the payload for the length of
	// the call and may take as long as encoding does: the queue before it
	// keeps that away from the source. An error means that this sample is not
	// in the recording; the next one may be. Who calls counts that sample as
	// lost: the recorder's own result counts it neither as written nor as
	// dropped (see [TrackResult]). An error that wraps [ErrTrackEnded] or one
	// of media's is told apart there; any other is a failure of the recorder.
	WriteSample(s media.Sample) error
	// Close ends the track: the participant left. Samples written after that
	// are refused with [ErrTrackEnded].
	Close() error
}

// A Reporter is a [Recording] that can tell its result so far while it runs.
type Reporter interface {
	Report() Result
}

// Sentinel errors of the contract.
var (
	// ErrConfig is wrapped by every [ConfigError].
	ErrConfig = errors.New("recorder: invalid configuration")
	// ErrStopped: the recording has been stopped already.
	ErrStopped = errors.New("recorder: recording is stopped")
	// ErrTrackEnded: a sample for a track that was closed.
	ErrTrackEnded = errors.New("recorder: track has ended")
	// ErrTrackExists: a second track with the ID of one that is not closed.
	ErrTrackExists = errors.New("recorder: track exists already")
	// ErrNoMedia: the recording ended without a single sample; no file is kept.
	ErrNoMedia = errors.New("recorder: no media arrived, nothing was written")
	// ErrUnresponsive: a recorder took longer over one call than the binding
	// allows and was cut off.
	ErrUnresponsive = errors.New("recorder: recorder does not respond")
	// ErrPanic: a recorder panicked and was cut off.
	ErrPanic = errors.New("recorder: recorder panicked")
	// ErrLateTrack: the container's set of tracks is fixed already.
	ErrLateTrack = errors.New("recorder: too late to add a track to this container")
)
