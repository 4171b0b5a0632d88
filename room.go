package roomkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A Room is a conversation. It is made by [Kit.CreateRoom] and ends with
// [Kit.CloseRoom].
type Room struct {
	kit    *Kit
	id     string
	serial int
	log    *slog.Logger

	// mu is never held during a call into a backend or a recorder.
	mu         sync.Mutex
	state      roomState
	recordings []*recording
	sessions   []*Session            // in the order they joined
	leaving    map[*Session]struct{} // ended, but their backend is still closing
	tracks     []*track              // those that are recorded, in the order they came
	left       map[trackKey][]string // IDs of tracks that have ended, oldest first
	attached   map[string]attachment
}

// trackKey is what a track is known again by when its participant returns.
type trackKey struct {
	participant, channel string
	kind                 media.Kind
}

func keyOf(t recorder.Track) trackKey { return trackKey{t.Participant, t.Channel, t.Kind} }

type roomState uint8

const (
	roomOpening roomState = iota // its recordings are being started
	roomOpen
	roomClosed
)

// attachment is what a room has settled about a channel.
type attachment struct {
	recording *recorder.ChannelRecordingConfig
}

// recording is one running recording of a room.
type recording struct {
	binding recorder.Binding
	feed    *recorder.Feed // nil while it is being started
	ended   atomic.Bool
}

func newRoom(k *Kit, id string, serial int) *Room {
	return &Room{
		kit: k, id: id, serial: serial, log: k.log.With("room", id),
		leaving:  map[*Session]struct{}{},
		left:     map[trackKey][]string{},
		attached: map[string]attachment{},
	}
}

// ID returns the room's id.
func (r *Room) ID() string { return r.id }

// Sessions returns those who are in the room, in the order they joined.
func (r *Room) Sessions() []*Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sessions)
}

func (r *Room) is(s roomState) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == s
}

// open opens a room unless it was closed while its recordings were started.
func (r *Room) open() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == roomOpening {
		r.state = roomOpen
	}
	return r.state == roomOpen
}

// StartRecording starts further recordings of the running room, all of them or
// none. They get the tracks that there are, and those to come. The error wraps
// [ErrRecordingExists] for a name that is taken, [recorder.ErrConfig] for a
// wrong value, or is what the recorder's start returned.
func (r *Room) StartRecording(ctx context.Context, bindings ...recorder.Binding) error {
	started, err := r.prepare(bindings)
	if err != nil {
		return err
	}
	if err := r.reserve(started); err != nil {
		return err
	}
	feeds, err := r.openFeeds(ctx, started)
	if err != nil {
		r.remove(started)
		return err
	}
	tracks, ok := r.publish(started, feeds)
	if !ok {
		stopAll(ctx, feeds)
		return fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	}
	for _, rec := range started {
		for _, t := range tracks {
			t.attach(rec)
		}
	}
	return nil
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
		recs = append(recs, &recording{binding: b})
	}
	return recs, nil
}

// reserve enters recordings that are about to start, which takes their names.
func (r *Room) reserve(recs []*recording) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == roomClosed {
		return fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	}
	names := map[string]bool{}
	for _, rec := range slices.Concat(r.recordings, recs) {
		name := rec.binding.Name
		if names[name] {
			return fmt.Errorf("%w: %q in room %q (Binding.Name must be unique in a room)", ErrRecordingExists, name, r.id)
		}
		names[name] = true
	}
	r.recordings = append(r.recordings, recs...)
	return nil
}

func (r *Room) remove(recs []*recording) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordings = slices.DeleteFunc(r.recordings, func(rec *recording) bool { return slices.Contains(recs, rec) })
}

// openFeeds starts the recordings one after the other; when one fails those
// before it are stopped.
func (r *Room) openFeeds(ctx context.Context, recs []*recording) ([]*recorder.Feed, error) {
	var feeds []*recorder.Feed
	for _, rec := range recs {
		f, err := recorder.OpenFeed(ctx, rec.binding, r.log)
		if err != nil {
			stopAll(ctx, feeds)
			return nil, fmt.Errorf("roomkit: room %q, recording %q: %w", r.id, rec.binding.Name, err)
		}
		feeds = append(feeds, f)
	}
	return feeds, nil
}

// publish makes started recordings visible and returns the tracks that they
// have to be given. Tracks that come later find the recordings here, so each
// track is added once.
func (r *Room) publish(recs []*recording, feeds []*recorder.Feed) ([]*track, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == roomClosed {
		return nil, false
	}
	for i, rec := range recs {
		rec.feed = feeds[i]
	}
	return slices.Clone(r.tracks), true
}

// running returns the recordings that have started, in the order of the
// bindings.
func (r *Room) running() []*recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started()
}

func (r *Room) started() []*recording {
	var recs []*recording
	for _, rec := range r.recordings {
		if rec.feed != nil {
			recs = append(recs, rec)
		}
	}
	return recs
}

// Recordings returns the results so far of all running recordings, in the
// order of the bindings.
func (r *Room) Recordings() []recorder.Result {
	recs := r.running()
	results := make([]recorder.Result, len(recs))
	for i, rec := range recs {
		results[i] = rec.feed.Report()
	}
	return results
}

// StopRecording ends one recording of the running room and returns its result.
// The error is the result's, by the rule of [Kit.CloseRoom], or wraps
// [ErrUnknownRecording]. Its name can be used again.
func (r *Room) StopRecording(ctx context.Context, name string) (recorder.Result, error) {
	rec, tracks, err := r.takeRecording(name)
	if err != nil {
		return recorder.Result{}, err
	}
	rec.ended.Store(true)
	for _, t := range tracks {
		t.detach(rec)
	}
	result := rec.feed.Stop(ctx)
	return result, resultError(result)
}

