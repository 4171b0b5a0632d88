package roomkit_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// next waits for the next event of a kind.
func next[E roomkit.Event](t *testing.T, s *roomkit.Subscription) (e E) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case any, ok := <-s.Events():
			if !ok {
				t.Fatalf("the events end without a %T", e)
			}
			if e, ok := any.(E); ok {
				return e
			}
		case <-timeout:
			t.Fatalf("no %T comes", e)
		}
	}
}

// kinds reads the events of a kit that is closed.
func kinds(s *roomkit.Subscription) (all []string) {
	for e := range s.Events() {
		all = append(all, e.Kind())
	}
	return all
}

func TestEventsOfARecording(t *testing.T) {
	s := bareSet(t, mic, camera)
	events := s.kit.Subscribe()
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Name: "main"})))(t)
	ann := s.join("ann")
	s.backend.line("ann").tracks[0].Push(tone(0, 1))
	if err := s.room.PauseRecording(t.Context(), "main", recorder.PauseCut); err != nil {
		t.Fatal(err)
	}
	if st := s.room.Status(); len(st) != 1 || st[0].State != roomkit.StatePaused {
		t.Errorf("status %+v of a paused recording", st)
	}
	if err := s.room.ResumeRecording(t.Context(), "main"); err != nil {
		t.Fatal(err)
	}
	if st := s.kit.Status(); len(st) != 1 || st[0].State != roomkit.StateRunning || st[0].Recorder != "mock" || st[0].ID == "" || st[0].Recording != "main" {
		t.Errorf("status %+v of a running recording", st)
	}
	if err := s.kit.Leave(t.Context(), ann.ID()); err != nil {
		t.Fatal(err)
	}
	s.closeRoom()
	if s.room.IsRecorded() {
		t.Error("a closed room is being recorded")
	}
	must(s.kit.Close(t.Context()))(t)
	want := "recording starting, recording started, track added, track added, recording paused, recording resumed, track ended, track ended, recording stopped"
	if got := strings.Join(kinds(events), ", "); got != want {
		t.Errorf("events\n%s, want\n%s", got, want)
	}
}

func TestEventsOfLoss(t *testing.T) {
	release := make(chan struct{})
	s := bareSet(t, camera)
	s.mock.OnWrite = func(recorder.Track, media.Sample) error { <-release; return nil }
	events := s.kit.Subscribe()
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
	s.join("ann")
	for i := range 200 {
		s.backend.line("ann").tracks[0].Push(picture(time.Duration(i)))
	}
	s.clock.Advance(2 * time.Second)
	e := next[roomkit.SamplesLost](t, events)
	close(release)
	r := s.closeRoom()[0]
	lost, counted := r.Tracks[0].Dropped[recorder.DropQueueFull], e.Count
	for e.Total < lost { // the recording is looked at while samples come
		e = next[roomkit.SamplesLost](t, events)
		counted += e.Count
	}
	if e.Reason != recorder.DropQueueFull || counted != lost || e.Total != lost || e.Track != r.Tracks[0].ID || lost == 0 {
		t.Errorf("event %+v, counted %d, lost %d", e, counted, lost)
	}
}

func TestEventsOfErrors(t *testing.T) {
	s := bareSet(t, mic)
	boom := errors.New("boom")
	s.mock.OnWrite = func(recorder.Track, media.Sample) error { return boom }
	events := s.kit.Subscribe()
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
	s.join("ann")
	s.backend.line("ann").tracks[0].Push(tone(0, 1))
	eventually(t, "the sample to be refused", func() bool { return s.room.Recordings()[0].Tracks[0].Losses() == 1 })
	s.clock.Advance(2 * time.Second)
	if e := next[roomkit.RecordingError](t, events); !errors.Is(e.Err, boom) {
		t.Errorf("event %+v", e)
	}
	if e := next[roomkit.SamplesLost](t, events); e.Reason != recorder.DropWriteError || e.Count != 1 {
		t.Errorf("event %+v", e)
	}
	if _, err := s.kit.CloseRoom(t.Context(), "room"); !errors.Is(err, boom) {
		t.Errorf("closing: %v", err)
	}
}

