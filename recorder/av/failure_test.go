package av_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

var (
	voice  = recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"}
	camera = recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"}
)

// tampered is the production recorder with something broken in it.
type tampered struct {
	recorder.Recorder
	recorder.Recording
	added func(t recorder.Track, w recorder.TrackWriter)
}

func (t *tampered) Start(ctx context.Context, cfg recorder.Config) (recorder.Recording, error) {
	var err error
	t.Recording, err = t.Recorder.Start(ctx, cfg)
	return t, err
}

func (t *tampered) AddTrack(track recorder.Track) (recorder.TrackWriter, error) {
	w, err := t.Recording.AddTrack(track)
	if err == nil && t.added != nil {
		t.added(track, w)
	}
	return w, err
}

// openFeed starts a recording the way a room does.
func openFeed(t *testing.T, cfg recorder.Config, added func(recorder.Track, recorder.TrackWriter)) *recorder.Feed {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Storage == "" {
		cfg.Storage = t.TempDir()
	}
	if cfg.VideoCodec == "" && cfg.Format != "webm" {
		cfg.VideoCodec = "libx264"
	}
	f, err := recorder.OpenFeed(t.Context(), recorder.Binding{
		Recorder: &tampered{Recorder: rec, added: added}, Config: cfg,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// feedAll gives a feed some seconds of sound and of pictures, 50 and 25 a
// second, at the pace at which it takes them.
func feedAll(t *testing.T, a, v *recorder.Input, vf media.VideoFormat, from, length time.Duration) {
	t.Helper()
	for at := from; at < from+length; at += 20 * time.Millisecond {
		if err := a.Wait(t.Context(), sine(mono16k, at, 20*time.Millisecond, 440)); err != nil {
			t.Fatal(err)
		}
		if v != nil && at%(40*time.Millisecond) == 0 {
			if err := v.Wait(t.Context(), noise(vf, at)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// noise is a picture that does not compress.
func noise(f media.VideoFormat, at time.Duration) media.Sample {
	p := media.NewPicture(f)
	x := uint64(at) | 1
	for _, plane := range p.Planes {
		for i := range plane.Data {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			plane.Data[i] = byte(x)
		}
	}
	return media.Sample{Time: at, Picture: p}
}

// balanced fails unless each sample is written or counted as lost, once.
func balanced(t *testing.T, r recorder.Result) {
	t.Helper()
	for _, tr := range r.Tracks {
		if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
			t.Errorf("track %s: %d in, %d written, dropped %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
		if n := tr.Dropped[recorder.DropUnaccounted]; n > 0 {
			t.Errorf("track %s: %d samples unaccounted for", tr.ID, n)
		}
	}
}

func wantCounts(t *testing.T, tr recorder.TrackResult, in, written int64, reason recorder.DropReason, dropped int64) {
	t.Helper()
	if tr.SamplesIn != in || tr.SamplesWritten != written || tr.Dropped[reason] != dropped || tr.Losses() != dropped {
		t.Errorf("track %s: %d in, %d written, dropped %v; want %d, %d and %d %q",
			tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped, in, written, dropped, reason)
	}
}

// Options that only the encoder can judge are judged before anything is
// written, not by the first track.
func TestOptionsTheEncoderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   recorder.Config
		field string
		says  []string
	}{
		"preset of libx264": {recorder.Config{VideoCodec: "libx264", Video: recorder.VideoOptions{Preset: "nonsense"}},
			"Video.Preset", []string{`"nonsense"`, "veryfast"}},
		"preset of libx265": {recorder.Config{VideoCodec: "libx265", Video: recorder.VideoOptions{Preset: "nonsense"}},
			"Video.Preset", []string{`"nonsense"`, "veryfast"}},
		"preset of auto": {recorder.Config{Video: recorder.VideoOptions{Preset: "nonsense"}},
			"Video.Preset", []string{`"nonsense"`, "veryfast"}},
		"preset of webm": {recorder.Config{Format: "webm", Video: recorder.VideoOptions{Preset: "nonsense"}},
			"Video.Preset", []string{`"nonsense"`, "-8 to 8"}},
		"bit rate of opus": {recorder.Config{AudioCodec: "libopus", Audio: recorder.AudioOptions{BitRate: 400_000}},
			"Audio.BitRate", []string{"400000", "libopus"}},
	} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			c.cfg.Storage = filepath.Join(t.TempDir(), "recordings")
			rec, _ := av.NewRecorder()
			r, err := rec.Start(t.Context(), c.cfg)
			if err == nil {
				r.Stop(t.Context())
			}
			var wrong *recorder.ConfigError
			if !errors.As(err, &wrong) || wrong.Field != c.field {
				t.Fatalf("error is %v, want a ConfigError about %s", err, c.field)
			}
			for _, text := range c.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			if _, err := os.Stat(c.cfg.Storage); err == nil {
				t.Error("something was written")
			}
		})
	}
	rec, _ := av.NewRecorder()
	for _, preset := range []string{"veryfast", "medium"} {
		r, err := rec.Start(t.Context(), recorder.Config{Storage: t.TempDir(), Video: recorder.VideoOptions{Preset: preset, BitRate: 500_000}})
		if err != nil {
			t.Errorf("preset %s: %v", preset, err)
			continue
		}
		r.Stop(t.Context())
	}
}

// An encoder that opened in the probe but does not open for a track costs that
// track alone.
func TestEncoderDoesNotOpenForTheTrack(t *testing.T) {
	tiny := media.VideoFormat{Width: 2, Height: 2, Color: media.BT601} // less than x265 takes
	for _, declared := range []bool{true, false} {
		t.Run(fmt.Sprintf("declared=%v", declared), func(t *testing.T) {
			trouble.NothingLeft(t)
			f := openFeed(t, recorder.Config{VideoCodec: "libx265"}, nil)
			track := camera
			if declared {
				track.Video = tiny
			}
			a, v := f.AddTrack(voice), f.AddTrack(track)
			feedAll(t, a, v, tiny, 0, 2*time.Second)
			r := f.Stop(t.Context())

			balanced(t, r)
			wantCounts(t, r.Tracks[0], 100, 100, "", 0)
			wantCounts(t, r.Tracks[1], 50, 0, recorder.DropWriteError, 50)
			if r.Err == nil || !strings.Contains(r.Err.Error(), "libx265") {
				t.Errorf("result's error is %v", r.Err)
			}
			if err := r.Tracks[1].Err; err == nil || !strings.Contains(err.Error(), "libx265") {
				t.Errorf("the camera's error is %v", err)
			}
			if err := r.Tracks[0].Err; err != nil {
				t.Errorf("the voice's error is %v", err)
			}
			judge.DecodesClean(t, r.Path)
			near(t, "file's duration", judge.Probe(t, r.Path).Length(), 2*time.Second, 5*time.Millisecond)
		})
	}
}

// An encoder that is lost for good in the middle: the file has what came
// before, and the other track goes on to the end.
func TestEncoderFailsForGood(t *testing.T) {
	for name, kind := range map[string]media.Kind{"video": media.KindVideo, "audio": media.KindAudio} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			writers := map[media.Kind]recorder.TrackWriter{}
			f := openFeed(t, recorder.Config{}, func(tr recorder.Track, w recorder.TrackWriter) { writers[tr.Kind] = w })
			a, v := f.AddTrack(voice), f.AddTrack(camera)
			feedAll(t, a, v, vga(media.I420), 0, 4*time.Second)
			for f.Report().Tracks[0].SamplesWritten < 150 || f.Report().Tracks[1].SamplesWritten < 100 {
				time.Sleep(time.Millisecond)
			}
			av.CloseEncoder(writers[kind])
			feedAll(t, a, v, vga(media.I420), 4*time.Second, 2*time.Second)
			r := f.Stop(t.Context())

			balanced(t, r)
			lost, whole := r.Tracks[1], r.Tracks[0]
			if kind == media.KindAudio {
				lost, whole = whole, lost
			}
			if whole.Losses() != 0 || whole.Err != nil {
				t.Errorf("the other track has lost %v: %v", whole.Dropped, whole.Err)
			}
			near(t, "end of the other track", whole.Last, 6*time.Second, 10*time.Millisecond)
			if lost.Dropped[recorder.DropWriteError] < 50 || lost.SamplesWritten < 100 {
				t.Errorf("broken track: %d written, dropped %v", lost.SamplesWritten, lost.Dropped)
			}
			for what, err := range map[string]error{"result": r.Err, "track": lost.Err} {
				if !errors.Is(err, ffmpeg.ErrClosed) {
					t.Errorf("error of the %s is %v", what, err)
				}
			}
			if !strings.Contains(fmt.Sprint(r.Err), `"`+lost.ID+`"`) {
				t.Errorf("result's error does not name the track: %v", r.Err)
			}
			judge.DecodesClean(t, r.Path)
			near(t, "file's duration", judge.Probe(t, r.Path).Length(), 6*time.Second, 10*time.Millisecond)
		})
	}
}

