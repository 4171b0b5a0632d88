package wav_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWrongOptions(t *testing.T) {
	for name, c := range map[string]struct {
		o    wav.Options
		want []string
	}{
		"mode":     {wav.Options{Mode: "left"}, []string{"Mode", `"left"`, "both, inbound, outbound"}},
		"channels": {wav.Options{Channels: "quad"}, []string{"Channels", `"quad"`, "mixed, separate, stereo, all"}},
		"rate":     {wav.Options{Rate: 4000}, []string{"Rate", "4000", "8000 to 192000"}},
		"high":     {wav.Options{Rate: 192001}, []string{"Rate", "192001"}},
		"sync":     {wav.Options{SyncInterval: 2 * time.Hour}, []string{"SyncInterval", "2h0m0s", "1h0m0s"}},
		"sample":   {wav.Options{Sample: "u8"}, []string{"Sample", `"u8"`, "s16, s24, s32, f32"}},
	} {
		_, err := wav.NewRecorder(c.o)
		var wrong *recorder.ConfigError
		if !errors.Is(err, recorder.ErrConfig) || !errors.As(err, &wrong) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", name, err, word)
			}
		}
	}
	var o wav.Options
	if err := json.Unmarshal([]byte(`{"mode":"inbound","channels":"all","rate":8000,"sample":"s24"}`), &o); err != nil ||
		o != (wav.Options{Mode: wav.Inbound, Channels: wav.All, Rate: 8000, Sample: wav.S24}) {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestStartRefuses(t *testing.T) {
	rec := newRecorder(t, wav.Options{})
	if _, err := rec.Start(t.Context(), recorder.Config{Storage: "a/../b"}); !errors.Is(err, recorder.ErrConfig) {
		t.Errorf("..: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rec.Start(ended, recorder.Config{Storage: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rec.Start(t.Context(), recorder.Config{Storage: filepath.Join(file, "dir")}); err == nil || !strings.Contains(err.Error(), "Storage") {
		t.Errorf("a file for a directory: %v", err)
	}
	if _, err := rec.Start(t.Context(), recorder.Config{Storage: trouble.ReadOnly(t)}); !errors.Is(err, fs.ErrPermission) && !strings.Contains(fmt.Sprint(err), "read-only") {
		t.Errorf("a directory that cannot be written: %v", err)
	}
}

// A recording that hears nothing leaves nothing, and makes its directory all
// the same.
func TestNoMedia(t *testing.T) {
	trouble.NothingLeft(t)
	for name, samples := range map[string][]media.Sample{"no track": nil, "not wanted": speech(out, 0, ms(500))} {
		dir := filepath.Join(t.TempDir(), "new", "dir")
		r := start(t, newRecorder(t, wav.Options{Mode: wav.Inbound}), recorder.Config{Storage: dir})
		if samples != nil {
			write(t, addTrack(t, r, voice), samples...)
		}
		result, err := r.Stop(t.Context())
		if !errors.Is(err, recorder.ErrNoMedia) || !errors.Is(result.Err, recorder.ErrNoMedia) || result.Path != "" {
			t.Errorf("%s: %v, %v, %q", name, err, result.Err, result.Path)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
		balanced(t, result)
	}
}

func TestTracksThatAreRefused(t *testing.T) {
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{})
	if _, err := r.AddTrack(recorder.Track{ID: "v", Kind: media.KindVideo}); !errors.Is(err, wav.ErrNotAudio) {
		t.Errorf("a camera: %v", err)
	}
	w := addTrack(t, r, voice)
	if _, err := r.AddTrack(voice); !errors.Is(err, recorder.ErrTrackExists) {
		t.Errorf("twice: %v", err)
	}
	for name, c := range map[string]struct {
		s    media.Sample
		want error
	}{
		"nothing":      {media.Sample{}, media.ErrPayload},
		"half a frame": {media.Sample{PCM: &media.PCM{Format: mono, Data: make([]byte, 3)}}, media.ErrLength},
		"a picture":    {media.Sample{Picture: media.NewPicture(media.VideoFormat{Width: 2, Height: 2})}, media.ErrPayload},
		"direction":    {media.Sample{Direction: 7, PCM: pcm16(mono, make([]int16, 10))}, media.ErrFormat},
	} {
		if err := w.WriteSample(c.s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	write(t, w, speech(in, 0, ms(300))...)
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if err := w.WriteSample(spoken(in, 0, 10)); !errors.Is(err, recorder.ErrTrackEnded) {
		t.Errorf("after the end: %v", err)
	}
	if result := stop(t, r); len(result.Tracks) != 1 || result.Tracks[0].SamplesIn != 15 {
		t.Errorf("tracks %+v", result.Tracks)
	}
	if _, err := r.AddTrack(voice); !errors.Is(err, recorder.ErrStopped) {
		t.Errorf("after stop: %v", err)
	}
	if result, err := r.Stop(t.Context()); !errors.Is(err, recorder.ErrStopped) || result.Path == "" {
		t.Errorf("stopped again: %v, %q", err, result.Path)
	}
}

// Once the files are finished everybody gets the same result, whatever they have
// time for.
func TestResultStays(t *testing.T) {
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{})
	write(t, addTrack(t, r, voice), speech(in, 0, ms(300))...)
	want := stop(t, r)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // of two channels that are ready select takes any
		if got, err := r.Stop(ended); !errors.Is(err, recorder.ErrStopped) || !reflect.DeepEqual(got, want) {
			t.Fatalf("stopped again: %+v, %v", got, err)
		}
	}
	if got := r.(recorder.Reporter).Report(); !reflect.DeepEqual(got, want) {
		t.Errorf("reports %+v, want %+v", got, want)
	}
}

// Who leaves and returns goes on with the track, at the right time.
func TestReturn(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{})
	first, second := speech(in, 0, ms(600)), speech(in, ms(5000), ms(5600))
	w := addTrack(t, r, voice)
	write(t, w, first...)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, addTrack(t, r, voice), second...)
	result := stop(t, r)
	var m model
	m.hear(0, append(first, second...))
	wantFile(t, result.Path, m.voices[in])
	if len(result.Tracks) != 1 || result.Tracks[0].SamplesWritten != 60 {
		t.Errorf("tracks %+v", result.Tracks)
	}
}

