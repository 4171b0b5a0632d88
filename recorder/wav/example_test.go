package wav_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// What a participant says on the left, what is played to them on the right.
func Example() {
	dir, err := os.MkdirTemp("", "wav")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	rec, err := wav.NewRecorder(wav.Options{Channels: wav.Stereo})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	feed, err := recorder.OpenFeed(ctx, recorder.Binding{
		Recorder: rec, Config: recorder.Config{Storage: dir, Name: "alice"}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	track := feed.AddTrack(recorder.Track{ID: "voice", Kind: media.KindAudio, Participant: "alice"})
	second := &media.PCM{Format: media.AudioFormat{Rate: 16000, Channels: 1}, Data: make([]byte, 2*16000)}
	track.Push(media.Sample{Time: 5 * time.Second, PCM: second})
	track.Push(media.Sample{Time: 7 * time.Second, Direction: media.Outbound, PCM: second})

	result := feed.Stop(ctx)
	fmt.Println(result.Err, result.Duration, result.Tracks[0].SamplesWritten)
	// Output: <nil> 3s 2
}
