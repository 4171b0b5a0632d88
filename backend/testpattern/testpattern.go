// Package testpattern is a source without hardware: a moving picture with a
// tone to try things out, and a flash with a beep to check that picture and
// sound are in step.
//
// All streams of a session share one start instant t0, at which both the first
// picture and the first frame of audio are captured. What a picture shows and
// what the audio sounds like follows from the capture time alone, so that a
// recording can be checked against the clock however pictures were timed.
// On a virtual clock the source is exact and as fast as its consumer.
package testpattern

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/media"
)

// Backend makes a pattern for each session. It is safe for concurrent use.
type Backend struct{ opt Options }

var _ backend.Backend = (*Backend)(nil)

// New checks the options and returns a backend. The error names the option
// and what is allowed.
func New(o Options) (*Backend, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("testpattern: %w", err)
	}
	return &Backend{o}, nil
}

// Name implements [backend.Backend].
func (b *Backend) Name() string {
	name := "test pattern"
	if b.opt.Pattern == AVSync {
		name = "sync pattern"
	}
	if b.opt.Name != "" {
		name += " " + strconv.Quote(b.opt.Name)
	}
	return name
}

// Connect implements [backend.Backend]. Without a Start gate t0 is the clock's
// reading during Connect.
func (b *Backend) Connect(ctx context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.Clock == nil {
		return nil, errors.New("testpattern: session has no clock")
	}
	// Both pacers exist from here on, so that a virtual clock stands still
	// until both streams sleep and neither begins late.
	pacers := [2]media.Pacer{s.Clock.NewPacer(), s.Clock.NewPacer()}
	streams, err := b.streams(s, sink, pacers)
	if err == nil && len(streams) == 0 {
		err = backend.ErrNoMedia
	}
	if err != nil {
		for _, p := range pacers {
			p.Close()
		}
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return running.New(ctx, sink).Start(ctx, streams...)
}

// streams announces the tracks and returns a stream for each one that the
// session wants. The pacer of one that it does not want is closed.
func (b *Backend) streams(s backend.Session, sink backend.Sink, pacers [2]media.Pacer) ([]running.Stream, error) {
	gate := running.NewGate(s.Clock, b.opt.Start)
	var streams []running.Stream
	for i, announce := range []func(backend.Session, backend.Sink) (stream, error){b.video, b.audio} {
		st, err := announce(s, sink)
		if err != nil {
			return nil, err
		}
		if st == nil {
			pacers[i].Close()
			continue
		}
		pacer := pacers[i]
		streams = append(streams, running.Stream{Pacer: pacer, Run: func(ctx context.Context) error {
			t0, err := gate.Wait(ctx)
			if err != nil {
				return err
			}
			return st.run(ctx, t0, pacer)
		}})
	}
	return streams, nil
}

// A stream delivers from t0 on until its end or the context's.
type stream interface {
	run(ctx context.Context, t0 time.Duration, pacer media.Pacer) error
}

func (b *Backend) video(s backend.Session, sink backend.Sink) (stream, error) {
	if b.opt.NoVideo {
		return nil, nil
	}
	kind := media.KindVideo
	if b.opt.Screen {
		kind = media.KindScreen
	}
	ts, err := running.Wanted(s, sink, backend.Track{Kind: kind, Video: b.opt.video()})
	if ts == nil {
		return nil, err
	}
	name := b.opt.Name
	if name == "" {
		name = s.Participant
	}
	return &videoStream{opt: b.opt, out: output{ts, b.opt.Live}, clock: s.Clock, painter: newPainter(b.opt, name)}, nil
}

func (b *Backend) audio(s backend.Session, sink backend.Sink) (stream, error) {
	if b.opt.NoAudio {
		return nil, nil
	}
	ts, err := running.Wanted(s, sink, backend.Track{Kind: media.KindAudio, Audio: b.opt.audio()})
	if ts == nil {
		return nil, err
	}
	return &audioStream{opt: b.opt, out: output{ts, b.opt.Live}, second: oneSecond(b.opt)}, nil
}

// output delivers to one track, as a device or as a file does.
type output struct {
	track backend.TrackSink
	live  bool
}

func (o output) deliver(ctx context.Context, s media.Sample) error {
	if o.live {
		o.track.Push(s)
		return ctx.Err()
	}
	return o.track.Wait(ctx, s)
}
