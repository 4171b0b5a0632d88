package av_test

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A lane that is behind may still bring pictures from before the origin when
// the header is written. They are hidden like those that came in time, and the
// last of them stands at zero.
func TestPicturesFromBeforeTheOriginMayComeAfterTheHeader(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	r := start(t, recorder.Config{})
	camera := func(id string) recorder.TrackWriter {
		return addTrack(t, r, recorder.Track{ID: id, Kind: media.KindVideo, Participant: id, Video: vga(media.I420)})
	}
	slow, late := camera("slow"), camera("late")
	const begin, origin, end = 10 * time.Second, 12510 * time.Millisecond, 15 * time.Second
	write(t, slow, gray(vga(media.I420), begin, 100))
	for at := origin; at < end; at += 100 * time.Millisecond { // past the start timeout
		write(t, late, gray(vga(media.I420), at, 100))
	}
	time.Sleep(200 * time.Millisecond) // the muxer is on another goroutine
	for at := begin + 100*time.Millisecond; at < end; at += 100 * time.Millisecond {
		write(t, slow, gray(vga(media.I420), at, 100))
	}
	result := stop(t, r)
	balanced(t, result)
	want := []time.Duration{0, 90 * time.Millisecond, 190 * time.Millisecond}
	pictures := judge.Pictures(t, result.Path, 0)
	for i, at := range want {
		near(t, "a picture of the lane that is behind", pictures[i].Time, at, time.Millisecond)
	}
	if len(pictures) != 25 {
		t.Errorf("%d pictures are shown, want 25", len(pictures))
	}
}
