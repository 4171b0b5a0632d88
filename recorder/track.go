package recorder

import "github.com/roomkit-live/roomkit-go/media"

// A Track is one stream of one participant in a recording. The zero format
// means that the backend does not know it before the first sample; what the
// samples say always counts for more.
type Track struct {
	// ID is unique within the recording.
	ID string `json:"id"`
	// Kind is audio, video or screen.
	Kind media.Kind `json:"kind"`
	// Participant, Channel and Session say whose stream it is.
	Participant string `json:"participant"`
	Channel     string `json:"channel,omitempty"`
	Session     string `json:"session,omitempty"`
	// Language is a three-letter ISO 639-2/T code, empty if unknown.
	Language string `json:"language,omitempty"`

	// Audio, Video or Encoded is the format the backend declares.
	Audio   media.AudioFormat   `json:"-"`
	Video   media.VideoFormat   `json:"-"`
	Encoded media.EncodedFormat `json:"-"`

	// RequestKeyFrame asks the source of encoded pictures for a keyframe; nil
	// if it cannot be asked. It may be called at any time and as often as a
	// recorder likes, and never waits. No more is passed on than one request a
	// second for all recorders of a room, the first at once; what comes earlier
	// is dropped, so who still needs a keyframe asks again.
	RequestKeyFrame func() `json:"-"`
}

// Title is the track's name for people: the participant, and what it is where
// that is not their voice or camera.
func (t Track) Title() string {
	if t.Kind == media.KindScreen {
		return t.Participant + " (screen)"
	}
	return t.Participant
}

// A Toggle switches something that is on by default.
type Toggle uint8

// The positions of a toggle.
const (
	Default Toggle = iota // as if nothing had been said: on
	On
	Off
)

// ChannelRecordingConfig opts a channel out of room recordings, kind by kind.
// Everything is recorded unless its kind is [Off]; switching one off leaves
// the others on.
type ChannelRecordingConfig struct {
	Audio       Toggle
	Video       Toggle
	ScreenShare Toggle
}

// Records reports whether tracks of the kind are to be recorded.
func (c ChannelRecordingConfig) Records(k media.Kind) bool {
	switch k {
	case media.KindAudio:
		return c.Audio != Off
	case media.KindVideo:
		return c.Video != Off
	case media.KindScreen:
		return c.ScreenShare != Off
	}
	return false
}
