package av_test

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Tracks whose first sample comes when the header is written, and is not of
// the format they had declared, are converted into that.
func TestDeclaredFormatThatIsWrongAndTooLateToChange(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	r := start(t, recorder.Config{Format: "mkv"})
	stereo := media.AudioFormat{Rate: 48000, Channels: 2}
	first := addTrack(t, r, recorder.Track{ID: "first", Kind: media.KindAudio, Participant: "a", Audio: mono16k})
	voice := addTrack(t, r, recorder.Track{ID: "voice", Kind: media.KindAudio, Participant: "b", Audio: mono16k})
	camera := addTrack(t, r, recorder.Track{ID: "camera", Kind: media.KindVideo, Participant: "b", Video: vga(media.I420)})
	record(t, r, first, nil, mono16k, vga(media.I420), 0, 5*time.Second)
	time.Sleep(200 * time.Millisecond) // the muxer is on another goroutine
	hd := vga(media.I420)
	hd.Width, hd.Height = 1280, 720
	record(t, r, voice, camera, stereo, hd, 5*time.Second, time.Second)
	result := stop(t, r)
	balanced(t, result)
	for _, tr := range result.Tracks {
		if tr.SamplesWritten != tr.SamplesIn || tr.SamplesIn == 0 {
			t.Errorf("track %s: %d in, %d written, dropped %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
}

// A player shows the first camera and plays the first voice there are, not
// those that were announced and never came.
func TestDefaultTracksHaveMedia(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	r := start(t, recorder.Config{})
	camera := func(id string) recorder.TrackWriter {
		return addTrack(t, r, recorder.Track{ID: id, Kind: media.KindVideo, Participant: id, Video: vga(media.I420)})
	}
	camera("silent")
	record(t, r, nil, camera("seen"), mono16k, vga(media.I420), 0, time.Second)
	path := stop(t, r).Path
	got := string(judge.Run(t, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream_disposition=default", "-of", "csv=p=0", path))
	if got != "1\n" {
		t.Errorf("defaults of the tracks in the file: %q, want 1", got)
	}
}
