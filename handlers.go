package roomkit

import "context"

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
