package file

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = time.Minute
	ms       = time.Millisecond
)

// heard is what came out of a file.
type heard struct {
	sink     *sinktest.Sink
	clock    *media.VirtualClock
	pictures []time.Duration
	audio    []time.Duration // of each packet
	frames   int
	audioEnd time.Duration
	formats  map[string]int
}

// listen returns a sink that notes what it gets and checks what always holds.
func listen(t *testing.T, also func(media.Kind, media.Sample)) *heard {
	h := &heard{clock: media.NewVirtualClock(), formats: map[string]int{}}
	h.sink = sinktest.New(func(k media.Kind, s media.Sample, waited bool) {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if !waited {
			t.Error("a file was pushed")
		}
		if now := h.clock.Now(); now < s.Time {
			t.Errorf("a sample of %v is delivered at %v", s.Time, now)
		}
		if k == media.KindVideo {
			h.pictures = append(h.pictures, s.Time)
			h.formats[s.Picture.Format.String()]++
		} else {
			h.audio = append(h.audio, s.Time)
			h.frames += s.PCM.Frames()
			h.audioEnd = s.Time + s.PCM.Duration()
			h.formats[s.PCM.Format.String()]++
		}
		if also != nil {
			also(k, s)
		}
	})
	return h
}

// play plays a file to its end on a virtual clock.
func play(t *testing.T, path string, also func(media.Kind, media.Sample), kinds ...media.Kind) *heard {
	t.Helper()
	h := listen(t, also)
	conn, err := New(path, Options{}).Connect(t.Context(), sinktest.Session(h.clock, kinds...), h.sink)
	if err != nil {
		t.Fatal(err)
	}
	if !h.sink.WaitEnd(patience) {
		t.Fatal("the file did not end")
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if n := ffmpeg.LiveObjects(); n != 0 {
		t.Errorf("%d objects of FFmpeg are left", n)
	}
	return h
}

func (h *heard) endedWell(t *testing.T) {
	t.Helper()
	if ends := h.sink.Ends(); len(ends) != 1 || ends[0] != nil {
		t.Errorf("End was called with %v, want once with nil", ends)
	}
}

// contiguous checks that each audio packet begins where the one before ended,
// but for rounding.
func contiguous(t *testing.T) func(media.Kind, media.Sample) {
	end := time.Duration(-1)
	return func(k media.Kind, s media.Sample) {
		if k != media.KindAudio {
			return
		}
		if end >= 0 && (s.Time-end).Abs() > ms {
			t.Errorf("audio at %v, the packet before ended at %v", s.Time, end)
		}
		end = s.Time + s.PCM.Duration()
	}
}

// clip makes two seconds with picture and sound.
func clip(t *testing.T, name string, args ...string) string {
	t.Helper()
	return judge.Make(t, name, append([]string{
		"-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=2",
		"-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=2", "-pix_fmt", "yuv420p"}, args...)...)
}

func TestContainers(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		// The time that a container or codec may add or cut at an end.
		slack time.Duration
	}{
		{"b-frames.mp4", []string{"-c:v", "libx264", "-bf", "3", "-c:a", "aac"}, 50 * ms},
		{"clip.mkv", []string{"-c:v", "libx264", "-bf", "3", "-c:a", "pcm_s16le"}, 2 * ms},
		{"clip.webm", []string{"-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"}, 50 * ms},
		{"starts-late.ts", []string{"-c:v", "libx264", "-bf", "0", "-c:a", "aac"}, 80 * ms},
		{"clip.avi", []string{"-c:v", "mjpeg", "-c:a", "pcm_s16le"}, 2 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := play(t, clip(t, c.name, c.args...), contiguous(t))
			h.endedWell(t)
			if len(h.pictures) != 50 {
				t.Fatalf("%d pictures, want 50", len(h.pictures))
			}
			for n, at := range h.pictures {
				if want := h.pictures[0] + time.Duration(n)*40*ms; (at - want).Abs() > ms {
					t.Errorf("picture %d at %v, want %v", n, at, want)
				}
			}
			if first := min(h.pictures[0], h.audio[0]); first.Abs() > 10*ms {
				t.Errorf("the first sample is at %v, want 0", first)
			}
			if d := time.Duration(h.frames) * time.Second / 48000; (d - 2*time.Second).Abs() > c.slack {
				t.Errorf("%v of audio, want 2s", d)
			}
			if now := h.clock.Now(); (now - 2*time.Second).Abs() > 2*c.slack {
				t.Errorf("the file took %v, want 2s", now)
			}
		})
	}
}

