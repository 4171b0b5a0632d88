package mp4_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// finishedShapes are the ways in which a finished file may be laid out.
var finishedShapes = []struct {
	name string
	o    mp4.Options
}{
	{"index at the end", mp4.Options{}},
	{"index at the front", mp4.Options{FastStart: 32 << 10}},
	{"QuickTime", mp4.Options{QuickTime: true}},
}

// Programs that know nothing of each other say nothing against a finished file
// with late tracks and chapters, and all list the same samples: by the index,
// and by the fragments that it had before.
//
// "make sweep" shows each pair of codecs in each shape to all of them. Without
// it each pair is in one shape, and the slow ones are left out.
func TestFinished(t *testing.T) {
	judge.Need(t, "ffprobe", "ffmpeg", "mediainfo")
	everyPair(t, func(t *testing.T, video, audio string) {
		n := slices.Index(videoCodecs, video) + slices.Index(audioCodecs, audio)
		for i, shape := range finishedShapes {
			if isSlow() || i == n%len(finishedShapes) {
				t.Run(shape.name, func(t *testing.T) { checkFinished(t, video, audio, shape.o) })
			}
		}
	})
}

func checkFinished(t *testing.T, video, audio string, o mp4.Options) {
	parts := []part{
		{clip: clip.Encode(t, video, clip.Options{Seconds: 2, GOP: 5, BFrames: 1}), name: "camera"},
		{clip: clip.Encode(t, audio, clip.Options{Seconds: 2}), name: "voice"},
		{clip: clip.Encode(t, video, clip.Options{Seconds: 1, GOP: 5}), name: "late camera", start: 700 * time.Millisecond},
		{clip: clip.Encode(t, audio, clip.Options{Seconds: 1, Channels: 2}), name: "late voice", start: 900 * time.Millisecond},
	}
	before, after := recordChapters(t, o, parts)
	finished, unfinished := judge.ListSamples(after), judge.ListSamples(before)
	for _, f := range []judge.Tables{finished, unfinished} {
		if len(f.Warnings) > 0 || len(f.Tracks) != len(parts)+1 {
			t.Errorf("%d tracks in %d fragments: %q", len(f.Tracks), f.Fragments, f.Warnings)
		}
	}
	judge.SameTables(t, untilTheEnd(finished).FromZero(), untilTheEnd(unfinished.Lasting()).FromZero())

	path := scratch(t, after)
	probesClean(t, path)
	judge.DecodesClean(t, path)
	judge.MediaInfo(t, path, 2, 2)
	if isSlow() {
		if r := judge.GStreamer(t, path, 2, 2); len(r.Complaints) > 0 {
			t.Errorf("GStreamer: %q", r.Complaints)
		}
		if video != "hevc" { // which Debian's Chromium lacks
			checkPlayback(t, judge.Chromium(t, path))
		}
	}
	judge.SameTables(t, finished, judge.MP4Box(t, path))
	judge.SameTables(t, unfinished, judge.MP4Box(t, scratch(t, before)))
}

// untilTheEnd returns a listing without how long the last chapter is: to the
// end of the movie, which is not known before.
func untilTheEnd(f judge.Tables) judge.Tables {
	f.Tracks = slices.Clone(f.Tracks)
	last := &f.Tracks[len(f.Tracks)-1]
	last.Samples = slices.Clone(last.Samples)
	last.Samples[len(last.Samples)-1].Duration = 0
	return f
}

// probesClean fails the test unless ffprobe reads all of a file without a
// warning, but for the one that it has about each file with chapters, FFmpeg's
// own included: it has no decoder for their titles.
func probesClean(t *testing.T, path string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command("ffprobe", "-v", "warning", "-show_format", "-show_streams", "-show_packets", "-show_chapters", path)
	cmd.Stderr = &said
	err := cmd.Run()
	complaints := titlesDecoder.ReplaceAll(said.Bytes(), nil)
	if err != nil || len(bytes.TrimSpace(complaints)) > 0 {
		t.Errorf("ffprobe: %v: %s", err, complaints)
	}
}

var titlesDecoder = regexp.MustCompile(`Unsupported codec with id \d+ for input stream 4\n`)

// checkPlayback checks what a browser says of two seconds.
func checkPlayback(t *testing.T, p judge.Playback) {
	t.Helper()
	if p.Duration < 1.9 || p.Duration > 2.1 || p.Width != 64 || p.Height != 48 || p.Played < 0.6 || p.Sought < 1.4 || p.Frames < 5 || p.Audio == 0 {
		t.Errorf("Chromium: %+v", p)
	}
}

// recordChapters writes a session with two chapters, and returns the file as it
// was before Close and after.
func recordChapters(t *testing.T, o mp4.Options, parts []part) (before, after []byte) {
	t.Helper()
	d := trouble.NewDisk(nil)
	l := newLedger(d)
	o.Fragment, o.SyncInterval, o.Written = 300*time.Millisecond, eachFragment, l.written
	o.Created = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if !o.QuickTime { // whose metadata mp4ff takes for boxes
		o.Title, o.Tool = "Room", "RoomKit"
	}
	w, err := mp4.NewWriter(d, o)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(feed(t, w, parts), w.AddChapter(t.Context(), 0, "Hello"),
		w.AddChapter(t.Context(), time.Second, "Goodbye"), w.Flush())
	if err != nil {
		t.Fatal(err)
	}
	l.await(len(steps(parts)) + 2)
	before = d.Bytes()
	if err := w.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	return before, d.Bytes()
}
