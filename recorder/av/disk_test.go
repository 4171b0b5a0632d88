package av_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// rate is that of the disk tests' pictures: 20 MB are full after 8 seconds.
const rate = 20_000_000

// A disk that fills up in the middle of a recording ends with a file under its
// final name, which plays without a fault to where the disk was full, and has
// what the result says.
func TestDiskFillsUp(t *testing.T) {
	for _, format := range []string{"mp4", "mov"} {
		t.Run(format, func(t *testing.T) {
			trouble.NothingLeft(t)
			disk := trouble.SmallDisk(t, "20m")
			f := openFeed(t, recorder.Config{Storage: disk, Format: format, Video: recorder.VideoOptions{BitRate: rate}}, nil)
			a, v := f.AddTrack(voice), f.AddTrack(camera)
			feedAll(t, a, v, vga(media.I420), 0, 12*time.Second)
			r := f.Stop(t.Context())
			balanced(t, r)
			if !errors.Is(r.Err, syscall.ENOSPC) {
				t.Errorf("error is %v", r.Err)
			}
			if !strings.HasSuffix(r.Path, "."+format) || r.Duration < 5*time.Second || r.Duration > 11*time.Second {
				t.Errorf("%v of media in %q", r.Duration, r.Path)
			}
			if left, _ := filepath.Glob(filepath.Join(disk, "*.partial")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			wantAsWritten(t, r.Path, r)
		})
	}
}

// A disk that Linux makes read-only in the middle of a recording keeps the file
// under its temporary name, since no other can be given. It plays without a
// fault.
func TestDiskBecomesReadOnly(t *testing.T) {
	trouble.NothingLeft(t)
	disk, breakIt := trouble.BreakingDisk(t, 64<<20)
	f := openFeed(t, recorder.Config{Storage: disk, Video: recorder.VideoOptions{BitRate: rate}}, nil)
	a, v := f.AddTrack(voice), f.AddTrack(camera)
	feedAll(t, a, v, vga(media.I420), 0, 3*time.Second)
	kept := awaitPictures(t, disk, 50)
	breakIt()
	feedAll(t, a, v, vga(media.I420), 3*time.Second, 3*time.Second)
	r := f.Stop(t.Context())
	balanced(t, r)
	if !errors.Is(r.Err, syscall.EROFS) || r.Path != "" {
		t.Errorf("error is %v, path %q", r.Err, r.Path)
	}
	if !strings.Contains(r.Err.Error(), "kept as "+kept) {
		t.Errorf("error does not say where the recording is: %v", r.Err)
	}
	if n := r.Tracks[1].SamplesWritten; n < 50 {
		t.Errorf("%d pictures written by the result", n)
	}
	wantAsWritten(t, kept, r)
}

// awaitPictures waits until so many pictures can be read from the file that is
// being recorded in a directory, and returns its path.
func awaitPictures(t *testing.T, dir string, count int) string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*.partial"))
	if len(files) != 1 {
		t.Fatalf("partial files: %v", files)
	}
	for range 100 {
		for _, tr := range judge.MP4FF(t, files[0]).Tracks {
			if slices.Contains(tr.Entries, "avc1") && len(tr.Samples) >= count {
				return files[0]
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no %d pictures in %s", count, files[0])
	return ""
}

// wantAsWritten checks that a file decodes without a fault to as many pictures,
// and as much sound, as a result says have been written.
func wantAsWritten(t *testing.T, path string, r recorder.Result) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	judge.DecodesClean(t, path)
	if n := int64(len(judge.Pictures(t, path, 0))); n != r.Tracks[1].SamplesWritten {
		t.Errorf("%d pictures in the file, %d by the result", n, r.Tracks[1].SamplesWritten)
	}
	// A sample of 20 ms counts when the frame of AAC, 64 ms, is written that is
	// behind its last one, which may not have been.
	written := time.Duration(r.Tracks[0].SamplesWritten) * 20 * time.Millisecond
	heard := time.Duration(len(judge.Audio(t, path, 0, 16000))) * time.Second / 16000
	if more := heard - written; more < 0 || more > (64+20)*time.Millisecond {
		t.Errorf("%v of sound in the file, %v by the result", heard, written)
	}
}
