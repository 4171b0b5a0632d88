package recorder

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Config says how to record. The zero value of a field means its default; see
// [Config.WithDefaults].
type Config struct {
	// Storage is the output directory, created when needed; default
	// "./recordings". A path with a ".." element is refused.
	Storage string `json:"storage"`
	// VideoCodec is one of auto (default), libx264, h264_nvenc, libx265, copy.
	// auto copies video that is already encoded and fits the container; other
	// video goes to NVENC when that opens, else to libx264. A named encoder
	// encodes anew what arrives encoded.
	VideoCodec string `json:"video_codec"`
	// VideoFPS is the nominal rate of raw video and of the composed picture,
	// in pictures per second, 1 to 240; default 30. It never changes playback
	// speed: pictures are shown at the times they were captured.
	VideoFPS int `json:"video_fps"`
	// AudioCodec is one of aac (default; in webm libopus), libopus, copy. Audio
	// that is already encoded and fits the container is copied, unless libopus
	// is named and it is something else; see also [AudioOptions].
	AudioCodec string `json:"audio_codec"`
	// AudioSampleRate is the rate of encoded audio in Hz, 8000 to 96000;
	// default 16000.
	AudioSampleRate int `json:"audio_sample_rate"`
	// Format is the container: mp4 (default), mov, mkv, webm, ts.
	Format string `json:"format"`

	// Name begins the names of files, {Name}_{id}_{timestamp}.{format}; default
	// "room". Letters, digits, ".", "_" and "-", up to 64 of them, the first no
	// "."; [FileName] makes one of any text.
	Name string `json:"name,omitempty"`
	// Title is written into the file's metadata; the kit fills in the room's
	// id where it is empty.
	Title string `json:"title,omitempty"`

	// Video and Audio tune the encoders.
	Video VideoOptions `json:"video"`
	Audio AudioOptions `json:"audio"`

	// StartPolicy says when time zero is; default [StartWhenAll].
	StartPolicy StartPolicy `json:"start_policy"`
	// StartTimeout bounds the wait of StartWhenAll; default 3 s.
	StartTimeout time.Duration `json:"start_timeout"`

	// Rotate splits the recording into several files; default one.
	Rotate Rotate `json:"rotate,omitzero"`
	// File says how mp4 and mov files are written; other formats take no
	// notice.
	File FileOptions `json:"file,omitzero"`
}

// FileOptions say how mp4 and mov files are written.
type FileOptions struct {
	// FastStart puts the index of a file in front, so that it plays while it
	// is being downloaded: of one that is about this long with two cameras and
	// two voices. An index that is larger goes to the end, as it does by
	// default; "roomkit repair --fast-start" moves it later.
	FastStart time.Duration `json:"fast_start,omitempty"`
	// SyncInterval is how often what is written is made durable, and so what a
	// power loss costs beyond the last quarter of a second; default 250 ms,
	// negative only at the end.
	SyncInterval time.Duration `json:"sync_interval,omitempty"`
	// IndexReserve is the disk space held ready beyond what the index needs by
	// now, in bytes, so that a disk that is full then can still be finished;
	// default 1 MiB, negative none.
	IndexReserve int64 `json:"index_reserve,omitempty"`
	// Direct lets a lane that is faster than the disk do the disk's work itself
	// instead of waiting for it, which takes less CPU time. A disk that stalls
	// stalls the lane then: it is for sources that can wait, as when files are
	// recorded faster than they play, and not for live ones.
	Direct bool `json:"direct,omitempty"`
}

func (o FileOptions) validate() error {
	return firstError(
		inRange("File.FastStart", o.FastStart, 0, 48*time.Hour),
		inRange("File.SyncInterval", o.SyncInterval, -1, time.Hour),
		inRange("File.IndexReserve", o.IndexReserve, -1, 1<<30),
	)
}

