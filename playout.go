package roomkit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// maxPlayout bounds what waits to be played: more than any answer of a
	// voice agent, less than what a mistake would need to fill memory.
	maxPlayout = 10 * time.Minute
	// slicesPerSecond makes slices of 20 ms, the piece that voice is usually
	// sent in; what is heard is recorded with no more delay than that.
	slicesPerSecond = 50
)

// playout plays audio in step with the clock, piece after piece, and hands on
// each slice when it has been heard.
type playout struct {
	clock media.Clock
	heard func(media.Sample) // borrows the sample
	quiet func()             // there is nothing to play for now
	pool  media.PCMPool

	mu      sync.Mutex
	chunks  []chunk
	line    timeline
	running chan struct{} // closed when the goroutine ends; nil while there is none
	cancel  context.CancelFunc
	stopped bool
}

// chunk is one piece to play. Its frames are counted from its start.
type chunk struct {
	pcm    *media.PCM
	start  time.Duration
	sent   int // frames handed on
	frames int // frames to play, fewer after an interruption
}

// timeline places chunks one behind the other. It counts frames so that
// thousands of them do not add up their rounding.
type timeline struct {
	base   time.Duration
	frames int
	format media.AudioFormat
}

func (l *timeline) end() time.Duration {
	if l.frames == 0 {
		return l.base
	}
	return l.base + l.format.Duration(l.frames)
}

// place returns where audio begins that is to be played now or after the end.
func (l *timeline) place(now time.Duration, pcm *media.PCM) time.Duration {
	end := l.end()
	if now > end || l.format.Rate != pcm.Format.Rate {
		*l = timeline{base: max(now, end), format: pcm.Format}
	}
	start := l.end()
	l.frames += pcm.Frames()
	return start
}

func newPlayout(c media.Clock, heard func(media.Sample), quiet func()) *playout {
	return &playout{clock: c, heard: heard, quiet: quiet}
}

// play queues audio and takes over its reference, unless it returns an error.
func (p *playout) play(pcm *media.PCM) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return ErrSessionEnded
	}
	now := p.clock.Now()
	if waiting := max(0, p.line.end()-now); waiting+pcm.Duration() > maxPlayout {
		return fmt.Errorf("%w: %v wait to be played, %v more are offered (allowed: %v)", ErrPlayoutFull, waiting, pcm.Duration(), maxPlayout)
	}
	p.chunks = append(p.chunks, chunk{pcm: pcm, start: p.line.place(now, pcm), frames: pcm.Frames()})
	if p.running == nil {
		p.start()
	}
	return nil
}

// start begins the goroutine that plays. Its pacer is made here, awake, so
// that a virtual clock stands still until it sleeps.
func (p *playout) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.running, p.cancel = make(chan struct{}), cancel
	go p.run(ctx, p.clock.NewPacer(), p.running)
}

func (p *playout) run(ctx context.Context, pacer media.Pacer, ended chan struct{}) {
	defer close(ended)
	defer pacer.Close()
	for {
		s, wake, more := p.next()
		switch {
		case s.PCM != nil:
			p.heard(s)
			s.Release()
		case more:
			_ = pacer.SleepUntil(ctx, wake) // ends early only when stopped
		default:
			p.quiet()
			if p.rest() {
				return
			}
		}
	}
}

// rest ends the goroutine, if there is still nothing to play.
func (p *playout) rest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.chunks) > 0 {
		return false
	}
	p.cancel()
	p.running = nil
	return true
}

// next returns a slice that has been heard, or else when the next one will
// have been, if there is one.
func (p *playout) next() (s media.Sample, wake time.Duration, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.chunks) == 0 {
		return s, 0, false
	}
	c := &p.chunks[0]
	f := c.pcm.Format
	n := min(c.frames-c.sent, max(1, f.Rate/slicesPerSecond))
	if wake = c.start + f.Duration(c.sent+n); wake > p.clock.Now() {
		return s, wake, true
	}
	// A copy: the slice may wait in queues longer than the chunk is needed.
	piece := p.pool.Get(f, n)
	copy(piece.Data, c.pcm.Data[c.sent*f.FrameBytes():])
	s = media.Sample{Time: c.start + f.Duration(c.sent), Direction: media.Outbound, PCM: piece}
	if c.sent += n; c.sent == c.frames {
		c.pcm.Release()
		*c = chunk{} // or the list would keep the buffer
		p.chunks = p.chunks[1:]
	}
	return s, 0, true
}

// interrupt discards what has not been heard yet.
func (p *playout) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut(p.clock.Now())
}

// cut shortens the queue to what is over at the given instant. The goroutine
// finds that out when it wakes.
func (p *playout) cut(now time.Duration) {
	kept := p.chunks[:0]
	for _, c := range p.chunks {
		if c.frames = min(c.frames, framesBy(now-c.start, c.pcm.Format)); c.frames > c.sent {
			kept = append(kept, c)
			continue
		}
		c.pcm.Release()
	}
	clear(p.chunks[len(kept):])
	p.chunks = kept
	if p.line.end() > now {
		p.line = timeline{base: now}
	}
}

// framesBy returns how many whole frames are over after d: the inverse of
// AudioFormat.Duration, which rounds down.
func framesBy(d time.Duration, f media.AudioFormat) int {
	if d <= 0 {
		return 0
	}
	n := int(int64(d) / int64(time.Second) * int64(f.Rate))
	n += int(int64(d) % int64(time.Second) * int64(f.Rate) / int64(time.Second))
	for f.Duration(n+1) <= d {
		n++
	}
	return n
}

// halt discards for good what has not been heard yet; the rest is handed on.
func (p *playout) halt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.stopped = true
	p.cut(p.clock.Now())
	if p.running != nil {
		p.cancel()
	}
}

// drain waits, after halt, until all that was heard is handed on, or ctx ends.
func (p *playout) drain(ctx context.Context) {
	p.mu.Lock()
	running := p.running
	p.mu.Unlock()
	if running == nil {
		return
	}
	select {
	case <-running:
	case <-ctx.Done():
	}
}
