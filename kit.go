package roomkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A Kit owns channels, rooms and sessions. Close it when done.
type Kit struct {
	clock    media.Clock
	log      *slog.Logger
	events   *notifier
	observer observing

	// mu is never held during a call into code that is not ours: backends,
	// recorders, stages of pipelines, handlers, observers. It may be
	// held while a room's is taken, not the other way round.
	mu       sync.Mutex
	closed   bool
	over     chan struct{} // closed when Close has done its work
	channels map[string]*channel
	rooms    map[string]*Room
	sessions map[string]*Session
	created  int // rooms so far, for their order
}

// New returns a kit without rooms or channels.
func New(opts ...KitOption) *Kit {
	k := &Kit{
		clock:    media.NewRealClock(),
		over:     make(chan struct{}),
		log:      slog.New(slog.DiscardHandler),
		events:   &notifier{timeout: handlerTimeout},
		channels: map[string]*channel{},
		rooms:    map[string]*Room{},
		sessions: map[string]*Session{},
	}
	for _, opt := range opts {
		opt(k)
	}
	k.events.log = k.log
	return k
}

// Clock returns the clock that everything in the kit runs on.
func (k *Kit) Clock() media.Clock { return k.clock }

// RegisterChannel makes a channel known under its id. It returns
// [ErrChannelExists] for an id that is taken and [ErrInvalid] for a channel
// that cannot work.
func (k *Kit) RegisterChannel(ch Channel) error {
	if ch == nil || ch.common() == nil {
		return fmt.Errorf("%w: channel is nil (allowed: one made by NewVoiceChannel, NewVideoChannel or NewAudioVideoChannel)", ErrInvalid)
	}
	c := ch.common()
	if err := c.validate(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return ErrKitClosed
	}
	if k.channels[c.id] != nil {
		return fmt.Errorf("%w: %q", ErrChannelExists, c.id)
	}
	k.channels[c.id] = c
	return nil
}

// UnregisterChannel forgets a channel. It returns [ErrChannelInUse] while the
// channel has sessions, in whatever room.
func (k *Kit) UnregisterChannel(id string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.channels[id]
	if c == nil {
		return unknown(ErrUnknownChannel, id, "registered", k.channels)
	}
	for _, s := range k.sessions {
		if s.channel == c {
			return fmt.Errorf("%w: %q has a session of %q in room %q", ErrChannelInUse, id, s.participant, s.room.id)
		}
	}
	delete(k.channels, id)
	for _, r := range k.rooms {
		r.forgetChannel(id)
	}
	return nil
}

// CreateRoom opens a room and starts its recordings: all of them, or, when one
// cannot start, none, and there is no room. A wrong configuration is an error
// that wraps [recorder.ErrConfig], before anything is started. ctx bounds the
// call, not the room.
func (k *Kit) CreateRoom(ctx context.Context, id string, opts ...RoomOption) (*Room, error) {
	if err := needID("room", id); err != nil {
		return nil, err
	}
	var o roomOptions
	for _, opt := range opts {
		opt(&o)
	}
	r, err := k.reserve(id)
	if err != nil {
		return nil, err
	}
	if err := r.StartRecording(ctx, o.bindings...); err != nil {
		k.forgetRoom(r)
		return nil, err
	}
	if !r.open() {
		k.forgetRoom(r)
		return nil, fmt.Errorf("%w: %q", ErrRoomClosed, id)
	}
	return r, nil
}

func (k *Kit) reserve(id string) (*Room, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrKitClosed
	}
	if k.rooms[id] != nil {
		return nil, fmt.Errorf("%w: %q", ErrRoomExists, id)
	}
	k.created++
	r := newRoom(k, id, k.created)
	k.rooms[id] = r
	return r, nil
}

func (k *Kit) forgetRoom(r *Room) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.rooms[r.id] == r {
		delete(k.rooms, r.id)
	}
}

