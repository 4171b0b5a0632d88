package wav

import (
	"maps"
	"slices"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// account is what became of the samples of a track. It is kept under the
// recording's lock.
//
//	offered ─► held by a timeline ─► laid ─► under way to the disk ─► written
//	       └► dropped  └► dropped                └► dropped
type account struct {
	result recorder.TrackResult
	laid   share // in the backlog
	way    share // at the writer
	done   share // in the files
	// extra are pieces that samples were decoded to beyond one each. Drops and
	// shares count those as well.
	extra int64
}

// share is a part of a track: samples, bytes in files, and from where to where
// they are, in frames from zero.
type share struct {
	samples, bytes int64
	from, to       int64 // equal if there is nothing
}

// extend adds frames from one position to another.
func (s *share) extend(from, to int64) {
	if s.from == s.to {
		s.from, s.to = from, to
		return
	}
	s.from, s.to = min(s.from, from), max(s.to, to)
}

func (s *share) add(o share) {
	s.samples += o.samples
	s.bytes += o.bytes
	if o.from != o.to {
		s.extend(o.from, o.to)
	}
}

// settle ends the way of what was at the writer.
func (a *account) settle(written bool) {
	if written {
		a.done.add(a.way)
	} else {
		a.result.Drop(recorder.DropWriteError, a.way.samples)
	}
	a.way = share{}
}

// note keeps the track's first error.
func (a *account) note(err error) {
	if a.result.Err == nil {
		a.result.Err = err
	}
}

// close counts what is neither written nor dropped as lost: nothing more will
// be written.
func (a *account) close() {
	a.settle(false)
	a.laid = share{}
	a.result.Drop(recorder.DropWriteError, a.result.SamplesIn+a.extra-a.done.samples-a.result.Losses())
}

// report returns the account so far, with times counted from the origin, a
// position at so many frames a second.
func (a *account) report(origin int64, rate int) recorder.TrackResult {
	t := a.result
	t.Dropped = maps.Clone(t.Dropped)
	t.SamplesWritten, t.Bytes = max(a.done.samples-a.extra, 0), a.done.bytes
	a.takeOff(t.Dropped)
	if rate > 0 && a.done.from != a.done.to {
		t.First = timeline.TimeOf(max(a.done.from-origin, 0), int64(rate))
		t.Last = timeline.TimeOf(max(a.done.to-origin, 0), int64(rate))
	}
	if rate > 0 {
		t.Gaps = timeline.GapsFrom(timeline.TimeOf(origin, int64(rate)), t.Gaps)
	}
	return t
}

// takeOff takes those extra pieces off a track's drops that are not among what
// is written, or will be.
func (a *account) takeOff(dropped map[recorder.DropReason]int64) {
	over := a.extra - a.done.samples - a.way.samples - a.laid.samples
	for _, reason := range slices.Sorted(maps.Keys(dropped)) {
		if n := min(dropped[reason], over); n > 0 {
			dropped[reason] -= n
			over -= n
		}
	}
	maps.DeleteFunc(dropped, func(_ recorder.DropReason, n int64) bool { return n == 0 })
}

// measure keeps what a timeline has measured.
func (a *account) measure(ppm float64, correction time.Duration, gaps timeline.Gaps) {
	a.result.RatePPM, a.result.LargestCorrection = ppm, correction
	a.result.Gaps, a.result.GapCount, a.result.GapTotal = gaps.Listed, gaps.Count, gaps.Total
}
