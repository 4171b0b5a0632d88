package roomkit

import (
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// backlog takes the treatment of a live source's pictures off its goroutine:
// decoding and drawing take milliseconds, and a source never waits. What does not
// fit is dropped and counted.
type backlog struct {
	treat func(media.Sample)
	queue chan media.Sample
	done  chan struct{} // closed when the goroutine has ended, or never begins

	mu     sync.Mutex
	begun  bool // the goroutine has
	closed bool
	missed int // samples dropped since the last that was queued
}

const (
	// backlogPictures is how many raw pictures wait at most, a quarter of a second
	// at 30 a second; backlogEncoded the same for encoded ones, which are small,
	// and of which each that is dropped spoils those behind it.
	backlogPictures = 8
	backlogEncoded  = 64
)

func newBacklog(treat func(media.Sample)) *backlog {
	return &backlog{treat: treat, queue: make(chan media.Sample, backlogEncoded), done: make(chan struct{})}
}

func (b *backlog) run() {
	defer close(b.done)
	for s := range b.queue {
		b.treat(s)
	}
}

// push takes over the sample's reference and never waits. It reports whether
// there was room; if not, the next sample tells of it.
func (b *backlog) push(s media.Sample) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := s.Picture != nil && len(b.queue) >= backlogPictures
	if !full && !b.closed {
		s.Missed += b.missed
		select {
		case b.queue <- s:
			b.missed = 0
			if !b.begun {
				b.begun = true
				go b.run()
			}
			return true
		default:
		}
	}
	b.missed++
	s.Release()
	return false
}

// close lets what waits be treated, for as long as that may take.
func (b *backlog) close(patience time.Duration) {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.queue)
		if !b.begun {
			close(b.done)
		}
	}
	b.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-b.done:
	case <-timer.C: // a processor that does not return; treatment.end says so
	}
}

// pushLater is Push for pictures.
func (n *inlet) pushLater(s media.Sample) {
	if !n.backlog.push(s) {
		n.track.refuse(recorder.DropPipeline)
	}
}
