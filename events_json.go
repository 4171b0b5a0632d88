package roomkit

import (
	"encoding/json"
	"time"
)

// eventHead is what the JSON of an event begins with: what its own fields leave
// out, as they are no JSON or are not among them.
type eventHead struct {
	Event  string   `json:"event"`
	Error  string   `json:"error,omitempty"`
	Since  *float64 `json:"since,omitempty"`
	Silent *float64 `json:"silent,omitempty"`
	Over   string   `json:"over,omitempty"` // the event that a handler failed over
	At     float64  `json:"at"`
}

// MarshalEvent writes an event as a JSON object for logs and web hooks: "event" is
// its kind, "at" the kit's clock in seconds; the rest is named as in the event's
// type, with times in seconds and errors as texts.
func MarshalEvent(e Event) ([]byte, error) {
	head := eventHead{Event: e.Kind(), At: e.About().At.Seconds()}
	switch e := e.(type) {
	case RecordingError:
		head.Error = e.Err.Error()
	case HandlerFailed:
		head.Error, head.Over = e.Err.Error(), e.Event.Kind()
	case MediaStalled:
		head.Since = inSeconds(e.Since)
	case MediaRecovered:
		head.Silent = inSeconds(e.Silent)
	}
	first, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	rest, err := json.Marshal(e)
	if err != nil || len(rest) == len("{}") {
		return first, err
	}
	return append(append(first[:len(first)-1], ','), rest[1:]...), nil
}

func inSeconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}
