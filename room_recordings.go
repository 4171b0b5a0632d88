package roomkit

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// StartRecording starts further recordings of the running room, all of them or
// none. They get the tracks that there are, and those to come. The error wraps
// [ErrRecordingExists] for a name that is taken, [recorder.ErrConfig] for a
// wrong value, [ErrRefused] if a handler refuses one, [ErrDiskSpace], or is what
// the recorder's start returned.
func (r *Room) StartRecording(ctx context.Context, bindings ...recorder.Binding) error {
	recs, err := r.prepare(bindings)
	if err != nil {
		return err
	}
	return r.start(ctx, recs)
}

// prepare fills in and checks all bindings, so that a wrong value is found
// before any recorder starts.
func (r *Room) prepare(bindings []recorder.Binding) ([]*recording, error) {
	var recs []*recording
	for _, b := range bindings {
		if b.Disabled {
			continue
		}
		b = b.WithDefaults()
		if b.Config.Title == "" {
			b.Config.Title = r.id
		}
		if err := b.Validate(); err != nil {
			return nil, fmt.Errorf("roomkit: room %q, recording %q: %w", r.id, b.Name, err)
		}
		recs = append(recs, r.newRecording(b))
	}
	return recs, nil
}

func (r *Room) newRecording(b recorder.Binding) *recording {
	rec := &recording{room: r, binding: b, recorderName: recorder.NameOf(b.Recorder),
		over: make(chan struct{}), turns: make(chan struct{}, 1)}
	rec.kinds = map[media.Kind]bool{}
	for _, k := range []media.Kind{media.KindAudio, media.KindVideo, media.KindScreen} {
		rec.kinds[k] = b.Records(k)
	}
	rec.patience, rec.hurry = context.WithCancel(context.Background())
	return rec
}

// start starts recordings, all of them or none. It ends early, with nothing
// started, when the room is closed.
func (r *Room) start(ctx context.Context, recs []*recording) error {
	if err := r.reserve(recs); err != nil {
		return err
	}
	defer r.starting.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ending, cancel)()
	tracks, err := r.bringUp(ctx, recs)
	if err != nil {
		r.remove(recs)
		for _, rec := range recs {
			rec.fault(err)
		}
		return err
	}
	for _, rec := range recs {
		for _, t := range tracks {
			if rec.records(t) {
				t.attach(rec)
			}
		}
	}
	r.endIfEmpty(recs...) // the last one may have left meanwhile
	return nil
}

// bringUp asks, starts and publishes recordings.
func (r *Room) bringUp(ctx context.Context, recs []*recording) ([]*track, error) {
	feeds, err := r.openFeeds(ctx, recs)
	if err == nil {
		if tracks, ok := r.publish(recs, feeds); ok {
			return tracks, nil
		}
		stopAll(context.WithoutCancel(ctx), feeds)
	}
	if r.ending.Err() != nil {
		err = fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	} else if err == nil {
		err = ErrSessionEnded
	}
	return nil, err
}

// reserve enters recordings that are about to start, which takes their names.
// That of one that has ended by itself is free again.
func (r *Room) reserve(recs []*recording) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == roomClosed {
		return fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	}
	names := map[string]bool{}
	for _, rec := range slices.Concat(r.recordings, recs) {
		if isClosed(rec.over) {
			continue
		}
		name := rec.binding.Name
		if names[name] {
			return fmt.Errorf("%w: %q in room %q (Binding.Name must be unique in a room)", ErrRecordingExists, name, r.id)
		}
		names[name] = true
	}
	for _, rec := range recs {
		rec.met = len(r.sessions) > 0
	}
	r.recordings = append(r.recordings, recs...)
	r.starting.Add(1)
	return nil
}

func (r *Room) remove(recs []*recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordings = slices.DeleteFunc(r.recordings, func(rec *recording) bool { return slices.Contains(recs, rec) })
}

// openFeeds starts the recordings one after the other, once nobody refuses any
// of them; when one fails those before it are stopped.
func (r *Room) openFeeds(ctx context.Context, recs []*recording) ([]*recorder.Feed, error) {
	describe := func(rec *recording, err error) error {
		return fmt.Errorf("roomkit: room %q, recording %q: %w", r.id, rec.binding.Name, err)
	}
	for _, rec := range recs {
		if err := rec.ask(ctx); err != nil {
			return nil, describe(rec, err)
		}
	}
	var feeds []*recorder.Feed
	for _, rec := range recs {
		f, err := rec.open(ctx)
		if err != nil {
			stopAll(context.WithoutCancel(ctx), feeds)
			return nil, describe(rec, err)
		}
		feeds = append(feeds, f)
	}
	return feeds, nil
}

// publish makes started recordings visible and returns the tracks that they
// have to be given. Tracks that come later find the recordings here, so each
// track is added once. From here on a recording can be ended, and is watched.
func (r *Room) publish(recs []*recording, feeds []*recorder.Feed) ([]*track, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == roomClosed {
		return nil, false
	}
	for _, rec := range recs {
		if rec.session != nil && rec.session.layersOver {
			return nil, false
		}
	}
	for i, rec := range recs {
		rec.feed = feeds[i]
		rec.supervisor = newSupervisor(rec)
		rec.tell(RecordingStarted{rec.about()}) // before anybody can tell more of it
		rec.supervisor.start()
	}
	return slices.Clone(r.tracks), true
}