// Rotate says when a recording goes over to a new file, whichever comes first.
// Each file plays on its own from time zero; together they are the whole, with
// nothing lost or doubled between them.
type Rotate struct {
	// Duration of each file, from 1 s on; 0 for no bound.
	Duration time.Duration `json:"duration,omitempty"`
	// Size in bytes at which a file is ended, from 1 MiB on; it grows a
	// little beyond. 0 for no bound.
	Size int64 `json:"size,omitempty"`
}

func (r Rotate) validate() error {
	if r.Duration != 0 && r.Duration < time.Second {
		return &ConfigError{"Rotate.Duration", r.Duration, "0 or from 1s on"}
	}
	if r.Size != 0 && r.Size < 1<<20 {
		return &ConfigError{"Rotate.Size", r.Size, "0 or from 1048576 bytes on"}
	}
	return nil
}

// VideoOptions tune video encoding. Zero values mean defaults chosen for
// recording in real time; docs/user/quality.md has the measurements.
type VideoOptions struct {
	// CRF is the constant quality, 1 (best) to 51; the default depends on the
	// encoder. It is ignored where BitRate is set.
	CRF int `json:"crf,omitempty"`
	// BitRate is the target in bits per second, 0 for constant quality.
	BitRate int `json:"bit_rate,omitempty"`
	// Preset is the encoder's own name for a trade of speed against size.
	Preset string `json:"preset,omitempty"`
	// KeyframeInterval is the longest time between keyframes, up to 10 s;
	// default 2 s.
	KeyframeInterval time.Duration `json:"keyframe_interval,omitempty"`
	// Threads per encoder; the default grows with the picture's size.
	Threads int `json:"threads,omitempty"`
	// AfterLoss says what to do with encoded pictures that need what was lost on
	// the way, whether they are copied or decoded; default [AfterLossAuto].
	AfterLoss AfterLoss `json:"after_loss,omitempty"`
}

// AfterLoss says what becomes of the pictures between a loss and the next
// keyframe. The source is asked for one either way.
type AfterLoss string

const (
	// AfterLossAuto does what looks best: it freezes where a source can be
	// asked for a keyframe, which then comes soon, and where players would not
	// decode on; else it keeps.
	AfterLossAuto AfterLoss = "auto"
	// AfterLossFreeze leaves them out and counts them: the picture before stands.
	AfterLossFreeze AfterLoss = "freeze"
	// AfterLossKeep keeps them: what a player makes of them is up to it.
	AfterLossKeep AfterLoss = "keep"
)

// AudioOptions tune audio encoding.
type AudioOptions struct {
	// BitRate is the target in bits per second and channel; the default
	// depends on codec and sample rate.
	BitRate int `json:"bit_rate,omitempty"`
	// Reencode encodes audio anew that arrives encoded and could be copied.
	Reencode bool `json:"reencode,omitempty"`
}

// StartPolicy says when a recording's time zero is.
type StartPolicy string

const (
	// StartWhenAll begins when all tracks registered so far have delivered
	// their first sample, or after StartTimeout with those that have.
	StartWhenAll StartPolicy = "all"
	// StartImmediate begins at the first sample of any track.
	StartImmediate StartPolicy = "immediate"
)

// The allowed values, in the order in which they are shown to users.
var (
	videoCodecs   = []string{"auto", "libx264", "h264_nvenc", "libx265", "copy"}
	audioCodecs   = []string{"aac", "libopus", "copy"}
	formats       = []string{"mp4", "mov", "mkv", "webm", "ts"}
	startPolicies = []StartPolicy{StartWhenAll, StartImmediate}
	afterLosses   = []AfterLoss{AfterLossAuto, AfterLossFreeze, AfterLossKeep}
)

// VideoCodecs returns the allowed values of [Config.VideoCodec].
func VideoCodecs() []string { return slices.Clone(videoCodecs) }

// AudioCodecs returns the allowed values of [Config.AudioCodec].
func AudioCodecs() []string { return slices.Clone(audioCodecs) }

