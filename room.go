package roomkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

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

	// mu is never held during a call into code that is not ours.
	mu         sync.Mutex
	state      roomState
	recordings []*recording
	sessions   []*Session            // in the order they joined
	leaving    map[*Session]struct{} // ended, but their backend is still closing
	tracks     []*track              // those that are recorded, in the order they came
	left       map[trackKey][]string // IDs of tracks that have ended, oldest first
	attached   map[string]attachment
	closing    StopReason // why the room is closed, once it is

	ending   context.Context // ends when the room is closed
	end      context.CancelFunc
	starting sync.WaitGroup // recordings that are being started; no more once the room is closed
	closed   chan struct{}  // closed when it has been, and results are valid
	results  []recorder.Result
	err      error
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

func newRoom(k *Kit, id string, serial int) *Room {
	r := &Room{
		kit: k, id: id, serial: serial, log: k.log.With("room", id),
		leaving:  map[*Session]struct{}{},
		left:     map[trackKey][]string{},
		attached: map[string]attachment{},
		closed:   make(chan struct{}),
	}
	r.ending, r.end = context.WithCancel(context.Background())
	return r
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

// meet notes that somebody has come to the room.
func (r *Room) meet() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range r.recordings {
		rec.met = true
	}
}

// checkEmpty ends what is to end when the last one has left.
func (r *Room) checkEmpty() {
	r.mu.Lock()
	recs := slices.Clone(r.recordings)
	r.mu.Unlock()
	r.endIfEmpty(recs...)
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

// addTrack adds a track to all recordings that it belongs to, and returns when they have it.
func (r *Room) addTrack(t *track) {
	r.mu.Lock()
	r.tracks = append(r.tracks, t)
	recs := slices.DeleteFunc(r.taking(), func(rec *recording) bool { return !rec.records(t) })
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
	if t.shared {
		key := keyOf(t.info)
		r.left[key] = append(r.left[key], t.info.ID)
	}
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

// close ends the room; see [Kit.CloseRoom]. Only the first call does.
func (r *Room) close(ctx context.Context, reason StopReason) ([]recorder.Result, error) {
	r.mu.Lock()
	if r.state == roomClosed {
		r.mu.Unlock()
		return nil, fmt.Errorf("%w: %q", ErrRoomClosed, r.id)
	}
	r.state, r.closing = roomClosed, reason
	sessions := slices.Clone(r.sessions)
	recs := r.own()
	r.mu.Unlock()
	defer close(r.closed)
	defer r.kit.forgetRoom(r)

	r.end()
	r.dismissAll(ctx, sessions)
	r.results = endAll(ctx, recs, reason)
	errs := make([]error, len(r.results))
	for i, result := range r.results {
		errs[i] = resultError(result)
	}
	r.err = errors.Join(errs...)
	r.awaitStarts(ctx)
	return r.results, r.err
}

// awaitStarts waits for recordings that were being started, which have been told
// to give up: not from inside a handler, which may be one of them.
func (r *Room) awaitStarts(ctx context.Context) {
	if isInside(ctx) {
		return
	}
	ctx, cancel := guard.Outlive(ctx, sourceGrace)
	defer cancel()
	_, err := guard.Within(ctx, sourcePatience, func() (struct{}, error) { r.starting.Wait(); return struct{}{}, nil }, nil)
	if err != nil {
		r.log.Error("a recording that was being started does not give up", "error", err)
	}
}

// awaitClosed waits for whoever closes the room, and returns what they get.
func (r *Room) awaitClosed(ctx context.Context) ([]recorder.Result, error) {
	if isInside(ctx) {
		return nil, nil
	}
	ctx, cancel := guard.Outlive(ctx, endGrace)
	defer cancel()
	select {
	case <-r.closed:
		return r.results, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("roomkit: room %q is still being closed: %w", r.id, context.Cause(ctx))
	}
}

// currentTracks returns those that are recorded now.
func (r *Room) currentTracks() []*track {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.tracks)
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
