package roomkit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

const (
	// sourcePatience bounds, in real time, how long a backend may take to
	// close a connection; then the session ends without it.
	sourcePatience = 10 * time.Second
	// sourceGrace is what a backend still gets when the caller's context has
	// ended.
	sourceGrace = time.Second
)

// A Session is one participant on one channel of one room. It is made by
// [Kit.Join] and ends with [Kit.Leave], with its room, or with its source.
type Session struct {
	id          string
	participant string
	language    string
	room        *Room
	channel     *channel
	log         *slog.Logger
	recording   recorder.ChannelRecordingConfig
	playout     *playout
	played      *treatment // of what playout has played; nil if there is nothing to do

	starts     context.Context // of its own recordings; ends with the session
	stopStarts context.CancelFunc

	dialing   context.Context // ends when Join's does, or the session
	stopDial  context.CancelFunc
	connected chan struct{} // closed when conn is known
	done      chan struct{} // closed when the tracks have ended
	released  chan struct{} // closed when the backend has closed
	conn      backend.Conn  // read after connected

	// Under the room's lock:
	layers     []*recording // of this session only
	layersOver bool         // no more of them are started

	mu       sync.Mutex
	ended    bool // no more tracks
	bySource bool
	err      error
	tracks   []*track
	inlets   []*inlet
	counts   map[media.Kind]int // tracks so far
	voice    *track             // what microphone and playout share
	micOpen  bool               // a stream of the backend feeds voice
	spoken   bool               // playout feeds voice, which then lasts as long as the session
	requests sync.WaitGroup     // for keyframes, on their way to the backend; none begins once ended is set
}

func newSessionID() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func needLanguage(code string) error {
	if code == "" {
		return nil
	}
	ok := len(code) == 3
	for i := range len(code) {
		ok = ok && 'a' <= code[i] && code[i] <= 'z'
	}
	if !ok {
		return fmt.Errorf("%w: language is %q (allowed: three lower-case letters of ISO 639-2/T, such as eng)", ErrInvalid, code)
	}
	return nil
}

func newSession(ctx context.Context, id string, r *Room, c *channel, o joinOptions) *Session {
	s := &Session{
		id: id, participant: o.participant, language: o.language,
		room: r, channel: c, recording: c.recording,
		log:       r.log.With("session", id, "participant", o.participant, "channel", c.id),
		connected: make(chan struct{}),
		done:      make(chan struct{}),
		released:  make(chan struct{}),
		counts:    map[media.Kind]int{},
	}
	s.dialing, s.stopDial = context.WithCancel(ctx)
	s.starts, s.stopStarts = context.WithCancel(context.WithoutCancel(ctx))
	s.playout = newPlayout(r.kit.clock, s.heard, s.paused)
	return s
}

// ID returns the session's id, unique among all sessions.
func (s *Session) ID() string { return s.id }

// Participant returns who it is.
func (s *Session) Participant() string { return s.participant }

// Channel returns the id of the channel joined on.
func (s *Session) Channel() string { return s.channel.id }

// Room returns the room joined.
func (s *Session) Room() *Room { return s.room }

// Done returns a channel that is closed when the session has ended, because
// its source has or by leaving, and its tracks are complete.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the source ended by itself; nil while it runs, after it came
// to its regular end, and after leaving.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// connect opens the backend's side for a session that is in the books.
func (s *Session) connect() error {
	defer s.stopDial()
	conn, err := s.dial()
	s.mu.Lock()
	s.conn = conn
	ended, bySource := s.ended, s.bySource
	s.mu.Unlock()
	close(s.connected)
	switch {
	case err == nil && (!ended || bySource):
		s.room.meet()
		return nil
	case err != nil && s.abort():
		return err
	}
	<-s.released // whoever ended it closes the connection
	if err != nil && bySource {
		return err
	}
	return s.endedMeanwhile()
}

func (s *Session) endedMeanwhile() error {
	if s.room.is(roomClosed) {
		return ErrRoomClosed
	}
	return ErrSessionEnded
}

// dial calls the backend, which may take no longer than Join's context, and a
// moment to notice that it has ended.
func (s *Session) dial() (backend.Conn, error) {
	wait, cancel := guard.Outlive(s.dialing, sourceGrace)
	defer cancel()
	conn, err := guard.Within(wait, 0, func() (backend.Conn, error) {
		conn, err := s.channel.backend.Connect(s.dialing, s.describe(), &tap{s})
		if err == nil && conn == nil {
			err = fmt.Errorf("%w: Connect returned neither a connection nor an error", ErrBackend)
		}
		return conn, err
	}, s.closeLate)
	return conn, backendError(err)
}