// Room returns an open room. The error is [ErrUnknownRoom], or [ErrRoomClosed]
// while it is closing.
func (k *Kit) Room(id string) (*Room, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.room(id)
}

// room is Room for callers that hold the lock.
func (k *Kit) room(id string) (*Room, error) {
	if k.closed {
		return nil, ErrKitClosed
	}
	r := k.rooms[id]
	if r == nil || r.is(roomOpening) {
		return nil, unknown(ErrUnknownRoom, id, "open", k.rooms)
	}
	if r.is(roomClosed) {
		return nil, fmt.Errorf("%w: %q", ErrRoomClosed, id)
	}
	return r, nil
}

// AttachChannel allows a room its own settings for a channel, for sessions that
// join afterwards. Joining needs no attaching. Attaching again replaces the
// settings.
func (k *Kit) AttachChannel(roomID, channelID string, opts ...AttachOption) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.room(roomID)
	if err != nil {
		return err
	}
	if k.channels[channelID] == nil {
		return unknown(ErrUnknownChannel, channelID, "registered", k.channels)
	}
	var a attachment
	for _, opt := range opts {
		opt(&a)
	}
	r.attach(channelID, a)
	return nil
}

// DetachChannel takes a channel out of a room: its sessions there leave, and
// the room's settings for it are dropped. The error is [ErrUnknownChannel] if
// it was neither attached nor joined on.
func (k *Kit) DetachChannel(ctx context.Context, roomID, channelID string) error {
	r, err := k.Room(roomID)
	if err != nil {
		return err
	}
	if err := r.detach(channelID); err != nil {
		return err
	}
	var left []*Session
	for _, s := range r.Sessions() {
		if s.channel.id == channelID && k.take(s) {
			left = append(left, s)
		}
	}
	return leaveAll(ctx, left)
}

// Join connects a participant to a room on a channel. The channel's backend
// begins to deliver, and all recordings of the room begin to record, every kind
// of media that is not switched off. When the backend fails nothing is left
// behind. ctx bounds the call, not the session.
func (k *Kit) Join(ctx context.Context, roomID, channelID string, opts ...JoinOption) (*Session, error) {
	s, err := k.newSession(ctx, roomID, channelID, opts)
	if err != nil {
		return nil, err
	}
	if err := k.admit(s); err != nil {
		s.stopDial()
		s.endPlayed()
		return nil, err
	}
	s.startLayers(ctx)
	if err := s.connect(); err != nil {
		return nil, fmt.Errorf("roomkit: %q cannot join room %q on channel %q: %w", s.participant, roomID, channelID, err)
	}
	return s, nil
}

// newSession makes a session that is in no books yet. What its pipeline is made of
// is not ours: no lock is held.
func (k *Kit) newSession(ctx context.Context, roomID, channelID string, opts []JoinOption) (*Session, error) {
	id := newSessionID()
	o := joinOptions{participant: id}
	for _, opt := range opts {
		opt(&o)
	}
	if err := errors.Join(needID("participant", o.participant), needLanguage(o.language)); err != nil {
		return nil, err
	}
	r, c, err := k.roomAndChannel(roomID, channelID)
	if err != nil {
		return nil, err
	}
	s := newSession(ctx, id, r, c, o)
	if s.played, err = s.buildTreatment(ctx, newPlayoutTreatment); err != nil {
		s.stopDial()
		return nil, err
	}
	return s, nil
}

func (k *Kit) roomAndChannel(roomID, channelID string) (*Room, *channel, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.room(roomID)
	if err != nil {
		return nil, nil, err
	}
	c := k.channels[channelID]
	if c == nil {
		return nil, nil, unknown(ErrUnknownChannel, channelID, "registered", k.channels)
	}
	return r, c, nil
}

