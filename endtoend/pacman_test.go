package endtoend_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// Chromium's fake camera draws a sector that opens by 600 degrees a second and
// begins again beyond 361 (media/capture/video/fake_video_capture_device.cc), in
// a circle in the middle whose radius is a quarter of the picture's height. It
// counts pictures, not time: where the machine is busy it stands still. The fake
// microphone beeps each half second by its own count, in another process, so
// that picture and sound of one call cannot be compared, but those of two can.
const (
	sectorSpeed = 600.0               // degrees a second
	sectorTurn  = 361.0 / sectorSpeed // seconds
)

// A cameraPicture is at a time in the file, and what is to be added to that for
// the camera's time that is seen in it, in seconds.
type cameraPicture struct{ at, offset float64 }

// cameraPictures decodes a video track of 320x240. first is what is known of the
// camera's time in the first picture, to 0.3 s.
func cameraPictures(t *testing.T, path string, track int, first float64) []cameraPicture {
	t.Helper()
	const size = 120
	raw := judge.Run(t, "ffmpeg", "-nostdin", "-v", "fatal", "-i", path, "-map", fmt.Sprintf("0:v:%d", track), "-fps_mode", "passthrough",
		"-vf", "crop=120:120:100:60,format=gray", "-f", "rawvideo", "-")
	times := strings.Fields(string(judge.Run(t, "ffprobe", "-v", "error", "-select_streams", fmt.Sprintf("v:%d", track),
		"-show_entries", "frame=pts_time", "-of", "csv=p=0", path)))
	if len(times) != len(raw)/(size*size) {
		t.Fatalf("%s: ffprobe sees %d pictures, ffmpeg decodes %d", path, len(times), len(raw)/(size*size))
	}
	var pictures []cameraPicture
	likely := first
	for i, s := range times {
		at, err := strconv.ParseFloat(strings.Trim(s, ","), 64)
		if err != nil {
			t.Fatal(err)
		}
		offset := sector(raw[i*size*size:][:size*size], size)/sectorSpeed - at
		likely = offset + sectorTurn*math.Round((likely-offset)/sectorTurn)
		pictures = append(pictures, cameraPicture{at, likely})
	}
	return pictures
}

// sector returns how many degrees are bright of a circle that fills a picture.
func sector(gray []byte, size int) float64 {
	bright, all := 0, 0
	for i, v := range gray {
		x, y := float64(i%size)-float64(size-1)/2, float64(i/size)-float64(size-1)/2
		if math.Hypot(x, y) < float64(size)/2-3 {
			all++
			if v > 105 {
				bright++
			}
		}
	}
	return 360 * float64(bright) / float64(all)
}

// picturesApart returns by how much two recordings of the camera differ in when
// they show the same, at the worst and in the middle. Pictures that only one has are left
// out.
func picturesApart(a, b []cameraPicture) (middle, worst time.Duration) {
	var apart []float64
	for _, p := range a {
		for _, q := range b {
			// The camera moves on by 50 ms.
			if d := p.at + p.offset - q.at - q.offset; math.Abs(d) < 0.025 {
				apart = append(apart, math.Abs(p.at-q.at))
			}
		}
	}
	return quantiles(apart)
}

// beepsApart is the same for the microphone.
func beepsApart(a, b []time.Duration) (middle, worst time.Duration) {
	var apart []float64
	for _, p := range a {
		for _, q := range b {
			if d := math.Abs((p - q).Seconds()); d < 0.25 {
				apart = append(apart, d)
			}
		}
	}
	return quantiles(apart)
}

func quantiles(apart []float64) (middle, worst time.Duration) {
	if len(apart) == 0 {
		return time.Hour, time.Hour
	}
	slices.Sort(apart)
	in := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return in(apart[len(apart)/2]), in(apart[len(apart)-1])
}