func TestDeclaredFormatsAreDelivered(t *testing.T) {
	h := play(t, clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "pcm_s16le"), nil)
	tracks := h.sink.Tracks()
	if len(tracks) != 2 {
		t.Fatalf("tracks %+v, want two", tracks)
	}
	video, audio := tracks[0], tracks[1]
	if video.Kind != media.KindVideo || video.Video.Rate != 25 || h.formats[video.Video.String()] != 50 {
		t.Errorf("declared %+v, delivered %v", video, h.formats)
	}
	if audio.Kind != media.KindAudio || h.formats[audio.Audio.String()] == 0 || len(h.formats) != 2 {
		t.Errorf("declared %+v, delivered %v", audio, h.formats)
	}
}

func TestOnlyOneKind(t *testing.T) {
	both := clip(t, "clip.mp4", "-c:v", "libx264", "-c:a", "aac")
	flac := judge.Make(t, "tone.flac", "-f", "lavfi", "-i", "sine=sample_rate=44100:duration=1.5")
	silent := judge.Make(t, "silent.mp4", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=1", "-pix_fmt", "yuv420p")

	if h := play(t, both, nil, media.KindAudio); len(h.pictures) != 0 || h.frames < 95000 || len(h.sink.Tracks()) != 1 {
		t.Errorf("audio only: %d pictures, %d frames, tracks %v", len(h.pictures), h.frames, h.sink.Tracks())
	}
	if h := play(t, both, nil, media.KindVideo); len(h.pictures) != 50 || h.frames != 0 || len(h.sink.Tracks()) != 1 {
		t.Errorf("video only: %d pictures, %d frames, tracks %v", len(h.pictures), h.frames, h.sink.Tracks())
	}
	if h := play(t, flac, contiguous(t)); h.frames != 66150 || len(h.sink.Tracks()) != 1 || h.clock.Now() != 1500*ms {
		t.Errorf("flac: %d frames, tracks %v, until %v", h.frames, h.sink.Tracks(), h.clock.Now())
	}
	if h := play(t, silent, nil); len(h.pictures) != 10 || len(h.sink.Tracks()) != 1 || h.clock.Now() != time.Second {
		t.Errorf("silent film: %d pictures, tracks %v, until %v", len(h.pictures), h.sink.Tracks(), h.clock.Now())
	}
}

func TestACoverIsNoVideo(t *testing.T) {
	path := judge.Make(t, "song.m4a", "-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "color=red:size=64x64:duration=0.04",
		"-map", "0", "-map", "1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-disposition:v", "attached_pic", "-frames:v", "1")
	h := play(t, path, nil)
	if len(h.pictures) != 0 || h.frames == 0 || len(h.sink.Tracks()) != 1 {
		t.Errorf("%d pictures, %d frames, tracks %v", len(h.pictures), h.frames, h.sink.Tracks())
	}
	if err := refused(t, path, media.KindVideo); !errors.Is(err, backend.ErrNoMedia) {
		t.Errorf("video of a song: %v, want ErrNoMedia", err)
	}
}

// refused connects to what cannot be played and returns the error.
func refused(t *testing.T, path string, kinds ...media.Kind) error {
	t.Helper()
	clock := media.NewVirtualClock()
	conn, err := New(path, Options{}).Connect(t.Context(), sinktest.Session(clock, kinds...), sinktest.New(nil))
	if err == nil {
		conn.Close()
		t.Fatalf("%s was opened", path)
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name the file: %v", err)
	}
	if n := ffmpeg.LiveObjects(); n != 0 {
		t.Errorf("%d objects of FFmpeg are left", n)
	}
	// The clock must not wait for the source that was refused.
	p := clock.NewPacer()
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := p.SleepUntil(ctx, time.Hour); err != nil {
		t.Error("a refused source holds the clock")
	}
	return err
}

func TestWhatCannotBePlayed(t *testing.T) {
	dir := t.TempDir()
	if err := refused(t, filepath.Join(dir, "missing.mp4")); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("missing file: %v, want ErrNotFound", err)
	}
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("dear diary\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, text); !errors.Is(err, backend.ErrNoMedia) {
		t.Errorf("text: %v, want ErrNoMedia", err)
	}
	noise := filepath.Join(dir, "noise.mp4")
	if err := os.WriteFile(noise, bytes.Repeat([]byte{1, 2, 3, 4, 5}, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, noise); !strings.Contains(err.Error(), "not a media file") {
		t.Errorf("noise: %v", err)
	}
	refused(t, dir)
}

// The flash and the beep must come out together and at their time, which
// they only do if both streams have one time zero.
func TestPictureAndSoundStayInStep(t *testing.T) {
	path := syncFile(t)
	var flashes, beeps []time.Duration
	wasWhite, lastLoud := false, -time.Second
	play(t, path, func(k media.Kind, s media.Sample) {
		if k == media.KindVideo {
			isWhite := s.Picture.Planes[0].Data[0] > 128
			if isWhite && !wasWhite {
				flashes = append(flashes, s.Time)
			}
			wasWhite = isWhite
			return
		}
		eachFrame(s, func(at time.Duration, v float64) {
			if math.Abs(v) < 0.2 {
				return
			}
			if at-lastLoud > 500*ms {
				beeps = append(beeps, at)
			}
			lastLoud = at
		})
	})
	if len(flashes) != 3 || len(beeps) != 3 {
		t.Fatalf("flashes at %v, beeps at %v, want three of each", flashes, beeps)
	}
	for i := range flashes {
		want := time.Duration(i+1) * time.Second
		if (flashes[i]-want).Abs() > ms || (beeps[i]-want).Abs() > 3*ms {
			t.Errorf("flash at %v, beep at %v, want %v", flashes[i], beeps[i], want)
		}
	}
}

// eachFrame calls f with each value of the first channel.
func eachFrame(s media.Sample, f func(at time.Duration, v float64)) {
	format, data := s.PCM.Format, s.PCM.Data
	for i := range s.PCM.Frames() {
		at := data[i*format.FrameBytes():]
		v := float64(int16(binary.LittleEndian.Uint16(at))) / math.MaxInt16
		if format.Sample == media.F32 {
			v = float64(math.Float32frombits(binary.LittleEndian.Uint32(at)))
		}
		f(s.Time+format.Duration(i), v)
	}
}

// syncFile makes a file of the sync pattern, with codecs that delay both
// streams.
func syncFile(t *testing.T) string {
	t.Helper()
	judge.Tool(t, "ffmpeg")
	dir := t.TempDir()
	picture, sound := filepath.Join(dir, "picture"), filepath.Join(dir, "sound")
	writers := map[media.Kind]io.WriteCloser{}
	for kind, path := range map[media.Kind]string{media.KindVideo: picture, media.KindAudio: sound} {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		writers[kind] = f
	}
	b, err := testpattern.New(testpattern.Options{Pattern: testpattern.AVSync, Width: 64, Height: 48, FPS: 25, Duration: 3500 * ms})
	if err != nil {
		t.Fatal(err)
	}
	sink := sinktest.New(func(k media.Kind, s media.Sample, _ bool) {
		data := [][]byte{nil}
		if k == media.KindAudio {
			data[0] = s.PCM.Data
		} else {
			data = [][]byte{s.Picture.Planes[0].Data, s.Picture.Planes[1].Data, s.Picture.Planes[2].Data}
		}
		for _, d := range data {
			if _, err := writers[k].Write(d); err != nil {
				t.Error(err)
			}
		}
	})
	conn, err := b.Connect(t.Context(), sinktest.Session(media.NewVirtualClock()), sink)
	if err != nil {
		t.Fatal(err)
	}
	if !sink.WaitEnd(patience) {
		t.Fatal("the pattern did not end")
	}
	conn.Close()
	for _, w := range writers {
		w.Close()
	}
	return judge.Make(t, "sync.mp4", "-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", "64x48", "-framerate", "25", "-i", picture,
		"-f", "s16le", "-ar", "48000", "-ac", "1", "-i", sound, "-c:v", "libx264", "-bf", "3", "-c:a", "aac")
}

func TestDamageInTheMiddleIsSkipped(t *testing.T) {
	path := clip(t, "clip.ts", "-c:v", "libx264", "-g", "10", "-c:a", "aac")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(data) / 3; i < len(data)/2; i++ {
		data[i] = byte(i * 7919)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	h := play(t, path, nil)
	h.endedWell(t)
	if n := len(h.pictures); n < 20 || n > 50 {
		t.Errorf("%d pictures of 50 are left", n)
	}
	if h.pictures[len(h.pictures)-1] < 1900*ms {
		t.Errorf("the last picture is at %v: nothing came after the damage", h.pictures[len(h.pictures)-1])
	}
}

func TestATruncatedFileIsPlayedAsFarAsItGoes(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "aac")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	if h := play(t, path, nil); len(h.pictures) < 10 || len(h.sink.Ends()) != 1 {
		t.Errorf("%d pictures, ended with %v", len(h.pictures), h.sink.Ends())
	}
}

func TestLoop(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "pcm_s16le")
	enough := make(chan struct{})
	n := 0
	h := listen(t, func(k media.Kind, s media.Sample) {
		if k != media.KindVideo {
			return
		}
		if want := time.Duration(n) * 40 * ms; (s.Time - want).Abs() > ms*time.Duration(1+n/50) {
			t.Errorf("picture %d at %v, want %v", n, s.Time, want)
		}
		if n++; n == 175 {
			close(enough)
		}
	})
	conn, err := New(path, Options{Loop: true}).Connect(t.Context(), sinktest.Session(h.clock), h.sink)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Error("the file was not repeated")
	}
	conn.Close()
	if len(h.sink.Ends()) != 0 {
		t.Errorf("End was called with %v although the session was closed from outside", h.sink.Ends())
	}
	if n := ffmpeg.LiveObjects(); n != 0 {
		t.Errorf("%d objects of FFmpeg are left", n)
	}
}

