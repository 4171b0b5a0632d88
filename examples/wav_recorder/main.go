// Command wav_recorder shows the debug layer of voices: beside whatever a room
// records, each session's voice goes into WAV files of its own, as the pipeline
// leaves it. A voice agent answers the participant; what they say is left and
// what is played to them right, each when it was heard.
//
//	go run ./examples/wav_recorder --channels all
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
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
	"github.com/roomkit-live/roomkit-go/voice"
)

func main() {
	duration := flag.Duration("duration", 3*time.Second, "how long to record; Ctrl+C ends earlier")
	output := flag.String("output", "./recordings", "directory for the files")
	channels := flag.String("channels", "stereo", "mixed, separate, stereo or all")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	paths, err := record(ctx, *duration, *output, wav.Channels(*channels))
	for _, path := range paths {
		fmt.Println(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wav_recorder:", err)
		os.Exit(1)
	}
}

func record(ctx context.Context, duration time.Duration, output string, channels wav.Channels) ([]string, error) {
	rec, err := wav.NewRecorder(wav.Options{Channels: channels})
	if err != nil {
		return nil, err
	}
	microphone, err := testpattern.New(testpattern.Options{NoVideo: true, Live: true})
	if err != nil {
		return nil, err
	}
	kit := roomkit.New()
	defer kit.Close(context.Background())
	ch := roomkit.NewVoiceChannel("voice", microphone,
		roomkit.WithVoicePipeline(voice.NewPipeline(voice.HighPass(80), voice.Gain(-6))),
		roomkit.WithVoiceRecorder(recorder.Binding{Recorder: rec, Name: "debug", Config: recorder.Config{Storage: output}}))
	if err := kit.RegisterChannel(ch); err != nil {
		return nil, err
	}
	room, err := kit.CreateRoom(ctx, "my-room")
	if err != nil {
		return nil, err
	}
	session, err := kit.Join(ctx, room.ID(), "voice", roomkit.WithParticipant("user-1"))
	if err != nil {
		return nil, err
	}
	if err := session.Play(ctx, answer()); err != nil {
		return nil, err
	}
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	if err := kit.Leave(context.Background(), session.ID()); err != nil {
		return nil, err
	}
	results := session.Recordings()
	if len(results) == 0 { // it keeps nobody out; kit.Handle and a log tell why
		return nil, fmt.Errorf("the voice could not be recorded in %s", output)
	}
	result := results[0]
	var paths []string
	for _, file := range result.Parts {
		paths = append(paths, file.Path)
	}
	return paths, result.Err
}

// answer is what an agent says: a second of a beep of 1 kHz at 24 kHz, all at
// once, as a speech synthesizer delivers it.
func answer() *media.PCM {
	f := media.AudioFormat{Rate: 24_000, Channels: 1}
	pcm := &media.PCM{Format: f, Data: make([]byte, f.Rate*f.FrameBytes())}
	for i := range f.Rate {
		if v := int16(8000); i/12%2 == 0 { // 24 frames a period
			pcm.Data[2*i], pcm.Data[2*i+1] = byte(v), byte(v>>8)
		}
	}
	return pcm
}
