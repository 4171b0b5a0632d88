package roomkit

import (
	"log/slog"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/voice"
)

// A KitOption configures [New].
type KitOption func(*Kit)

// WithClock sets the clock that everything runs on; default is a
// [media.RealClock] whose epoch is the kit's creation.
func WithClock(c media.Clock) KitOption {
	return func(k *Kit) {
		if c != nil {
			k.clock = c
		}
	}
}

// WithLogger sets the logger; default is silence.
func WithLogger(log *slog.Logger) KitOption {
	return func(k *Kit) {
		if log != nil {
			k.log = log
		}
	}
}

// A ChannelOption configures a channel.
type ChannelOption func(*channel)

// WithVoicePipeline sets what processes the audio that participants send, as far
// as it comes as PCM: encoded audio passes it by.
// Registering a channel that has a pipeline but carries no audio fails.
func WithVoicePipeline(p *voice.Pipeline) ChannelOption {
	return func(c *channel) { c.pipeline = p }
}

// WithChannelRecording says which kinds of the channel's media rooms record;
// default is all of them.
func WithChannelRecording(cfg recorder.ChannelRecordingConfig) ChannelOption {
	return func(c *channel) { c.recording = cfg }
}

// A RoomOption configures [Kit.CreateRoom].
type RoomOption func(*roomOptions)

type roomOptions struct{ bindings []recorder.Binding }

// WithRecorders starts a recording for each binding that is not disabled. It
// may be given several times.
func WithRecorders(bindings ...recorder.Binding) RoomOption {
	return func(o *roomOptions) { o.bindings = append(o.bindings, bindings...) }
}

// A JoinOption configures [Kit.Join].
type JoinOption func(*joinOptions)

type joinOptions struct {
	participant string
	language    string
}

// WithParticipant says who joins; default is the session's id. Tracks are
// named after the participant.
func WithParticipant(id string) JoinOption {
	return func(o *joinOptions) { o.participant = id }
}

// WithLanguage marks the session's tracks with a three-letter ISO 639-2/T
// code such as "eng".
func WithLanguage(code string) JoinOption {
	return func(o *joinOptions) { o.language = code }
}

// An AttachOption configures [Kit.AttachChannel].
type AttachOption func(*attachment)

// WithRoomRecording says which kinds of the channel's media this room records,
// in place of the channel's own setting.
func WithRoomRecording(cfg recorder.ChannelRecordingConfig) AttachOption {
	return func(a *attachment) { a.recording = &cfg }
}
