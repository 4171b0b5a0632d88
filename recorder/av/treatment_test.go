package av

import (
	"errors"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// What every container does with every codec that may come, by default.
func TestTreatment(t *testing.T) {
	all := []media.Codec{media.H264, media.HEVC, media.VP8, media.VP9, media.AV1, media.Opus, media.AAC, media.PCMU, media.PCMA, media.G722}
	for format, marks := range map[string]string{ // in the order of all: = copied, ~ decoded
		"mp4":  "=======~~~",
		"mov":  "==~~~~=~~~",
		"mkv":  "=======~~~",
		"webm": "~~====~~~~",
		"ts":   "==~~~~=~~~",
	} {
		for i, codec := range all {
			cfg := recorder.Config{Format: format}.WithDefaults()
			want := map[byte]treatment{'=': copied, '~': decoded}[marks[i]]
			if got, err := treat(codec, cfg, containers[format]); got != want || err != nil {
				t.Errorf("%s in %s: %v, %v; want %v", codec, format, got, err, want)
			}
			cfg.VideoCodec, cfg.AudioCodec = "copy", "copy"
			_, err := treat(codec, cfg, containers[format])
			var wrong *recorder.ConfigError
			switch {
			case want == copied && err != nil:
				t.Errorf("copy %s into %s: %v", codec, format, err)
			case want == decoded && (!errors.As(err, &wrong) || !strings.Contains(err.Error(), codec.String()+" in "+format)):
				t.Errorf("copy %s into %s: %v", codec, format, err)
			}
		}
	}
}

// What is asked for counts for more than that it could be copied.
func TestTreatmentAsAskedFor(t *testing.T) {
	for _, c := range []struct {
		codec media.Codec
		cfg   recorder.Config
		want  treatment
	}{
		{media.H264, recorder.Config{VideoCodec: "libx264"}, decoded},
		{media.HEVC, recorder.Config{VideoCodec: "h264_nvenc"}, decoded},
		{media.VP8, recorder.Config{VideoCodec: "libx264"}, decoded},
		{media.H264, recorder.Config{VideoCodec: "copy"}, copied},
		{media.AAC, recorder.Config{AudioCodec: "aac"}, copied},
		{media.Opus, recorder.Config{AudioCodec: "aac"}, copied},
		{media.Opus, recorder.Config{AudioCodec: "libopus"}, copied},
		{media.AAC, recorder.Config{AudioCodec: "libopus"}, decoded},
		{media.AAC, recorder.Config{Audio: recorder.AudioOptions{Reencode: true}}, decoded},
		{media.Opus, recorder.Config{AudioCodec: "libopus", Audio: recorder.AudioOptions{Reencode: true}}, decoded},
		{media.H264, recorder.Config{Audio: recorder.AudioOptions{Reencode: true}}, copied},
		{media.Opus, recorder.Config{VideoCodec: "libx264"}, copied},
	} {
		cfg := c.cfg.WithDefaults()
		if got, err := treat(c.codec, cfg, containers[cfg.Format]); got != c.want || err != nil {
			t.Errorf("%s with %q, %q, %+v: %v, %v; want %v", c.codec, cfg.VideoCodec, cfg.AudioCodec, cfg.Audio, got, err, c.want)
		}
	}
	if _, err := treat(media.VP8, recorder.Config{Format: "mov", VideoCodec: "copy"}.WithDefaults(), containers["mov"]); err == nil ||
		err.Error() != `recorder: VideoCodec is "copy" (allowed: for vp8 in mov: auto or an encoder; copied into it can be h264, hevc)` {
		t.Error(err)
	}
}
