package roomkit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// encoder is a source of encoded pictures that counts how often it is asked
// for a keyframe.
type encoder struct{ asked atomic.Int64 }

func (e *encoder) track(k media.Kind) backend.Track {
	return backend.Track{Kind: k, Encoded: *h264, RequestKeyFrame: func() { e.asked.Add(1) }}
}

// wantAsked asks until the source has been asked n times in all, and then sees
// that asking on changes nothing, as the virtual clock stands still.
func (e *encoder) wantAsked(t *testing.T, when string, n int64, ask func()) {
	t.Helper()
	eventually(t, when, func() bool { ask(); return e.asked.Load() >= n })
	for range 20 {
		ask()
	}
	time.Sleep(5 * time.Millisecond) // for those that should not be on their way
	if got := e.asked.Load(); got != n {
		t.Errorf("%s: asked %d times, want %d", when, got, n)
	}
}

func TestKeyframeRequestsAreBounded(t *testing.T) {
	var cam, share encoder
	s := newSet(t, mic, cam.track(media.KindVideo), share.track(media.KindScreen))
	session := s.join("ann")
	ask := s.recording().Tracks()[1].RequestKeyFrame
	cam.wantAsked(t, "at once", 1, ask)
	s.clock.Advance(time.Second - 1)
	cam.wantAsked(t, "within a second", 1, ask)
	s.clock.Advance(1)
	cam.wantAsked(t, "a second later", 2, ask)
	share.wantAsked(t, "the other track", 0, ask)

	s.clock.Advance(time.Minute)
	all := func() {
		if err := session.RequestKeyFrame(); err != nil {
			t.Error(err)
		}
	}
	cam.wantAsked(t, "by the session", 3, all)
	share.wantAsked(t, "by the session", 1, all)
}

// All recordings of a room, those that start later too, share one bound.
func TestKeyframeRequestsAreShared(t *testing.T) {
	var cam encoder
	s := newSet(t, cam.track(media.KindVideo))
	s.join("ann")
	late := &recorder.Mock{}
	if err := s.room.StartRecording(t.Context(), recorder.Binding{Recorder: late, Name: "late"}); err != nil {
		t.Fatal(err)
	}
	first, second := s.recording().Tracks()[0], late.Recordings()[0].Tracks()[0]
	if second.Encoded.String() != h264.String() {
		t.Errorf("the late recording's track is declared as %s", second.Encoded)
	}
	cam.wantAsked(t, "by two recordings", 1, func() {
		var both sync.WaitGroup
		both.Go(first.RequestKeyFrame)
		both.Go(second.RequestKeyFrame)
		both.Wait()
	})
	s.clock.Advance(time.Second)
	cam.wantAsked(t, "by the late one", 2, second.RequestKeyFrame)
}

func TestKeyframeRequestsEndWithTheirTrack(t *testing.T) {
	var cam encoder
	s := newSet(t, cam.track(media.KindVideo))
	session := s.join("ann")
	track := s.recording().Tracks()[0]
	s.backend.line("ann").tracks[0].End()
	track.RequestKeyFrame()
	wantError(t, "without a track", session.RequestKeyFrame(), errors.ErrUnsupported, "ann")
	if err := s.kit.Leave(t.Context(), session.ID()); err != nil {
		t.Fatal(err)
	}
	track.RequestKeyFrame()
	wantError(t, "after leaving", session.RequestKeyFrame(), roomkit.ErrSessionEnded)
	cam.wantAsked(t, "after the end", 0, track.RequestKeyFrame)

	// Who returns goes on with the track; asked is who sends it now.
	s.join("ann")
	back := s.recording().Tracks()[0]
	if back.ID != track.ID {
		t.Fatalf("track %s, want %s", back.ID, track.ID)
	}
	cam.wantAsked(t, "after returning", 1, back.RequestKeyFrame)
	for _, r := range append(s.room.Recordings(), s.closeRoom()...) {
		if r.Tracks[0].RequestKeyFrame != nil {
			t.Error("a result keeps the source alive")
		}
	}
}