// An encoder that fails on every tenth picture costs those pictures.
func TestEncoderFailsNowAndThen(t *testing.T) {
	trouble.NothingLeft(t)
	broken := errors.New("encoder has the hiccups")
	f := openFeed(t, recorder.Config{}, func(tr recorder.Track, w recorder.TrackWriter) {
		if tr.Kind == media.KindVideo {
			av.BreakEncoder(w, func(n int) bool { return n%10 == 1 }, broken)
		}
	})
	a, v := f.AddTrack(voice), f.AddTrack(camera)
	feedAll(t, a, v, vga(media.I420), 0, 4*time.Second)
	r := f.Stop(t.Context())
	balanced(t, r)
	wantCounts(t, r.Tracks[0], 200, 200, "", 0)
	wantCounts(t, r.Tracks[1], 100, 90, recorder.DropWriteError, 10)
	if !errors.Is(r.Err, broken) || !errors.Is(r.Tracks[1].Err, broken) {
		t.Errorf("errors are %v and %v", r.Err, r.Tracks[1].Err)
	}
	judge.DecodesClean(t, r.Path)
	if n := len(judge.Pictures(t, r.Path, 0)); n != 90 {
		t.Errorf("%d pictures in the file", n)
	}
}

// Audio is encoded in frames of its own, long after its samples were taken: a
// frame that fails costs those samples, and who hears of it is the result.
func TestAudioEncoderFailsNowAndThen(t *testing.T) {
	trouble.NothingLeft(t)
	broken := errors.New("encoder has the hiccups")
	f := openFeed(t, recorder.Config{}, func(_ recorder.Track, w recorder.TrackWriter) {
		av.LosePackets(w, func(n int) bool { return n == 20 || n == 40 }, broken)
	})
	track := voice
	track.Audio = mono16k // so that the encoder is there to be broken
	a := f.AddTrack(track)
	feedAll(t, a, nil, vga(media.I420), 0, 4*time.Second)
	r := f.Stop(t.Context())
	balanced(t, r)
	// Two frames of 64 ms, in which three or four samples of 20 ms end each.
	tr := r.Tracks[0]
	if n := tr.Dropped[recorder.DropWriteError]; n < 6 || n > 8 || tr.Losses() != n || tr.SamplesIn != 200 {
		t.Errorf("%d in, dropped %v", tr.SamplesIn, tr.Dropped)
	}
	if !errors.Is(r.Err, broken) || !errors.Is(tr.Err, broken) || !strings.Contains(fmt.Sprint(r.Err), `"a"`) {
		t.Errorf("errors are %v and %v", r.Err, tr.Err)
	}
	near(t, "duration", r.Duration, 4*time.Second, time.Millisecond)
	near(t, "file's duration", judge.Probe(t, r.Path).Length(), 4*time.Second, time.Millisecond)
}

