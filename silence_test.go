package roomkit

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A track that is added while a look is under way, whose list of tracks is older,
// is watched all the same.
func TestSilenceOfATrackAddedDuringALook(t *testing.T) {
	k := New(WithClock(media.NewVirtualClock()))
	defer k.Close(t.Context())
	events := k.Subscribe()
	rec := newRoom(k, "room", 1).newRecording(recorder.Binding{Recorder: &recorder.Mock{}}.WithDefaults())
	s := silence{rec: rec, after: 3 * time.Second, tracks: map[string]*quiet{}}
	s.expect("video", 0)
	s.look(0, 0, false, map[string]time.Duration{}) // from before it was added
	s.look(4*time.Second, 4*time.Second, true, map[string]time.Duration{"video": 0})
	select {
	case e := <-events.Events():
		if e, ok := e.(MediaStalled); !ok || e.Track != "video" {
			t.Errorf("event %+v", e)
		}
	default:
		t.Error("its silence is not told")
	}
	s.look(5*time.Second, 5*time.Second, true, map[string]time.Duration{})
	if len(s.tracks) != 0 {
		t.Error("it has ended, and is still watched")
	}
}
