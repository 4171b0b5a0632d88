package av

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// plan is a configuration with its codecs resolved.
type plan struct {
	container container
	// video lists the encoders to try for raw video, best first; empty where
	// raw video cannot be taken because only copying was asked for.
	video []string
	// audio is the encoder for PCM, empty as above.
	audio string
}

// resolveCodecs turns the configuration's codecs into encoders that fit the
// container and open on this machine.
func resolveCodecs(cfg recorder.Config, log *slog.Logger) (plan, error) {
	p := plan{container: containers[cfg.Format]}
	var err error
	if p.video, err = resolveVideo(cfg, p.container, log); err != nil {
		return plan{}, err
	}
	p.audio, err = resolveAudio(cfg, p.container)
	return p, err
}

func resolveVideo(cfg recorder.Config, c container, log *slog.Logger) ([]string, error) {
	switch name := cfg.VideoCodec; {
	case name == "copy":
		return nil, nil
	case name == "auto":
		return usable(c.autoVideo, cfg, log)
	case !slices.Contains(c.video, name):
		return nil, &recorder.ConfigError{Field: "VideoCodec", Value: name,
			Allowed: "in " + cfg.Format + ": auto, " + strings.Join(append(onlyConfigurable(c.video), "copy"), ", ")}
	default:
		if err := probeEncoder(name); err != nil {
			return nil, fmt.Errorf("%w; %w", &recorder.ConfigError{Field: "VideoCodec", Value: name,
				Allowed: "on this machine: " + strings.Join(opening(onlyConfigurable(c.video)), ", ")}, err)
		}
		if err := tryEncoder(name, cfg); err != nil {
			return nil, err
		}
		return []string{name}, nil
	}
}

// onlyConfigurable keeps the encoders that Config.VideoCodec can name.
func onlyConfigurable(names []string) []string {
	all := recorder.VideoCodecs()
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !slices.Contains(all, n) })
}

// opening returns those of the encoders that open on this machine.
func opening(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return probeEncoder(n) != nil })
}

// usable drops the encoders that do not open as configured, saying why.
func usable(names []string, cfg recorder.Config, log *slog.Logger) ([]string, error) {
	var ok []string
	var last error
	for _, name := range names {
		err := probeEncoder(name)
		if err == nil {
			err = tryEncoder(name, cfg)
		}
		if err != nil {
			log.Info("video encoder not usable, trying the next", "encoder", name, "reason", err)
			last = err
			continue
		}
		ok = append(ok, name)
	}
	if len(ok) == 0 {
		return nil, fmt.Errorf("av: none of the video encoders %s can be opened: %w", strings.Join(names, ", "), last)
	}
	log.Info("video encoder chosen", "encoder", ok[0])
	return ok, nil
}

func resolveAudio(cfg recorder.Config, c container) (string, error) {
	name := cfg.AudioCodec
	if name == "copy" {
		if cfg.Audio.Reencode {
			return "", &recorder.ConfigError{Field: "Audio.Reencode", Value: true, Allowed: "with AudioCodec aac or libopus"}
		}
		return "", nil
	}
	if !slices.Contains(c.audio, name) {
		return "", &recorder.ConfigError{Field: "AudioCodec", Value: name,
			Allowed: "in " + cfg.Format + ": " + strings.Join(append(slices.Clone(c.audio), "copy"), ", ")}
	}
	rates := aacRates
	if name == "libopus" {
		rates = opusRates
	}
	if !slices.Contains(rates, cfg.AudioSampleRate) {
		return "", &recorder.ConfigError{Field: "AudioSampleRate", Value: cfg.AudioSampleRate,
			Allowed: fmt.Sprintf("with %s: %s", name, strings.Trim(fmt.Sprint(rates), "[]"))}
	}
	if !ffmpeg.HasEncoder(name) {
		return "", &recorder.ConfigError{Field: "AudioCodec", Value: name, Allowed: "this build of FFmpeg lacks that encoder"}
	}
	return name, tryAudioEncoder(name, cfg)
}
