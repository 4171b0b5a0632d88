package wav

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/outfile"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// ErrNotAudio: a track of pictures, which no WAV file can hold.
var ErrNotAudio = errors.New("wav: only audio can be recorded")

// Recording is the running files of one session. It implements
// [recorder.Recording] and [recorder.Reporter] and is safe for concurrent use.
type Recording struct {
	options  Options
	cfg      recorder.Config
	id       string
	started  time.Time
	mostRIFF int64
	files    []*file // that may come to be
	writer   writer

	mu       sync.Mutex
	room     sync.Cond // on mu: the backlog has shrunk, or err is set
	tracks   []*track
	origin   origin
	backlog  backlog
	err      error // the disk's; nothing more is written
	size     int64 // of all files
	stopping bool
	stopped  chan struct{} // closed when result is valid
	result   recorder.Result
}

func newRecording(r *Recorder, cfg recorder.Config, id string, now time.Time) *Recording {
	n := &Recording{options: r.options, cfg: cfg, id: id, started: now, mostRIFF: r.mostRIFF, stopped: make(chan struct{})}
	n.room.L = &n.mu
	n.files = layout(r.options, outfile.Base(cfg.Storage, cfg.Name, id, now), r.create)
	n.writer = newWriter(n)
	return n
}

// areNamesFree reports whether there is nothing yet under the files' names.
func (r *Recording) areNamesFree() (bool, error) {
	for _, f := range r.files {
		if free, err := isFree(f.path); !free {
			return false, err
		}
	}
	return true, nil
}

// ID implements [recorder.Recording]: twelve lower-case hex characters.
func (r *Recording) ID() string { return r.id }

// AddTrack implements [recorder.Recording]. Errors: [ErrNotAudio],
// [recorder.ErrStopped], [recorder.ErrTrackExists].
func (r *Recording) AddTrack(t recorder.Track) (recorder.TrackWriter, error) {
	if t.Kind != media.KindAudio {
		return nil, fmt.Errorf("%w: track %q is %s", ErrNotAudio, t.ID, t.Kind)
	}
	known, err := r.enter(t)
	if err != nil {
		return nil, err
	}
	if err := known.reopen(); err != nil {
		return nil, err
	}
	return known, nil
}

// enter finds the track with an ID, or makes one that is not open yet.
func (r *Recording) enter(t recorder.Track) (*track, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil, recorder.ErrStopped
	}
	for _, known := range r.tracks {
		if known.account.result.ID == t.ID {
			return known, nil
		}
	}
	n := newTrack(r, t)
	r.tracks = append(r.tracks, n)
	return n, nil
}

// meet makes ready for audio of a stream captured at a time on the capture
// clock, and returns that counted from zero.
func (r *Recording) meet(s *stream, at time.Duration, pcm *media.PCM) (from time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.origin.begun {
		r.origin.begin(at, pcm.Format, r.options.Rate)
		go r.writer.run()
	}
	if s.line == nil {
		s.open(r.origin.rate, attune(r.files, s.direction, pcm.Format.Channels))
		t := &s.track.account.result
		t.Codec = "pcm_" + string(r.options.Sample) + "le"
		t.Format = fmt.Sprintf("%d Hz, %d ch", r.origin.rate, s.channels)
	}
	from = at - r.origin.zero
	r.origin.see(from, from+pcm.Duration())
	return from
}

// take puts what a stream has decided into the backlog: frames at a position,
// and what became of samples. It waits for the disk where that is far behind.
func (r *Recording) take(s *stream, at int64, frames []float32, heldFrom time.Duration, isHeld bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.isHeld, s.heldFrom = isHeld, heldFrom
	s.track.delivered = true
	r.lay(s, at, frames)
	r.book(s)
	if r.origin.isDue(r.tracks) {
		r.origin.decide(r.tracks)
	}
	if r.backlog.waiting > mostWaiting/2 {
		r.origin.decide(r.tracks)
		r.writer.hurry()
	}
	for r.backlog.waiting > mostWaiting && r.err == nil {
		r.room.Wait()
	}
}

