package av_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// A camera whose rate jitters by ±30 % shows its flash when it happens to take
// a picture; a mock beside the recorder tells when that was. In the decoded
// file every picture is at the time of its capture, and flash and beep are as
// far apart as they were captured.
func TestSyncWithJitteringCamera(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg", "ffprobe")
	const length = 12 * time.Second
	for _, fps := range []float64{15, 24, 30, 60} {
		t.Run(fmt.Sprint(fps), func(t *testing.T) {
			result, captured := recordPattern(t, testpattern.Options{
				Pattern: testpattern.AVSync, FPS: fps, Jitter: 0.3, Seed: 7, Duration: length,
			})
			pictures := judge.Pictures(t, result.Path, 0)
			if len(pictures) != len(captured) {
				t.Fatalf("%d pictures in the file, %d captured", len(pictures), len(captured))
			}
			var flashes []time.Duration
			white := false
			for i, s := range captured {
				near(t, "a picture's time", pictures[i].Time, s.Time, time.Millisecond)
				if now := testpattern.FlashAt(s.Time); now && !white {
					flashes = append(flashes, s.Time%time.Second)
				}
				white = testpattern.FlashAt(s.Time)
			}
			for i, d := range judge.FlashBeep(t, result.Path) {
				near(t, "offset of flash and beep", d+flashes[i], 0, 20*time.Millisecond)
			}
			near(t, "duration", judge.Probe(t, result.Path).Length(), length, time.Duration(1.6*float64(time.Second)/fps))
		})
	}
}

// recordPattern records a pattern through a kit on a virtual clock and returns
// the file's result and the pictures that were captured.
func recordPattern(t *testing.T, o testpattern.Options) (recorder.Result, []media.Sample) {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	pattern, err := testpattern.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mock := &recorder.Mock{}
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	defer kit.Close(t.Context())
	if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("av", pattern)); err != nil {
		t.Fatal(err)
	}
	cfg := recorder.Config{Storage: t.TempDir(), VideoCodec: "libx264"}
	room, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: rec, Config: cfg}, recorder.Binding{Recorder: mock}))
	if err != nil {
		t.Fatal(err)
	}
	session, err := kit.Join(t.Context(), "room", "av")
	if err != nil {
		t.Fatal(err)
	}
	<-session.Done()
	results, err := kit.CloseRoom(t.Context(), room.ID())
	if err != nil {
		t.Fatal(err)
	}
	for _, track := range mock.Recordings()[0].Tracks() {
		if track.Kind == media.KindVideo {
			return results[0], mock.Recordings()[0].Samples(track.ID)
		}
	}
	t.Fatal("no pictures")
	return recorder.Result{}, nil
}
