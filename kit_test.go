package roomkit_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/voice"
)

func wantError(t *testing.T, what string, err, want error, says ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: error %q does not say %q", what, err, s)
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	ctx := t.Context()
	s := newSet(t, mic)
	k := s.kit
	_, err := k.CreateRoom(ctx, "room")
	wantError(t, "room twice", err, roomkit.ErrRoomExists, `"room"`)
	_, err = k.CreateRoom(ctx, " ")
	wantError(t, "room without id", err, roomkit.ErrInvalid, "room id", "allowed")
	_, err = k.Room("nowhere")
	wantError(t, "Room", err, roomkit.ErrUnknownRoom, `"nowhere"`, "open: room")
	_, err = k.Join(ctx, "nowhere", "ch")
	wantError(t, "join nowhere", err, roomkit.ErrUnknownRoom, `"nowhere"`)
	_, err = k.Join(ctx, "room", "fax")
	wantError(t, "join by fax", err, roomkit.ErrUnknownChannel, `"fax"`, "registered: ch")
	_, err = k.Join(ctx, "room", "ch", roomkit.WithParticipant(""))
	wantError(t, "join as nobody", err, roomkit.ErrInvalid, "participant id")
	_, err = k.Join(ctx, "room", "ch", roomkit.WithLanguage("english"))
	wantError(t, "language", err, roomkit.ErrInvalid, `"english"`, "eng")
	_, err = k.CloseRoom(ctx, "nowhere")
	wantError(t, "close nowhere", err, roomkit.ErrUnknownRoom)
	wantError(t, "leave", k.Leave(ctx, "ghost"), roomkit.ErrUnknownSession, `"ghost"`)
	wantError(t, "attach", k.AttachChannel("room", "fax"), roomkit.ErrUnknownChannel, "registered: ch")
	wantError(t, "attach nowhere", k.AttachChannel("nowhere", "ch"), roomkit.ErrUnknownRoom)
	wantError(t, "detach", k.DetachChannel(ctx, "room", "ch"), roomkit.ErrUnknownChannel, "attached: none")
	_, err = s.room.StopRecording(ctx, "tape")
	wantError(t, "stop recording", err, roomkit.ErrUnknownRecording, `"tape"`, "running: mock")
	wantError(t, "pause recording", s.room.PauseRecording(ctx, "tape", recorder.PauseCut), roomkit.ErrUnknownRecording, `"tape"`, "running: mock")
	wantError(t, "pause mode", s.room.PauseRecording(ctx, "mock", "stop"), recorder.ErrConfig, `"mock"`, `"stop"`)
	wantError(t, "resume recording", s.room.ResumeRecording(ctx, "mock"), recorder.ErrNotPaused, `"mock"`)
	err = s.room.StartRecording(ctx, recorder.Binding{Recorder: s.mock})
	wantError(t, "recording twice", err, roomkit.ErrRecordingExists, `"mock"`)

	b := &fakeBackend{}
	wantError(t, "nil channel", k.RegisterChannel(nil), roomkit.ErrInvalid)
	wantError(t, "zero channel", k.RegisterChannel(&roomkit.VoiceChannel{}), roomkit.ErrInvalid)
	wantError(t, "no id", k.RegisterChannel(roomkit.NewVoiceChannel("", b)), roomkit.ErrInvalid, "channel id")
	wantError(t, "no backend", k.RegisterChannel(roomkit.NewVoiceChannel("v", nil)), roomkit.ErrInvalid, "backend")
	wantError(t, "same id", k.RegisterChannel(roomkit.NewVideoChannel("ch", b)), roomkit.ErrChannelExists, `"ch"`)
	p := roomkit.WithVoicePipeline(voice.NewPipeline())
	wantError(t, "pipeline", k.RegisterChannel(roomkit.NewVideoChannel("v", b, p)), roomkit.ErrInvalid, "no audio")
	wantError(t, "unregister", k.UnregisterChannel("fax"), roomkit.ErrUnknownChannel)

	ann := s.join("ann")
	wantError(t, "unregister in use", k.UnregisterChannel("ch"), roomkit.ErrChannelInUse, `"ann"`, `"room"`)
	if err := k.Leave(ctx, ann.ID()); err != nil {
		t.Error(err)
	}
	wantError(t, "leave twice", k.Leave(ctx, ann.ID()), roomkit.ErrUnknownSession)
	if err := k.UnregisterChannel("ch"); err != nil {
		t.Error(err)
	}

	room := s.room
	s.closeRoom()
	wantError(t, "closed room", room.StartRecording(ctx, recorder.Binding{Recorder: s.mock}), roomkit.ErrRoomClosed)
	if _, err := k.CreateRoom(ctx, "room"); err != nil {
		t.Errorf("the name of a closed room: %v", err)
	}
	if _, err := k.Close(ctx); err != nil {
		t.Error(err)
	}
	_, err = k.CreateRoom(ctx, "x")
	wantError(t, "closed kit", err, roomkit.ErrKitClosed)
	_, err = k.Join(ctx, "room", "ch")
	wantError(t, "closed kit", err, roomkit.ErrKitClosed)
	wantError(t, "closed kit", k.RegisterChannel(roomkit.NewVoiceChannel("v", b)), roomkit.ErrKitClosed)
}

