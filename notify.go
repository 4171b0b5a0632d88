package roomkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
)

const (
	// eventBuffer is how many events wait for one who listens: minutes of a room
	// that loses samples on every track.
	eventBuffer = 1024
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

// A Handler is called with each event, one after the other, on a goroutine of
// its own, where it may take its time: nobody waits for it. After the kit's
// handler timeout ctx ends and the handler counts as failed; it gets the next
// event when it has returned. Should 1024 wait by then, more are left out, which
// [EventsMissed] tells. An error is reported and has no other consequence.
type Handler func(ctx context.Context, e Event) error

// A StartingHandler decides about a recording that is about to start: an error
// refuses it, and is what the start returns, wrapped with [ErrRefused]. One that
// panics, or does not return in time, is reported and refuses nothing.
type StartingHandler func(ctx context.Context, e RecordingStarting) error

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
	if l.missed > 0 && len(l.ch) < cap(l.ch)-1 {
		l.ch <- EventsMissed{EventInfo{At: e.About().At}, l.missed}
		l.missed = 0
	}
	if l.missed > 0 {
		l.missed++
		l.total++
		return
	}
	select {
	case l.ch <- e:
	default:
		l.missed++
		l.total++
	}
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
	n.mu.Lock()
	n.listeners = without(n.listeners, l)
	n.mu.Unlock()
	l.close()
}

// handlerKey marks the context of a handler's call with its listener.
type handlerKey struct{}

// run is the goroutine of a handler.
func (n *notifier) run(l *listener, handle Handler) {
	defer close(l.done)
	for e := range l.ch {
		call := make(chan struct{}) // closed when the handler has returned
		err := n.call(e.Kind(), l, func(ctx context.Context) error {
			defer close(call)
			return handle(ctx, e)
		})
		if err != nil {
			n.failed(l, l.handler, e, err)
		}
		<-call
	}
}

// call makes one call of a handler's code.
func (n *notifier) call(what string, l *listener, call func(context.Context) error) error {
	ctx := context.Background()
	if l != nil {
		ctx = context.WithValue(ctx, handlerKey{}, l)
	}
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	_, err := guard.Within(ctx, 0, func() (struct{}, error) { return struct{}{}, call(ctx) }, nil)
	var p *guard.PanicError
	switch {
	case errors.As(err, &p):
		return fmt.Errorf("%w over %q: %v", ErrHandlerPanic, what, p)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w from %q within %v", ErrHandlerSlow, what, n.timeout)
	}
	return err
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
		err := n.call(e.Kind(), nil, func(ctx context.Context) error { return s.handle(ctx, e) })
		switch {
		case err == nil:
		case errors.Is(err, ErrHandlerPanic), errors.Is(err, ErrHandlerSlow):
			n.failed(nil, s.name, e, err)
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
	inside, _ := ctx.Value(handlerKey{}).(*listener)
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

// Handle registers a handler under a name, by which its failures are reported,
// and returns a function that ends it.
func (k *Kit) Handle(name string, h Handler) (remove func()) {
	l := &listener{handler: name, ch: make(chan Event, eventBuffer), done: make(chan struct{})}
	k.events.add(l)
	go k.events.run(l, h)
	return func() { k.events.remove(l) }
}

// HandleStarting registers a handler that decides about recordings before they
// start, and returns a function that ends it. Starts wait for it, no longer than
// the kit's handler timeout; media does not.
func (k *Kit) HandleStarting(name string, h StartingHandler) (remove func()) {
	s := &namedStarting{name, h}
	n := k.events
	n.mu.Lock()
	defer n.mu.Unlock()
	n.starting = append(n.starting, s)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.starting = without(n.starting, s)
	}
}

// A Subscription is a stream of events.
type Subscription struct {
	notifier *notifier
	listener *listener
}

// Subscribe returns a stream of everything that happens from now on to the
// recordings of all rooms. Whoever does not read it holds nobody up: 1024 events
// wait, further ones are left out, which [EventsMissed] tells.
func (k *Kit) Subscribe() *Subscription {
	s := &Subscription{k.events, &listener{ch: make(chan Event, eventBuffer)}}
	k.events.add(s.listener)
	return s
}

// Events returns the stream. It is closed by Close, and when the kit is closed,
// behind its last event.
func (s *Subscription) Events() <-chan Event { return s.listener.ch }

// Missed returns how many events have been left out so far.
func (s *Subscription) Missed() int64 {
	s.listener.mu.Lock()
	defer s.listener.mu.Unlock()
	return s.listener.total
}

// Close ends the stream. Closing twice is allowed.
func (s *Subscription) Close() { s.notifier.remove(s.listener) }
