package recorder

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Binding attaches a recorder to a room. The zero values of its optional
// fields mean: enabled, named after the recorder, default limits.
type Binding struct {
	Recorder Recorder
	Config   Config
	// Name tells the results of several bindings of one room apart; default
	// the recorder's name. It must be unique in the room.
	Name string
	// Disabled keeps the binding in the configuration without recording.
	Disabled bool

	// QueueBytes bounds the memory of each track's queue of samples waiting for
	// this recorder; default 128 MiB.
	QueueBytes int
	// StallTimeout is how long, in real time, one call into the recorder may
	// take before it is cut off; default 10 s.
	StallTimeout time.Duration

	// Limits end the recording by themselves; default none.
	Limits Limits
	// QuietAfter is for how long a track, or all of them, must have had no media
	// for an event to tell of it; default 5 s, negative never.
	QuietAfter time.Duration
}

// WithDefaults fills in the defaults of the binding and of its configuration.
func (b Binding) WithDefaults() Binding {
	b.Config = b.Config.WithDefaults()
	if b.Recorder != nil {
		setDefault(&b.Name, NameOf(b.Recorder))
	}
	setDefault(&b.QueueBytes, 128<<20)
	setDefault(&b.StallTimeout, 10*time.Second)
	setDefault(&b.QuietAfter, 5*time.Second)
	return b
}

// NameOf asks a recorder for its name. One that panics over it, such as a nil
// pointer, is called "recorder"; starting it will tell.
func NameOf(r Recorder) string {
	name, _ := guarded("Name", func() (string, error) { return r.Name(), nil })
	setDefault(&name, "recorder")
	return name
}

// Records reports whether the recorder is for tracks of a kind; see [Selective].
func (b Binding) Records(k media.Kind) bool {
	s, ok := b.Recorder.(Selective)
	if !ok {
		return true
	}
	records, err := guarded("Records", func() (bool, error) { return s.Records(k), nil })
	return records || err != nil // what panics here will do so again, where it is cut off
}

// Validate checks a binding whose defaults are filled in.
func (b Binding) Validate() error {
	if b.Recorder == nil {
		return &ConfigError{"Binding.Recorder", "nil", "a Recorder, such as one made by av.NewRecorder"}
	}
	return firstError(
		inRange("Binding.QueueBytes", b.QueueBytes, 1<<20, 1<<30),
		inRange("Binding.StallTimeout", b.StallTimeout, time.Millisecond, time.Hour),
		inRange("Binding.QuietAfter", b.QuietAfter, -longest, longest),
		b.Limits.validate(),
		b.Config.Validate(),
	)
}
