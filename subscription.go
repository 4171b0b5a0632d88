package roomkit

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
