package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
)

// An Input is one track's way into a recording: a bounded queue and the
// goroutine that empties it into the recorder's [TrackWriter]. It is safe for
// concurrent use. It trusts that samples are valid; who feeds it checks them.
type Input struct {
	feed       *Feed
	watch      watch
	wake       chan struct{} // for the worker: there is something new to see
	room       chan struct{} // for Wait: there may be room now
	registered chan struct{} // closed when Recording.AddTrack has returned
	former     *Input        // the same track's before it ended; see Feed.AddTrack
	done       chan struct{} // closed when the worker has ended
	request    func()        // the track's RequestKeyFrame, until the recorder has it

	mu        sync.Mutex
	queue     ring
	asleep    bool        // the worker waits for wake
	alarm     *time.Timer // wakes it; nil before it is needed
	state     inputState
	busy      bool  // a sample is in the recorder's hands
	missed    int   // samples lost since the last that was queued; see media.Sample
	taken     int64 // samples that WriteSample took without an error
	blank     bool  // see Discard
	withdrawn bool  // see Withdraw
	broken    error // the first error that cost more than the sample it was for
	result    TrackResult
	flooded   bool // the first full queue has been logged
	active    activity
}

// activity is when a track has had samples, in capture time.
type activity struct {
	first, latest time.Duration
	any           bool
}

func (a *activity) note(at time.Duration) {
	if !a.any {
		*a = activity{at, at, true}
	}
	a.first, a.latest = min(a.first, at), max(a.latest, at)
}

func (in *Input) activity() activity {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.active
}

type inputState uint8

const (
	inputOpen  inputState = iota
	inputEnded            // closed, by the source or by Feed.Stop
	inputCut              // the recorder has been cut off
)

// Push hands a sample to the recorder's queue and never waits; a full queue
// drops it, counts it as [DropQueueFull], and tells the next sample that is
// queued; see [TrackWriter]. It borrows s.
func (in *Input) Push(s media.Sample) {
	size := s.Size()
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.admit(s) {
		return
	}
	if !in.queue.has(size, pushLimit(s), in.feed.binding.QueueBytes) {
		in.miss(DropQueueFull)
		return
	}
	in.enqueue(s, size)
}

// Wait hands a sample over like Push but blocks while the queue is full. It
// borrows s. It returns nil when the sample was taken over or, with the drop
// counted, when the recorder was cut off or the track has ended; else the
// context's error, and then the sample counts as never offered.
func (in *Input) Wait(ctx context.Context, s media.Sample) error {
	size := s.Size()
	for {
		if in.offer(s, size) {
			return nil
		}
		select {
		case <-in.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// offer reports whether Wait is done with the sample.
func (in *Input) offer(s media.Sample, size int) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	samples, bytes := waitLimit(s), in.feed.binding.QueueBytes
	if in.state == inputOpen && !in.queue.has(size, samples, bytes) {
		in.rouse()
		return false
	}
	if in.admit(s) {
		in.enqueue(s, size)
	}
	if in.state != inputOpen || in.queue.has(size, samples, bytes) {
		signal(in.room) // for others that wait
	}
	return true
}

// Drop counts a sample that was refused on its way here, so that the result
// tells of it.
func (in *Input) Drop(reason DropReason) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.withdrawn {
		return
	}
	in.result.SamplesIn++
	in.miss(reason)
}

// Lose counts pieces that never reached the source, where no sample that is handed
// over tells of them; see [TrackResult].
func (in *Input) Lose(pieces int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.result.LostOnTheWay += int64(pieces)
}

// miss counts a sample that the recorder does not get.
func (in *Input) miss(reason DropReason) {
	in.result.Drop(reason, 1)
	in.missed++
}

// Close asks for the end of the track: when the samples in the queue are
// written [TrackWriter.Close] is called. It does not wait for that. Samples
// that come later are counted as [DropTrackEnded]. Closing twice is allowed.
func (in *Input) Close() {
	in.mu.Lock()
	if in.state == inputOpen {
		in.state = inputEnded
	}
	in.mu.Unlock()
	signal(in.wake)
	signal(in.room)
}

// Withdraw closes the track because the recording ends: samples that are on their
// way here were never meant for it, and are not counted.
func (in *Input) Withdraw() {
	in.mu.Lock()
	in.withdrawn = true
	in.mu.Unlock()
	in.Close()
}

func (in *Input) isClosed() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.state != inputOpen
}

// Discard closes the track and takes it back: the result leaves it out if no
// sample ever came. It is for a track that was announced by a source which
// then could not be opened.
func (in *Input) Discard() {
	in.mu.Lock()
	in.blank = true
	in.mu.Unlock()
	in.Close()
}