// Recordings of one recorder in one directory have nothing to do with each
// other.
func TestTwoRecordingsAtOnce(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	rec, dir := newRecorder(t, wav.Options{}), t.TempDir()
	var both sync.WaitGroup
	for _, d := range []media.Direction{in, out} {
		both.Go(func() {
			r := start(t, rec, recorder.Config{Storage: dir})
			samples := speech(d, 0, ms(2000))
			w, err := r.AddTrack(voice)
			if err != nil {
				t.Error(err)
				return
			}
			for _, s := range samples {
				if err := w.WriteSample(s); err != nil {
					t.Error(err)
				}
			}
			result, err := r.Stop(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			var m model
			m.hear(0, samples)
			wantFile(t, result.Path, m.voices[d])
		})
	}
	both.Wait()
}

// A first word that nothing follows on is on the disk soon all the same.
func TestShortWordIsWrittenSoon(t *testing.T) {
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{})
	write(t, addTrack(t, r, voice), speech(in, 0, ms(180))...)
	waitFor(t, "the word", func() bool { return r.(recorder.Reporter).Report().Tracks[0].SamplesWritten == 9 })
	if result := stop(t, r); result.Duration != ms(180) {
		t.Errorf("lasts %v", result.Duration)
	}
}

// A piece of the agent's whose place is open does not wait for the next one
// while the participant speaks on.
func TestHeldPieceIsDecidedInTime(t *testing.T) {
	r := start(t, newRecorder(t, wav.Options{Mode: wav.Both, Channels: wav.Separate}), recorder.Config{})
	w := addTrack(t, r, voice)
	write(t, w, speech(in, 0, ms(1000))...)
	write(t, w, spoken(out, ms(900), 320))
	write(t, w, speech(in, ms(1000), ms(2200))...)
	waitFor(t, "the piece", func() bool { return r.(recorder.Reporter).Report().Tracks[0].SamplesWritten == 111 })
	stop(t, r)
}