func TestKeyframesCannotBeAskedFor(t *testing.T) {
	s := newSet(t, mic, camera, backend.Track{Kind: media.KindAudio, Encoded: *opus, RequestKeyFrame: func() { t.Error("asked for audio") }})
	session := s.join("ann")
	wantError(t, "no source", session.RequestKeyFrame(), errors.ErrUnsupported, `"ann"`, `"ch"`)
	for _, tr := range s.recording().Tracks() {
		if tr.RequestKeyFrame != nil {
			t.Errorf("track %s can be asked", tr.ID)
		}
	}
}

// A source that waits holds nobody up, is asked once at a time, and is waited
// for at the session's end.
func TestKeyframeRequestThatWaits(t *testing.T) {
	release := make(chan struct{})
	var asked, done atomic.Int64
	s := newSet(t, backend.Track{Kind: media.KindVideo, RequestKeyFrame: func() {
		asked.Add(1)
		<-release
		time.Sleep(20 * time.Millisecond)
		done.Add(1)
	}})
	session := s.join("ann")
	begun := time.Now()
	for range 10 {
		if err := session.RequestKeyFrame(); err != nil {
			t.Error(err)
		}
		s.clock.Advance(time.Minute)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("ten requests took %v", took)
	}
	eventually(t, "the source is asked", func() bool { return asked.Load() == 1 })
	close(release)
	if err := s.kit.Leave(t.Context(), session.ID()); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 1 || done.Load() != 1 {
		t.Errorf("asked %d times, of which %d are done when the session has ended", asked.Load(), done.Load())
	}
}

// One that never returns costs the session's end a second and no more.
func TestKeyframeRequestThatHangs(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, end := range map[string]func(*set, *roomkit.Session) error{
		"leave":  func(s *set, session *roomkit.Session) error { return s.kit.Leave(t.Context(), session.ID()) },
		"source": func(s *set, session *roomkit.Session) error { s.backend.line("ann").sink.End(nil); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			entered := make(chan struct{})
			s := newSet(t, backend.Track{Kind: media.KindVideo, RequestKeyFrame: func() { close(entered); <-release }})
			session := s.join("ann")
			if err := session.RequestKeyFrame(); err != nil {
				t.Fatal(err)
			}
			<-entered
			begun := time.Now()
			if err := end(s, session); err != nil {
				t.Fatal(err)
			}
			s.closeRoom()
			if took := time.Since(begun); took < 500*time.Millisecond || took > 5*time.Second {
				t.Errorf("the end took %v", took)
			}
		})
	}
}

func TestKeyframeRequestThatPanics(t *testing.T) {
	var log bytes.Buffer
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock), roomkit.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	var asked atomic.Int64
	b := &fakeBackend{tracks: []backend.Track{{Kind: media.KindScreen, RequestKeyFrame: func() { asked.Add(1); panic("ouch") }}}}
	if err := kit.RegisterChannel(roomkit.NewVideoChannel("ch", b)); err != nil {
		t.Fatal(err)
	}
	must(kit.CreateRoom(t.Context(), "room"))(t)
	session := must(kit.Join(t.Context(), "room", "ch", roomkit.WithParticipant("ann")))(t)
	for i := range int64(3) {
		eventually(t, "the source is asked again", func() bool {
			return session.RequestKeyFrame() == nil && asked.Load() == i+1
		})
		clock.Advance(time.Second)
	}
	must(kit.Close(t.Context()))(t)
	if n := strings.Count(log.String(), "ouch"); n != 1 || !strings.Contains(log.String(), "screen") {
		t.Errorf("log says it %d times:\n%s", n, &log)
	}
}

// Requests at all times, while sessions come and go; goleak sees what is left.
func TestKeyframeRequestsFromManyGoroutines(t *testing.T) {
	var cam encoder
	s := newSet(t, cam.track(media.KindVideo))
	var all sync.WaitGroup
	for range 4 {
		session := s.join("ann")
		ask := s.recording().Tracks()[0].RequestKeyFrame
		for range 3 {
			all.Go(func() {
				for range 100 {
					_ = session.RequestKeyFrame()
					ask()
					s.clock.Advance(500 * time.Millisecond)
				}
			})
		}
		all.Go(func() { _ = s.kit.Leave(t.Context(), session.ID()) })
	}
	all.Wait()
}
