package voice

import (
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/pcm"
	"github.com/roomkit-live/roomkit-go/media"
)

// MinLevel is the level of silence and of whatever is below: the least that RFC
// 6464 has a number for. Levels are in dBFS, which is dBov there: 0 is a square
// wave at full scale, so that a sine at full scale has an RMS of -3.01.
const MinLevel = -127.0

// decibels returns the level of an amplitude.
func decibels(amplitude float64) float64 { return max(MinLevel, 20*math.Log10(amplitude)) }

// A block is a piece of audio that was measured as one, over all channels.
type block struct {
	time      time.Duration // of its first frame
	length    time.Duration
	rms, peak float64 // dBFS
	direction media.Direction
}

// A measurer gets what a meter has to say, in the order of the stream.
type measurer interface {
	block(block)
	// jump: the times jump, from where the stream was expected to go on.
	jump(from, to time.Duration)
}

// A meter cuts a stream into blocks of equal length, by media time. Blocks are
// shorter before a jump, a change of format and the end.
type meter struct {
	to     measurer
	length time.Duration
	stamps stamps
	values []float64

	// Of the block at work:
	time      time.Duration
	direction media.Direction
	frames    int
	squares   float64
	peak      float64
}

func (m *meter) measure(s media.Sample) {
	from, off := m.stamps.due, m.stamps.off(s)
	if m.stamps.another(s) || !within(off, jitter) {
		m.cut()
	}
	m.stamps.passed(s)
	if !within(off, jitter) {
		m.to.jump(from, s.Time)
	}
	f := s.PCM.Format
	m.direction = s.Direction
	m.values = pcm.Decode(m.values, f.Sample, s.PCM.Data)
	full := framesIn(m.length, f.Rate)
	for at, frames := 0, s.PCM.Frames(); at < frames; {
		if m.frames == 0 {
			m.time = s.Time + f.Duration(at)
		}
		n := min(frames-at, full-m.frames)
		m.add(m.values[at*f.Channels : (at+n)*f.Channels])
		at += n
		if m.frames += n; m.frames == full {
			m.cut()
		}
	}
}

// framesIn returns how many frames, at least one, a time has. Whole seconds are
// counted apart, or the product would overflow.
func framesIn(d time.Duration, rate int) int {
	n := int64(d/time.Second)*int64(rate) + int64(d%time.Second)*int64(rate)/int64(time.Second)
	return int(max(1, min(n, 1<<30)))
}

func (m *meter) add(values []float64) {
	squares, peak := 0.0, m.peak
	for _, v := range values {
		squares += v * v
		peak = max(peak, math.Abs(v))
	}
	m.squares, m.peak = m.squares+squares, peak
}

// cut ends the block at work, if there is one.
func (m *meter) cut() {
	if m.frames == 0 {
		return
	}
	f := m.stamps.format
	rms := math.Sqrt(m.squares / float64(m.frames*f.Channels))
	b := block{m.time, f.Duration(m.frames), decibels(rms), decibels(m.peak), m.direction}
	m.frames, m.squares, m.peak = 0, 0, 0
	m.to.block(b)
}

// end cuts, and forgets where the stream was to go on.
func (m *meter) end() {
	m.cut()
	m.stamps = stamps{}
}
