package roomkit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/diskspace"
	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// recording is one recording of a room, or of one of its sessions.
//
//	room.start ─► ask handlers ─► open feed ─► publish ─► supervise ─► end
type recording struct {
	room         *Room
	binding      recorder.Binding
	recorderName string
	kinds        map[media.Kind]bool // what the recorder is for
	layer        *layer              // nil for a recording of the room
	session      *Session            // whose it is, with a layer
	met          bool                // somebody was in the room when it was about to start

	// Set by publish, under the room's lock.
	feed       *recorder.Feed // nil while it is being started
	supervisor *supervisor

	ended    atomic.Bool     // somebody has begun to end it
	patience context.Context // ends when somebody who waits for that is in a hurry
	hurry    context.CancelFunc
	over     chan struct{} // closed when it has ended
	turns    chan struct{} // holds a token while it is being paused or resumed

	mu     sync.Mutex
	paused bool
	reason StopReason // valid once over is closed
}

// records reports whether a track belongs into the recording.
func (rec *recording) records(t *track) bool {
	if !rec.kinds[t.info.Kind] {
		return false
	}
	if rec.layer == nil {
		return t.shared
	}
	return t.session == rec.session && rec.layer.records(t.info.Kind)
}

// about describes the recording in events.
func (rec *recording) about() EventInfo {
	i := EventInfo{At: rec.room.kit.clock.Now(), Time: time.Now(), Room: rec.room.id, Recording: rec.binding.Name}
	if rec.feed != nil {
		i.ID = rec.feed.ID()
	}
	if rec.session != nil {
		i.Session, i.Participant = rec.session.id, rec.session.participant
	}
	return i
}

func (rec *recording) tell(e Event) { rec.room.kit.events.tell(e) }

// fault reports why a recording could not be started.
func (rec *recording) fault(err error) {
	rec.tell(RecordingError{EventInfo: rec.about(), Err: err})
}

// ask tells that the recording is about to start, and lets handlers refuse it.
func (rec *recording) ask(ctx context.Context) error {
	e := RecordingStarting{EventInfo: rec.about(), Recorder: rec.recorderName, Config: rec.binding.Config}
	rec.tell(e)
	return rec.room.kit.events.ask(ctx, e)
}

// open starts the recorder.
func (rec *recording) open(ctx context.Context) (*recorder.Feed, error) {
	if err := rec.checkDisk(); err != nil {
		return nil, err
	}
	return recorder.OpenFeed(ctx, rec.binding, rec.room.log)
}

// diskPatience bounds, in real time, how long a file system may take to tell how
// much is free: one that is on a network may never answer.
const diskPatience = time.Second

// checkDisk returns an error if less space is free than the limit, or that cannot
// be told.
func (rec *recording) checkDisk() error {
	want, where := rec.binding.Limits.MinFree, rec.binding.Config.Storage
	if want == 0 {
		return nil
	}
	free, err := guard.Within(context.Background(), diskPatience, func() (int64, error) { return diskspace.Free(where) }, nil)
	if err != nil {
		return fmt.Errorf("roomkit: disk space of %q: %w", where, err)
	}
	if free < want {
		return fmt.Errorf("%w: %d bytes are free for %q (Limits.MinFree: at least %d)", ErrDiskSpace, free, where, want)
	}
	return nil
}

// claim reports whether the caller is the one who ends the recording.
func (rec *recording) claim() bool { return !rec.ended.Swap(true) }

const (
	// endLimit bounds, in real time, how long a recording may take to end if
	// nobody is in a hurry.
	endLimit = 2 * time.Minute
	// endGrace is what it still gets once somebody who waits for it is: what
	// [recorder.Feed.Stop] takes then, and a moment.
	endGrace = 4 * time.Second
)

// end ends the recording, or waits until whoever does so has, and returns its
// result. When ctx ends, what can still be finished in a few seconds is, whoever
// began.
func (rec *recording) end(ctx context.Context, reason StopReason) recorder.Result {
	calm := context.AfterFunc(ctx, rec.hurry)
	defer calm()
	if rec.claim() {
		return rec.conclude(reason)
	}
	ctx, cancel := guard.Outlive(ctx, endGrace)
	defer cancel()
	select {
	case <-rec.over:
		return rec.feed.Report()
	case <-ctx.Done():
	}
	result := rec.feed.Report()
	result.Err = errors.Join(result.Err, fmt.Errorf("roomkit: recording is not finished: %w", context.Cause(ctx)))
	return result
}

