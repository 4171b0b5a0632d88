package roomkit

import (
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// An Event is something that happened to a recording: one of
//
//	RecordingStarting ─► RecordingStarted ─► … ─► RecordingStopped
//	        │                   ├ TrackAdded, TrackEnded
//	        ▼                   ├ MediaStalled, MediaRecovered
//	  RecordingError            ├ SamplesLost, RecordingError
//	                            └ RecordingPaused, RecordingResumed
//
// or, about those who listen, [HandlerFailed] and [EventsMissed].
//
// Each recording that has started stops exactly once, whatever ends it; nothing
// about it comes after that. One that could not start has a [RecordingError]
// instead of a RecordingStarted.
type Event interface {
	// About says which recording it is about.
	About() EventInfo
	// Kind is the event's name in logs and JSON, such as "recording started"; see
	// [MarshalEvent].
	Kind() string
}

// EventInfo says which recording an event is about.
type EventInfo struct {
	// At is when it happened, on the kit's clock; Time the same by wall clock.
	At   time.Duration `json:"-"`
	Time time.Time     `json:"time,omitzero"`
	// Room is the room's id.
	Room string `json:"room,omitempty"`
	// Recording is the recording's name, unique among those that run in a room:
	// that of its binding, behind which a session's own has a slash and the
	// session's id.
	Recording string `json:"recording,omitempty"`
	// ID is the recording's, once it has started.
	ID string `json:"id,omitempty"`
	// Session and Participant say whose recording it is; empty for one of the
	// whole room.
	Session     string `json:"session,omitempty"`
	Participant string `json:"participant,omitempty"`
}

// About implements [Event].
func (i EventInfo) About() EventInfo { return i }

// RecordingStarting: a recording is about to start. Nothing is written yet;
// handlers registered by [Kit.HandleStarting] may still refuse it.
type RecordingStarting struct {
	EventInfo
	Recorder string          `json:"recorder"` // its name
	Config   recorder.Config `json:"config"`
}

// RecordingStarted: a recording takes media from now on.
type RecordingStarted struct{ EventInfo }

// TrackAdded: a participant's stream is part of the recording from now on, again
// if they have returned.
type TrackAdded struct {
	EventInfo
	Track recorder.Track `json:"track"`
}

// TrackEnded: the stream has ended, or its participant has left.
type TrackEnded struct {
	EventInfo
	Track recorder.Track `json:"track"`
}

// MediaStalled: no media has come for the binding's QuietAfter, of one track, or
// where Track is empty of any.
type MediaStalled struct {
	EventInfo
	Track string        `json:"track,omitempty"` // its ID
	Since time.Duration `json:"-"`               // capture time of the latest sample, or of the start
}

// MediaRecovered: media comes again after MediaStalled.
type MediaRecovered struct {
	EventInfo
	Track  string        `json:"track,omitempty"`
	Silent time.Duration `json:"-"` // how long nothing came
}

// SamplesLost: samples of a track are not in the recording, though nobody asked
// for that: those of a pause are not told. What is lost within a second is told
// together.
type SamplesLost struct {
	EventInfo
	Track  string              `json:"track"` // its ID
	Reason recorder.DropReason `json:"reason"`
	Count  int64               `json:"count"` // since the event before
	Total  int64               `json:"total"`
}

// RecordingError: something makes the recording less than whole, or has kept it
// from starting, be it another one that was to start with it. A recording that
// cannot go on stops after it.
type RecordingError struct {
	EventInfo
	Track string `json:"track,omitempty"` // its ID, empty if it is about all
	Err   error  `json:"-"`
}

// RecordingPaused: what is captured from now on is left out.
type RecordingPaused struct {
	EventInfo
	Mode recorder.PauseMode `json:"mode"`
}

// RecordingResumed ends a pause.
type RecordingResumed struct{ EventInfo }

// RecordingStopped: the recording has ended, and its files are finished.
type RecordingStopped struct {
	EventInfo
	Reason StopReason      `json:"reason"`
	Result recorder.Result `json:"result"`
}

// HandlerFailed: a handler returned an error for an event, panicked over it
// ([ErrHandlerPanic]), or has not returned in time ([ErrHandlerSlow]). Events
// go on to everybody else, and to it when it returns.
type HandlerFailed struct {
	EventInfo
	Handler string `json:"handler"`
	Event   Event  `json:"-"`
	Err     error  `json:"-"`
}

// EventsMissed: whoever gets it has been too slow, and so many events before it
// were not delivered.
type EventsMissed struct {
	EventInfo
	Count int64 `json:"count"`
}

// A StopReason says what ended a recording.
type StopReason string

// The reasons. A recorder that fails is the reason even if the room is closed a
// moment later.
const (
	StopRequested    StopReason = "stopped"               // Room.StopRecording
	StopRoomClosed   StopReason = "room closed"           // Kit.CloseRoom
	StopShutdown     StopReason = "shut down"             // Kit.Close
	StopSessionEnded StopReason = "session ended"         // of a session's own recording
	StopEmpty        StopReason = "room empty"            // Limits.WhenEmpty
	StopIdle         StopReason = "no media"              // Limits.IdleTimeout
	StopMaxDuration  StopReason = "maximum duration"      // Limits.MaxDuration
	StopMaxSize      StopReason = "maximum size"          // Limits.MaxSize
	StopDiskSpace    StopReason = "too little disk space" // Limits.MinFree
	StopFailed       StopReason = "recorder failed"       // see the result's Err
)

// Kind implements [Event].
func (RecordingStarting) Kind() string { return "recording starting" }

// Kind implements [Event].
func (RecordingStarted) Kind() string { return "recording started" }

// Kind implements [Event].
func (TrackAdded) Kind() string { return "track added" }

// Kind implements [Event].
func (TrackEnded) Kind() string { return "track ended" }

// Kind implements [Event].
func (MediaStalled) Kind() string { return "media stalled" }

// Kind implements [Event].
func (MediaRecovered) Kind() string { return "media recovered" }

// Kind implements [Event].
func (SamplesLost) Kind() string { return "samples lost" }

// Kind implements [Event].
func (RecordingError) Kind() string { return "recording error" }

// Kind implements [Event].
func (RecordingPaused) Kind() string { return "recording paused" }

// Kind implements [Event].
func (RecordingResumed) Kind() string { return "recording resumed" }

// Kind implements [Event].
func (RecordingStopped) Kind() string { return "recording stopped" }

// Kind implements [Event].
func (HandlerFailed) Kind() string { return "handler failed" }

// Kind implements [Event].
func (EventsMissed) Kind() string { return "events missed" }
