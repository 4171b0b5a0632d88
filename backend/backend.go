// Package backend is the contract between a channel and the place its media
// comes from: a device, a file, a network, a test pattern. Each folder below
// holds one implementation.
package backend

import (
	"context"
	"errors"
	"log/slog"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Backend serves sessions. One backend may serve several at once; it is safe
// for concurrent use.
type Backend interface {
	// Name says what it is, for logs and errors, such as "file film.mp4".
	Name() string
	// Connect begins one session: it opens the source, announces a track for
	// each stream the session wants, and starts to deliver into sink from
	// goroutines of its own. It returns when all tracks known beforehand are
	// announced; a source that cannot be opened, or that has nothing the
	// session wants, is an error. ctx bounds Connect only; the session lasts
	// until the connection is closed or the source ends.
	Connect(ctx context.Context, s Session, sink Sink) (Conn, error)
}

// A Conn is a running session of a backend.
type Conn interface {
	// Close ends the session and returns when its goroutines have ended and
	// its resources are free; nothing is delivered after that. Closing twice
	// is allowed.
	Close() error
}

// A Session describes to the backend whom it serves.
type Session struct {
	ID          string
	Room        string
	Channel     string
	Participant string
	// Clock is the kit's: capture times are readings of it, and paced sources
	// sleep on it.
	Clock media.Clock
	// Wants tells the kinds that the channel carries; a source does not open
	// or decode others. Nil means all.
	Wants func(media.Kind) bool
	// Log is never nil.
	Log *slog.Logger
}

// A Sink takes what a backend delivers for one session. It is safe for
// concurrent use and never panics.
type Sink interface {
	// AddTrack announces a stream with its format, if that is known. It
	// fails with [ErrUnwanted] for a kind that the session does not carry and
	// with [ErrEnded] after the session's end.
	AddTrack(t Track) (TrackSink, error)
	// End says that the source has ended by itself, with nil after its last
	// sample, else with the reason. The session ends by that as if the
	// participant had left. It is called at most once, on a goroutine that
	// [Conn.Close] waits for: it must not wait for Close itself.
	End(err error)
}

// A Track describes a stream to the session.
type Track struct {
	Kind media.Kind
	// Audio, Video or Encoded is the format that the source really delivers;
	// zero if that is known only with the first sample.
	Audio   media.AudioFormat
	Video   media.VideoFormat
	Encoded media.EncodedFormat
	// RequestKeyFrame asks the source of an encoded stream of pictures for a
	// keyframe, such as by a PLI; nil if it cannot be asked. It is called from
	// any goroutine, one at a time and no more than once a second of the clock,
	// must not wait, and may be called after the track's end.
	RequestKeyFrame func()
}

// A TrackSink takes the samples of one stream, in the order of capture, from
// one goroutine at a time. Both methods take over the caller's reference to
// the payload.
type TrackSink interface {
	// Push is for live sources: it never waits. What a recorder cannot take
	// is lost to that recorder and counted there.
	Push(s media.Sample)
	// Wait is for sources that can wait, such as files: it blocks until all
	// recorders have room. It returns the context's error, or [ErrEnded].
	Wait(ctx context.Context, s media.Sample) error
	// End says that this stream has ended while the session goes on, such as
	// a screen share that was stopped.
	End()
}

// Errors of the contract.
var (
	// ErrUnwanted: the session's channel does not carry this kind of media.
	ErrUnwanted = errors.New("backend: kind of media not carried by this channel")
	// ErrEnded: the session or track has ended.
	ErrEnded = errors.New("backend: session has ended")
	// ErrNoMedia: the source has nothing that the session wants.
	ErrNoMedia = errors.New("backend: source has no media of the kinds wanted")
	// ErrNotFound: the device or file does not exist.
	ErrNotFound = errors.New("backend: source not found")
)
