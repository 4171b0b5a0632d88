// Package running runs the goroutines of one session of a backend and keeps
// the rules of [backend.Conn] and [backend.Sink] for them: Close waits, and
// the sink hears of the end once, with the reason.
package running

import (
	"context"
	"errors"
	"sync"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

// A Stream is one goroutine of a session.
type Stream struct {
	// Pacer is the goroutine's; it is closed when Run has returned and, by the
	// last stream, when the sink has heard of the end: on a virtual clock the
	// source ends at the instant of its last sample and not some time later.
	// It is nil for a device, which is paced by itself.
	Pacer media.Pacer
	// Run delivers until the source ends (nil), fails (the reason) or ctx
	// ends. [backend.ErrEnded] counts as nil: nobody listens any more.
	Run func(ctx context.Context) error
}

// A Conn is a session that is being set up or runs. It implements
// [backend.Conn].
type Conn struct {
	sink   backend.Sink
	ctx    context.Context
	cancel context.CancelCauseFunc // with errClosed by Close, else with what failed
	begun  func() bool             // ends the hold that Connect's context has
	wg     sync.WaitGroup

	mu   sync.Mutex
	left int
}

var errClosed = errors.New("connection closed")

// New begins to set up a session. Until Start, ctx ends it too. It must be
// started or closed.
func New(ctx context.Context, sink backend.Sink) *Conn {
	c := &Conn{sink: sink}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.begun = context.AfterFunc(ctx, func() { c.cancel(errClosed) })
	return c
}

// Context lasts as long as the session: what is opened with it is interrupted
// by Close.
func (c *Conn) Context() context.Context { return c.ctx }

// Start runs the streams until they have all ended or the connection is
// closed. When they end by themselves sink.End is called once, by the last of
// them, with the first error; an error in one ends the others. The streams own
// their resources from now on: if the context of [New] has ended already they
// are run to their end, which is at once, and that context's error is
// returned.
func (c *Conn) Start(ctx context.Context, streams ...Stream) (backend.Conn, error) {
	inTime := c.begun()
	c.left = len(streams)
	c.wg.Add(len(streams))
	for _, s := range streams {
		go c.run(s)
	}
	if !inTime {
		return nil, errors.Join(ctx.Err(), c.Close())
	}
	return c, nil
}

func (c *Conn) run(s Stream) {
	defer c.wg.Done()
	if s.Pacer != nil {
		defer s.Pacer.Close()
	}
	if err := s.Run(c.ctx); err != nil && !errors.Is(err, backend.ErrEnded) {
		c.cancel(err) // without effect after Close or an earlier failure
	}
	c.mu.Lock()
	c.left--
	last := c.left == 0
	c.mu.Unlock()
	if !last {
		return
	}
	// Frees the context where nobody ever calls Close.
	defer c.cancel(nil)
	if err := context.Cause(c.ctx); err != errClosed {
		c.sink.End(err)
	}
}

// Close implements [backend.Conn].
func (c *Conn) Close() error {
	c.begun()
	c.cancel(errClosed)
	c.wg.Wait()
	return nil
}

// Wanted announces a track. A nil sink without an error means that the session
// does not carry its kind.
func Wanted(s backend.Session, sink backend.Sink, t backend.Track) (backend.TrackSink, error) {
	if s.Wants != nil && !s.Wants(t.Kind) {
		return nil, nil
	}
	ts, err := sink.AddTrack(t)
	if errors.Is(err, backend.ErrUnwanted) {
		return nil, nil
	}
	return ts, err
}
