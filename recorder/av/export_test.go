package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// BreakEncoder makes a track's encoder call fail with err for the samples for
// which fails says so, as a hardware encoder does that is lost while it runs.
func BreakEncoder(w recorder.TrackWriter, fails func(n int) bool, err error) {
	l := w.(*lane)
	l.encoder = &brokenEncoder{trackEncoder: l.encoder, fails: fails, err: err}
}

type brokenEncoder struct {
	trackEncoder
	fails func(n int) bool
	n     int
	err   error
}

func (b *brokenEncoder) encode(at time.Duration, s media.Sample) error {
	b.n++
	if b.fails(b.n) {
		return b.err
	}
	return b.trackEncoder.encode(at, s)
}

// CloseEncoder takes the C encoder away beneath a track, so that the real
// error path of its lane is taken from there on.
func CloseEncoder(w recorder.TrackWriter) {
	l := w.(*lane)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := l.encoder.(type) {
	case *videoLane:
		e.encoder.Close()
	case *audioLane:
		e.encoder.Close()
	}
}

// LosePackets makes the encoder of a voice fail with err instead of giving out
// the packets for which fails says so.
func LosePackets(w recorder.TrackWriter, fails func(n int) bool, err error) {
	a := w.(*lane).encoder.(*audioLane)
	n := 0
	a.emit = func(p *ffmpeg.Packet) error {
		if n++; fails(n) {
			p.Free()
			return err
		}
		return a.packet(p)
	}
}

// SlowEncoder makes a track's encoder open only when wait has returned.
func SlowEncoder(w recorder.TrackWriter, wait func()) {
	l := w.(*lane)
	l.encoder = &slowEncoder{l.encoder, wait}
}

type slowEncoder struct {
	trackEncoder
	wait func()
}

func (s *slowEncoder) prepare(first media.Sample) error {
	s.wait()
	return s.trackEncoder.prepare(first)
}

// Forms returns how many descriptions are kept of a track's packets.
func Forms(w recorder.TrackWriter) int {
	l := w.(*lane)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.out.stream
	s.muxer.mu.Lock()
	defer s.muxer.mu.Unlock()
	return len(s.forms)
}