// A disk that fills up ends the file, not the account of what came.
func TestDiskFull(t *testing.T) {
	for _, format := range recorder.Formats() {
		t.Run(format, func(t *testing.T) {
			trouble.NothingLeft(t)
			disk := trouble.SmallDisk(t, "8m")
			f := openFeed(t, recorder.Config{Storage: disk, Format: format, Video: recorder.VideoOptions{BitRate: 20_000_000}}, nil)
			a, v := f.AddTrack(voice), f.AddTrack(camera)
			feedAll(t, a, v, vga(media.I420), 0, 6*time.Second)
			r := f.Stop(t.Context())

			balanced(t, r)
			if r.Tracks[0].SamplesIn != 300 || r.Tracks[1].SamplesIn != 150 {
				t.Errorf("%d and %d samples in, want 300 and 150", r.Tracks[0].SamplesIn, r.Tracks[1].SamplesIn)
			}
			if !errors.Is(r.Err, syscall.ENOSPC) {
				t.Errorf("error is %v, want one that wraps ENOSPC", r.Err)
			}
			for _, tr := range r.Tracks {
				if !errors.Is(tr.Err, syscall.ENOSPC) {
					t.Errorf("error of track %s is %v", tr.ID, tr.Err)
				}
			}
			if n := strings.Count(strings.ToLower(r.Err.Error()), "no space left"); n != 1 {
				t.Errorf("error says the same %d times: %v", n, r.Err)
			}
			wantFileOrNone(t, r)
			if hybrid := format == "mp4" || format == "mov"; hybrid && (r.Path == "" || r.Duration < time.Second) {
				t.Errorf("%v of media in %q, want what the disk had room for", r.Duration, r.Path)
			}
		})
	}
}

