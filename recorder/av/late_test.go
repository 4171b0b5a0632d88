package av_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Somebody who comes long after the start is in the file from their first word
// on, at the right moment, and who has left stays in it.
func TestLateTrackJoinsARunningFile(t *testing.T) {
	for _, format := range []string{"mp4", "mov"} {
		t.Run(format, func(t *testing.T) {
			const joins, leaves, end = 10 * time.Second, 12 * time.Second, 14 * time.Second
			r := start(t, recorder.Config{Format: format})
			ann := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
			record(t, r, ann, nil, mono16k, vga(media.I420), 0, joins)
			bob := addTrack(t, r, recorder.Track{ID: "b", Kind: media.KindAudio, Participant: "bob", Audio: mono16k})
			camera := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "bob"})
			for at := joins; at < leaves; at += time.Second { // side by side
				record(t, r, ann, nil, mono16k, vga(media.I420), at, time.Second)
				record(t, r, bob, camera, mono16k, vga(media.I420), at, time.Second)
			}
			if err := ann.Close(); err != nil {
				t.Fatal(err)
			}
			record(t, r, bob, camera, mono16k, vga(media.I420), leaves, end-leaves)
			result := stop(t, r)
			balanced(t, result)
			// By itself ffmpeg looks only at the first seconds, and warns of a
			// track that it has not seen there.
			if out := judge.Run(t, "ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-analyzeduration", "20M", "-i", result.Path,
				"-map", "0", "-enc_time_base:v", "1:90000", "-f", "null", "-"); len(out) > 0 {
				t.Errorf("ffmpeg says %s", out)
			}

			f := judge.Probe(t, result.Path)
			near(t, "file's duration", f.Length(), end, 40*time.Millisecond)
			loud := func(v float64) bool { return math.Abs(v) > 0.2 }
			at := func(i int) time.Duration { return time.Duration(i) * time.Second / 16000 }
			near(t, "late voice's onset", at(slices.IndexFunc(judge.Audio(t, result.Path, 1, 16000), loud)), joins, 5*time.Millisecond)
			near(t, "late camera's first picture", judge.Pictures(t, result.Path, 0)[0].Time, joins, time.Millisecond)
			left := judge.Audio(t, result.Path, 0, 16000)
			slices.Reverse(left)
			silence := slices.IndexFunc(left, loud)
			near(t, "end of the voice that left", at(len(left)-silence), leaves, 5*time.Millisecond)
			for _, tr := range result.Tracks {
				if tr.Losses() != 0 || tr.SamplesWritten != tr.SamplesIn {
					t.Errorf("track %s: %d in, %d written, lost %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
				}
			}
		})
	}
}

// The file plays at every instant: what a crash leaves has all but the last
// second, a lone picture that stands since then included.
func TestUnfinishedHybridPlays(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	dir := t.TempDir()
	r := start(t, recorder.Config{Storage: dir})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	record(t, r, a, nil, mono16k, vga(media.I420), 0, 3*time.Second)
	screen := addTrack(t, r, recorder.Track{ID: "s", Kind: media.KindScreen, Participant: "ann"})
	write(t, screen, gray(vga(media.I420), 3*time.Second, 200))
	// Nothing comes any more. The time is that of a disk which is written
	// to twice a second, with room for a machine that is busy.
	var pictures int
	copied := filepath.Join(t.TempDir(), "crashed.mp4")
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		files, _ := filepath.Glob(filepath.Join(dir, "*.partial"))
		torn, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, torn, 0o666); err != nil {
			t.Fatal(err)
		}
		if r.(recorder.Reporter).Report().Tracks[1].SamplesWritten == 1 {
			pictures = len(judge.Pictures(t, copied, 0))
			break
		}
	}
	if pictures != 1 {
		t.Errorf("%d pictures in what a crash leaves, want 1", pictures)
	}
	if got := time.Duration(len(judge.Audio(t, copied, 0, 16000))) * time.Second / 16000; got < 2*time.Second {
		t.Errorf("%v of sound in what a crash leaves of 3 s", got)
	}
	stop(t, r)
}

// The index is in front where that is asked for, and at the end where it is
// not or has outgrown its place.
func TestFastStart(t *testing.T) {
	for name, c := range map[string]struct {
		o     recorder.FileOptions
		front bool
	}{
		"by default": {recorder.FileOptions{}, false},
		"asked for":  {recorder.FileOptions{FastStart: time.Minute}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, recorder.Config{File: c.o})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
			record(t, r, a, nil, mono16k, vga(media.I420), 0, time.Second)
			result := stop(t, r)
			data, err := os.ReadFile(result.Path)
			if err != nil {
				t.Fatal(err)
			}
			// Behind a finished file's switch readers skip to the index.
			skip := binary.BigEndian.Uint64(data[28+8:])
			rest := data[28+skip:]
			if string(rest[4:8]) != "moov" {
				t.Fatalf("behind the switch comes %q", rest[4:8])
			}
			if front := int(binary.BigEndian.Uint32(rest)) < len(rest); front != c.front {
				t.Errorf("index in front: %v", front)
			}
			judge.DecodesClean(t, result.Path)
		})
	}
}

func TestFileOptionsAreChecked(t *testing.T) {
	for _, o := range []recorder.FileOptions{{FastStart: -1}, {SyncInterval: -2}, {IndexReserve: 2 << 30}} {
		err := recorder.Config{File: o}.WithDefaults().Validate()
		if !errors.Is(err, recorder.ErrConfig) || !strings.Contains(err.Error(), "File.") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
