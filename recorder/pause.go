package recorder

import (
	"encoding/json"
	"errors"
	"time"
)

// A Pauser is a [Recording] that can be paused. Both calls are about what was
// captured, and not about when it is handed over: a sample from before the
// pause is recorded even if it comes during it. What was handed over before
// the call stays in the recording, whenever it was captured.
type Pauser interface {
	// Pause leaves out what was captured from a time on the capture clock on,
	// until Resume. A pause that is still open when the recording stops ends
	// with it. A time within the pause before counts as the end of that.
	// Errors: [ErrPaused], [ErrStopped], a [*ConfigError] for another mode.
	Pause(at time.Duration, mode PauseMode) error
	// Resume records again what was captured from a time on. A time before
	// that of Pause counts as that. Errors: [ErrNotPaused], [ErrStopped].
	Resume(at time.Duration) error
}

// PauseMode says what is in the file where a recording was paused.
type PauseMode string

// The modes of a pause.
const (
	PauseCut  PauseMode = "cut"  // nothing: the file continues without the pause
	PauseHold PauseMode = "hold" // silence and a still picture, for as long as the pause
)

// Validate returns a [*ConfigError] for a mode that there is not.
func (m PauseMode) Validate() error {
	if m == PauseCut || m == PauseHold {
		return nil
	}
	return &ConfigError{Field: "PauseMode", Value: string(m), Allowed: `"cut" or "hold"`}
}

// Errors of a [Pauser].
var (
	// ErrPaused: Pause of a recording that is paused.
	ErrPaused = errors.New("recorder: recording is paused already")
	// ErrNotPaused: Resume of a recording that is not.
	ErrNotPaused = errors.New("recorder: recording is not paused")
)

// A Pause is a time that was left out of a recording on request.
type Pause struct {
	Start  time.Duration // on the recording's timeline
	Length time.Duration // in captured time, whatever the mode; if it was not resumed, up to the last sample that came
	Mode   PauseMode
}

// MarshalJSON writes times in seconds.
func (p Pause) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Start  float64   `json:"start"`
		Length float64   `json:"length"`
		Mode   PauseMode `json:"mode"`
	}{p.Start.Seconds(), p.Length.Seconds(), p.Mode})
}