// Through a feed, on the queue and the goroutine of each track, nothing is
// lost, and the result is merged.
func TestThroughAFeed(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	trouble.NothingLeft(t)
	plan := plans["answer a second later"]
	feed, err := recorder.OpenFeed(t.Context(), recorder.Binding{
		Recorder: newRecorder(t, wav.Options{Mode: wav.Inbound}), Config: recorder.Config{Storage: t.TempDir()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	track, camera := feed.AddTrack(voice), feed.AddTrack(recorder.Track{ID: "v", Kind: media.KindVideo})
	camera.Push(media.Sample{Picture: media.NewPicture(media.VideoFormat{Width: 2, Height: 2})})
	for _, s := range plan {
		if err := track.Wait(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	result := feed.Stop(t.Context())
	if !errors.Is(result.Err, wav.ErrNotAudio) { // the camera's
		t.Errorf("stopped: %v", result.Err)
	}
	balanced(t, result)
	if tr := result.Tracks[0]; tr.SamplesWritten != 70 || tr.Dropped[recorder.DropNotWanted] != 50 || tr.Losses() != 50 {
		t.Errorf("%d written, dropped %v", tr.SamplesWritten, tr.Dropped)
	}
	var m model
	m.hear(ms(5000), slices.DeleteFunc(slices.Clone(plan), func(s media.Sample) bool { return s.Direction == out }))
	wantFile(t, result.Path, m.voices[in])
}

// What comes encoded is decoded. The microphone of a call is G.711, what is
// played to it is PCM on a track of its own.
func TestEncodedIsDecoded(t *testing.T) {
	judge.Need(t, "sox")
	objects := ffmpeg.LiveObjects()
	f := &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}
	r := start(t, newRecorder(t, wav.Options{Channels: wav.Stereo}), recorder.Config{})
	mic, agent := voice, voice
	agent.ID = "played"
	w, played := addTrack(t, r, mic), addTrack(t, r, agent)
	for i := range 100 {
		data := make([]byte, 160)
		for k := range data { // a square wave of 0x0F and 0x8F, ±16764
			data[k] = 0x0F | byte(k/40%2)<<7
		}
		at := ms(float64(20 * i))
		write(t, w, media.Sample{Time: at, Encoded: &media.Encoded{Format: f, Data: data}})
		write(t, played, spoken(out, at, testRate/50))
	}
	// What cannot be decoded is counted.
	bad := &media.EncodedFormat{Codec: media.AAC, Config: []byte{0x14, 0x08}}
	for range 3 {
		write(t, w, media.Sample{Time: ms(2000), Encoded: &media.Encoded{Format: bad, Data: []byte{1, 2, 3}}})
	}
	result := stop(t, r)
	if tr := result.Tracks[0]; tr.Dropped[recorder.DropUndecodable] != 3 || tr.SamplesWritten != 100 || tr.Err == nil {
		t.Errorf("%d written, dropped %v, %v", tr.SamplesWritten, tr.Dropped, tr.Err)
	}
	got := raw(t, "sox", result.Path) // at 8 kHz, that of the first audio
	if len(got) != 2*16000 {
		t.Fatalf("%d values, want two seconds of two channels", len(got))
	}
	for i := range 16000 {
		if left := math.Abs(float64(got[2*i] >> 16)); left < 16000 || left > 17000 {
			t.Fatalf("frame %d is %.0f", i, left)
		}
	}
	if n := ffmpeg.LiveObjects(); n != objects {
		t.Errorf("%d C objects, %d before", n, objects)
	}
}

// A tone as Opus and AAC is one in the file, as long as it was and no worse than
// FFmpeg's AAC encoder makes it at 32 kbit/s, which is −9 dB.
func TestOpusAndAACAreDecoded(t *testing.T) {
	judge.Need(t, "sox")
	for codec, of := range map[string]media.Codec{"opus": media.Opus, "aac": media.AAC} {
		c := clip.Encode(t, codec, clip.Options{Seconds: 2})
		f := &media.EncodedFormat{Codec: of, Config: c.Extra, Rate: c.Rate, Channels: c.Channels}
		r := start(t, newRecorder(t, wav.Options{Rate: 16000}), recorder.Config{})
		w := addTrack(t, r, voice)
		for _, p := range c.Samples {
			at := time.Second + time.Duration(p.PTS)*time.Second/time.Duration(c.Timescale)
			write(t, w, media.Sample{Time: at, Encoded: &media.Encoded{Format: f, Data: p.Data}})
		}
		result := stop(t, r)
		if tr := result.Tracks[0]; tr.SamplesWritten != int64(len(c.Samples)) || tr.GapCount != 0 {
			t.Errorf("%s: %d of %d written, %d gaps", codec, tr.SamplesWritten, len(c.Samples), tr.GapCount)
		}
		got := raw(t, "sox", result.Path)
		if d := float64(len(got))/16000 - 2; d < 0 || d > 0.1 { // priming, and the last frame
			t.Errorf("%s: %d frames for two seconds", codec, len(got))
		}
		x := make([]float64, 16000)
		for i := range x {
			x[i] = float64(got[8000+i]) / math.MaxInt32
		}
		if hz, a, db := judge.FitSine(x, 16000, 440); math.Abs(hz-440) > 1 || math.Abs(a-0.3) > 0.02 || db > -8 {
			t.Errorf("%s: %.2f Hz at %.3f, %.0f dB", codec, hz, a, db)
		}
	}
}

// A sample that is damaged in its middle is decoded to two pieces, and is one
// sample all the same, be it written or lost.
func TestSampleOfSeveralPiecesIsOne(t *testing.T) {
	c := clip.Encode(t, "aac", clip.Options{Seconds: 2})
	f := &media.EncodedFormat{Codec: media.AAC, Packing: media.ADTS, Rate: c.Rate, Channels: c.Channels}
	for name, fault := range map[string]trouble.Fault{"written": nil, "lost": trouble.FailFrom(0, 0, syscall.EIO)} {
		rec, _ := onDisks(t, wav.Options{}, fault)
		r := start(t, rec, recorder.Config{})
		w := addTrack(t, r, voice)
		const samples = 10
		for i := range samples {
			frames := c.Samples[3*i : 3*i+3]
			damaged := bytes.Repeat([]byte{0xFF}, len(frames[1].Data))
			data := slices.Concat(adts(c.Extra, frames[0].Data), adts(c.Extra, damaged), adts(c.Extra, frames[2].Data))
			at := time.Second + time.Duration(frames[0].PTS)*time.Second/time.Duration(c.Timescale)
			write(t, w, media.Sample{Time: at, Encoded: &media.Encoded{Format: f, Data: data}})
		}
		result, err := r.Stop(t.Context())
		if !errors.Is(err, map[string]error{"lost": syscall.EIO}[name]) {
			t.Errorf("%s: stop: %v", name, err)
		}
		balanced(t, result)
		tr := result.Tracks[0]
		if is := tr.SamplesWritten > 0; tr.SamplesIn != samples || is != (fault == nil) {
			t.Errorf("%s: %d came, %d written, dropped %v", name, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
}

// adts puts an ADTS header before a frame of AAC-LC.
func adts(config, frame []byte) []byte {
	rate, channels, n := config[0]&7<<1|config[1]>>7, config[1]>>3&15, len(frame)+7
	return append([]byte{0xFF, 0xF1, 1<<6 | rate<<2 | channels>>2, channels<<6 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}, frame...)
}

// Once it runs, a recording leaves the garbage collector nothing to do.
func TestRunningRecordingDoesNotAllocate(t *testing.T) {
	r := start(t, newRecorder(t, wav.Options{Channels: wav.All, Rate: 16000}), recorder.Config{})
	w := addTrack(t, r, voice)
	f := media.AudioFormat{Rate: 48000, Channels: 1} // is resampled
	samples := [2]media.Sample{{PCM: pcm16(f, make([]int16, 960))}, {Direction: out, PCM: pcm16(f, make([]int16, 960))}}
	at := time.Duration(0)
	next := func() {
		for _, s := range samples {
			s.Time = at
			write(t, w, s)
		}
		at += 20 * time.Millisecond
		time.Sleep(time.Millisecond) // at the pace of a source the writer is never far behind
	}
	for range 300 {
		next()
	}
	if got := testing.AllocsPerRun(300, next); got > 0 {
		t.Errorf("%v allocations for 20 ms", got)
	}
	stop(t, r)
}
