package roomkit_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/video"
	"github.com/roomkit-live/roomkit-go/voice"
)

// These tests give the kit code of others that misbehaves: stages, handlers,
// observers.

type procFunc func(s media.Sample, emit func(media.Sample)) error

func (f procFunc) Process(s media.Sample, emit func(media.Sample)) error { return f(s, emit) }

func within(t *testing.T, d time.Duration, what string, f func()) bool {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return true
	case <-time.After(d):
		t.Errorf("%s: still not done after %v", what, d)
		return false
	}
}

// A stage may ask the kit about the room that it is made for.
func TestStageAsksKit(t *testing.T) {
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	stage := func(of pipeline.Stream) pipeline.Processor {
		_, _ = kit.Room(of.Room) // who is in the room?
		return nil
	}
	ch := roomkit.NewVoiceChannel("v", b, roomkit.WithOutboundPipeline(voice.NewPipeline(stage)))
	must(0, kit.RegisterChannel(ch))(t)
	must(kit.CreateRoom(t.Context(), "room"))(t)
	within(t, 2*time.Second, "Join with a stage that asks the kit", func() { _, _ = kit.Join(context.Background(), "room", "v") })
	within(t, 2*time.Second, "another room of the kit", func() { _, _ = kit.CreateRoom(context.Background(), "other") })
}

// A stage that does not return while it is made keeps nobody from closing the
// room.
func TestStageHangs(t *testing.T) {
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	release := make(chan struct{})
	stage := func(pipeline.Stream) pipeline.Processor { <-release; return nil }
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoicePipeline(voice.NewPipeline(stage)))))(t)
	must(kit.CreateRoom(t.Context(), "room"))(t)
	go kit.Join(context.Background(), "room", "v")
	time.Sleep(100 * time.Millisecond)
	within(t, 5*time.Second, "CloseRoom with a context of 100 ms", func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, _ = kit.CloseRoom(ctx, "room")
	})
	close(release)
	time.Sleep(time.Second)
}

// An error of a handler that returned in time is a refusal, whatever it wraps.
func TestRefusalByDeadline(t *testing.T) {
	s := bareSet(t)
	s.kit.HandleStarting("consent", func(context.Context, roomkit.RecordingStarting) error {
		return fmt.Errorf("consent service: %w", context.DeadlineExceeded) // at once
	})
	_, err := s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock}))
	if !errors.Is(err, roomkit.ErrRefused) {
		t.Errorf("an error of a handler that returned in time: create gives %v, %d recordings run", err, len(s.mock.Recordings()))
	}
}

// A first picture beside the end of its session.
func TestBacklogRace(t *testing.T) {
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	b := &fakeBackend{tracks: []backend.Track{camera}}
	p := video.NewPipeline(func(pipeline.Stream) pipeline.Processor {
		return procFunc(func(s media.Sample, emit func(media.Sample)) error { emit(s); return nil })
	})
	must(0, kit.RegisterChannel(roomkit.NewVideoChannel("v", b, roomkit.WithVideoPipeline(p))))(t)
	must(kit.CreateRoom(t.Context(), "room"))(t)
	for i := range 300 {
		who := fmt.Sprint(i)
		sess := must(kit.Join(t.Context(), "room", "v", roomkit.WithParticipant(who)))(t)
		l := b.line(who)
		var both sync.WaitGroup
		both.Go(func() { l.tracks[0].Push(picture(0)) })
		both.Go(func() { l.sink.End(nil) })
		both.Wait()
		<-sess.Done()
	}
	_, _ = kit.Close(t.Context())
}

type badObserver struct{ f func() }

func (o badObserver) Observe(recorder.Observation) { o.f() }

// An observer that does not return keeps nobody out, and no room open.
func TestObserverHangs(t *testing.T) {
	clock, release := media.NewVirtualClock(), make(chan struct{})
	kit := roomkit.New(roomkit.WithClock(clock), roomkit.WithObserver(badObserver{func() { <-release }}))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b)))(t)
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: &recorder.Mock{}})))(t)
	must(kit.Join(t.Context(), "room", "v"))(t)
	clock.Advance(time.Second)
	time.Sleep(50 * time.Millisecond)
	within(t, 3*time.Second, "Join of somebody else", func() { _, _ = kit.Join(context.Background(), "room", "v") })
	within(t, 5*time.Second, "CloseRoom", func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, _ = kit.CloseRoom(ctx, "room")
	})
	close(release)
	_, _ = kit.Close(context.Background())
}