// Sessions for sound and for pictures of one file begin together.
func TestStartGate(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "pcm_s16le")
	gate := make(chan struct{})
	b := New(path, Options{Start: gate})
	clock := media.NewVirtualClock()
	first := map[media.Kind]time.Duration{}
	for _, kind := range []media.Kind{media.KindAudio, media.KindVideo} {
		h := sinktest.New(func(k media.Kind, s media.Sample, _ bool) {
			if _, ok := first[k]; !ok {
				first[k] = s.Time
			}
		})
		conn, err := b.Connect(t.Context(), sinktest.Session(clock, kind), h)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		defer func() {
			if !h.WaitEnd(patience) {
				t.Error("no end")
			}
			if first[kind] != 5*time.Second {
				t.Errorf("%v starts at %v, want 5s", kind, first[kind])
			}
		}()
		clock.Advance(2500 * ms)
	}
	close(gate)
}

// On a real clock a file takes its time, and Close does not.
func TestRealTime(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "pcm_s16le")
	begin := time.Now()
	sink := sinktest.New(nil)
	conn, err := New(path, Options{}).Connect(t.Context(), sinktest.Session(media.NewRealClock()), sink)
	if err != nil {
		t.Fatal(err)
	}
	if !sink.WaitEnd(patience) {
		t.Fatal("no end")
	}
	conn.Close()
	if took := time.Since(begin); took < 1900*ms {
		t.Errorf("two seconds took %v", took)
	}

	conn, err = New(path, Options{}).Connect(t.Context(), sinktest.Session(media.NewRealClock()), sinktest.New(nil))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * ms)
	begin = time.Now()
	conn.Close()
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

