package roomkit

import (
	"fmt"
	"slices"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/video"
	"github.com/roomkit-live/roomkit-go/voice"
)

// A Channel is what participants join a room on: a [VoiceChannel], a
// [VideoChannel] or an [AudioVideoChannel]. Any number of sessions in any
// number of rooms can share one.
type Channel interface {
	// ID is the name the channel is registered under.
	ID() string

	common() *channel
}

// channel is what all channels have in common. It does not change once it is
// made.
type channel struct {
	id        string
	backend   backend.Backend
	kinds     []media.Kind
	pipeline  *voice.Pipeline // for what participants say
	outbound  *voice.Pipeline // for what is played to them
	pictures  *video.Pipeline
	layers    []*layer
	recording recorder.ChannelRecordingConfig
}

func newChannel(id string, b backend.Backend, opts []ChannelOption, kinds ...media.Kind) *channel {
	c := &channel{id: id, backend: b, kinds: kinds}
	for _, opt := range opts {
		opt(c)
	}
	return c
}

// ID implements [Channel].
func (c *channel) ID() string { return c.id }

func (c *channel) common() *channel { return c }

// treats reports whether a pipeline works on tracks of a kind.
func (c *channel) treats(k media.Kind) bool {
	if k.IsPicture() {
		return c.pictures.Len() > 0
	}
	return c.pipeline.Len()+c.outbound.Len() > 0
}

func (c *channel) carries(k media.Kind) bool {
	for _, kind := range c.kinds {
		if kind == k {
			return true
		}
	}
	return false
}

func (c *channel) validate() error {
	if err := needID("channel", c.id); err != nil {
		return err
	}
	if c.backend == nil {
		return fmt.Errorf("%w: channel %q has no backend", ErrInvalid, c.id)
	}
	if (c.pipeline != nil || c.outbound != nil) && !c.carries(media.KindAudio) {
		return fmt.Errorf("%w: channel %q has a voice pipeline but carries no audio (allowed for voice and audio-video channels)", ErrInvalid, c.id)
	}
	if c.pictures != nil && !slices.ContainsFunc(c.kinds, media.Kind.IsPicture) {
		return fmt.Errorf("%w: channel %q has a video pipeline but carries no pictures (allowed for video and audio-video channels)", ErrInvalid, c.id)
	}
	return c.validateLayers()
}
