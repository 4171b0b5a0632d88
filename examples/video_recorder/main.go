// Command video_recorder shows the debug layer of pictures: beside whatever a
// room records, each session's pictures go into a file of its own, as the
// pipeline leaves them: here with a name and a clock in them, and a corner
// blurred.
//
//	go run ./examples/video_recorder --duration 5s
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
	"github.com/roomkit-live/roomkit-go/video"
)

func main() {
	duration := flag.Duration("duration", 3*time.Second, "how long to record; Ctrl+C ends earlier")
	output := flag.String("output", "./recordings", "directory for the file")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := record(ctx, *duration, *output)
	if err != nil {
		fmt.Fprintln(os.Stderr, "video_recorder:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

// corner is what nobody shall see: the upper left eighth or so.
var corner = video.Region{Width: 0.3, Height: 0.4}

// caption is whose picture it is, and when it was taken.
func caption(clock media.Clock) video.TextOptions {
	begun := time.Now().Add(-clock.Now()) // zero of the clock
	return video.TextOptions{Anchor: video.BottomLeft, Of: func(of pipeline.Stream, s media.Sample) string {
		return of.Participant + "  " + begun.Add(s.Time).Format(time.TimeOnly)
	}}
}

func record(ctx context.Context, duration time.Duration, output string) (string, error) {
	rec, err := av.NewRecorder()
	if err != nil {
		return "", err
	}
	camera, err := testpattern.New(testpattern.Options{NoAudio: true, Live: true, FPS: 25})
	if err != nil {
		return "", err
	}
	kit := roomkit.New()
	defer kit.Close(context.Background())
	ch := roomkit.NewVideoChannel("video", camera,
		roomkit.WithVideoPipeline(video.NewPipeline(video.Blur(corner), video.Text(caption(kit.Clock())))),
		roomkit.WithVideoRecorder(recorder.Binding{Recorder: rec, Name: "debug", Config: recorder.Config{Storage: output}}))
	if err := kit.RegisterChannel(ch); err != nil {
		return "", err
	}
	room, err := kit.CreateRoom(ctx, "my-room")
	if err != nil {
		return "", err
	}
	session, err := kit.Join(ctx, room.ID(), "video", roomkit.WithParticipant("user-1"))
	if err != nil {
		return "", err
	}
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	if err := kit.Leave(context.Background(), session.ID()); err != nil {
		return "", err
	}
	results := session.Recordings()
	if len(results) == 0 { // it keeps nobody out; kit.Handle and a log tell why
		return "", fmt.Errorf("the pictures could not be recorded in %s", output)
	}
	return results[0].Path, results[0].Err
}
