package rtpin

import (
	"math"
	"slices"
	"sync"
)

const (
	// lagLimit is how much longer, in seconds, a track's packets may take than
	// another's: encoders that look ahead a second. If it seems more, the two
	// have no clock in common.
	lagLimit = 2.0
	// trackFresh is for how long, in seconds, a track that is silent is
	// compared with others: as long as its envelope's window.
	trackFresh = 40.0
	// resetTime is for how long, in seconds, tracks are not compared after
	// reports have shown that the sender's clock was set: until the other
	// tracks' have shown it as well, two reports at 5 s and one lost.
	resetTime = 15.0
)

// A Participant is the streams of one sender, which share one NTP clock and one
// way through the network. It is safe for concurrent use, and so are its
// tracks.
type Participant struct {
	mu       sync.Mutex
	tracks   []*TrackClock
	epoch    uint64 // the first NTP timestamp; others count from it
	hasEpoch bool
	reset    float64 // until when tracks are not compared
}

// NewParticipant returns a participant without tracks.
func NewParticipant() *Participant { return &Participant{reset: math.Inf(-1)} }

// NewTrack adds a stream whose RTP timestamps tick so many times in a second.
// A rate below 1 is taken for 1.
func (p *Participant) NewTrack(clockRate int) *TrackClock {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := &TrackClock{participant: p, rate: float64(max(clockRate, 1))}
	p.tracks = append(p.tracks, t)
	return t
}

// seconds converts an NTP timestamp. The difference to the first one is right
// for 68 years in both directions, over the end of an era too.
func (p *Participant) seconds(ntp uint64) float64 {
	if !p.hasEpoch {
		p.epoch, p.hasEpoch = ntp, true
	}
	return float64(int64(ntp-p.epoch)) / (1 << 32)
}

// align works out by how much a segment lags behind the fastest track. Without
// another to compare it with, it stays as it is.
func (p *Participant) align(s *segment, now float64) {
	if !s.locked(now) || now < p.reset {
		return
	}
	own := s.behind(now)
	least, others := own, false
	for _, t := range p.tracks {
		o := t.current
		if o == nil || o == s || !o.locked(now) || now-o.last > trackFresh {
			continue
		}
		if b := o.behind(now); math.Abs(b-own) <= lagLimit {
			least, others = min(least, b), true
		}
	}
	if !others {
		return
	}
	s.lag = own - least
	if !s.isAligned {
		s.isAligned, s.alignedAt = true, now
	}
}

// remove takes a track out.
func (p *Participant) remove(t *TrackClock) {
	p.tracks = slices.DeleteFunc(p.tracks, func(o *TrackClock) bool { return o == t })
}
