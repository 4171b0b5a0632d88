package roomkit_test

import (
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// tally adds up what it is told of one recording.
type tally struct {
	mu          sync.Mutex
	times, last int
	in, written int64
	dropped     map[recorder.DropReason]int64
	latest      recorder.Observation
}

func (y *tally) Observe(o recorder.Observation) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.times++
	y.in += o.SamplesIn
	y.written += o.SamplesWritten
	for reason, n := range o.Dropped {
		y.dropped[reason] += n
	}
	if o.Last {
		y.last++
	}
	y.latest = o
}

// What an observer is told adds up to the result.
func TestObserver(t *testing.T) {
	seen := &tally{dropped: map[recorder.DropReason]int64{}}
	s := &set{t: t, clock: media.NewVirtualClock(), backend: &fakeBackend{tracks: []backend.Track{mic}}, mock: &recorder.Mock{}}
	s.kit = roomkit.New(roomkit.WithClock(s.clock), roomkit.WithObserver(seen))
	defer s.kit.Close(t.Context())
	if err := s.kit.RegisterChannel(roomkit.NewAudioVideoChannel("ch", s.backend)); err != nil {
		t.Fatal(err)
	}
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Name: "main"})))(t)
	s.join("ann")
	in := s.backend.line("ann").tracks[0]
	for i := range 100 {
		in.Push(tone(time.Duration(i)*20*time.Millisecond, 1))
		s.clock.Advance(20 * time.Millisecond)
	}
	in.Push(media.Sample{}) // impossible
	eventually(t, "an observation", func() bool { seen.mu.Lock(); defer seen.mu.Unlock(); return seen.times > 0 })
	r := s.closeRoom()[0].Tracks[0]
	if seen.last != 1 || seen.times < 2 {
		t.Errorf("told %d times, %d times that it was the last", seen.times, seen.last)
	}
	if seen.in != r.SamplesIn || seen.written != r.SamplesWritten || seen.dropped[recorder.DropRejected] != 1 || r.SamplesIn != 101 {
		t.Errorf("%+v, result %+v", seen, r)
	}
	if o := seen.latest; o.Room != "room" || o.Recording != "main" || o.Recorder != "mock" || o.ID == "" || o.Track.Participant != "ann" {
		t.Errorf("observation %+v", o)
	}
}
