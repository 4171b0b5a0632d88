package roomkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
)

const (
	// eventBuffer is how many events wait for one who listens: minutes of a room
	// that loses samples on every track.
	eventBuffer = 1024
	// reserved is how much of that is kept for the ends of recordings, with their
	// results: losses that nobody reads about must not push them out.
	reserved = 128
	// handlerTimeout is, in real time, what a handler has for an event before it
	// counts as failed; see WithHandlerTimeout.
	handlerTimeout = 5 * time.Second
)

// Errors of handlers, in [HandlerFailed].
var (
	// ErrHandlerPanic: the handler panicked.
	ErrHandlerPanic = errors.New("roomkit: event handler panicked")
	// ErrHandlerSlow: the handler takes longer than it may.
	ErrHandlerSlow = errors.New("roomkit: event handler does not return")
)

// notifier hands events to whoever listens. Telling never waits.
type notifier struct {
	log     *slog.Logger
	timeout time.Duration

	mu        sync.Mutex
	closed    bool
	listeners []*listener
	starting  []*namedStarting
}

type namedStarting struct {
	name   string
	handle StartingHandler
}

// listener is one who gets all events, in order.
type listener struct {
	handler string // its name; empty for a subscription
	ch      chan Event
	removed atomic.Bool // nothing more is wanted, not even what waits

	mu     sync.Mutex
	closed bool
	missed int64
	total  int64

	done chan struct{} // closed when a handler's goroutine has ended
}

// tell hands an event to all listeners.
func (n *notifier) tell(e Event) { n.tellOthers(nil, e) }

func (n *notifier) tellOthers(self *listener, e Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.listeners {
		if l != self {
			l.offer(e)
		}
	}
}

// offer queues an event, behind the news of those that were missed.
func (l *listener) offer(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.missed > 0 && len(l.ch) < cap(l.ch)-reserved {
		l.ch <- EventsMissed{EventInfo{At: e.About().At}, l.missed}
		l.missed = 0
	}
	if _, last := e.(RecordingStopped); len(l.ch) == cap(l.ch) || !last && len(l.ch) >= cap(l.ch)-reserved {
		l.missed++
		l.total++
		return
	}
	l.ch <- e // only offer sends, under the lock: there is room
}

func (l *listener) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.ch)
	}
}

func (n *notifier) add(l *listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		l.close()
		return
	}
	n.listeners = append(n.listeners, l)
}

func (n *notifier) remove(l *listener) {
	l.removed.Store(true)
	n.mu.Lock()
	n.listeners = without(n.listeners, l)
	n.mu.Unlock()
	l.close()
}

// insideKey marks the context of a handler's call, with its listener if it has
// one: who closes something from there is not waited for.
type insideKey struct{}

// isInside reports whether a context is that of a handler's call.
func isInside(ctx context.Context) bool {
	_, inside := ctx.Value(insideKey{}).(*listener)
	return inside
}

// run is the goroutine of a handler.
func (n *notifier) run(l *listener, handle Handler) {
	defer close(l.done)
	for e := range l.ch {
		if l.removed.Load() {
			continue
		}
		call := make(chan struct{}) // closed when the handler has returned
		err := n.call(context.WithValue(context.Background(), insideKey{}, l), e.Kind(), func(ctx context.Context) error {
			defer close(call)
			return handle(ctx, e)
		})
		if err != nil {
			n.failed(l, l.handler, e, err)
		}
		<-call
	}
}

// call makes one call of a handler's code. Its own errors are [ErrHandlerPanic],
// [ErrHandlerSlow] and, where ctx ended before the handler returned, its cause.
func (n *notifier) call(ctx context.Context, what string, call func(context.Context) error) error {
	bounded, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	var said error // what the handler itself has returned: that may be a deadline of its own
	_, err := guard.Within(ctx, n.timeout, func() (returned bool, _ error) {
		said = call(bounded)
		return true, nil
	}, nil)
	var p *guard.PanicError
	switch {
	case errors.As(err, &p):
		return fmt.Errorf("%w over %q: %v", ErrHandlerPanic, what, p)
	case errors.Is(err, guard.ErrTooLong):
		return fmt.Errorf("%w from %q within %v", ErrHandlerSlow, what, n.timeout)
	case err != nil:
		return err
	}
	return said
}

// failed reports a handler. What goes wrong over such a report is logged only,
// or two handlers that fail could keep each other busy for ever.
func (n *notifier) failed(l *listener, handler string, e Event, err error) {
	n.log.Error("event handler failed", "handler", handler, "event", e.Kind(), "error", err)
	if _, again := e.(HandlerFailed); !again {
		n.tellOthers(l, HandlerFailed{EventInfo: e.About(), Handler: handler, Event: e, Err: err})
	}
}

// ask asks the starting handlers, one after the other, and returns the first
// refusal.
func (n *notifier) ask(ctx context.Context, e RecordingStarting) error {
	n.mu.Lock()
	starting := slices.Clone(n.starting)
	n.mu.Unlock()
	for _, s := range starting {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := n.call(context.WithValue(ctx, insideKey{}, (*listener)(nil)), e.Kind(), func(ctx context.Context) error { return s.handle(ctx, e) })
		switch {
		case err == nil:
		case errors.Is(err, ErrHandlerPanic), errors.Is(err, ErrHandlerSlow):
			n.failed(nil, s.name, e, err)
		case ctx.Err() != nil: // whoever starts it has given up
			return ctx.Err()
		default:
			return fmt.Errorf("%w by %s: %w", ErrRefused, s.name, err)
		}
	}
	return nil
}

// close lets everybody have the events that wait for them, and ends. It waits
// for handlers as long as one call may take, but not for one whose call ctx
// belongs to.
func (n *notifier) close(ctx context.Context) {
	n.mu.Lock()
	n.closed = true
	listeners := n.listeners
	n.listeners = nil
	n.mu.Unlock()
	inside, _ := ctx.Value(insideKey{}).(*listener)
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.timeout)
	defer cancel()
	for _, l := range listeners {
		l.close()
	}
	for _, l := range listeners {
		if l.done == nil || l == inside {
			continue
		}
		select {
		case <-l.done:
		case <-patience.Done():
			if !isClosed(l.done) { // one before it may have taken all the time
				n.log.Error("event handler still runs after the kit was closed", "handler", l.handler)
			}
		}
	}
}