// own returns the room's own recordings that have been started, those that have
// ended by themselves included, in the order of the bindings. The caller holds
// the lock.
func (r *Room) own() []*recording {
	return slices.DeleteFunc(slices.Clone(r.recordings), func(rec *recording) bool {
		return rec.feed == nil || rec.layer != nil
	})
}

// taking returns the recordings that take media, of the room and of its
// sessions. The caller holds the lock.
func (r *Room) taking() []*recording {
	return slices.DeleteFunc(slices.Clone(r.recordings), func(rec *recording) bool {
		return rec.feed == nil || rec.ended.Load()
	})
}

// Recordings returns the results so far of the room's recordings, in the order of
// the bindings, those that have ended by themselves included: the final result
// of such a one is among those of [Kit.CloseRoom] too. See [Room.Status] for what
// runs now.
func (r *Room) Recordings() []recorder.Result {
	r.mu.Lock()
	recs := r.own()
	r.mu.Unlock()
	results := make([]recorder.Result, len(recs))
	for i, rec := range recs {
		results[i] = rec.feed.Report()
	}
	return results
}

// IsRecorded reports whether anything of the room is being recorded now: by a
// recording of the room or of one of its sessions that runs, is paused, or is
// still being finished.
func (r *Room) IsRecorded() bool {
	return slices.ContainsFunc(r.Status(), func(s RecordingStatus) bool {
		return s.State != StateStarting && s.State != StateStopped
	})
}

// Status tells of all recordings of the room and of its sessions what they are
// and do: those that are starting, that run, and the room's own that have ended
// by themselves.
func (r *Room) Status() []RecordingStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]RecordingStatus, len(r.recordings))
	for i, rec := range r.recordings {
		all[i] = rec.status()
	}
	return all
}

// StopRecording ends one recording of the running room, or of a session of it,
// and returns its result. The error is the result's, by the rule of
// [Kit.CloseRoom], or wraps [ErrUnknownRecording]. Its name can be used again.
func (r *Room) StopRecording(ctx context.Context, name string) (recorder.Result, error) {
	rec, err := r.named(name)
	if err != nil {
		return recorder.Result{}, err
	}
	result := rec.end(ctx, StopRequested)
	if isClosed(rec.over) { // else it is still the room's to wait for
		r.remove([]*recording{rec})
	}
	return result, resultError(result)
}

// named returns a recording that runs.
func (r *Room) named(name string) (*recording, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]*recording{}
	for _, rec := range r.taking() {
		known[rec.binding.Name] = rec
	}
	rec := known[name]
	if rec == nil || r.state == roomClosed {
		return nil, unknown(ErrUnknownRecording, name, "running", known)
	}
	return rec, nil
}

// PauseRecording leaves out of one recording what is captured from now on,
// until ResumeRecording; the mode says what is in the file instead. The error
// wraps [ErrUnknownRecording], [recorder.ErrPaused], [recorder.ErrConfig] for
// another mode, or [errors.ErrUnsupported] where the recorder cannot pause.
func (r *Room) PauseRecording(ctx context.Context, name string, mode recorder.PauseMode) error {
	return r.withRecording(name, func(rec *recording) error { return rec.pause(ctx, mode) })
}

// ResumeRecording records again what is captured from now on. The error wraps
// [recorder.ErrNotPaused] if the recording is not paused, or is one of those of
// PauseRecording.
func (r *Room) ResumeRecording(ctx context.Context, name string) error {
	return r.withRecording(name, func(rec *recording) error { return rec.resume(ctx) })
}

func (r *Room) withRecording(name string, call func(*recording) error) error {
	rec, err := r.named(name)
	if err != nil {
		return err
	}
	if err := call(rec); err != nil {
		return fmt.Errorf("roomkit: room %q, recording %q: %w", r.id, name, err)
	}
	return nil
}

// endAll ends recordings side by side.
func endAll(ctx context.Context, recs []*recording, reason StopReason) []recorder.Result {
	results := make([]recorder.Result, len(recs))
	var all sync.WaitGroup
	for i, rec := range recs {
		all.Go(func() { results[i] = rec.end(ctx, reason) })
	}
	all.Wait()
	return results
}

func stopAll(ctx context.Context, feeds []*recorder.Feed) {
	var all sync.WaitGroup
	for _, f := range feeds {
		all.Go(func() { f.Stop(ctx) })
	}
	all.Wait()
}

// endIfEmpty ends those of the recordings that are to end with the last of the
// people who were there.
func (r *Room) endIfEmpty(recs ...*recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != roomOpen || len(r.sessions)+len(r.leaving) > 0 {
		return
	}
	for _, rec := range recs {
		if rec.binding.Limits.WhenEmpty && rec.layer == nil && rec.feed != nil && rec.met {
			go rec.end(context.Background(), StopEmpty) // whoever has left does not wait for a file
		}
	}
}
