package av_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// What has been written of the formats that need no index can be read up to
// the last two seconds or so while the recording runs, that is after a crash too,
// even though one track has fallen silent.
func TestUnfinishedFileIsReadable(t *testing.T) {
	judge.Need(t, "ffprobe")
	for _, format := range []string{"mkv", "ts"} {
		t.Run(format, func(t *testing.T) {
			dir := t.TempDir()
			r := start(t, recorder.Config{Storage: dir, Format: format})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "a", Audio: mono16k})
			v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "v", Video: vga(media.I420)})
			const length = 8 * time.Second
			record(t, r, a, v, mono16k, vga(media.I420), 0, 4*time.Second)
			record(t, r, a, nil, mono16k, vga(media.I420), 4*time.Second, length-4*time.Second)
			time.Sleep(300 * time.Millisecond) // the muxer is on another goroutine
			files, _ := filepath.Glob(filepath.Join(dir, "*.partial"))
			var last float64
			for _, s := range strings.Fields(string(judge.Run(t, "ffprobe", "-v", "quiet", "-select_streams", "a", "-show_entries", "packet=pts_time", "-of", "csv=p=0", files[0]))) {
				if at, err := strconv.ParseFloat(strings.Trim(s, ","), 64); err == nil {
					last = max(last, at)
				}
			}
			if last < (length - 2500*time.Millisecond).Seconds() {
				t.Errorf("readable up to %.2f s of %v", last, length)
			}
			stop(t, r)
		})
	}
}
