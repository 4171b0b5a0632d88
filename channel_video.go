package roomkit

import (
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

// A VideoChannel carries cameras and shared screens.
type VideoChannel struct{ *channel }

// NewVideoChannel returns a channel for pictures. Wrong arguments are reported
// when it is registered.
func NewVideoChannel(id string, b backend.Backend, opts ...ChannelOption) *VideoChannel {
	return &VideoChannel{newChannel(id, b, opts, media.KindVideo, media.KindScreen)}
}
