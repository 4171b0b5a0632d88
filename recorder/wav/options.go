package wav

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Options say what a [Recorder] writes. The zero value of a field means its
// default.
type Options struct {
	// Mode is which direction is recorded: [Both] (default), [Inbound],
	// [Outbound].
	Mode Mode `json:"mode,omitempty"`
	// Channels is how directions become files: [Mixed] (default), [Separate],
	// [Stereo], [All].
	Channels Channels `json:"channels,omitempty"`
	// Rate is that of the files, 8000 to 192000 Hz; 0 is that of the first
	// audio that comes, or the nearest of these. A recording of tracks with
	// different rates should name one: which of them is first may be chance.
	Rate int `json:"rate,omitempty"`
	// Sample is how values are stored: [S16] (default), [S24], [S32], [F32].
	Sample SampleFormat `json:"sample,omitempty"`
	// SyncInterval is how often what is written is made durable, and so what a
	// power loss costs; default 250 ms, negative only at the end.
	SyncInterval time.Duration `json:"sync_interval,omitempty"`
	// Logger is told of disks that fail; nil is quiet.
	Logger *slog.Logger `json:"-"`
}

// Mode says which directions of a voice are recorded.
type Mode string

// The modes.
const (
	Both     Mode = "both"
	Inbound  Mode = "inbound"  // what the participant says
	Outbound Mode = "outbound" // what is played to them
)

// wants reports whether audio of a direction is recorded.
func (m Mode) wants(d media.Direction) bool {
	return m == Both || (m == Inbound) == (d == media.Inbound)
}

// Channels says how the directions of a voice become files.
type Channels string

// The ways.
const (
	// Mixed is one file, both directions summed and clamped at full scale.
	Mixed Channels = "mixed"
	// Separate is a file for each direction, _inbound.wav and _outbound.wav.
	// Both have the same time zero; each ends with its last audio.
	Separate Channels = "separate"
	// Stereo is one file, inbound left and outbound right. It has both
	// channels even where only one direction is recorded or speaks.
	Stereo Channels = "stereo"
	// All is all of these: _inbound.wav, _outbound.wav, _mixed.wav and
	// _stereo.wav.
	All Channels = "all"
)

// SampleFormat is how a value is stored in a file.
type SampleFormat string

// The sample formats. Audio runs through the recorder as 32 bit float, which
// keeps 24 significant bits: so many has S32 as well.
const (
	S16 SampleFormat = "s16" // 16 bit signed
	S24 SampleFormat = "s24" // 24 bit signed, packed
	S32 SampleFormat = "s32" // 32 bit signed
	F32 SampleFormat = "f32" // 32 bit float, full scale is ±1
)

const (
	lowestRate          = 8000
	highestRate         = 192_000
	defaultSyncInterval = 250 * time.Millisecond
	longestSync         = time.Hour
)

var (
	modes         = []Mode{Both, Inbound, Outbound}
	ways          = []Channels{Mixed, Separate, Stereo, All}
	sampleFormats = []SampleFormat{S16, S24, S32, F32}
)

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	if o.Mode == "" {
		o.Mode = Both
	}
	if o.Channels == "" {
		o.Channels = Mixed
	}
	if o.Sample == "" {
		o.Sample = S16
	}
	if o.SyncInterval == 0 {
		o.SyncInterval = defaultSyncInterval
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// validate checks options whose defaults are filled in.
func (o Options) validate() error {
	if o.Rate != 0 && (o.Rate < lowestRate || o.Rate > highestRate) {
		return &recorder.ConfigError{Field: "Rate", Value: o.Rate,
			Allowed: fmt.Sprintf("%d to %d, or 0 for that of the first audio", lowestRate, highestRate)}
	}
	if err := oneOf("Mode", o.Mode, modes); err != nil {
		return err
	}
	if err := oneOf("Channels", o.Channels, ways); err != nil {
		return err
	}
	if o.SyncInterval > longestSync {
		return &recorder.ConfigError{Field: "SyncInterval", Value: o.SyncInterval, Allowed: fmt.Sprintf("up to %v; negative for only at the end", longestSync)}
	}
	return oneOf("Sample", o.Sample, sampleFormats)
}

func oneOf[T ~string](field string, value T, allowed []T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return &recorder.ConfigError{Field: field, Value: string(value), Allowed: strings.Join(names, ", ")}
}