func TestCreateRoomIsAllOrNothing(t *testing.T) {
	boom := errors.New("no disk")
	s := bareSet(t)
	bad := &recorder.Mock{Label: "bad", OnStart: func(context.Context, recorder.Config) error { return boom }}
	_, err := s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: s.mock}, recorder.Binding{Recorder: bad, Name: "second"}))
	wantError(t, "create", err, boom, `"room"`, `"second"`)
	if recs := s.mock.Recordings(); len(recs) != 1 || !recs[0].Stopped() {
		t.Error("the first recording was not stopped")
	}
	_, err = s.kit.Room("room")
	wantError(t, "room", err, roomkit.ErrUnknownRoom)

	// A wrong value anywhere: nothing is started at all.
	_, err = s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: s.mock},
		recorder.Binding{Recorder: bad, Name: "second", Config: recorder.Config{VideoFPS: 1000}}))
	wantError(t, "create", err, recorder.ErrConfig, `"second"`, "VideoFPS is 1000 (allowed: 1 to 240)")
	_, err = s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: s.mock}, recorder.Binding{Recorder: s.mock}))
	wantError(t, "same name", err, roomkit.ErrRecordingExists, `"mock"`)
	if len(s.mock.Recordings()) != 1 {
		t.Error("a recording was started for a wrong configuration")
	}
	if _, err := s.kit.CreateRoom(t.Context(), "room"); err != nil {
		t.Errorf("the room's name is still taken: %v", err)
	}
}

func TestBindingDefaults(t *testing.T) {
	s := bareSet(t)
	other := &recorder.Mock{Label: "other"}
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: s.mock},
		recorder.Binding{Recorder: other, Config: recorder.Config{Title: "Mine"}}),
		roomkit.WithRecorders(recorder.Binding{Recorder: other, Name: "off", Disabled: true})))(t)
	if got := s.recording().Config(); got.Title != "room" || got.Format != "mp4" {
		t.Errorf("config %+v", got)
	}
	if got := other.Recordings(); len(got) != 1 || got[0].Config().Title != "Mine" {
		t.Errorf("recordings of the second: %v", got)
	}
	results := s.closeRoom() // no media at all: no error
	if len(results) != 2 || results[0].Binding != "mock" || results[1].Binding != "other" || results[0].Err != recorder.ErrNoMedia {
		t.Errorf("results %+v", results)
	}
}

func TestCloseRoomReturnsEveryResultAndError(t *testing.T) {
	s := bareSet(t, mic)
	boom := errors.New("boom")
	var bindings []recorder.Binding
	for i := range 4 {
		m := &recorder.Mock{Label: fmt.Sprint("r", i)}
		if i%2 == 1 {
			m.OnStop = func(context.Context) error { return fmt.Errorf("stop %d: %w", i, boom) }
		}
		bindings = append(bindings, recorder.Binding{Recorder: m})
	}
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(bindings...)))(t)
	s.join("ann")
	s.backend.line("ann").tracks[0].Push(tone(0, 1))
	results, err := s.kit.CloseRoom(t.Context(), "room")
	wantError(t, "close", err, boom, `recording "r1"`, `recording "r3"`, "stop 1", "stop 3")
	for i, r := range results {
		if r.Binding != fmt.Sprint("r", i) || r.Tracks[0].SamplesWritten != 1 {
			t.Errorf("result %d: %+v", i, r)
		}
	}
}

