package roomkit

import (
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

// An AudioVideoChannel carries voices, cameras and shared screens.
type AudioVideoChannel struct{ *channel }

// NewAudioVideoChannel returns a channel for all kinds of media. Wrong
// arguments are reported when it is registered.
func NewAudioVideoChannel(id string, b backend.Backend, opts ...ChannelOption) *AudioVideoChannel {
	return &AudioVideoChannel{newChannel(id, b, opts, media.KindAudio, media.KindVideo, media.KindScreen)}
}
