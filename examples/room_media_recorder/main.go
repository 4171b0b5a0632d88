// Command room_media_recorder records one participant's microphone and webcam
// into an MP4: the library's quick start as a program. Where there is no
// device it says so and records a test source in its place.
//
//	go run ./examples/room_media_recorder --duration 10s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/device"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

func main() {
	duration := flag.Duration("duration", 10*time.Second, "how long to record; Ctrl+C ends earlier")
	fps := flag.Int("fps", 30, "pictures per second to ask for")
	output := flag.String("output", "./recordings", "directory for the file")
	camera := flag.Int("device", 0, "index of the webcam")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	path, err := record(ctx, *duration, *fps, *output, *camera)
	if err != nil {
		fmt.Fprintln(os.Stderr, "room_media_recorder:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

func record(ctx context.Context, duration time.Duration, fps int, output string, camera int) (string, error) {
	rec, err := av.NewRecorder()
	if err != nil {
		return "", err
	}
	kit := roomkit.New()
	defer kit.Close(context.Background())
	room, err := kit.CreateRoom(ctx, "my-room", roomkit.WithRecorders(recorder.Binding{
		Recorder: rec, Name: "main",
		Config: recorder.Config{Storage: output, VideoFPS: fps},
	}))
	if err != nil {
		return "", err
	}

	microphone := device.NewMicrophone(device.Options{})
	err = join(ctx, kit, room.ID(), roomkit.NewVoiceChannel("voice", microphone))
	if errors.Is(err, backend.ErrNotFound) {
		fmt.Fprintln(os.Stderr, "no microphone here, recording a tone instead")
		err = joinPattern(ctx, kit, room.ID(), testpattern.Options{NoVideo: true, Live: true})
	}
	if err != nil {
		return "", err
	}
	webcam := device.NewCamera(device.Options{Device: strconv.Itoa(camera), FPS: float64(fps)})
	err = join(ctx, kit, room.ID(), roomkit.NewVideoChannel("video", webcam))
	if errors.Is(err, backend.ErrNotFound) {
		fmt.Fprintln(os.Stderr, "no webcam here, recording a test picture instead")
		err = joinPattern(ctx, kit, room.ID(), testpattern.Options{NoAudio: true, Live: true, FPS: float64(fps)})
	}
	if err != nil {
		return "", err
	}

	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	results, err := kit.CloseRoom(context.Background(), room.ID())
	if err != nil {
		return "", err
	}
	return results[0].Path, results[0].Err
}

// join registers a channel and joins it as user-1.
func join(ctx context.Context, kit *roomkit.Kit, room string, ch roomkit.Channel) error {
	if err := kit.RegisterChannel(ch); err != nil {
		return err
	}
	_, err := kit.Join(ctx, room, ch.ID(), roomkit.WithParticipant("user-1"))
	return err
}

func joinPattern(ctx context.Context, kit *roomkit.Kit, room string, o testpattern.Options) error {
	pattern, err := testpattern.New(o)
	if err != nil {
		return err
	}
	id := "test picture"
	if o.NoVideo {
		id = "test tone"
	}
	return join(ctx, kit, room, roomkit.NewAudioVideoChannel(id, pattern))
}