func TestEventsOfSilence(t *testing.T) {
	s := bareSet(t, mic, camera)
	events := s.kit.Subscribe()
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, QuietAfter: 3 * time.Second})))(t)
	s.join("ann")
	l := s.backend.line("ann")
	at := func(sec int) time.Duration { return time.Duration(sec) * time.Second }
	for i := range 5 { // both, every second
		l.tracks[0].Push(tone(at(i), 1))
		l.tracks[1].Push(picture(at(i)))
		s.clock.Advance(time.Second)
	}
	for i := 5; i < 9; i++ { // the voice alone
		l.tracks[0].Push(tone(at(i), 1))
		s.clock.Advance(time.Second)
	}
	stalled := next[roomkit.MediaStalled](t, events)
	if !strings.HasSuffix(stalled.Track, "/video") || stalled.Since != at(4) {
		t.Errorf("event %+v", stalled)
	}
	l.tracks[1].Push(picture(at(9)))
	l.tracks[0].Push(tone(at(9), 1))
	s.clock.Advance(500 * time.Millisecond)
	s.clock.Advance(500 * time.Millisecond)
	back := next[roomkit.MediaRecovered](t, events)
	if back.Track != stalled.Track || back.Silent != at(5) {
		t.Errorf("event %+v", back)
	}
	s.clock.Advance(at(5)) // nothing of anybody
	if all := next[roomkit.MediaStalled](t, events); all.Track != "" || all.Since != at(9) {
		t.Errorf("event %+v", all)
	}
	s.closeRoom()
}

// A handler that refuses: nothing is started, and nothing written.
func TestRefusal(t *testing.T) {
	trouble.NothingLeft(t)
	s := bareSet(t, mic)
	no := errors.New("nobody agreed to be recorded")
	remove := s.kit.HandleStarting("consent", func(_ context.Context, e roomkit.RecordingStarting) error {
		if e.Room == "room" && e.Recording == "file" && e.Recorder == "av" && e.Config.Storage != "" {
			return no
		}
		return nil
	})
	events := s.kit.Subscribe()
	file := avBinding(t, "file", recorder.Config{})
	_, err := s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock}, file))
	wantError(t, "create", err, roomkit.ErrRefused)
	wantError(t, "create", err, no)
	if len(s.mock.Recordings()) != 0 {
		t.Error("the other recording was begun")
	}
	if left, _ := os.ReadDir(file.Config.Storage); len(left) != 0 {
		t.Errorf("written: %v", left)
	}
	for _, name := range []string{"mock", "file"} { // all or none
		if e := next[roomkit.RecordingError](t, events); !errors.Is(e.Err, no) || e.Recording != name {
			t.Errorf("event %+v, want one about %s", e, name)
		}
	}
	remove()
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(file)))(t)
	s.closeRoom()
}

// Handlers that panic, that fail and that never return harm nobody, and it is
// told.
func TestHandlersThatMisbehave(t *testing.T) {
	release := make(chan struct{})
	s := &set{t: t, clock: media.NewVirtualClock(), backend: &fakeBackend{tracks: []backend.Track{mic}}, mock: &recorder.Mock{}}
	s.kit = roomkit.New(roomkit.WithClock(s.clock), roomkit.WithHandlerTimeout(200*time.Millisecond))
	if err := s.kit.RegisterChannel(roomkit.NewAudioVideoChannel("ch", s.backend)); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	s.kit.Handle("fails", func(context.Context, roomkit.Event) error { return boom })
	s.kit.Handle("panics", func(context.Context, roomkit.Event) error { panic("ouch") })
	s.kit.Handle("blocks", func(context.Context, roomkit.Event) error { <-release; return nil })
	s.kit.HandleStarting("panics first", func(context.Context, roomkit.RecordingStarting) error { panic("ouch") })
	s.kit.HandleStarting("blocks first", func(context.Context, roomkit.RecordingStarting) error { <-release; return nil })
	got := make(chan string, 1000)
	s.kit.Handle("good", func(_ context.Context, e roomkit.Event) error { got <- e.Kind(); return nil })
	events := s.kit.Subscribe()

	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
	s.join("ann")
	for i := range 50 {
		s.backend.line("ann").tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
	}
	if r := s.closeRoom()[0]; r.Tracks[0].SamplesWritten != 50 || r.Err != nil {
		t.Errorf("result %+v", r)
	}
	failures := map[string]error{}
	for len(failures) < 5 {
		e := next[roomkit.HandlerFailed](t, events)
		failures[e.Handler] = e.Err
	}
	for name, want := range map[string]error{
		"fails": boom, "panics": roomkit.ErrHandlerPanic, "blocks": roomkit.ErrHandlerSlow,
		"panics first": roomkit.ErrHandlerPanic, "blocks first": roomkit.ErrHandlerSlow,
	} {
		wantError(t, name, failures[name], want)
	}
	begun := time.Now()
	must(s.kit.Close(t.Context()))(t)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("Close waits %v for a handler that does not return", took)
	}
	close(release)
	close(got)
	seen := map[string]int{}
	for kind := range got {
		seen[kind]++
	}
	for _, kind := range []string{"recording starting", "recording started", "track added", "track ended", "recording stopped"} {
		if seen[kind] != 1 {
			t.Errorf("the good handler got %q %d times", kind, seen[kind])
		}
	}
}

