package endtoend_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A room is a kit with one room that is recorded to a file.
type room struct {
	t     *testing.T
	kit   *roomkit.Kit
	clock media.Clock

	sessions []*roomkit.Session
}

func newRoom(t *testing.T, clock media.Clock, cfg recorder.Config) *room {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Storage == "" {
		cfg.Storage = t.TempDir()
	}
	r := &room{t: t, clock: clock, kit: roomkit.New(roomkit.WithClock(clock), roomkit.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))}
	t.Cleanup(func() {
		if _, err := r.kit.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("closing the kit: %v", err)
		}
	})
	if _, err := r.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: rec, Config: cfg})); err != nil {
		t.Fatal(err)
	}
	return r
}

// join lets somebody in whose media come from a backend.
func (r *room) join(participant string, b backend.Backend) *roomkit.Session {
	r.t.Helper()
	if err := r.kit.RegisterChannel(roomkit.NewAudioVideoChannel(participant, b)); err != nil {
		r.t.Fatal(err)
	}
	s, err := r.kit.Join(r.t.Context(), "room", participant, roomkit.WithParticipant(participant))
	if err != nil {
		r.t.Fatal(err)
	}
	r.sessions = append(r.sessions, s)
	return s
}

// leave lets everybody leave.
func (r *room) leave() {
	r.t.Helper()
	for _, s := range r.sessions {
		select {
		case <-s.Done(): // it has said goodbye
			continue
		default:
		}
		if err := r.kit.Leave(r.t.Context(), s.ID()); err != nil {
			r.t.Error(err)
		}
	}
}

// close ends the recording and checks that its books balance.
func (r *room) close() recorder.Result {
	r.t.Helper()
	results, err := r.kit.CloseRoom(r.t.Context(), "room")
	if err != nil {
		r.t.Fatal(err)
	}
	result := results[0]
	if result.Err != nil {
		r.t.Errorf("the recording's error: %v", result.Err)
	}
	for _, tr := range result.Tracks {
		if tr.Err != nil {
			r.t.Errorf("track %s: %v", tr.ID, tr.Err)
		}
		if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
			r.t.Errorf("track %s: %d in, %d written, dropped %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
		r.t.Logf("%s: %s %s from %v to %v, %d samples, dropped %v, lost on the way %d, %d keyframes asked for",
			tr.ID, tr.Codec, tr.Format, tr.First, tr.Last, tr.SamplesIn, tr.Dropped, tr.LostOnTheWay, tr.KeyframeRequests)
	}
	return result
}

// trackOf returns the result of a participant's track.
func trackOf(t *testing.T, r recorder.Result, participant string, kind media.Kind) recorder.TrackResult {
	t.Helper()
	for _, tr := range r.Tracks {
		if tr.Participant == participant && tr.Kind == kind {
			return tr
		}
	}
	t.Fatalf("no track of %s with %s among %d", participant, kind, len(r.Tracks))
	return recorder.TrackResult{}
}

// plays lets all judges see a file of so many tracks.
func plays(t *testing.T, path string, audio, video int) {
	t.Helper()
	judge.DecodesClean(t, path)
	for _, c := range judge.GStreamer(t, path, audio, video).Complaints {
		t.Errorf("GStreamer on %s: %s", filepath.Base(path), c)
	}
}

// playsInBrowser lets Chromium play a recording.
func playsInBrowser(t *testing.T, r recorder.Result) {
	t.Helper()
	path, length := r.Path, r.Duration
	p := judge.Chromium(t, path)
	// Once it has played the end, Chromium adds the pictures before time zero,
	// which it does not show: as many as a slow start takes, at 15 a second or
	// more.
	hidden := 150 * time.Millisecond
	for _, tr := range r.Tracks {
		if tr.Kind.IsPicture() {
			hidden = max(hidden, time.Duration(tr.Dropped[recorder.DropBeforeStart]+1)*time.Second/15)
		}
	}
	if d := time.Duration(p.Duration * float64(time.Second)); d < length-150*time.Millisecond || d > length+hidden {
		t.Errorf("Chromium says %s is %v long, want %v", filepath.Base(path), d, length)
	}
	if p.Played <= 0 {
		t.Errorf("Chromium played %v s of %s", p.Played, filepath.Base(path))
	}
}
