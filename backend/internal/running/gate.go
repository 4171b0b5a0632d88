package running

import (
	"context"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Gate is the instant at which all streams of a session start.
type Gate struct {
	open    <-chan struct{}
	instant func() time.Duration // the same for every caller
}

// NewGate returns a gate that opens when the channel is closed, or that is
// open already if it is nil: then the start is the clock's reading now.
func NewGate(clock media.Clock, open <-chan struct{}) *Gate {
	g := &Gate{open, sync.OnceValue(clock.Now)}
	if open == nil {
		g.instant()
	}
	return g
}

// Wait returns the instant of the start, the same to every stream, or the
// context's error.
func (g *Gate) Wait(ctx context.Context) (time.Duration, error) {
	if g.open != nil {
		select {
		case <-g.open:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return g.instant(), nil
}
