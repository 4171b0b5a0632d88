// Command custom_recorder records a room with a recorder of its own instead of
// the one that comes with RoomKit. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/recorder"
)

func main() {
	duration := flag.Duration("duration", 2*time.Second, "how long to record")
	output := flag.String("output", "./recordings", "directory for the tracks")
	url := flag.String("url", "", "send the tracks to this HTTP server instead")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *duration, *output, *url); err != nil {
		fmt.Fprintln(os.Stderr, "custom_recorder:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, duration time.Duration, dir, url string) (err error) {
	kit := roomkit.New()
	defer func() { // whatever happens below, the tracks are finished and told
		results, closing := kit.Close(context.Background())
		report(out, results)
		err = errors.Join(err, closing)
	}()
	if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("demo", source{})); err != nil {
		return err
	}
	room, err := kit.CreateRoom(ctx, "custom", roomkit.WithRecorders(recorder.Binding{
		Recorder: &rawRecorder{url: url},
		Config:   recorder.Config{Storage: dir},
	}))
	if err != nil {
		return err
	}
	if _, err := kit.Join(ctx, room.ID(), "demo", roomkit.WithParticipant("user-1")); err != nil {
		return err
	}
	select {
	case <-time.After(duration):
	case <-ctx.Done():
	}
	return nil
}

func report(out io.Writer, results []recorder.Result) {
	for _, r := range results {
		for _, t := range r.Tracks {
			fmt.Fprintf(out, "%s/%s  %s of %s, %s, %d samples, %d lost, %d bytes\n",
				r.Path, fileName(t.Track, 1), t.Kind, t.Participant, t.Format, t.SamplesWritten, t.Losses(), t.Bytes)
		}
	}
}