// A handler may do anything with the kit, from inside any event.
func TestClosingFromInsideHandlers(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(kit *roomkit.Kit)
		create error
	}{
		"room, starting": {func(kit *roomkit.Kit) {
			kit.HandleStarting("close", func(ctx context.Context, e roomkit.RecordingStarting) error {
				_, err := kit.CloseRoom(ctx, e.Room)
				return err
			})
		}, roomkit.ErrRoomClosed},
		"kit, starting": {func(kit *roomkit.Kit) {
			kit.HandleStarting("close", func(ctx context.Context, e roomkit.RecordingStarting) error {
				_, err := kit.Close(ctx)
				return err
			})
		}, roomkit.ErrRoomClosed},
		"room, started": {func(kit *roomkit.Kit) {
			kit.Handle("close", func(ctx context.Context, e roomkit.Event) error {
				if _, ok := e.(roomkit.RecordingStarted); ok {
					_, err := kit.CloseRoom(ctx, e.About().Room)
					return err
				}
				return nil
			})
		}, nil},
		"kit, started": {func(kit *roomkit.Kit) {
			kit.Handle("close", func(ctx context.Context, e roomkit.Event) error {
				if _, ok := e.(roomkit.RecordingStarted); ok {
					_, err := kit.Close(ctx)
					return err
				}
				return nil
			})
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			kit, mock := roomkit.New(roomkit.WithClock(media.NewVirtualClock())), &recorder.Mock{}
			events := kit.Subscribe()
			c.handle(kit)
			done := make(chan error, 1)
			go func() {
				_, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: mock, Name: "main"}))
				done <- err
			}()
			select {
			case err := <-done:
				if c.create != nil {
					wantError(t, "create", err, c.create)
				} else if err != nil && !errors.Is(err, roomkit.ErrRoomClosed) {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("deadlock")
			}
			if c.create == nil {
				next[roomkit.RecordingStopped](t, events)
			}
			eventually(t, "every recording to be stopped", func() bool {
				for _, r := range mock.Recordings() {
					if !r.Stopped() {
						return false
					}
				}
				return true
			})
			if _, err := kit.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := kit.Room("room"); err == nil {
				t.Error("the room is still there")
			}
		})
	}
}

// Whoever does not read misses something, and is told how much.
func TestSlowSubscriber(t *testing.T) {
	s := newSet(t, mic)
	events := s.kit.Subscribe()
	const visits = 800 // two events each
	for range visits {
		ann := s.join("ann")
		if err := s.kit.Leave(t.Context(), ann.ID()); err != nil {
			t.Fatal(err)
		}
	}
	missed := events.Missed()
	if missed == 0 {
		t.Fatal("nothing was missed")
	}
	for range 500 {
		<-events.Events()
	}
	s.closeRoom()
	must(s.kit.Close(t.Context()))(t)
	told, got := int64(0), int64(500)
	for e := range events.Events() {
		if m, ok := e.(roomkit.EventsMissed); ok {
			told += m.Count
			continue
		}
		got++
	}
	if told != missed || got+told != 2*visits+1 {
		t.Errorf("%d events, %d missed, told %d", got, missed, told)
	}
}

