package rtpin

import "time"

const (
	// A packet is asked for when askAfter later ones have come, since packets
	// overtake each other on the way, or when askDelay has passed.
	askAfter = 2
	askDelay = 10 * time.Millisecond
	// It is asked for again after askAgain, 20 ms, 40 and so on up to
	// maxAskAgain: round trips within a city and across the sea.
	askAgain    = 20 * time.Millisecond
	maxAskAgain = 100 * time.Millisecond
	maxAsks     = 8
)

// missing is what is known of a packet that has not come.
type missing struct {
	noticed time.Duration // when a later one came
	asked   int           // how often it has been asked for
	askedAt time.Duration
}

// due returns when it is to be asked for. Later is by how much the highest
// number is higher.
func (m *missing) due(later int64) (at time.Duration, ok bool) {
	switch {
	case m.asked >= maxAsks:
		return 0, false
	case m.asked > 0:
		return m.askedAt + min(askAgain<<(m.asked-1), maxAskAgain), true
	case later >= askAfter:
		return m.noticed, true
	}
	return m.noticed + askDelay, true
}

// asking is the state of the requests for missing packets.
type asking struct {
	next    time.Duration // when the next one is due
	numbers []uint16      // reused
}

// ask asks for the missing packets that are due. What is given up has left the
// buffer, and is not asked for any more.
func (j *jitter) ask(now time.Duration) {
	if j.cfg.Nack == nil || j.count == 0 {
		return
	}
	j.asking.numbers = j.asking.numbers[:0]
	j.asking.next = j.oldest + j.cfg.MaxDelay
	for n := j.next; n < j.highest; n++ {
		s := j.slot(n)
		if s.held {
			continue
		}
		at, ok := s.due(j.highest - n)
		if ok && at <= now {
			j.asking.numbers = append(j.asking.numbers, uint16(n))
			s.asked, s.askedAt = s.asked+1, now
			at, ok = s.due(j.highest - n)
		}
		if ok {
			j.asking.next = min(j.asking.next, at)
		}
	}
	if len(j.asking.numbers) > 0 {
		j.cfg.Nack(j.asking.numbers)
	}
}