// wantFileOrNone fails unless the result's file plays as far as it says, or
// there is none and nothing counts as written.
func wantFileOrNone(t *testing.T, r recorder.Result) {
	t.Helper()
	for _, tr := range r.Tracks {
		if r.Path == "" && tr.SamplesWritten != 0 {
			t.Errorf("no file, but %d samples of %s count as written", tr.SamplesWritten, tr.ID)
		}
		if r.Path == "" && (r.Duration != 0 || tr.Bytes != 0) {
			t.Errorf("no file, but %v of media, %d bytes of track %s", r.Duration, tr.Bytes, tr.ID)
		}
	}
	if r.Path == "" {
		return
	}
	if _, err := os.Stat(r.Path); err != nil {
		t.Error(err)
	}
	if n := int64(len(judge.Pictures(t, r.Path, 0))); n != r.Tracks[1].SamplesWritten {
		t.Errorf("%d pictures in the file, %d by the result", n, r.Tracks[1].SamplesWritten)
	}
}

// The disk may have room for the end of the file but not for its manifest, or
// for part of either. What an MP4 holds in reserve for its end has room for the
// manifest, too.
func TestDiskAlmostFullAtTheEnd(t *testing.T) {
	trouble.NothingLeft(t)
	for _, c := range []struct {
		format, disk string
		step, cases  int
	}{{"mkv", "256k", 1, 3}, {"mp4", "3m", 60, 2}} {
		disk := trouble.SmallDisk(t, c.disk)
		short := map[string]int{}
		for n := range 12 {
			short[almostFull(t, disk, c.format, n*c.step)]++
			left, _ := filepath.Glob(filepath.Join(disk, "*"))
			for _, path := range left {
				os.Remove(path)
			}
		}
		if len(short) != c.cases {
			t.Errorf("%s: cases met: %v, want %d", c.format, short, c.cases)
		}
	}
}

// almostFull stops a recording when the disk has as many pages left, and
// returns what it was short of.
func almostFull(t *testing.T, disk, format string, pages int) string {
	t.Helper()
	f := openFeed(t, recorder.Config{Storage: disk, Format: format}, nil)
	a, v := f.AddTrack(voice), f.AddTrack(camera)
	feedAll(t, a, v, media.VideoFormat{Width: 64, Height: 48}, 0, 200*time.Millisecond)
	for f.Report().Tracks[1].SamplesIn < 5 {
		time.Sleep(time.Millisecond)
	}
	fill(t, disk, pages)
	r := f.Stop(t.Context())
	balanced(t, r)
	wantFileOrNone(t, r)
	manifests, _ := filepath.Glob(filepath.Join(disk, "*.json"))
	switch {
	case r.Path == "":
		return "of file"
	case r.Err != nil:
		if !errors.Is(r.Err, syscall.ENOSPC) || len(manifests) != 0 {
			t.Errorf("%d pages: error is %v, manifests %v", pages, r.Err, manifests)
		}
		return "of manifest"
	}
	if len(manifests) != 1 {
		t.Errorf("%d pages: manifests %v", pages, manifests)
	}
	return "of nothing"
}