func (s *Session) describe() backend.Session {
	return backend.Session{
		ID: s.id, Room: s.room.id, Channel: s.channel.id, Participant: s.participant,
		Clock: s.room.kit.clock, Wants: s.channel.carries, Log: s.log,
	}
}

// closeLate closes a connection that came when nobody waited for it any more.
func (s *Session) closeLate(conn backend.Conn, err error) {
	if err != nil {
		return
	}
	if _, err := guard.Do(func() (struct{}, error) { return struct{}{}, conn.Close() }); err != nil {
		s.log.Warn("closing a late connection", "error", err)
	}
}

func backendError(err error) error {
	var p *guard.PanicError
	if errors.As(err, &p) {
		return fmt.Errorf("%w: panic: %v", ErrBackend, p)
	}
	return err
}

// abort undoes a session whose backend could not be opened. It reports false
// if the session was ended meanwhile: whoever did that cleans up.
func (s *Session) abort() bool {
	if !s.room.kit.take(s) {
		return false
	}
	s.markEnded(nil, false)
	s.endTracks(true)
	s.awaitRequests()
	ctx, cancel := context.WithTimeout(context.Background(), sourcePatience)
	defer cancel()
	s.endLayers(ctx)
	s.release()
	s.room.checkEmpty()
	return true
}

func (s *Session) release() {
	s.room.forget(s)
	close(s.released)
}

// markEnded reports whether the session was running until now.
func (s *Session) markEnded(err error, bySource bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended, s.bySource, s.err = true, bySource, err
	return true
}

// leave ends a session that the caller has taken out of the books. What was
// played up to now stays, and so does what the backend delivers until it has
// closed.
func (s *Session) leave(ctx context.Context) error {
	defer s.room.checkEmpty()
	defer s.release()
	s.markEnded(nil, false)
	s.stopDial()
	s.playout.halt()
	ctx, cancel := guard.Outlive(ctx, sourceGrace)
	defer cancel()
	s.playout.drain(ctx)
	err := s.closeConn(ctx)
	s.endTracks(false)
	s.awaitRequests()
	s.endLayers(ctx)
	return err
}

// sourceEnded ends the session from its backend's goroutine, which closing the
// connection waits for: that is left to another.
func (s *Session) sourceEnded(err error) {
	if !s.room.kit.take(s) {
		return
	}
	s.markEnded(err, true)
	s.playout.halt() // at this instant: a virtual clock runs on once the source has returned
	if err != nil {
		s.log.Error("source failed", "error", err)
	}
	go func() {
		defer s.room.checkEmpty()
		defer s.release()
		ctx, cancel := context.WithTimeout(context.Background(), sourcePatience)
		defer cancel()
		s.playout.drain(ctx)
		s.endTracks(false)
		if err := s.closeConn(ctx); err != nil {
			s.log.Warn("closing an ended source", "error", err)
		}
		s.awaitRequests()
		s.endLayers(ctx)
	}()
}

func (s *Session) closeConn(ctx context.Context) error {
	_, err := guard.Within(ctx, sourcePatience, func() (struct{}, error) {
		<-s.connected
		if s.conn == nil {
			return struct{}{}, nil
		}
		return struct{}{}, s.conn.Close()
	}, nil)
	if err != nil {
		return fmt.Errorf("roomkit: closing the source of %q on channel %q: %w", s.participant, s.channel.id, backendError(err))
	}
	return nil
}

// endTracks ends all tracks, or takes them back where none ever was.
func (s *Session) endTracks(discard bool) {
	s.endPlayed()
	s.mu.Lock()
	tracks, inlets := s.tracks, s.inlets
	s.tracks, s.inlets = nil, nil
	s.mu.Unlock()
	var all sync.WaitGroup // side by side: one whose pipeline hangs delays once
	for _, n := range inlets {
		n.ended.Store(true)
		all.Go(n.endTreatment)
	}
	all.Wait()
	for _, t := range tracks {
		t.end(discard)
	}
	close(s.done)
}

