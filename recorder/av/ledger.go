package av

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// ledger keeps the account of one track: each sample that a lane takes is
// either confirmed by the muxer, when the packets that carry it are in the
// file, or counted as dropped. Its methods are safe for concurrent use.
type ledger struct {
	mu     sync.Mutex
	result recorder.TrackResult
	// pending are the ends of samples that are on their way through the
	// encoder and the muxer, in the track's time base, oldest first.
	pending []int64
	head    int
	held    int64 // samples whose end is not known yet; see take
	failure error // see fault
	through int64 // what was confirmed last
	trimmed bool  // see trim
	kept    tally // of the files that are finished
}

// tally is what of a track is in files.
type tally struct {
	samples, bytes, through int64
}

func newLedger(t recorder.Track) *ledger {
	return &ledger{result: recorder.TrackResult{Track: t}}
}

// offered counts a sample that came in.
func (l *ledger) offered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.SamplesIn++
}

// refused takes back offered for a sample whose error the caller gets and
// counts.
func (l *ledger) refused(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.SamplesIn--
	if l.result.Err == nil {
		l.result.Err = err
	}
}

// note keeps the track's first error.
func (l *ledger) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.result.Err == nil {
		l.result.Err = err
	}
}

// fault notes an error that no caller gets: it is the recording's to report.
func (l *ledger) fault(err error) {
	l.note(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		l.failure = err
	}
}

// fate returns the first fault, nil if there was none.
func (l *ledger) fate() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// drop counts a sample that is not in the file.
func (l *ledger) drop(reason recorder.DropReason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Drop(reason, 1)
}

// dropAll counts several that are not in the file.
func (l *ledger) dropAll(reason recorder.DropReason, samples int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Drop(reason, int64(samples))
}

// accept counts a sample on its way, which is in the file once everything up to
// end is: the end of audio, the beginning of a picture.
func (l *ledger) accept(end int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head > 64 && l.head*2 > len(l.pending) { // reuse the room at the front
		l.pending = l.pending[:copy(l.pending, l.pending[l.head:])]
		l.head = 0
	}
	l.pending = append(l.pending, end)
}

// take counts a sample on its way whose end is decided later, by place or by
// release.
func (l *ledger) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held++
}

// place accepts a sample that was taken.
func (l *ledger) place(end int64) {
	l.accept(end)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
}

// release drops a sample that was taken.
func (l *ledger) release(reason recorder.DropReason) {
	l.drop(reason)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held--
}

// untake takes take back for samples that are counted otherwise.
func (l *ledger) untake(samples int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held -= int64(samples)
}

// split says that what comes next is another piece of a sample that is counted
// already: it will be counted as well, and this makes up for it.
func (l *ledger) split() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.SamplesWritten--
}

// retract takes the latest sample back, which is held or accepted: the caller
// gets its error and counts it after all.
func (l *ledger) retract(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if held {
		l.held--
		return
	}
	if len(l.pending) > l.head {
		l.pending = l.pending[:len(l.pending)-1]
	}
}

// lose counts the samples on their way that end behind from, up to and with
// to, as lost: the encoder has failed on them. Those before them may still wait
// to be written.
func (l *ledger) lose(from, to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	way := l.pending[l.head:]
	rest := slices.DeleteFunc(way, func(end int64) bool { return from < end && end <= to })
	l.result.Drop(recorder.DropWriteError, int64(len(way)-len(rest)))
	l.pending = l.pending[:l.head+len(rest)]
}

// confirm says that everything up to end is in the file; see accept.
func (l *ledger) confirm(end int64, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Bytes += int64(bytes)
	l.through = max(l.through, end)
	for l.head < len(l.pending) && l.pending[l.head] <= end {
		l.head++
		l.result.SamplesWritten++
	}
}

// span extends the track's media by what was given out from one time to
// another, counted from the gate's zero.
func (l *ledger) span(from, to time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.result.Last == 0 {
		l.result.First = from
	}
	l.result.Last = max(l.result.Last, to)
}

// trim counts samples from before the origin, given in the track's time base,
// as not in the file: audio that ends before it, and pictures that will not be
// seen. shows tells which of them are all the same.
func (l *ledger) trim(origin int64, shows func(mark int64) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trimmed { // by the track's first place in the file
		return
	}
	l.trimmed = true
	way := l.pending[l.head:]
	n, kept := 0, 0
	for n < len(way) && way[n] <= origin {
		if shows(way[n]) {
			way[kept] = way[n]
			kept++
		}
		n++
	}
	copy(way[n-kept:n], way[:kept]) // they move to the end of what is dropped
	l.head += n - kept
	l.result.Drop(recorder.DropBeforeStart, int64(n-kept))
}

// miss counts the samples on their way up to and with to as come too late.
func (l *ledger) miss(to int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.head < len(l.pending) && l.pending[l.head] <= to {
		l.head++
		l.result.Drop(recorder.DropLate, 1)
	}
}

// closePart ends a file. If it is not usable, what was confirmed of it is lost.
func (l *ledger) closePart(usable bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !usable {
		l.result.Drop(recorder.DropWriteError, l.result.SamplesWritten-l.kept.samples)
		l.result.SamplesWritten, l.result.Bytes, l.through = l.kept.samples, l.kept.bytes, l.kept.through
	}
	l.kept = tally{l.result.SamplesWritten, l.result.Bytes, l.through}
}

// settle counts what is still on its way as lost: nothing more will be
// written. Where that is because of an error, the track ends with what was
// confirmed, in ticks of which a second has rate.
func (l *ledger) settle(err error, rate int64) {
	if err != nil {
		l.note(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.Drop(recorder.DropWriteError, int64(len(l.pending)-l.head)+l.held)
	l.pending, l.head, l.held = nil, 0, 0
	if err != nil {
		l.result.Last = min(l.result.Last, timeline.TimeOf(l.through, rate))
		l.result.First = min(l.result.First, l.result.Last)
	}
}

// measure keeps what an audio timeline has measured.
func (l *ledger) measure(ppm float64, correction time.Duration, gaps timeline.Gaps) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result.RatePPM, l.result.LargestCorrection = ppm, correction
	l.result.Gaps, l.result.GapCount, l.result.GapTotal = gaps.Listed, gaps.Count, gaps.Total
}

// update changes the track's result.
func (l *ledger) update(f func(*recorder.TrackResult)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(&l.result)
}

// report returns the account so far, with its times counted from the origin.
func (l *ledger) report(origin time.Duration) recorder.TrackResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.result
	t.Dropped = maps.Clone(t.Dropped)
	t.Gaps = timeline.GapsFrom(origin, t.Gaps)
	t.First, t.Last = max(t.First-origin, 0), max(t.Last-origin, 0)
	return t
}