// admit counts the sample as offered, and as dropped where none is taken.
func (in *Input) admit(s media.Sample) bool {
	if in.withdrawn {
		return false
	}
	in.result.SamplesIn++
	in.active.note(s.Time)
	if s.Encoded != nil {
		in.result.LostOnTheWay += int64(s.Encoded.Lost)
	}
	switch in.state {
	case inputEnded:
		in.result.Drop(DropTrackEnded, 1)
	case inputCut:
		in.result.Drop(DropFailed, 1)
	}
	return in.state == inputOpen
}

func (in *Input) enqueue(s media.Sample, size int) {
	s.Retain()
	s.Missed, in.missed = in.missed, 0 // in this recorder's copy: others may have missed nothing
	in.queue.push(s, size)
	switch {
	case !in.asleep: // it will look
	case s.Encoded == nil || in.queue.n >= handful:
		in.rouse()
	case in.queue.n == 1:
		in.ring()
	}
}

// To wake a goroutine costs several times what it takes to hand on a sample
// that is encoded already. Those wait in the queue until there is a handful, or
// for a moment of real time, which is little beside what a crash costs anyway.
const (
	handful = 16
	moment  = 20 * time.Millisecond
)

// rouse wakes the worker if it is asleep.
func (in *Input) rouse() {
	if in.asleep {
		in.asleep = false
		signal(in.wake)
	}
}

// ring lets the worker be woken in a moment.
func (in *Input) ring() {
	if in.alarm == nil {
		in.alarm = time.AfterFunc(moment, func() { signal(in.wake) })
		return
	}
	in.alarm.Reset(moment)
}

// cut gives up on the recorder: what is queued is released and counted.
func (in *Input) cut() {
	in.mu.Lock()
	in.state = inputCut
	for s, ok := in.queue.pop(); ok; s, ok = in.queue.pop() {
		in.result.Drop(DropFailed, 1)
		s.Release()
	}
	in.mu.Unlock()
	signal(in.wake)
	signal(in.room)
}