// Play plays audio to the participant after what is queued already, at once if
// nothing is. It may be called faster than real time, as a speech synthesizer
// delivers; ten minutes may wait. What has been played is recorded in the
// session's audio track at the instant it was played. Play takes over the
// caller's reference to pcm, whatever it returns: an error that wraps
// [ErrPlayoutFull], [ErrSessionEnded], [backend.ErrUnwanted] on a channel
// without audio, or what [media.PCM.Validate] says.
func (s *Session) Play(ctx context.Context, pcm *media.PCM) error {
	if pcm == nil {
		return fmt.Errorf("%w: no audio to play", ErrInvalid)
	}
	err := s.prepareVoice(ctx, pcm)
	if err == nil {
		err = s.playout.play(pcm)
	}
	if err != nil {
		pcm.Release()
		return fmt.Errorf("roomkit: play to %q: %w", s.participant, err)
	}
	return nil
}

// Interrupt stops what is being played now, to the sample, and discards what
// is queued behind it.
func (s *Session) Interrupt() { s.playout.interrupt() }

func (s *Session) prepareVoice(ctx context.Context, pcm *media.PCM) error {
	if err := errors.Join(ctx.Err(), pcm.Validate()); err != nil {
		return err
	}
	if !s.channel.carries(media.KindAudio) {
		return fmt.Errorf("channel %q: %w", s.channel.id, backend.ErrUnwanted)
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return ErrSessionEnded
	}
	s.spoken = true
	t, isNew := s.voice, false
	if t == nil {
		t, isNew = s.newTrack(backend.Track{Kind: media.KindAudio, Audio: pcm.Format}), true
		s.voice = t
	}
	s.mu.Unlock()
	return s.ready(ctx, t, isNew)
}

// heard records what playout has played; it borrows the sample.
func (s *Session) heard(sample media.Sample) {
	if s.played == nil {
		s.recordPlayed(sample)
		return
	}
	sample.Retain()
	if pieces, err := s.played.take(sample); err == nil {
		s.recordTreated(pieces)
	}
}

// paused records what the outbound pipeline holds back, when there is nothing to
// play for now.
func (s *Session) paused() {
	if s.played != nil {
		s.recordTreated(s.played.flush())
	}
}

func (s *Session) recordTreated(pieces []media.Sample) {
	for _, piece := range pieces {
		s.recordPlayed(piece)
		piece.Release()
	}
	s.played.recycle(pieces)
}

// recordPlayed borrows the sample. On a virtual clock, which stands still
// meanwhile, it waits for the recorders; on a real one it must not, as one that
// hangs would keep the audio from the others.
func (s *Session) recordPlayed(sample media.Sample) {
	s.mu.Lock()
	t := s.voice
	s.mu.Unlock()
	if t == nil {
		return
	}
	if _, virtual := s.room.kit.clock.(*media.VirtualClock); virtual {
		// Bounded by the stall timeout of each recorder.
		_ = t.wait(context.Background(), sample)
		return
	}
	t.push(sample)
}

// endPlayed ends what processes playout.
func (s *Session) endPlayed() {
	if s.played == nil {
		return
	}
	if _, ok := s.played.end(treatmentGrace); !ok { // it was flushed when playout ended
		s.log.Error("the outbound pipeline does not return")
	}
}

// newTrack makes a track; the caller holds the lock and then calls ready. Who
// returns goes on with the track that they had.
func (s *Session) newTrack(bt backend.Track) *track {
	info := recorder.Track{
		Kind: bt.Kind, Participant: s.participant,
		Channel: s.channel.id, Session: s.id, Language: s.language,
		Audio: bt.Audio, Video: bt.Video, Encoded: bt.Encoded,
	}
	shared := s.recording.Records(bt.Kind)
	if shared {
		info.ID = s.room.takeUp(info)
	}
	if info.ID == "" {
		info.ID = s.nameTrack(bt.Kind)
	}
	var k *keyframes
	if bt.RequestKeyFrame != nil {
		k = &keyframes{session: s, track: info.ID, request: bt.RequestKeyFrame, clock: s.room.kit.clock}
		info.RequestKeyFrame = k.ask
	}
	t := newTrack(s, info, shared, k)
	s.tracks = append(s.tracks, t)
	return t
}

// nameTrack returns the ID of a track that is new to the room.
func (s *Session) nameTrack(k media.Kind) string {
	s.counts[k]++
	name := s.id + "/" + k.String()
	if n := s.counts[k]; n > 1 {
		name += fmt.Sprint(n)
	}
	return name
}

// ready adds a new track to the room's recordings, or waits until whoever made
// it has done so.
func (s *Session) ready(ctx context.Context, t *track, isNew bool) error {
	if isNew {
		if t.shared || len(s.channel.layers) > 0 {
			t.onEnd = func() { s.room.dropTrack(t) }
			s.room.addTrack(t)
		}
		close(t.ready)
		return nil
	}
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
