package roomkit

import (
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

// A VoiceChannel carries audio.
type VoiceChannel struct{ *channel }

// NewVoiceChannel returns a channel for voices. Wrong arguments are reported
// when it is registered.
func NewVoiceChannel(id string, b backend.Backend, opts ...ChannelOption) *VoiceChannel {
	return &VoiceChannel{newChannel(id, b, opts, media.KindAudio)}
}