// admit enters a session into the books, unless its room or its channel has gone
// meanwhile.
func (k *Kit) admit(s *Session) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.room(s.room.id); err != nil {
		return err
	}
	if k.channels[s.channel.id] != s.channel {
		return unknown(ErrUnknownChannel, s.channel.id, "registered", k.channels)
	}
	if err := s.room.admit(s); err != nil {
		return err
	}
	k.sessions[s.id] = s
	return nil
}

// take takes a session out of the books and reports whether it was in them:
// whoever takes it ends it.
func (k *Kit) take(s *Session) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sessions[s.id] != s {
		return false
	}
	delete(k.sessions, s.id)
	s.room.dismiss(s)
	return true
}

// Leave ends a session: its backend stops, its tracks end after their last
// sample. The error is [ErrUnknownSession] for a session that has ended
// already, else what closing the backend's connection returned; the session
// has ended even so. When ctx ends the backend still gets a moment.
func (k *Kit) Leave(ctx context.Context, sessionID string) error {
	k.mu.Lock()
	s := k.sessions[sessionID]
	k.mu.Unlock()
	if s == nil || !k.take(s) {
		return fmt.Errorf("%w %q", ErrUnknownSession, sessionID)
	}
	return s.leave(ctx)
}

// CloseRoom ends all sessions of a room, then its recordings, and returns their
// results in the order of the bindings. The error joins those of the results,
// but for [recorder.ErrNoMedia]: nobody having said anything is no failure.
// The results are valid beside an error. When ctx ends, what can still be
// finished in a few seconds is.
//
// A room can be closed while it is being created, such as by a handler: then it
// never comes to be.
func (k *Kit) CloseRoom(ctx context.Context, id string) ([]recorder.Result, error) {
	k.mu.Lock()
	r := k.rooms[id]
	if r == nil || !r.is(roomOpening) {
		var err error
		if r, err = k.room(id); err != nil {
			k.mu.Unlock()
			return nil, err
		}
	}
	k.mu.Unlock()
	return r.close(ctx, StopRoomClosed)
}

// Status tells of all recordings in all rooms what they are and do, those of the
// oldest room first.
func (k *Kit) Status() []RecordingStatus {
	var all []RecordingStatus
	for _, r := range k.openRooms() {
		all = append(all, r.Status()...)
	}
	return all
}

// openRooms returns all rooms, the oldest first.
func (k *Kit) openRooms() []*Room {
	k.mu.Lock()
	defer k.mu.Unlock()
	rooms := slices.Collect(maps.Values(k.rooms))
	slices.SortFunc(rooms, func(a, b *Room) int { return cmp.Compare(a.serial, b.serial) })
	return rooms
}

// Close closes all rooms as [Kit.CloseRoom] does and returns all results, the
// oldest room's first, and waits for rooms that others are closing, whose results
// are among them. Those who listen to events get the last of them, then their
// streams end. Afterwards the kit is of no more use. Closing again waits for that,
// and returns nothing.
func (k *Kit) Close(ctx context.Context) ([]recorder.Result, error) {
	k.mu.Lock()
	again := k.closed
	k.closed = true
	k.mu.Unlock()
	if again {
		return nil, k.awaitClosed(ctx)
	}
	defer close(k.over)
	rooms := k.openRooms()
	results := make([][]recorder.Result, len(rooms))
	errs := make([]error, len(rooms))
	var all sync.WaitGroup
	for i, r := range rooms {
		all.Go(func() {
			results[i], errs[i] = r.close(ctx, StopShutdown)
			if errors.Is(errs[i], ErrRoomClosed) { // somebody else closes it
				results[i], errs[i] = r.awaitClosed(ctx)
			}
		})
	}
	all.Wait()
	k.events.close(ctx)
	return slices.Concat(results...), errors.Join(errs...)
}

func (k *Kit) awaitClosed(ctx context.Context) error {
	if isInside(ctx) {
		return nil
	}
	ctx, cancel := guard.Outlive(ctx, endGrace)
	defer cancel()
	select {
	case <-k.over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("roomkit: the kit is still being closed: %w", context.Cause(ctx))
	}
}