// work is the goroutine of the track.
func (in *Input) work() {
	defer close(in.done)
	w, refused := in.register()
	for s, ok := in.next(); ok; s, ok = in.next() {
		if refused != nil {
			in.settle(refusalReason(refused), refused)
		} else if err := in.write(w, s); err != nil {
			in.settle(dropReason(err), err)
		} else {
			in.settle("", nil)
		}
		s.Release()
	}
	if refused == nil && in.feed.Err() == nil {
		in.fault(in.end(w))
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.queue = ring{} // participants may come and go all day
}

// register adds the track to the recording. Without a writer the track's
// samples are counted as lost for the error returned.
func (in *Input) register() (TrackWriter, error) {
	defer close(in.registered)
	if in.former != nil {
		<-in.former.done
		in.former = nil
	}
	if err := in.feed.Err(); err != nil {
		return nil, err
	}
	w, err := in.addTrack()
	if err == nil && w == nil {
		err = errors.New("AddTrack returned neither a writer nor an error")
	}
	if err != nil {
		err = fmt.Errorf("recorder: track %q cannot be added: %w", in.result.ID, err)
		in.fault(err)
	}
	return w, err
}

// next waits for a sample. It returns false when there will be none.
func (in *Input) next() (media.Sample, bool) {
	for {
		in.mu.Lock()
		s, ok := in.queue.pop()
		in.busy = ok
		over := in.state != inputOpen
		in.asleep = !ok && !over
		// A source that waits is let go on when half of the queue is empty: one
		// that is woken for each sample does nothing else.
		wanted := in.queue.n <= waitLimit(s)/2
		flooded := !in.flooded && in.result.Dropped[DropQueueFull] > 0
		in.flooded = in.flooded || flooded
		in.mu.Unlock()
		if flooded { // logged here, not in Push: a log handler may be slow
			in.log().Warn("recorder is slower than its source, samples are lost", "reason", DropQueueFull)
		}
		if ok {
			if wanted {
				signal(in.room)
			}
			return s, true
		}
		if over {
			return s, false
		}
		<-in.wake
	}
}

// settle books the outcome of one sample: taken, or lost for a reason.
func (in *Input) settle(reason DropReason, err error) {
	in.mu.Lock()
	in.busy = false
	if err == nil {
		in.taken++
		in.mu.Unlock()
		return
	}
	in.result.Drop(reason, 1)
	first := in.result.Err == nil
	if first {
		in.result.Err = err
	}
	in.mu.Unlock()
	switch reason {
	case DropWriteError, DropTooLate:
		in.fault(err)
	case DropRejected, DropTrackEnded:
		if first {
			in.log().Warn("recorder refused a sample; more of this track are only counted", "error", err)
		}
	}
}

// fault keeps an error that makes the recording less than whole.
func (in *Input) fault(err error) {
	if err == nil {
		return
	}
	in.mu.Lock()
	first := in.broken == nil
	if first {
		in.broken = err
	}
	if in.result.Err == nil {
		in.result.Err = err
	}
	in.mu.Unlock()
	if first && in.feed.Err() == nil { // else the feed has logged why
		in.log().Error("recorder failed on a track; further errors of it are only counted", "error", err)
	}
}

// dropReason says how a sample that WriteSample returned an error for counts.
func dropReason(err error) DropReason {
	switch {
	case errors.Is(err, ErrPanic):
		return DropFailed
	case errors.Is(err, ErrTrackEnded), errors.Is(err, ErrStopped):
		return DropTrackEnded
	case errors.Is(err, ErrLateTrack): // known only when its first sample told the format
		return DropTooLate
	case errors.Is(err, media.ErrLength), errors.Is(err, media.ErrFormat), errors.Is(err, media.ErrPayload):
		return DropRejected
	}
	return DropWriteError
}

// refusalReason says how the samples of a track that the recording did not
// take count.
func refusalReason(err error) DropReason {
	switch {
	case errors.Is(err, ErrPanic), errors.Is(err, ErrUnresponsive):
		return DropFailed
	case errors.Is(err, ErrLateTrack):
		return DropTooLate
	}
	return DropWriteError
}

// The calls into the recorder. Each is watched and guarded; they are written
// out because closures would cost an allocation for every sample.

func (in *Input) addTrack() (w TrackWriter, err error) {
	defer in.left("AddTrack", &err)
	in.watch.begin("AddTrack")
	t := in.result.Track
	t.RequestKeyFrame, in.request = in.request, nil
	return in.feed.recording.AddTrack(t)
}

func (in *Input) write(w TrackWriter, s media.Sample) (err error) {
	defer in.left("WriteSample", &err)
	in.watch.begin("WriteSample")
	if err = w.WriteSample(s); errors.Is(err, ErrBroken) {
		in.feed.die(err)
	}
	return err
}

func (in *Input) end(w TrackWriter) (err error) {
	defer in.left("Close", &err)
	in.watch.begin("Close")
	return w.Close()
}

// left is deferred around each call and cuts the recorder off when it
// panicked.
func (in *Input) left(call string, err *error) {
	v := recover()
	in.spent(in.watch.end())
	if v != nil {
		*err = named(call, 0, guard.Recovered(v))
		in.feed.fail(*err)
	}
}

// spent books the time that a call has taken.
func (in *Input) spent(took time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.result.WriteTime += took
}

func (in *Input) log() *slog.Logger { return in.feed.log.With("track", in.result.ID) }

// count returns what the feed counted of the track, and how many samples the
// recorder took.
func (in *Input) count() (r TrackResult, taken int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	r = in.result
	r.Dropped = maps.Clone(r.Dropped)
	r.SamplesQueued, r.BytesQueued = int64(in.queue.n), int64(in.queue.bytes)
	if in.busy && in.state == inputCut {
		r.Drop(DropFailed, 1)
	}
	return r, in.taken
}

// merge joins what the feed counted of a track, which may have come several
// times, with what the recording says of it; own is nil where it says nothing.
// See [Result] for the rule.
func merge(visits []*Input, own *TrackResult, from verdict) TrackResult {
	r, taken := visits[0].count()
	for _, in := range visits[1:] {
		more, n := in.count()
		taken += n
		r.SamplesIn += more.SamplesIn
		r.LostOnTheWay += more.LostOnTheWay
		r.SamplesQueued += more.SamplesQueued
		r.BytesQueued += more.BytesQueued
		r.WriteTime += more.WriteTime
		for reason, n := range more.Dropped {
			r.Drop(reason, n)
		}
		if r.Err == nil {
			r.Err = more.Err
		}
	}
	if own == nil {
		if from == unconfirmed {
			r.Drop(DropFailed, taken)
		} else {
			r.SamplesWritten = taken
		}
		return r
	}
	r.Codec, r.Format, r.First, r.Last, r.Bytes = own.Codec, own.Format, own.First, own.Last, own.Bytes
	r.RatePPM, r.LargestCorrection = own.RatePPM, own.LargestCorrection
	r.KeyframeRequests = own.KeyframeRequests
	r.Gaps, r.GapCount, r.GapTotal = own.Gaps, own.GapCount, own.GapTotal
	r.SamplesWritten = own.SamplesWritten
	for reason, n := range own.Dropped {
		r.Drop(reason, n)
	}
	if r.Err == nil {
		r.Err = own.Err
	}
	if from == confirmed {
		r.Drop(DropUnaccounted, max(0, taken-own.SamplesWritten-own.Losses()))
	}
	return r
}

// leftOut says that the track never was; see Discard.
func leftOut(visits []*Input) bool {
	for _, in := range visits {
		in.mu.Lock()
		was := !in.blank || in.result.SamplesIn > 0
		in.mu.Unlock()
		if was {
			return false
		}
	}
	return true
}

func (in *Input) brokenBy() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.broken
}

// signal wakes whoever waits on c, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
