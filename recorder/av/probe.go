package av

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// probes remembers, for the life of the process, which video encoders open:
// whether the machine has an NVENC engine does not change, and asking costs a
// hardware encoder up to half a second.
var probes sync.Map // name → func() error

// probeEncoder opens an encoder for a small picture, once per process.
func probeEncoder(name string) error {
	probe, _ := probes.LoadOrStore(name, sync.OnceValue(func() error {
		return openOnce(name, recorder.Config{}.WithDefaults())
	}))
	return probe.(func() error)()
}

// openOnce opens and closes an encoder.
func openOnce(name string, cfg recorder.Config) error {
	enc, err := ffmpeg.NewVideoEncoder(videoEncoderConfig(name, cfg,
		media.VideoFormat{Width: 256, Height: 144, Color: media.BT601}))
	if err != nil {
		return err
	}
	enc.Close()
	return nil
}

// tryEncoder opens an encoder, which opens by default, with the
// configuration's own options. A value that it does not take would otherwise
// show only when the first track comes, and cost all of its pictures. The
// error is a [*recorder.ConfigError] for the option without which it opens.
func tryEncoder(name string, cfg recorder.Config) error {
	if cfg.Video == (recorder.VideoOptions{KeyframeInterval: cfg.Video.KeyframeInterval}) {
		return nil // nothing to judge
	}
	if known := x26xPresets[name]; known != nil && !slices.Contains(append(known, ""), cfg.Video.Preset) {
		// Not left to the encoder, which complains on standard error.
		return &recorder.ConfigError{Field: "Video.Preset", Value: cfg.Video.Preset, Allowed: allowedPresets(name)}
	}
	err := openOnce(name, cfg)
	if err == nil {
		return nil
	}
	without := cfg
	for _, t := range videoTuning { // taken away one after the other: several may be wrong
		before := without
		t.clear(&without.Video)
		if without != before && openOnce(name, without) == nil {
			return fmt.Errorf("%w; %w", &recorder.ConfigError{Field: t.field, Value: t.value(cfg.Video), Allowed: t.allowed(name)}, err)
		}
	}
	return fmt.Errorf("%w; %w", &recorder.ConfigError{Field: "VideoCodec", Value: name, Allowed: "with other options in Video"}, err)
}

// videoTuning are the options of Config.Video, which only the encoder itself
// can judge, with what it takes for them.
var videoTuning = []struct {
	field   string
	value   func(recorder.VideoOptions) any
	clear   func(*recorder.VideoOptions)
	allowed func(encoder string) string
}{
	{"Video.Preset", func(v recorder.VideoOptions) any { return v.Preset }, func(v *recorder.VideoOptions) { v.Preset = "" }, allowedPresets},
	{"Video.BitRate", func(v recorder.VideoOptions) any { return v.BitRate }, func(v *recorder.VideoOptions) { v.BitRate = 0 }, whatItTakes},
	{"Video.CRF", func(v recorder.VideoOptions) any { return v.CRF }, func(v *recorder.VideoOptions) { v.CRF = 0 }, whatItTakes},
	{"Video.Threads", func(v recorder.VideoOptions) any { return v.Threads }, func(v *recorder.VideoOptions) { v.Threads = 0 }, whatItTakes},
}

func whatItTakes(encoder string) string { return "what " + encoder + " takes" }

var (
	presets     = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"}
	x26xPresets = map[string][]string{"libx264": slices.Clip(presets), "libx265": slices.Clip(presets)}
)

func allowedPresets(encoder string) string {
	allowed := strings.Join(x26xPresets[encoder], ", ")
	switch encoder {
	case "h264_nvenc":
		allowed = "p1 to p7"
	case "libvpx-vp9":
		allowed = "-8 to 8"
	}
	return "by " + encoder + ": " + allowed
}

// tryAudioEncoder opens an encoder as configured, for the same reason as
// tryEncoder. It costs a millisecond.
func tryAudioEncoder(name string, cfg recorder.Config) error {
	for _, channels := range []int{1, 2} {
		enc, err := ffmpeg.NewAudioEncoder(audioEncoderConfig(name, cfg, channels))
		if err == nil {
			enc.Close()
			continue
		}
		wrong := &recorder.ConfigError{Field: "AudioCodec", Value: name, Allowed: "one that opens on this machine"}
		if cfg.Audio.BitRate > 0 {
			wrong = &recorder.ConfigError{Field: "Audio.BitRate", Value: cfg.Audio.BitRate, Allowed: whatItTakes(name)}
		}
		return fmt.Errorf("%w; %w", wrong, err)
	}
	return nil
}