func TestSubscriptionEnds(t *testing.T) {
	s := newSet(t)
	events := s.kit.Subscribe()
	events.Close()
	events.Close()
	s.closeRoom()
	if got := kinds(events); len(got) != 0 {
		t.Errorf("after its end: %v", got)
	}
	must(s.kit.Close(t.Context()))(t)
	late := s.kit.Subscribe()
	if got := kinds(late); len(got) != 0 {
		t.Errorf("of a closed kit: %v", got)
	}
	s.kit.Handle("late", func(context.Context, roomkit.Event) error { return nil })()
}

// Every event in JSON says what it is, when, about which recording, and all else
// that it tells.
func TestEventsInJSON(t *testing.T) {
	about := roomkit.EventInfo{At: 1500 * time.Millisecond, Room: "r", Recording: "main", ID: "12"}
	const head = `"at":1.5,"room":"r","recording":"main","id":"12"`
	for want, e := range map[string]roomkit.Event{
		`{"event":"recording started",` + head + `}`:                                                  roomkit.RecordingStarted{EventInfo: about},
		`{"event":"recording error","error":"disk on fire",` + head + `,"track":"a"}`:                 roomkit.RecordingError{EventInfo: about, Track: "a", Err: errors.New("disk on fire")},
		`{"event":"media stalled","since":2,` + head + `}`:                                            roomkit.MediaStalled{EventInfo: about, Since: 2 * time.Second},
		`{"event":"media recovered","silent":7.5,` + head + `}`:                                       roomkit.MediaRecovered{EventInfo: about, Silent: 7500 * time.Millisecond},
		`{"event":"samples lost",` + head + `,"track":"a","reason":"queue full","count":2,"total":3}`: roomkit.SamplesLost{EventInfo: about, Track: "a", Reason: recorder.DropQueueFull, Count: 2, Total: 3},
	} {
		got, err := roomkit.MarshalEvent(e)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
	got, err := roomkit.MarshalEvent(roomkit.RecordingStopped{EventInfo: about, Reason: roomkit.StopIdle, Result: recorder.Result{Path: "x.mp4", Duration: time.Second}})
	if err != nil || !strings.Contains(string(got), `"reason":"no media","result":{`) || !strings.Contains(string(got), `"path":"x.mp4"`) {
		t.Errorf("%s, %v", got, err)
	}
	got, err = roomkit.MarshalEvent(roomkit.HandlerFailed{EventInfo: about, Handler: "h", Event: roomkit.RecordingStarted{EventInfo: about}, Err: errors.New("boom")})
	if err != nil || !strings.Contains(string(got), `"error":"boom"`) || !strings.Contains(string(got), `"over":"recording started"`) {
		t.Errorf("%s, %v", got, err)
	}
}

// A recording that ends in the middle has an end for each track, none of its
// samples is lost, and what was left out on request is no loss.
func TestEventsOfAnEndInTheMiddle(t *testing.T) {
	s := bareSet(t, mic, camera)
	events := s.kit.Subscribe()
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Name: "main"})))(t)
	s.join("ann")
	in := s.backend.line("ann").tracks[0]
	if err := s.room.PauseRecording(t.Context(), "main", recorder.PauseCut); err != nil {
		t.Fatal(err)
	}
	in.Push(tone(0, 1))
	r := must(s.room.StopRecording(t.Context(), "main"))(t)
	in.Push(tone(20*time.Millisecond, 1)) // to nobody
	if tr := r.Tracks[0]; tr.SamplesIn != 1 || tr.Losses() != tr.Dropped[recorder.DropPaused] {
		t.Errorf("result %+v", tr)
	}
	s.closeRoom()
	must(s.kit.Close(t.Context()))(t)
	count := map[string]int{}
	for e := range events.Events() {
		count[e.Kind()]++
		if about := e.About(); about.Time.IsZero() || time.Since(about.Time) > time.Minute {
			t.Errorf("%s at %v", e.Kind(), about.Time)
		}
	}
	if count["track added"] != 2 || count["track ended"] != 2 || count["recording stopped"] != 1 || count["samples lost"] != 0 {
		t.Errorf("events %v", count)
	}
}
