package rtp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// maxDatagram is the largest that UDP carries.
	maxDatagram = 1 << 16
	// idlePoll is how long the streams are left alone when nothing is due.
	idlePoll = 250 * time.Millisecond
)

// receiving is a session that runs: a goroutine reads each port, and one more
// does what is due by the time alone. They take turns by mu.
type receiving struct {
	clock   media.Clock
	opt     Options
	log     *slog.Logger
	streams []*stream // not changed any more when the goroutines run
	// wake wakes the timekeeper before its time.
	wake chan struct{}

	mu     sync.Mutex
	begun  time.Duration
	wakeAt time.Duration // when the timekeeper wakes by itself
}

func newReceiving(clock media.Clock, o Options, log *slog.Logger) *receiving {
	return &receiving{clock: clock, opt: o, log: log, begun: clock.Now(), wake: make(chan struct{}, 1)}
}

func (r *receiving) close() {
	for _, s := range r.streams {
		s.transport.close()
	}
}

// rouse wakes the timekeeper. It never waits.
func (r *receiving) rouse() {
	select {
	case r.wake <- struct{}{}:
	default: // it is about to wake
	}
}

// keyRequest returns what asks a stream's source for a keyframe. It takes no
// lock, since it is also called from within the delivery of a sample.
func (r *receiving) keyRequest(s *stream) func() {
	return func() {
		s.keyWanted.Store(true)
		r.rouse()
	}
}

// goroutines returns what runs until the session ends. The timekeeper closes
// the ports, by which the others end.
func (r *receiving) goroutines() []running.Stream {
	all := []running.Stream{{Run: r.keepTime}}
	for _, s := range r.streams {
		all = append(all, running.Stream{Run: func(context.Context) error {
			return r.read(s, s.transport.rtp, s.takeRTP)
		}})
		if s.transport.rtcp != s.transport.rtp {
			all = append(all, running.Stream{Run: func(context.Context) error {
				return r.read(s, s.transport.rtcp, s.takeRTCP)
			}})
		}
	}
	return all
}

// read hands the datagrams of one port on until it is closed.
func (r *receiving) read(s *stream, conn *net.UDPConn, take func(data []byte, from netip.AddrPort, arrival time.Duration)) error {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		arrival := r.clock.Now() // before anybody else's turn
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("rtp: %s: %w", s.section, err)
		}
		r.mu.Lock()
		take(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), arrival)
		at, ok := s.next()
		sooner := ok && at < r.wakeAt
		r.mu.Unlock()
		if sooner {
			r.rouse()
		}
	}
}

// keepTime does what is due until the session ends, by itself or with ctx.
func (r *receiving) keepTime(ctx context.Context) error {
	defer r.finish()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-r.wake:
		}
		wait, ended := r.poll()
		if ended {
			return nil
		}
		timer.Reset(wait)
	}
}

// poll does what is due and returns how long nothing will be.
func (r *receiving) poll() (wait time.Duration, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.wakeAt = now + idlePoll
	for _, s := range r.streams {
		if s.keyWanted.Swap(false) {
			s.requestKeyFrame(now)
		}
		s.poll(now)
		if at, ok := s.next(); ok {
			r.wakeAt = min(r.wakeAt, at)
		}
	}
	return max(r.wakeAt-now, time.Millisecond), r.allGone(now) || r.idle(now)
}

// allGone reports whether every stream that had a source has lost it by a
// goodbye.
func (r *receiving) allGone(now time.Duration) bool {
	if r.opt.IgnoreBye {
		return false
	}
	gone := 0
	for _, s := range r.streams {
		switch {
		case s.gone(now):
			gone++
		case s.source.begun:
			return false
		}
	}
	if gone > 0 {
		r.log.Info("all senders have said goodbye")
	}
	return gone > 0
}

// idle reports whether nothing has come for the time that ends the session.
func (r *receiving) idle(now time.Duration) bool {
	last := r.begun
	for _, s := range r.streams {
		last = max(last, s.source.last)
	}
	if r.opt.IdleTimeout == 0 || now-last < r.opt.IdleTimeout {
		return false
	}
	r.log.Info("no packet came in time", "idle_timeout", r.opt.IdleTimeout)
	return true
}

// finish closes the ports and delivers what the receivers still have.
func (r *receiving) finish() {
	r.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		s.finish()
	}
}
