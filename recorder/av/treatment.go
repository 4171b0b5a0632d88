package av

import (
	"fmt"
	"slices"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// treatment is what is done with media that arrives encoded.
type treatment uint8

const (
	copied  treatment = iota // it goes into the file as it is
	decoded                  // it becomes raw, and is encoded as that
)

// treat decides about a codec. The error is a [*recorder.ConfigError] where only
// copying is wanted, which the container does not allow.
func treat(codec media.Codec, cfg recorder.Config, c container) (treatment, error) {
	field, want, renew := "VideoCodec", cfg.VideoCodec, cfg.VideoCodec != "auto"
	if codec.IsAudio() {
		field, want = "AudioCodec", cfg.AudioCodec
		renew = cfg.Audio.Reencode || want == "libopus" && codec != media.Opus
	}
	holds := slices.Contains(c.holds, codec)
	switch {
	case want == "copy" && !holds:
		return copied, &recorder.ConfigError{Field: field, Value: want, Allowed: copyAllowed(codec, cfg.Format, c)}
	case want == "copy" || holds && !renew:
		return copied, nil
	}
	return decoded, nil
}

// copyAllowed says what could be recorded instead.
func copyAllowed(codec media.Codec, format string, c container) string {
	var held []string
	for _, other := range c.holds {
		if other.IsPicture() == codec.IsPicture() {
			held = append(held, other.String())
		}
	}
	instead := "auto or an encoder"
	if codec.IsAudio() {
		instead = "aac or libopus"
		if len(c.audio) == 1 {
			instead = c.audio[0]
		}
	}
	return fmt.Sprintf("for %s in %s: %s; copied into it can be %s", codec, format, instead, strings.Join(held, ", "))
}