// The disk may be full just when the file is finished.
func TestDiskFullAtTheEnd(t *testing.T) {
	trouble.NothingLeft(t)
	disk := trouble.SmallDisk(t, "3m")
	f := openFeed(t, recorder.Config{Storage: disk}, nil)
	a, v := f.AddTrack(voice), f.AddTrack(camera)
	feedAll(t, a, v, media.VideoFormat{Width: 64, Height: 48}, 0, 2*time.Second)
	fill(t, disk, 0)
	r := f.Stop(t.Context())
	balanced(t, r)
	if !errors.Is(r.Err, syscall.ENOSPC) {
		t.Errorf("error is %v", r.Err)
	}
	wantFileOrNone(t, r)
	for _, tr := range r.Tracks {
		if !errors.Is(tr.Err, syscall.ENOSPC) {
			t.Errorf("error of track %s is %v", tr.ID, tr.Err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(disk, "*.json")); r.Path == "" && len(left) > 0 {
		t.Errorf("a manifest is left without its file: %v", left)
	}
}

// fill leaves as many pages of a disk free, and returns the file that takes the
// rest.
func fill(t *testing.T, dir string, free int) string {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size := int64(0)
	for err == nil {
		size += 4096
		_, err = file.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := file.Truncate(max(size-4096-int64(free)*4096, 0)); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

func TestStorageThatCannotBeWritten(t *testing.T) {
	trouble.NothingLeft(t)
	rec, _ := av.NewRecorder()
	occupied := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(occupied, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for what, storage := range map[string]string{"a file": occupied, "below a file": filepath.Join(occupied, "x")} {
		if _, err := rec.Start(t.Context(), recorder.Config{Storage: storage}); err == nil || !strings.Contains(err.Error(), storage) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
	readOnly := trouble.ReadOnly(t)
	for what, storage := range map[string]string{"read-only": readOnly, "below a read-only": filepath.Join(readOnly, "x")} {
		_, err := rec.Start(t.Context(), recorder.Config{Storage: storage})
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), storage) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
}

// A directory that is removed while it is recorded into takes the file along,
// and the result says so.
func TestDirectoryVanishes(t *testing.T) {
	for name, late := range map[string]bool{"in the middle": true, "before the first track": false} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			dir := filepath.Join(t.TempDir(), "recordings")
			f := openFeed(t, recorder.Config{Storage: dir}, nil)
			if !late {
				os.RemoveAll(dir)
			}
			a, v := f.AddTrack(voice), f.AddTrack(camera)
			feedAll(t, a, v, vga(media.I420), 0, 4*time.Second)
			os.RemoveAll(dir)
			r := f.Stop(t.Context())
			balanced(t, r)
			wantFileOrNone(t, r)
			if !errors.Is(r.Err, fs.ErrNotExist) || r.Path != "" {
				t.Errorf("error is %v, path %q", r.Err, r.Path)
			}
			if strings.Contains(fmt.Sprint(r.Err), "is kept as") {
				t.Errorf("error promises a file that is not there: %v", r.Err)
			}
		})
	}
}

// A file that has the final name already is somebody's.
func TestFinalNameIsTaken(t *testing.T) {
	trouble.NothingLeft(t)
	for _, suffix := range []string{"", ".json"} {
		dir := t.TempDir()
		f := openFeed(t, recorder.Config{Storage: dir}, nil)
		a, v := f.AddTrack(voice), f.AddTrack(camera)
		feedAll(t, a, v, vga(media.I420), 0, time.Second)
		partial, _ := filepath.Glob(filepath.Join(dir, "*.partial"))
		if len(partial) != 1 {
			t.Fatalf("partial files: %v", partial)
		}
		taken := strings.TrimSuffix(partial[0], ".partial") + suffix
		if err := os.WriteFile(taken, []byte("precious"), 0o666); err != nil {
			t.Fatal(err)
		}
		r := f.Stop(t.Context())
		balanced(t, r)
		if got, _ := os.ReadFile(taken); string(got) != "precious" {
			t.Errorf("%q was overwritten", taken)
		}
		if !errors.Is(r.Err, fs.ErrExist) {
			t.Errorf("error is %v", r.Err)
		}
		kept := r.Path
		if suffix == "" {
			if kept != "" {
				t.Errorf("path is %q, a file that is not this recording's", kept)
			}
			kept = partial[0]
			if !strings.Contains(fmt.Sprint(r.Err), kept) {
				t.Errorf("error does not say where the recording is: %v", r.Err)
			}
		}
		judge.DecodesClean(t, kept) // what was recorded is not lost for it
	}
}

// Stop is bounded by its context; the file is finished all the same.
func TestStopWithEndedContext(t *testing.T) {
	trouble.NothingLeft(t)
	dir := t.TempDir()
	r := start(t, recorder.Config{Storage: dir})
	a := addTrack(t, r, voice)
	v := addTrack(t, r, camera)
	record(t, r, a, v, mono16k, vga(media.I420), 0, 2*time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	result, err := r.Stop(ctx)
	if took := time.Since(begun); took > 500*time.Millisecond {
		t.Errorf("Stop took %v", took)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if len(result.Tracks) != 2 {
		t.Errorf("result so far has %d tracks", len(result.Tracks))
	}
	result, err = r.Stop(t.Context())
	if !errors.Is(err, recorder.ErrStopped) || result.Path == "" {
		t.Fatalf("second stop: path %q, %v", result.Path, err)
	}
	judge.DecodesClean(t, result.Path)
	near(t, "file's duration", judge.Probe(t, result.Path).Length(), 2*time.Second, 40*time.Millisecond)
}

// A disk that takes nothing more for a while must not hold up whoever stops.
// A pipe that nobody reads from is such a disk; only transport streams can be
// written to it.
func TestStopWithDiskThatHangs(t *testing.T) {
	trouble.NothingLeft(t)
	dir := t.TempDir()
	f := openFeed(t, recorder.Config{Storage: dir, Format: "ts", Video: recorder.VideoOptions{BitRate: 20_000_000}}, nil)
	revive := hang(t, dir)
	a, v := f.AddTrack(voice), f.AddTrack(camera)
	for at := time.Duration(0); at < 6*time.Second; at += 20 * time.Millisecond {
		a.Push(sine(mono16k, at, 20*time.Millisecond, 440))
		if at%(40*time.Millisecond) == 0 {
			v.Push(noise(vga(media.I420), at))
			time.Sleep(10 * time.Millisecond) // else the queue is full, which is not the point
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	r := f.Stop(ctx)
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("Stop took %v", took)
	}
	if r.Err == nil || r.Path != "" {
		t.Errorf("error is %v, path %q", r.Err, r.Path)
	}
	for _, tr := range r.Tracks {
		if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
			t.Errorf("track %s: %d in, %d written, dropped %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
	revive() // what was stuck ends
}

// The recording itself keeps to its context, too, whoever calls it.
func TestRecordingStopsInTimeWithDiskThatHangs(t *testing.T) {
	trouble.NothingLeft(t)
	dir := t.TempDir()
	r := start(t, recorder.Config{Storage: dir, Format: "ts", Video: recorder.VideoOptions{BitRate: 20_000_000}})
	revive := hang(t, dir)
	v := addTrack(t, r, camera)
	for n := range 30 {
		write(t, v, noise(vga(media.I420), time.Duration(n)*time.Second/30))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	result, err := r.Stop(ctx)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("Stop took %v", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) || result.Path != "" {
		t.Errorf("error is %v, path %q", err, result.Path)
	}
	revive()
	if _, err := r.Stop(t.Context()); !errors.Is(err, recorder.ErrStopped) {
		t.Errorf("second stop: %v", err)
	}
}

// hang puts a pipe that nobody reads in the place of the only recording in a
// directory, before it has a track. What is returned begins to read.
func hang(t *testing.T, dir string) (revive func()) {
	t.Helper()
	partial, _ := filepath.Glob(filepath.Join(dir, "*.partial"))
	if len(partial) != 1 {
		t.Fatalf("partial files: %v", partial)
	}
	if err := errors.Join(os.Remove(partial[0]), syscall.Mkfifo(partial[0], 0o666)); err != nil {
		t.Skip(err)
	}
	// Opened for both directions, a pipe opens at once and has no end.
	pipe, err := os.OpenFile(partial[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	drain := sync.OnceFunc(func() {
		go func() {
			defer close(drained)
			io.Copy(io.Discard, pipe)
		}()
	})
	t.Cleanup(func() {
		drain()
		// Time for what was stuck to notice.
		time.Sleep(500 * time.Millisecond)
		pipe.Close()
		<-drained
	})
	return drain
}
