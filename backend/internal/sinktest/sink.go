// Package sinktest has a sink that lets tests look at what a backend delivers.
package sinktest

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

// A Sink takes everything and gives it to OnSample. It is safe for concurrent
// use.
type Sink struct {
	// OnSample sees each sample, in turn; it borrows the payload. It may be
	// nil. waited tells Wait from Push.
	OnSample func(kind media.Kind, s media.Sample, waited bool)

	mu     sync.Mutex
	tracks []backend.Track
	ends   []error
	ended  chan struct{}
}

// New returns a sink that calls f, which may be nil, for each sample.
func New(f func(kind media.Kind, s media.Sample, waited bool)) *Sink {
	return &Sink{OnSample: f, ended: make(chan struct{})}
}

// Session returns a session that wants the given kinds, or all if there are
// none.
func Session(clock media.Clock, kinds ...media.Kind) backend.Session {
	return backend.Session{
		ID: "session", Room: "room", Channel: "channel", Participant: "ada",
		Clock: clock,
		Wants: func(k media.Kind) bool { return len(kinds) == 0 || slices.Contains(kinds, k) },
		Log:   slog.New(slog.DiscardHandler),
	}
}

// AddTrack implements [backend.Sink].
func (s *Sink) AddTrack(t backend.Track) (backend.TrackSink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracks = append(s.tracks, t)
	return &track{s, t.Kind}, nil
}

// End implements [backend.Sink].
func (s *Sink) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, err)
	if len(s.ends) == 1 {
		close(s.ended)
	}
}

// Tracks returns what has been announced, in order.
func (s *Sink) Tracks() []backend.Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tracks)
}

// Ends returns what End has been called with.
func (s *Sink) Ends() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ends)
}

// WaitEnd reports whether End has been called within the given real time.
func (s *Sink) WaitEnd(timeout time.Duration) bool {
	select {
	case <-s.ended:
		return true
	case <-time.After(timeout):
		return false
	}
}

type track struct {
	sink *Sink
	kind media.Kind
}

func (t *track) deliver(s media.Sample, waited bool) {
	t.sink.mu.Lock()
	defer t.sink.mu.Unlock()
	if t.sink.OnSample != nil {
		t.sink.OnSample(t.kind, s, waited)
	}
	s.Release()
}

// Push implements [backend.TrackSink].
func (t *track) Push(s media.Sample) { t.deliver(s, false) }

// Wait implements [backend.TrackSink].
func (t *track) Wait(ctx context.Context, s media.Sample) error {
	t.deliver(s, true)
	return ctx.Err()
}

// End implements [backend.TrackSink].
func (t *track) End() {}
