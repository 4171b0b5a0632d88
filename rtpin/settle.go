package rtpin

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// settling holds what a stream begins with until its clock has seen enough of
// it. A sender that hurries to catch up, or a route whose first packets are
// slow, looks late at first; what was stamped by that would have to move
// afterwards, and encoded audio can only move by leaving packets out.
type settling struct {
	begun bool
	until time.Duration // on the clock of arrivals
	held  []unstamped
	bytes int // of those
}

// maxSettling bounds what is held, in bytes: a second at 256 Mbit/s. Whoever
// sends more is stamped by what is known then.
const maxSettling = 32 << 20

// unstamped is a sample without its time.
type unstamped struct {
	sample    media.Sample
	timestamp int64
}

// holds reports whether a sample has to wait, at a time of arrival.
func (s *settling) holds(now, span time.Duration) bool {
	if !s.begun {
		s.begun, s.until = true, now+span
	}
	if s.bytes >= maxSettling {
		s.until = now
	}
	return now < s.until
}

// settle delivers what has waited long enough; all of it where the stream ends.
func (a *assembler) settle(ended bool) {
	s := &a.settling
	if len(s.held) == 0 || *a.now < s.until && !ended {
		return
	}
	for _, u := range s.held {
		u.sample.Time = a.cfg.Clock.Capture(u.timestamp)
		a.cfg.Deliver(u.sample)
	}
	s.held, s.bytes = nil, 0
}