// Formats returns the allowed values of [Config.Format].
func Formats() []string { return slices.Clone(formats) }

// WithDefaults returns the configuration with zero fields replaced by their
// defaults.
func (c Config) WithDefaults() Config {
	setDefault(&c.Storage, "./recordings")
	setDefault(&c.VideoCodec, "auto")
	setDefault(&c.VideoFPS, 30)
	if c.Format == "webm" { // which cannot hold AAC
		setDefault(&c.AudioCodec, "libopus")
	}
	setDefault(&c.AudioCodec, "aac")
	setDefault(&c.AudioSampleRate, 16000)
	setDefault(&c.Format, "mp4")
	setDefault(&c.Name, "room")
	setDefault(&c.StartPolicy, StartWhenAll)
	setDefault(&c.StartTimeout, 3*time.Second)
	setDefault(&c.Video.KeyframeInterval, 2*time.Second)
	setDefault(&c.Video.AfterLoss, AfterLossAuto)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate checks a configuration whose defaults are filled in. The error is a
// [*ConfigError] for the first wrong field.
func (c Config) Validate() error {
	if slices.Contains(strings.FieldsFunc(filepath.ToSlash(c.Storage), func(r rune) bool { return r == '/' }), "..") {
		return &ConfigError{"Storage", c.Storage, `a directory without ".." elements`}
	}
	if c.Name != FileName(c.Name) {
		return &ConfigError{"Name", c.Name, fmt.Sprintf(`letters, digits, ".", "_" and "-", 1 to %d of them, the first no "."`, maxName)}
	}
	return firstError(
		oneOf("VideoCodec", c.VideoCodec, videoCodecs),
		inRange("VideoFPS", c.VideoFPS, 1, 240),
		oneOf("AudioCodec", c.AudioCodec, audioCodecs),
		inRange("AudioSampleRate", c.AudioSampleRate, 8000, 96000),
		oneOf("Format", c.Format, formats),
		inRange("Video.CRF", c.Video.CRF, 0, 51),
		inRange("Video.BitRate", c.Video.BitRate, 0, 1_000_000_000),
		inRange("Video.KeyframeInterval", c.Video.KeyframeInterval, 100*time.Millisecond, 10*time.Second),
		inRange("Video.Threads", c.Video.Threads, 0, 64),
		oneOf("Video.AfterLoss", c.Video.AfterLoss, afterLosses),
		inRange("Audio.BitRate", c.Audio.BitRate, 0, 512_000),
		oneOf("StartPolicy", c.StartPolicy, startPolicies),
		inRange("StartTimeout", c.StartTimeout, time.Millisecond, time.Minute),
		c.Rotate.validate(),
		c.File.validate(),
	)
}

const maxName = 64

// FileName makes of any text one that [Config.Name] may be: whatever is not
// allowed there becomes "-".
func FileName(text string) string {
	name := []byte(strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, text))
	if len(name) == 0 || name[0] == '.' {
		name = append([]byte("-"), name[min(1, len(name)):]...)
	}
	return string(name[:min(len(name), maxName)])
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func oneOf[T ~string](field string, value T, allowed []T) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return &ConfigError{field, string(value), strings.Join(names, ", ")}
}

func inRange[T ~int | ~int64](field string, value, low, high T) error {
	if low <= value && value <= high {
		return nil
	}
	return &ConfigError{field, value, fmt.Sprintf("%v to %v", low, high)}
}

// A ConfigError names a wrong field, its value and what is allowed. It wraps
// [ErrConfig].
type ConfigError struct {
	Field   string
	Value   any
	Allowed string
}

// Error implements error.
func (e *ConfigError) Error() string {
	value := fmt.Sprint(e.Value)
	if s, ok := e.Value.(string); ok {
		value = fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("recorder: %s is %s (allowed: %s)", e.Field, value, e.Allowed)
}

// Unwrap returns [ErrConfig].
func (e *ConfigError) Unwrap() error { return ErrConfig }