// endingSink refuses samples after the first few, as a session that has ended.
type endingSink struct {
	*sinktest.Sink
	left int
}

func (s *endingSink) AddTrack(t backend.Track) (backend.TrackSink, error) {
	track, err := s.Sink.AddTrack(t)
	return &endingTrack{track, s}, err
}

type endingTrack struct {
	backend.TrackSink
	sink *endingSink
}

func (t *endingTrack) Wait(ctx context.Context, s media.Sample) error {
	if t.sink.left--; t.sink.left < 0 {
		s.Release()
		return backend.ErrEnded
	}
	return t.TrackSink.Wait(ctx, s)
}

func TestAnEndedSessionEndsTheFile(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "pcm_s16le")
	sink := &endingSink{sinktest.New(nil), 20}
	conn, err := New(path, Options{Loop: true}).Connect(t.Context(), sinktest.Session(media.NewVirtualClock()), sink)
	if err != nil {
		t.Fatal(err)
	}
	if !sink.WaitEnd(patience) {
		t.Fatal("the file plays on for nobody")
	}
	conn.Close()
}

func TestFilm(t *testing.T) {
	path := judge.SharedMedia(t, "big-buck-bunny-480p-30s.mp4")
	h := play(t, path, contiguous(t))
	h.endedWell(t)
	if len(h.pictures) != 720 || h.formats["854x480 i420"] != 720 {
		t.Errorf("%d pictures, formats %v; want 720 of 854x480", len(h.pictures), h.formats)
	}
	if len(h.formats) != 2 || h.formats["48000 Hz stereo f32"] == 0 {
		t.Errorf("formats %v, want the 5.1 sound as stereo", h.formats)
	}
	if h.pictures[0] != 0 || h.audio[0] != 0 || (h.audioEnd-30*time.Second).Abs() > 50*ms {
		t.Errorf("pictures from %v, audio from %v to %v", h.pictures[0], h.audio[0], h.audioEnd)
	}
}

func TestSpeech(t *testing.T) {
	h := play(t, judge.SharedMedia(t, "jfk.flac"), contiguous(t))
	h.endedWell(t)
	if len(h.formats) != 1 || (h.audioEnd-11*time.Second).Abs() > ms {
		t.Errorf("formats %v until %v", h.formats, h.audioEnd)
	}
}
