package roomkit_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
	"github.com/roomkit-live/roomkit-go/voice"
)

// The quick start: one participant with a microphone and a camera, for which
// test patterns stand in here.
func Example() {
	ctx := context.Background()
	leave := enterTemporaryDirectory()
	defer leave()
	audioBackend, videoBackend := pattern(), pattern()
	pipeline := voice.NewPipeline(voice.Gain(-6))

	rec, err := av.NewRecorder()
	if err != nil {
		log.Fatal(err)
	}
	kit := roomkit.New()
	voice := roomkit.NewVoiceChannel("voice", audioBackend, roomkit.WithVoicePipeline(pipeline))
	video := roomkit.NewVideoChannel("video", videoBackend)
	kit.RegisterChannel(voice)
	kit.RegisterChannel(video)

	room, err := kit.CreateRoom(ctx, "my-room",
		roomkit.WithRecorders(recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: "./recordings"}, Name: "main"}))
	if err != nil {
		log.Fatal(err)
	}

	voiceSession, err := kit.Join(ctx, room.ID(), "voice", roomkit.WithParticipant("user-1"))
	if err != nil {
		log.Fatal(err)
	}
	videoSession, err := kit.Join(ctx, room.ID(), "video", roomkit.WithParticipant("user-1"))
	if err != nil {
		log.Fatal(err)
	}

	<-voiceSession.Done() // the patterns end by themselves
	<-videoSession.Done()

	results, err := kit.CloseRoom(ctx, room.ID())
	if err != nil {
		log.Fatal(err)
	}
	for _, result := range results {
		fmt.Println(result.Binding, filepath.Ext(result.Path), result.Duration.Round(time.Second))
		for _, track := range result.Tracks {
			fmt.Println(track.Participant, track.Kind, track.Codec, track.SamplesWritten == track.SamplesIn)
		}
	}
	// Output:
	// main .mp4 1s
	// user-1 audio aac true
	// user-1 video h264 true
}

func pattern() backend.Backend {
	b, err := testpattern.New(testpattern.Options{Duration: time.Second})
	if err != nil {
		log.Fatal(err)
	}
	return b
}

// enterTemporaryDirectory keeps ./recordings out of the source tree.
func enterTemporaryDirectory() (leave func()) {
	before, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "roomkit")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		log.Fatal(err)
	}
	return func() {
		if err := os.Chdir(before); err != nil {
			log.Fatal(err)
		}
		os.RemoveAll(dir)
	}
}