// One that panics is not called again, and ends nothing.
func TestObserverPanics(t *testing.T) {
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock), roomkit.WithObserver(badObserver{func() { panic("ouch") }}))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b)))(t)
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: &recorder.Mock{}})))(t)
	must(kit.Join(t.Context(), "room", "v"))(t)
	clock.Advance(time.Second)
	time.Sleep(100 * time.Millisecond)
	_, _ = kit.Close(context.Background())
}

// The context of a start bounds the wait for handlers.
func TestStartIsBounded(t *testing.T) {
	s := bareSet(t)
	release := make(chan struct{})
	defer close(release)
	for _, n := range []string{"a", "b"} {
		s.kit.HandleStarting(n, func(context.Context, roomkit.RecordingStarting) error { <-release; return nil })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, _ = s.kit.CreateRoom(ctx, "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock}))
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("CreateRoom with a context of 100 ms takes %v", d)
	}
}

// A handler that was removed is not called any more.
func TestRemovedHandler(t *testing.T) {
	s := bareSet(t)
	entered, release := make(chan struct{}, 100), make(chan struct{})
	var removed atomic.Bool
	var after atomic.Int64
	remove := s.kit.Handle("h", func(context.Context, roomkit.Event) error {
		if removed.Load() {
			after.Add(1)
		}
		entered <- struct{}{}
		<-release
		return nil
	})
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
	s.closeRoom()
	<-entered
	remove()
	removed.Store(true)
	close(release)
	time.Sleep(100 * time.Millisecond)
	if n := after.Load(); n > 0 {
		t.Errorf("called %d times after it was removed", n)
	}
}

// What a processor holds that returns too late is freed when it does.
func TestLateProcessor(t *testing.T) {
	objects := ffmpeg.LiveObjects()
	s := newSet(t)
	b := &fakeBackend{tracks: []backend.Track{mic}}
	release := make(chan struct{})
	var once sync.Once
	p := voice.NewPipeline(voice.Resample(media.AudioFormat{Rate: 48000, Channels: 1}), func(pipeline.Stream) pipeline.Processor {
		return procFunc(func(s media.Sample, emit func(media.Sample)) error {
			once.Do(func() { <-release })
			emit(s)
			return nil
		})
	})
	must(0, s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoicePipeline(p))))(t)
	must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
	go func() {
		for i := range 3 {
			b.line("ann").tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
		}
	}()
	time.Sleep(100 * time.Millisecond)
	begun := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, _ = s.kit.CloseRoom(ctx, "room")
	if took := time.Since(begun); took > 8*time.Second {
		t.Errorf("CloseRoom takes %v", took)
	}
	close(release)
	time.Sleep(300 * time.Millisecond)
	if n := ffmpeg.LiveObjects() - objects; n != 0 {
		t.Errorf("%d C objects are left", n)
	}
}

// Closing everything from inside the starting of a session's own recording.
func TestCloseInLayerStarting(t *testing.T) {
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	b := &fakeBackend{}
	b.tracks = append(b.tracks, mic)
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoiceRecorder(recorder.Binding{Recorder: &recorder.Mock{}}))))(t)
	must(kit.CreateRoom(t.Context(), "room"))(t)
	kit.HandleStarting("close", func(ctx context.Context, e roomkit.RecordingStarting) error {
		_, err := kit.Close(ctx)
		return err
	})
	within(t, 4*time.Second, "join", func() {
		// Closed a moment before it was there, or after.
		if _, err := kit.Join(context.Background(), "room", "v"); err != nil {
			wantError(t, "join", err, roomkit.ErrRoomClosed)
		}
	})
	must(kit.Close(t.Context()))(t) // once the handler's is done
	if len(kit.Status()) != 0 {
		t.Error("something is still recorded")
	}
}
