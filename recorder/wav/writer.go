package wav

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// writeInterval is how often what is new is written, in real time.
const writeInterval = 100 * time.Millisecond

// writer is the one goroutine of a recording that touches its files. In each
// pass it adds the backlog to all of them, then syncs them if that is due, then
// tells of it in the headers: so those never claim more than was written.
type writer struct {
	recording *Recording
	wake      chan struct{} // there is much to write
	quit      chan struct{} // closed by stop
	done      chan struct{} // closed when the files are
	synced    time.Time
}

func newWriter(r *Recording) writer {
	return writer{recording: r, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// hurry asks for a pass at once.
func (w *writer) hurry() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stop writes what is left, finishes the files and waits for that.
func (w *writer) stop() {
	close(w.quit)
	<-w.done
}

func (w *writer) run() {
	defer close(w.done)
	ticker := time.NewTicker(writeInterval)
	defer ticker.Stop()
	w.synced = time.Now()
	for {
		select {
		case <-ticker.C:
		case <-w.wake:
		case <-w.quit:
			w.finish()
			return
		}
		w.pass(soonest)
	}
}

// pass writes the backlog. A time zero that is not decided yet is, when so much
// real time has passed since the first audio.
func (w *writer) pass(soonest time.Duration) {
	runs, ok := w.recording.collect(soonest)
	if !ok {
		return
	}
	err := w.write(runs)
	w.recording.settle(runs, err)
}

func (w *writer) write(runs []*run) error {
	r := w.recording
	for _, run := range runs {
		for _, f := range r.files {
			if !f.takes(run.stream.direction) {
				continue
			}
			if f.disk == nil {
				if err := f.open(r.newHeader(f, run)); err != nil {
					return err
				}
			}
			if err := f.mix(run.stream.direction, run.at-r.origin.at, run.frames, run.stream.channels); err != nil {
				return err
			}
		}
	}
	if interval := r.options.SyncInterval; interval > 0 && time.Since(w.synced) >= interval {
		w.synced = time.Now()
		if err := w.each((*file).sync); err != nil {
			return err
		}
	}
	return w.each((*file).claim)
}

// each does something to all files, up to the first error.
func (w *writer) each(do func(*file) error) error {
	for _, f := range w.recording.files {
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the files. Where the disk has failed they keep what their headers
// tell of, and none is left without audio.
func (w *writer) finish() {
	w.pass(0)
	r := w.recording
	end := (*file).finish
	if r.failure() != nil {
		end = (*file).abandon
	}
	var err error
	for _, f := range r.files {
		err = errors.Join(err, end(f))
		if f.header != nil && f.end == 0 {
			if gone := os.Remove(f.path); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
			f.header = nil
		}
	}
	r.settle(nil, err)
}

// newHeader makes the header of a file whose first audio is that of a run.
func (r *Recording) newHeader(f *file, first *run) *header {
	return newHeader(r.options.Sample, r.origin.rate, f.channels, tags{
		title: r.cfg.Title, artist: first.stream.track.account.result.Participant, created: r.started}, r.mostRIFF)
}

// collect takes the backlog for the writer. It reports whether there may be
// something to do.
func (r *Recording) collect(soonest time.Duration) (runs []*run, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.origin.since) >= soonest {
		r.origin.decide(r.tracks)
	}
	if !r.origin.isSet || r.err != nil {
		return nil, false
	}
	for _, t := range r.tracks {
		t.account.way, t.account.laid = t.account.laid, share{}
	}
	return r.backlog.take(), true
}

// settle books what the writer has done with runs.
func (r *Recording) settle(runs []*run, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size = 0
	for _, f := range r.files {
		r.size += f.size()
		for _, run := range runs {
			if f.takes(run.stream.direction) && f.header != nil {
				n := len(run.frames) / run.stream.channels
				run.stream.track.account.way.bytes += int64(n * f.header.frameBytes)
			}
		}
	}
	for _, t := range r.tracks {
		t.account.settle(err == nil)
	}
	r.backlog.done(runs)
	if err != nil {
		r.fail(err)
	}
	r.room.Broadcast()
}

// fail ends all writing. What waits for it is lost.
func (r *Recording) fail(err error) {
	if r.err != nil {
		return
	}
	r.err = recorder.Broken(err)
	r.backlog.done(r.backlog.take())
	r.options.Logger.Error("wav: recording has failed; what is in its files stays valid", "recording", r.id, "error", err)
}

func (r *Recording) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

var (
	_ recorder.Recorder  = (*Recorder)(nil)
	_ recorder.Recording = (*Recording)(nil)
	_ recorder.Reporter  = (*Recording)(nil)
)