// conclude ends a recording that was claimed. If its recorder has failed before,
// that is the reason.
func (rec *recording) conclude(reason StopReason) recorder.Result {
	ctx, cancel := context.WithTimeout(rec.patience, endLimit)
	defer cancel()
	if rec.feed.Context().Err() != nil {
		reason = StopFailed
	}
	for _, t := range rec.room.currentTracks() {
		t.detach(rec)
	}
	result := rec.feed.Stop(ctx)
	rec.supervisor.finish(result)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.reason = reason
	rec.tell(RecordingStopped{EventInfo: rec.about(), Reason: reason, Result: result})
	close(rec.over) // whoever waits for that may end the streams of events
	return result
}

// pause and resume are carried out one after the other, to their end even if ctx
// ends before: what the recorder does and what is told of it are the same.

func (rec *recording) pause(ctx context.Context, mode recorder.PauseMode) error {
	return rec.turn(ctx, func(ctx context.Context) error {
		at := rec.room.kit.clock.Now()
		if err := rec.feed.Pause(ctx, at, mode); err != nil {
			return err
		}
		rec.supervisor.pause(at, mode)
		rec.setPaused(true, RecordingPaused{EventInfo: rec.about(), Mode: mode})
		return nil
	})
}

func (rec *recording) resume(ctx context.Context) error {
	return rec.turn(ctx, func(ctx context.Context) error {
		at := rec.room.kit.clock.Now()
		if err := rec.feed.Resume(ctx, at); err != nil {
			return err
		}
		rec.supervisor.resume(at)
		rec.setPaused(false, RecordingResumed{rec.about()})
		return nil
	})
}

// turn makes a call while no other one is made. Each is bounded by the binding's
// StallTimeout.
func (rec *recording) turn(ctx context.Context, call func(context.Context) error) error {
	_, err := guard.Within(ctx, 0, func() (struct{}, error) {
		rec.turns <- struct{}{}
		defer func() { <-rec.turns }()
		return struct{}{}, call(context.WithoutCancel(ctx))
	}, nil)
	return err
}

// setPaused notes and tells it, unless the recording has ended: nothing is told
// of it then.
func (rec *recording) setPaused(paused bool, e Event) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !isClosed(rec.over) {
		rec.paused = paused
		rec.tell(e)
	}
}

// RecordingState says how far a recording is.
type RecordingState string

// The states of a recording, in their order.
const (
	StateStarting RecordingState = "starting"
	StateRunning  RecordingState = "running"
	StatePaused   RecordingState = "paused"
	StateStopping RecordingState = "stopping"
	StateStopped  RecordingState = "stopped"
)

// RecordingStatus tells what a recording is and does.
type RecordingStatus struct {
	EventInfo
	Recorder string         `json:"recorder"`
	State    RecordingState `json:"state"`
	Reason   StopReason     `json:"reason,omitempty"` // once it has stopped
}

// status describes the recording; the caller holds the room's lock.
func (rec *recording) status() RecordingStatus {
	s := RecordingStatus{EventInfo: rec.about(), Recorder: rec.recorderName, State: StateRunning}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	switch {
	case rec.feed == nil:
		s.State = StateStarting
	case isClosed(rec.over):
		s.State, s.Reason = StateStopped, rec.reason
	case rec.ended.Load():
		s.State = StateStopping
	case rec.paused:
		s.State = StatePaused
	}
	return s
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// resultError is what a result means for whoever ended the recording.
func resultError(r recorder.Result) error {
	if r.Err == nil || onlyNoMedia(r.Err) {
		return nil
	}
	return fmt.Errorf("roomkit: recording %q: %w", r.Binding, r.Err)
}

// onlyNoMedia reports whether nothing is wrong but that no media came.
func onlyNoMedia(err error) bool {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs := joined.Unwrap()
		for _, e := range errs {
			if !onlyNoMedia(e) {
				return false
			}
		}
		return len(errs) > 0
	}
	return errors.Is(err, recorder.ErrNoMedia)
}
