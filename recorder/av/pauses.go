package av

import (
	"bytes"
	"sort"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// pauses are the times on the capture clock that are left out of a recording.
// They map capture times to those that all lanes work with, from which cut
// pauses are taken out:
//
//	captured  ──┤ cut ├────┤ hold ├──
//	mapped    ──┼────┤      ├──
//
// So behind a cut a source goes on where it was, to its lane as well, and
// behind a hold it has an ordinary gap. Its methods are safe for concurrent
// use.
type pauses struct {
	mu   sync.Mutex
	list []interval // in order, none overlaps; only the last may be open
	seen time.Duration
}

type interval struct {
	from, to time.Duration
	open     bool // there is no end yet
	mode     recorder.PauseMode
	shift    time.Duration // cut pauses before this one, together
}

// covers reports whether what is captured at a time from the beginning of the
// interval on is left out.
func (i interval) covers(at time.Duration) bool { return i.open || at < i.to }

// after is how much earlier what was captured behind the interval is in the
// file.
func (i interval) after() time.Duration {
	if i.mode == recorder.PauseCut {
		return i.shift + i.to - i.from
	}
	return i.shift
}

func (p *pauses) begin(at time.Duration, mode recorder.PauseMode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := interval{from: at, open: true, mode: mode}
	if n := len(p.list); n > 0 {
		last := p.list[n-1]
		if last.open {
			return recorder.ErrPaused
		}
		next.from, next.shift = max(at, last.to), last.after()
	}
	p.list = append(p.list, next)
	return nil
}

func (p *pauses) end(at time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.list)
	if n == 0 || !p.list[n-1].open {
		return recorder.ErrNotPaused
	}
	last := &p.list[n-1]
	last.to, last.open = max(at, last.from), false
	return nil
}

// apply maps a sample's time and cuts off what was captured in a pause: of PCM
// to the frame. Nobody can cut an encoded packet, so one of which any part was
// captured in a pause is left out as a whole, and the timeline fills up what of
// it was not. Pictures are left out that were captured in one; of those encoded
// the next may need them. It reports whether anything is left. The caller's
// PCM is borrowed and not changed.
func (p *pauses) apply(s media.Sample) (media.Sample, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == 0 {
		return s, true
	}
	end := s.Time + soundLength(s)
	p.seen = max(p.seen, end)
	first := sort.Search(len(p.list), func(i int) bool { return p.list[i].covers(s.Time) })
	list := p.list[first:]
	shift := time.Duration(0)
	if first > 0 {
		shift = p.list[first-1].after()
	}
	switch {
	case s.PCM == nil && touches(list, s.Time, end):
		return s, false
	case s.PCM != nil && len(list) > 0 && list[0].from < end:
		return splice(s, shift, list)
	}
	s.Time -= shift
	return s, true
}

// touches reports whether anything was captured in one of some pauses from one
// time to another; if they are the same, at that time.
func touches(list []interval, from, to time.Duration) bool {
	for _, i := range list {
		if i.from >= to && i.from > from {
			return false
		}
		if i.open || i.to > max(i.from, from) {
			return true
		}
	}
	return false
}

// soundLength is how long a sample is to be heard, 0 for pictures and for what
// cannot be told; the lane will say what is wrong with that.
func soundLength(s media.Sample) time.Duration {
	if s.PCM != nil {
		return s.PCM.Duration()
	}
	if s.Encoded == nil {
		return 0
	}
	e := s.Encoded
	switch f := e.Format; f.Codec {
	case media.Opus:
		n, _ := bitstream.OpusDuration(e.Data)
		return timeline.TimeOf(int64(n), opusTicks)
	case media.AAC:
		return max(e.Duration, aacLength(e))
	case media.PCMU, media.PCMA:
		return timeline.TimeOf(int64(len(e.Data)/f.Channels), int64(f.Rate))
	case media.G722: // two samples in a byte
		return timeline.TimeOf(int64(2*len(e.Data)), 16000)
	}
	return 0
}

// aacLength is how long the frames of a sample are to be heard.
func aacLength(e *media.Encoded) (length time.Duration) {
	config, rest := e.Format.Config, e.Data
	if e.Format.Packing != media.ADTS {
		rate, _, n, err := bitstream.ParseAAC(config)
		if err != nil {
			return 0
		}
		return timeline.TimeOf(int64(n), int64(rate))
	}
	for len(rest) > 0 {
		_, header, after, err := bitstream.SplitADTS(rest)
		if err != nil {
			return length
		}
		rate, _, n, err := bitstream.ParseAAC(header[:])
		if err != nil {
			return length
		}
		length += timeline.TimeOf(int64(n), int64(rate))
		rest = after
	}
	return length
}

// splice takes what was captured in some pauses out of PCM; shift is that of
// the pauses before. A hold in the middle becomes silence, so that what was one
// sample stays one.
func splice(s media.Sample, shift time.Duration, list []interval) (media.Sample, bool) {
	f, size := s.PCM.Format, s.PCM.Format.FrameBytes()
	total := s.PCM.Frames()
	var pieces []byte
	begun, at, skipped := false, s.Time, 0 // skipped: frames of holds behind the last piece
	keep := func(from, to int) {
		if from >= to {
			return
		}
		data := s.PCM.Data[from*size : to*size : to*size]
		if !begun {
			begun, at, pieces = true, s.Time+f.Duration(from)-shift, data
			return
		}
		pieces = append(append(pieces, silence(f, skipped)...), data...) // copies: the capacity was cut off
		skipped = 0
	}
	done := 0
	for _, i := range list {
		from := framesBefore(s, i.from)
		keep(done, from)
		done = max(done, from)
		to := total
		if !i.open {
			to = framesBefore(s, i.to)
		}
		if begun && i.mode == recorder.PauseHold {
			skipped += to - done
		}
		done = max(done, to)
		if done == total {
			break
		}
		shift = i.after()
	}
	keep(done, total)
	s.Time, s.PCM = at, &media.PCM{Format: f, Data: pieces}
	return s, begun
}

// framesBefore is how many of a sample's frames were captured before a time.
func framesBefore(s media.Sample, at time.Duration) int {
	total := s.PCM.Frames()
	switch d := at - s.Time; {
	case d <= 0:
		return 0
	case d >= s.PCM.Duration(): // first, for the product below overflows far behind
		return total
	default:
		n := (int64(d)*int64(s.PCM.Format.Rate) + int64(time.Second) - 1) / int64(time.Second)
		return min(int(n), total)
	}
}

// silence is that of so many frames.
func silence(f media.AudioFormat, frames int) []byte {
	zero := byte(0)
	if f.Sample == media.U8 {
		zero = 128
	}
	return bytes.Repeat([]byte{zero}, max(frames, 0)*f.FrameBytes())
}

// report returns the pauses on the timeline of a file that begins at the
// origin, given in mapped time. Those from before that are not in the file.
func (p *pauses) report(origin time.Duration) (out []recorder.Pause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.list {
		start, to := i.from-i.shift-origin, i.to
		if i.open {
			to = max(p.seen, i.from)
		}
		if start >= 0 {
			out = append(out, recorder.Pause{Start: start, Length: to - i.from, Mode: i.mode})
		}
	}
	return out
}