func TestFailedJoinLeavesNothing(t *testing.T) {
	boom := errors.New("no such device")
	for name, c := range map[string]struct {
		connect func(context.Context, backend.Session, backend.Sink) error
		want    error
	}{
		"error": {func(context.Context, backend.Session, backend.Sink) error { return boom }, boom},
		"panic": {func(context.Context, backend.Session, backend.Sink) error { panic("ouch") }, roomkit.ErrBackend},
		"ended": {func(_ context.Context, _ backend.Session, s backend.Sink) error { s.End(boom); return boom }, boom},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSet(t, mic)
			s.backend.connect = c.connect
			_, err := s.kit.Join(t.Context(), "room", "ch", roomkit.WithParticipant("ann"))
			wantError(t, "join", err, c.want, `"ann"`, `"room"`, `"ch"`)
			if n := s.room.Sessions(); len(n) != 0 {
				t.Errorf("sessions %v", n)
			}
			if err := s.kit.UnregisterChannel("ch"); err != nil {
				t.Error(err)
			}
			if ts, err := s.backend.line("ann").sink.AddTrack(mic); !errors.Is(err, backend.ErrEnded) {
				t.Errorf("track after a failed join: %v, %v", ts, err)
			}
			if r := s.closeRoom(); name != "ended" && len(r[0].Tracks) != 0 {
				t.Errorf("result %+v", r[0])
			}
		})
	}
}

func TestJoinIsBoundedByItsContext(t *testing.T) {
	s := newSet(t, mic)
	release := make(chan struct{})
	s.backend.connect = func(context.Context, backend.Session, backend.Sink) error { <-release; return nil }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := s.kit.Join(ctx, "room", "ch", roomkit.WithParticipant("ann"))
	wantError(t, "join", err, context.DeadlineExceeded)
	close(release)
	<-s.backend.line("ann").closed // the connection that came late is closed
}

func TestCloseRoomDuringJoin(t *testing.T) {
	s := newSet(t, mic)
	inside := make(chan struct{})
	s.backend.connect = func(ctx context.Context, _ backend.Session, _ backend.Sink) error {
		close(inside)
		<-ctx.Done()
		return ctx.Err()
	}
	joined := make(chan error)
	go func() {
		_, err := s.kit.Join(context.Background(), "room", "ch")
		joined <- err
	}()
	<-inside
	s.closeRoom()
	wantError(t, "join", <-joined, roomkit.ErrRoomClosed)
}