// lay puts frames into the backlog, but for those from before the origin.
func (r *Recording) lay(s *stream, at int64, frames []float32) {
	n := int64(len(frames) / s.channels)
	if !s.isLaid && s.line.HasBegun() { // be it that its resampler has all of it yet
		s.isLaid, s.first = true, s.line.Base()-n
	}
	if r.origin.isSet && at < r.origin.at {
		cut := min(r.origin.at-at, n)
		at, n, frames = at+cut, n-cut, frames[cut*int64(s.channels):]
	}
	if n > 0 && r.err == nil {
		r.backlog.add(s, at, frames)
		s.track.account.laid.extend(at, at+n)
	}
}

// book counts what became of samples.
func (r *Recording) book(s *stream) {
	a := &s.track.account
	for _, f := range s.fates {
		switch {
		case f.what == timeline.Behind:
			a.result.Drop(recorder.DropLate, 1)
		case f.what == timeline.BeforeStart, r.origin.isSet && f.end <= r.origin.at:
			a.result.Drop(recorder.DropBeforeStart, 1)
		default:
			a.laid.samples++
		}
	}
	if s.direction == media.Inbound || !s.track.streams[media.Inbound].isLaid {
		a.measure(s.line.Figures())
	}
}

// closed takes note of the end of a track.
func (r *Recording) closed(t *track, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.isClosed = true
	if err != nil {
		t.account.note(err)
	}
}

// reopened takes note of the beginning of a track, or of its return.
func (r *Recording) reopened(t *track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.isClosed = false
}

// Stop implements [recorder.Recording]. When ctx ends first, it returns the
// result so far with the context's error, and the files are finished in the
// background. Without any audio no file is left, and the error is
// [recorder.ErrNoMedia].
func (r *Recording) Stop(ctx context.Context) (recorder.Result, error) {
	r.mu.Lock()
	again := r.stopping
	r.stopping = true
	r.mu.Unlock()
	if !again {
		go r.finish()
	}
	select {
	case <-r.stopped:
	case <-ctx.Done():
		if !r.isFinished() {
			return r.Report(), fmt.Errorf("wav: files are not finished yet: %w", ctx.Err())
		}
	}
	if again {
		return r.result.Clone(), recorder.ErrStopped
	}
	return r.result.Clone(), r.result.Err
}

// finish ends the tracks, the writer and the files, in this order.
func (r *Recording) finish() {
	defer close(r.stopped)
	for _, t := range r.tracks {
		t.finish()
	}
	r.mu.Lock()
	begun := r.origin.begun
	r.mu.Unlock()
	if begun {
		r.writer.stop()
	}
	r.mu.Lock()
	for _, t := range r.tracks {
		t.account.close()
	}
	r.mu.Unlock()
	r.result = r.report()
	r.result.Parts = r.parts()
	if len(r.result.Parts) > 0 {
		r.result.Path = r.result.Parts[0].Path
	} else if r.err == nil {
		r.result.Err = recorder.ErrNoMedia
	}
}

// parts returns the finished files, in the order of [All].
func (r *Recording) parts() (parts []recorder.Part) {
	for _, f := range r.files {
		if f.end > 0 {
			parts = append(parts, recorder.Part{Path: f.path, Size: f.size(),
				Duration: timeline.TimeOf(f.end, int64(r.origin.rate))})
		}
	}
	return parts
}

// isFinished reports whether result is valid.
func (r *Recording) isFinished() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

// Report implements [recorder.Reporter]. What is on its way to the disk is
// neither written nor dropped. Path and Parts are there when the files are
// finished.
func (r *Recording) Report() recorder.Result {
	if r.isFinished() {
		return r.result.Clone()
	}
	return r.report()
}

func (r *Recording) report() recorder.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := recorder.Result{Recorder: "wav", ID: r.id, Format: "wav", Started: r.started, Size: r.size, Err: r.err}
	for _, t := range r.tracks {
		tr := t.account.report(r.origin.at, r.origin.rate)
		result.Tracks = append(result.Tracks, tr)
		result.Duration = max(result.Duration, tr.Last)
	}
	return result
}
