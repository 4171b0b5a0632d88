package recorder

import "time"

// Limits end a recording by themselves, cleanly and each with a reason of its
// own. The kit keeps to them; their times are on its clock. The zero value has
// none.
type Limits struct {
	// MaxDuration is how much is recorded, counted from the first sample of any
	// track, without the pauses that are cut out; 0 for no bound.
	MaxDuration time.Duration `json:"max_duration,omitempty"`
	// MaxSize is the size of all files, in bytes, at which the recording ends; it
	// is looked at four times a second, and what comes until then is in the file
	// too. Recorders that are no [Reporter] do not tell it. 0 for no bound.
	MaxSize int64 `json:"max_size,omitempty"`
	// IdleTimeout ends a recording that has had no media on any track for so
	// long, since its start or its latest sample; 0 for never.
	IdleTimeout time.Duration `json:"idle_timeout,omitempty"`
	// MinFree is how many bytes must be free where Storage is, for a recording to
	// start and to go on; 0 for no such bound. A disk that is full all the same
	// costs what came last, and nothing before.
	MinFree int64 `json:"min_free,omitempty"`
	// WhenEmpty ends a recording of a room when the last of those who joined has
	// left. Recordings of one session end with it anyway.
	WhenEmpty bool `json:"when_empty,omitempty"`
}

func (l Limits) validate() error {
	const most = 1<<63 - 1
	return firstError(
		inRange("Limits.MaxDuration", l.MaxDuration, 0, longest),
		inRange("Limits.MaxSize", l.MaxSize, 0, most),
		inRange("Limits.IdleTimeout", l.IdleTimeout, 0, longest),
		inRange("Limits.MinFree", l.MinFree, 0, most),
	)
}

// longest bounds times that are added to others: a hundred years.
const longest = 100 * 365 * 24 * time.Hour
