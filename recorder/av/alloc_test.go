package av_test

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Once a recording runs, its lanes and its muxer leave the garbage collector
// nothing to do: a room of many tracks pauses for nothing. Only each fragment
// of an MP4, of which a second has four, costs some small pieces.
func TestRunningRecordingDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		name   string
		format string
		pixel  media.PixelFormat
		width  int
		most   float64 // allocations in a second of media
	}{
		{"converted", "mkv", media.RGB24, 128, 0},
		{"as it is", "mkv", media.I420, 128, 0},
		{"padded", "mkv", media.I420, 127, 0},
		{"mp4", "mp4", media.I420, 128, 4 * 30},
	} {
		t.Run(c.name, func(t *testing.T) {
			const fps, perPicture = 25, 2 // pieces of audio of 20 ms
			r := start(t, recorder.Config{Format: c.format, StartTimeout: 100 * time.Millisecond})
			f := media.VideoFormat{Pixel: c.pixel, Width: c.width, Height: 96}
			v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Video: f})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Audio: mono16k})
			picture := media.Sample{Picture: media.NewPicture(f)}
			voice := media.Sample{PCM: &media.PCM{Format: mono16k, Data: make([]byte, 2*mono16k.Rate/50)}}
			n := 0
			next := func() {
				picture.Time = time.Duration(n) * time.Second / fps
				write(t, v, picture)
				for i := range perPicture {
					voice.Time = picture.Time + time.Duration(i)*20*time.Millisecond
					write(t, a, voice)
				}
				n++
				// At the pace of a source the muxer is never far behind; packets
				// that wait for it are made anew.
				time.Sleep(time.Millisecond)
			}
			for range 4 * fps { // until all buffers have grown
				next()
			}
			second := func() {
				for range fps {
					next()
				}
			}
			if got := testing.AllocsPerRun(4, second); got > c.most {
				t.Errorf("%v allocations in a second of media, want at most %v", got, c.most)
			}
			result := stop(t, r)
			for _, track := range result.Tracks {
				if track.Losses() != 0 {
					t.Errorf("%s lost %v", track.ID, track.Dropped)
				}
			}
		})
	}
}