func TestCloseRoomFinishesWhenItsContextHasEnded(t *testing.T) {
	s := newSet(t, mic)
	s.join("ann")
	s.backend.line("ann").tracks[0].Push(tone(0, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, _ := s.kit.CloseRoom(ctx, "room")
	balanced(t, results...)
	if !s.recording().Stopped() {
		t.Error("recording not stopped")
	}
	if _, err := s.kit.Room("room"); !errors.Is(err, roomkit.ErrUnknownRoom) {
		t.Error(err)
	}
}

func TestCloseRoomWithBackendThatHangs(t *testing.T) {
	s := newSet(t, mic)
	release := make(chan struct{})
	defer close(release)
	s.backend.onClose = func() error { <-release; return nil }
	s.join("ann")
	s.backend.line("ann").tracks[0].Push(tone(0, 1))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	begun := time.Now()
	results, err := s.kit.CloseRoom(ctx, "room")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("CloseRoom took %v", took)
	}
	if err != nil || results[0].Tracks[0].SamplesWritten != 1 || results[0].Err != nil {
		t.Errorf("results %+v, %v", results, err)
	}
}

func TestLeaveReturnsTheBackendsError(t *testing.T) {
	s := newSet(t, mic)
	boom := errors.New("boom")
	s.backend.onClose = func() error { return boom }
	ann := s.join("ann")
	wantError(t, "leave", s.kit.Leave(t.Context(), ann.ID()), boom, `"ann"`)
	s.backend.onClose = func() error { panic("ouch") }
	bob := s.join("bob")
	wantError(t, "leave", s.kit.Leave(t.Context(), bob.ID()), roomkit.ErrBackend, "ouch")
	<-bob.Done()
	if len(s.room.Sessions()) != 0 {
		t.Error("sessions remain")
	}
}

func TestSourceEndsByItself(t *testing.T) {
	s := newSet(t, mic, camera)
	boom := errors.New("cable pulled")
	ann, bob := s.join("ann"), s.join("bob")
	s.backend.line("ann").tracks[0].Push(tone(0, 1))
	s.backend.line("ann").sink.End(nil)
	s.backend.line("ann").sink.End(boom) // only the first counts
	s.backend.line("bob").sink.End(boom)
	<-ann.Done()
	<-bob.Done()
	<-s.backend.line("ann").closed
	if ann.Err() != nil || bob.Err() != boom {
		t.Errorf("errors %v and %v", ann.Err(), bob.Err())
	}
	if n := s.room.Sessions(); len(n) != 0 {
		t.Errorf("sessions %v", n)
	}
	wantError(t, "leave", s.kit.Leave(t.Context(), ann.ID()), roomkit.ErrUnknownSession)
	eventually(t, "tracks end", func() bool { return s.recording().Ended(bob.ID() + "/video") })
	r := s.closeRoom()[0]
	if len(r.Tracks) != 4 || r.Tracks[0].SamplesWritten != 1 {
		t.Errorf("result %+v", r)
	}
}

func TestSourceEndsDuringConnect(t *testing.T) {
	s := newSet(t, mic)
	s.backend.connect = func(_ context.Context, _ backend.Session, sink backend.Sink) error {
		sink.End(nil)
		return nil
	}
	ann := s.join("ann")
	<-ann.Done()
	<-s.backend.line("ann").closed
}

func TestDetachChannel(t *testing.T) {
	s := newSet(t, mic)
	ann := s.join("ann")
	if err := s.kit.DetachChannel(t.Context(), "room", "ch"); err != nil {
		t.Fatal(err)
	}
	<-ann.Done()
	<-s.backend.line("ann").closed
}

func TestSessionTellsAboutItself(t *testing.T) {
	s := newSet(t, mic)
	ann := s.join("ann")
	anon := must(s.kit.Join(t.Context(), "room", "ch", roomkit.WithLanguage("fra")))(t)
	if ann.Participant() != "ann" || ann.Channel() != "ch" || ann.Room() != s.room || anon.Participant() != anon.ID() {
		t.Errorf("session %+v", ann)
	}
	if got := s.room.Sessions(); len(got) != 2 || got[0] != ann || got[1] != anon {
		t.Errorf("sessions %v", got)
	}
	bs := s.backend.line("ann").session
	if bs.ID != ann.ID() || bs.Room != "room" || bs.Channel != "ch" || bs.Clock != media.Clock(s.clock) || bs.Log == nil {
		t.Errorf("backend's session %+v", bs)
	}
	want := recorder.Track{ID: anon.ID() + "/audio", Kind: media.KindAudio, Participant: anon.ID(), Channel: "ch",
		Session: anon.ID(), Language: "fra", Audio: micFormat}
	if got := s.recording().Tracks()[1]; !reflect.DeepEqual(got, want) {
		t.Errorf("track %+v, want %+v", got, want)
	}
	if s.kit.Clock() != media.Clock(s.clock) {
		t.Error("clock")
	}
}

func TestKitCloseClosesRoomsInOrder(t *testing.T) {
	s := bareSet(t, mic)
	for i := range 5 {
		m := &recorder.Mock{Label: fmt.Sprint(i)}
		must(s.kit.CreateRoom(t.Context(), fmt.Sprint("room", i), roomkit.WithRecorders(recorder.Binding{Recorder: m})))(t)
	}
	results := must(s.kit.Close(t.Context()))(t)
	for i, r := range results {
		if r.Binding != fmt.Sprint(i) {
			t.Errorf("result %d is of %s", i, r.Binding)
		}
	}
	if again, err := s.kit.Close(t.Context()); len(results) != 5 || again != nil || err != nil {
		t.Errorf("%d results; again: %v, %v", len(results), again, err)
	}
}

// Everything at once, for the race detector.
func TestUseFromManyGoroutines(t *testing.T) {
	s := newSet(t, mic, camera)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprint("p", i)
			for range 5 {
				session, err := s.kit.Join(t.Context(), "room", "ch", roomkit.WithParticipant(name))
				if err != nil {
					t.Error(err)
					return
				}
				l := s.backend.line(name)
				for j := range 10 {
					l.tracks[0].Push(tone(time.Duration(j)*20*time.Millisecond, 1))
					l.tracks[1].Push(picture(time.Duration(j) * 20 * time.Millisecond))
					_ = session.Play(t.Context(), pcm(speechFormat, 480, 5))
				}
				if i%2 == 0 {
					l.sink.End(nil)
				} else if err := s.kit.Leave(t.Context(), session.ID()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 4 {
		all.Go(func() {
			for range 5 {
				name := fmt.Sprint("extra", i)
				if err := s.room.StartRecording(t.Context(), recorder.Binding{Recorder: &recorder.Mock{}, Name: name}); err != nil {
					t.Error(err)
				}
				s.room.Recordings()
				r, err := s.room.StopRecording(t.Context(), name)
				if err != nil {
					t.Error(err)
				}
				balanced(t, r)
			}
		})
	}
	all.Wait()
	balanced(t, s.closeRoom()...)
}
