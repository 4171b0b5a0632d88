package roomkit

import (
	"log/slog"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/video"
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

// WithObserver sets who is told how the tracks of all recordings are doing, once
// a second of the kit's clock and at their end; default nobody.
func WithObserver(o recorder.Observer) KitOption {
	return func(k *Kit) { k.observer.observer = o }
}

// WithHandlerTimeout sets how long, in real time, a handler may take over an
// event before it counts as failed, and a start waits for a handler that may
// refuse it; default 5 s.
func WithHandlerTimeout(d time.Duration) KitOption {
	return func(k *Kit) {
		if d > 0 {
			k.events.timeout = d
		}
	}
}

// A ChannelOption configures a channel.
type ChannelOption func(*channel)

// WithVoicePipeline sets what processes the audio that participants send; what
// comes encoded is decoded for it. Registering a channel that has a pipeline but
// carries no audio fails.
func WithVoicePipeline(p *voice.Pipeline) ChannelOption {
	return func(c *channel) { c.pipeline = p }
}

// WithOutboundPipeline sets what processes the audio that is played to
// participants, by [Session.Play] or by the backend's word, before it is
// recorded. What they say is recorded together with that, and so is decoded, too.
func WithOutboundPipeline(p *voice.Pipeline) ChannelOption {
	return func(c *channel) { c.outbound = p }
}

// WithVideoPipeline sets what processes the pictures that participants send; what
// comes encoded is decoded for it, and so encoded anew where it is recorded. It
// works beside a live source's goroutine; pictures that it has no time for are
// dropped and counted as [recorder.DropPipeline].
func WithVideoPipeline(p *video.Pipeline) ChannelOption {
	return func(c *channel) { c.pictures = p }
}

// WithVoiceRecorder records the voice of each session on the channel into files
// of its own, beside what rooms record: for debugging, with a binding of package
// recorder/wav. It has what the participant says, as the pipeline leaves it, and
// what is played to them. It may be given several times, with bindings of
// different names. Registering a channel with a wrong configuration, or one that
// carries no audio, fails; a recorder that cannot start for a session keeps
// nobody out, and is told by a [RecordingError].
//
// Where the binding's Config says nothing else, files are named after the
// participant.
func WithVoiceRecorder(b recorder.Binding) ChannelOption {
	return func(c *channel) { c.layers = append(c.layers, newLayer(b, false)) }
}

// WithVideoRecorder does the same for the pictures of each session, with a
// binding of package recorder/av.
func WithVideoRecorder(b recorder.Binding) ChannelOption {
	return func(c *channel) { c.layers = append(c.layers, newLayer(b, true)) }
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
