package endtoend_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/rtpin"
)

// replay delivers what a sender sends through a network, on a virtual clock.
type replay struct {
	name   string
	sender sender
	start  <-chan struct{} // closed when all senders are there

	went  []dispatch
	stats []rtpin.Stats // when the session has ended
}

func (b *replay) Name() string { return b.name }

func (b *replay) Connect(_ context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	// ctx of Connect does not outlive it; the session's end does.
	ctx, cancel := context.WithCancel(context.Background())
	r := &replaying{backend: b, clock: s.Clock, pacer: s.Clock.NewPacer(), sink: sink, cancel: cancel}
	participant := rtpin.NewParticipant()
	for _, f := range b.sender.flows {
		if err := r.receive(ctx, participant, f); err != nil {
			cancel()
			r.pacer.Close()
			return nil, err
		}
	}
	r.running.Go(func() { r.run(ctx) })
	return r, nil
}

type replaying struct {
	backend   *replay
	clock     media.Clock
	pacer     media.Pacer
	sink      backend.Sink
	receivers []*rtpin.Receiver
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

func (r *replaying) receive(ctx context.Context, p *rtpin.Participant, f flow) error {
	kind := media.KindAudio
	if f.format.Codec.IsPicture() {
		kind = media.KindVideo
	}
	ts, err := r.sink.AddTrack(backend.Track{Kind: kind, Encoded: f.format})
	if err != nil {
		return err
	}
	in, err := rtpin.NewReceiver(rtpin.Config{
		Format: &f.format, Settle: time.Second, MaxDelay: 500 * time.Millisecond, // 20 packets of sound are 400 ms
		ClockRate: f.clockRate, Clock: p.NewTrack(f.clockRate),
		Deliver: func(s media.Sample) { _ = ts.Wait(ctx, s) }, // until the session ends
	})
	r.receivers = append(r.receivers, in)
	return err
}

func (r *replaying) run(ctx context.Context) {
	defer r.pacer.Close()
	<-r.backend.start
	begun := r.clock.Now()
	arrivals, went := r.backend.sender.send()
	for _, a := range arrivals {
		at := begun + a.at
		if !r.pollUntil(ctx, at) {
			return
		}
		if a.report != nil {
			r.receivers[a.flow].Report(a.report, at)
		} else {
			r.receivers[a.flow].PushPacket(a.packet, at)
		}
	}
	r.pollUntil(ctx, r.clock.Now()+time.Second)
	r.backend.went, r.backend.stats = went, nil
	for _, in := range r.receivers {
		in.Flush()
		r.backend.stats = append(r.backend.stats, in.Stats())
	}
	r.sink.End(nil)
}

// pollUntil sleeps, and wakes receivers that wait for something.
func (r *replaying) pollUntil(ctx context.Context, at time.Duration) bool {
	for {
		wake := at
		for _, in := range r.receivers {
			if next, ok := in.Next(); ok {
				wake = min(wake, next)
			}
		}
		if r.pacer.SleepUntil(ctx, wake) != nil {
			return false
		}
		if wake == at {
			return true
		}
		for _, in := range r.receivers {
			in.Poll(max(wake, r.clock.Now()))
		}
	}
}

func (r *replaying) Close() error {
	r.cancel()
	r.running.Wait()
	return nil
}

// record records senders, who begin together, to the end of the last.
func record(t *testing.T, r *room, senders ...*replay) {
	t.Helper()
	start := make(chan struct{})
	for _, b := range senders {
		b.start = start
		r.join(b.name, b)
	}
	close(start)
	for _, s := range r.sessions {
		<-s.Done()
	}
}