func (r *Room) takeRecording(name string) (*recording, []*track, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rec, err := r.named(name)
	if err != nil {
		return nil, nil, err
	}
	r.recordings = slices.DeleteFunc(r.recordings, func(other *recording) bool { return other == rec })
	return rec, slices.Clone(r.tracks), nil
}

// named returns a recording that runs; the caller holds the lock.
func (r *Room) named(name string) (*recording, error) {
	known := map[string]*recording{}
	for _, rec := range r.started() {
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
	return r.withFeed(name, func(f *recorder.Feed) error { return f.Pause(ctx, r.kit.clock.Now(), mode) })
}

// ResumeRecording records again what is captured from now on. The error wraps
// [recorder.ErrNotPaused] if the recording is not paused, or is one of those of
// PauseRecording.
func (r *Room) ResumeRecording(ctx context.Context, name string) error {
	return r.withFeed(name, func(f *recorder.Feed) error { return f.Resume(ctx, r.kit.clock.Now()) })
}

func (r *Room) withFeed(name string, call func(*recorder.Feed) error) error {
	r.mu.Lock()
	rec, err := r.named(name)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	if err := call(rec.feed); err != nil {
		return fmt.Errorf("roomkit: room %q, recording %q: %w", r.id, name, err)
	}
	return nil
}

// admit lets a session in. Its channel counts as attached from then on.
func (r *Room) admit(s *Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != roomOpen {
		return fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	}
	a := r.attached[s.channel.id]
	r.attached[s.channel.id] = a
	if a.recording != nil {
		s.recording = *a.recording
	}
	r.sessions = append(r.sessions, s)
	return nil
}

// dismiss takes a session off the list of those present; forget, when its
// backend has closed, off that of those leaving.
func (r *Room) dismiss(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions = slices.DeleteFunc(r.sessions, func(other *Session) bool { return other == s })
	r.leaving[s] = struct{}{}
}

func (r *Room) forget(s *Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.leaving, s)
}

func (r *Room) attach(channelID string, a attachment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attached[channelID] = a
}

func (r *Room) detach(channelID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.attached[channelID]; !ok {
		return fmt.Errorf("room %q: %w", r.id, unknown(ErrUnknownChannel, channelID, "attached", r.attached))
	}
	delete(r.attached, channelID)
	return nil
}

func (r *Room) forgetChannel(channelID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.attached, channelID)
}

// addTrack adds a track to all recordings and returns when they have it.
func (r *Room) addTrack(t *track) {
	r.mu.Lock()
	r.tracks = append(r.tracks, t)
	recs := r.started()
	r.mu.Unlock()
	var all sync.WaitGroup // side by side: one recorder that hangs delays once
	for _, rec := range recs {
		all.Go(func() { t.attach(rec) })
	}
	all.Wait()
}

func (r *Room) dropTrack(t *track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks = slices.DeleteFunc(r.tracks, func(other *track) bool { return other == t })
	key := keyOf(t.info)
	r.left[key] = append(r.left[key], t.info.ID)
}

// takeUp returns the ID of a track that its participant left, and now
// continues on the same channel; empty if there is none.
func (r *Room) takeUp(t recorder.Track) (id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := keyOf(t)
	ids := r.left[key]
	if len(ids) == 0 {
		return ""
	}
	r.left[key] = ids[1:]
	return ids[0]
}

// close ends the room; see [Kit.CloseRoom].
func (r *Room) close(ctx context.Context) ([]recorder.Result, error) {
	r.mu.Lock()
	if r.state == roomClosed {
		r.mu.Unlock()
		return nil, fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	}
	r.state = roomClosed
	sessions := slices.Clone(r.sessions)
	recs := r.started()
	r.mu.Unlock()
	defer r.kit.forgetRoom(r)

	r.dismissAll(ctx, sessions)
	feeds := make([]*recorder.Feed, len(recs))
	for i, rec := range recs {
		rec.ended.Store(true)
		feeds[i] = rec.feed
	}
	results := stopAll(ctx, feeds)
	errs := make([]error, len(results))
	for i, result := range results {
		errs[i] = resultError(result)
	}
	return results, errors.Join(errs...)
}

// dismissAll ends sessions and waits for those, too, that are leaving already.
func (r *Room) dismissAll(ctx context.Context, sessions []*Session) {
	sessions = slices.DeleteFunc(sessions, func(s *Session) bool { return !r.kit.take(s) })
	if err := leaveAll(ctx, sessions); err != nil {
		r.log.Warn("closing the room's sources", "error", err) // what they had delivered is recorded
	}
	r.mu.Lock()
	leaving := make([]*Session, 0, len(r.leaving))
	for s := range r.leaving {
		leaving = append(leaving, s)
	}
	r.mu.Unlock()
	ctx, cancel := guard.Outlive(ctx, sourceGrace)
	defer cancel()
	for _, s := range leaving {
		select {
		case <-s.released:
		case <-ctx.Done():
			return
		}
	}
}

func leaveAll(ctx context.Context, sessions []*Session) error {
	errs := make([]error, len(sessions))
	var all sync.WaitGroup
	for i, s := range sessions {
		all.Go(func() { errs[i] = s.leave(ctx) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func stopAll(ctx context.Context, feeds []*recorder.Feed) []recorder.Result {
	results := make([]recorder.Result, len(feeds))
	var all sync.WaitGroup
	for i, f := range feeds {
		all.Go(func() { results[i] = f.Stop(ctx) })
	}
	all.Wait()
	return results
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
