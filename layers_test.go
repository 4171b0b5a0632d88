package roomkit_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
	"github.com/roomkit-live/roomkit-go/video"
	"github.com/roomkit-live/roomkit-go/voice"
)

// layered is which of the three layers record.
type layered struct{ room, voice, video bool }

// recordLayers records two participants with voice and video each, who are
// spoken to, and returns what decoding each file gives, sample for sample and
// picture for picture, by the file's name without what is random in it.
func recordLayers(t *testing.T, which layered) map[string][]string {
	t.Helper()
	dir, clock, start := t.TempDir(), media.NewVirtualClock(), make(chan struct{})
	kit := roomkit.New(roomkit.WithClock(clock))
	defer kit.Close(t.Context())
	var bindings []recorder.Binding
	if which.room {
		bindings = append(bindings, avBinding(t, "room", recorder.Config{Storage: dir, AudioSampleRate: 48000}))
	}
	options := []roomkit.ChannelOption{
		roomkit.WithVoicePipeline(voice.NewPipeline(voice.HighPass(80), voice.Gain(-6))),
		roomkit.WithOutboundPipeline(voice.NewPipeline(voice.Gain(-3))),
		roomkit.WithVideoPipeline(video.NewPipeline(video.Crop(8, 8, 120, 90), video.Rotate(90))),
	}
	if which.voice {
		r := must(wav.NewRecorder(wav.Options{Channels: wav.All, Rate: 48000}))(t)
		options = append(options, roomkit.WithVoiceRecorder(recorder.Binding{Recorder: r, Config: recorder.Config{Storage: dir}}))
	}
	if which.video {
		options = append(options, roomkit.WithVideoRecorder(avBinding(t, "video", recorder.Config{Storage: dir})))
	}
	room := must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(bindings...)))(t)
	var sessions []*roomkit.Session
	hold := clock.NewPacer() // everybody begins at one instant
	for i, name := range []string{"ann", "bob"} {
		o := smallPattern
		o.Start, o.Name, o.Tone = start, name, 440*(i+1)
		b := must(testpattern.New(o))(t)
		if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel(name, b, options...)); err != nil {
			t.Fatal(err)
		}
		s := must(kit.Join(t.Context(), room.ID(), name, roomkit.WithParticipant(name)))(t)
		if err := s.Play(t.Context(), pcm(speechFormat, 24000*(i+1), 3000)); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	close(start)
	hold.Close()
	for _, s := range sessions {
		<-s.Done()
	}
	for _, r := range must(kit.CloseRoom(t.Context(), "room"))(t) {
		balanced(t, r)
	}
	for _, s := range sessions {
		for _, r := range s.Recordings() {
			balanced(t, r)
			if r.Err != nil {
				t.Errorf("%s: %v", r.Binding, r.Err)
			}
			for _, tr := range r.Tracks {
				if tr.Losses() > 0 {
					t.Errorf("%s, %s: lost %v", r.Binding, tr.ID, tr.Dropped)
				}
			}
		}
	}
	return decodeAll(t, dir)
}

// decodeAll decodes all recordings in a directory.
func decodeAll(t *testing.T, dir string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, path := range must(filepath.Glob(filepath.Join(dir, "*.*")))(t) {
		if strings.HasSuffix(path, ".json") {
			continue
		}
		parts := strings.Split(filepath.Base(path), "_") // name, (participant), id, time (, suffix)
		name := strings.Join(slices.DeleteFunc(parts, func(p string) bool { return len(p) == 12 || strings.HasPrefix(p, "20") }), "_")
		out, err := exec.Command("ffmpeg", "-v", "warning", "-i", path, "-map", "0", "-f", "framemd5", "-").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, out)
		}
		streams := map[string][]string{}
		for line := range strings.Lines(string(out)) { // for each picture and piece of audio its time, size and hash
			if stream, what, ok := strings.Cut(line, ","); ok && !strings.HasPrefix(line, "#") {
				streams[stream] = append(streams[stream], what)
			}
		}
		for _, lines := range streams {
			sum := sha256.Sum256([]byte(strings.Join(lines, "")))
			all[name] = append(all[name], fmt.Sprintf("%d of %x", len(lines), sum[:8]))
		}
		slices.Sort(all[name]) // in which order streams lie in the file is not decided
	}
	return all
}

// The three layers run at once, and each records what it records alone.
func TestLayersTogether(t *testing.T) {
	judge.Need(t, "ffmpeg")
	trouble.NothingLeft(t)
	together := recordLayers(t, layered{true, true, true})
	alone := map[string][]string{}
	for _, one := range []layered{{room: true}, {voice: true}, {video: true}} {
		maps.Copy(alone, recordLayers(t, one))
	}
	if len(together) != 1+2*4+2 {
		t.Errorf("%d files: %v", len(together), together)
	}
	for name, want := range alone {
		if got := together[name]; !slices.Equal(got, want) {
			t.Errorf("%s: %v together, %v alone", name, got, want)
		}
	}
}

// A layer that hangs, fails or panics costs neither the room nor the session
// anything, and keeps nobody out.
func TestLayersThatMisbehave(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, m := range map[string]*recorder.Mock{
		"start hangs":  {OnStart: func(context.Context, recorder.Config) error { <-release; return nil }},
		"start fails":  {OnStart: func(context.Context, recorder.Config) error { return os.ErrPermission }},
		"write panics": {OnWrite: func(recorder.Track, media.Sample) error { panic("ouch") }},
		"write hangs":  {OnWrite: func(recorder.Track, media.Sample) error { <-release; return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &set{t: t, clock: media.NewVirtualClock(), backend: &fakeBackend{}, mock: &recorder.Mock{}}
			s.backend.tracks = append(s.backend.tracks, mic, camera)
			s.kit = roomkit.New(roomkit.WithClock(s.clock))
			defer s.kit.Close(t.Context())
			own := recorder.Binding{Recorder: m, Name: "own", StallTimeout: 500 * time.Millisecond}
			if err := s.kit.RegisterChannel(roomkit.NewAudioVideoChannel("ch", s.backend, roomkit.WithVoiceRecorder(own))); err != nil {
				t.Fatal(err)
			}
			s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
			begun := time.Now()
			s.join("ann")
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("joining took %v", took)
			}
			for i := range 20 {
				for j, x := range []media.Sample{tone(time.Duration(i)*20*time.Millisecond, 1), picture(time.Duration(i) * 20 * time.Millisecond)} {
					s.backend.line("ann").tracks[j].Push(x)
				}
			}
			for _, tr := range s.closeRoom()[0].Tracks {
				if tr.SamplesWritten != 20 || tr.Losses() != 0 {
					t.Errorf("the room's recording: %+v", tr)
				}
			}
		})
	}
}

func TestLayersAreChecked(t *testing.T) {
	kit := roomkit.New()
	defer kit.Close(t.Context())
	b := recorder.Binding{Recorder: &recorder.Mock{}}
	bad := b
	bad.Config.Storage = "../x"
	err := kit.RegisterChannel(roomkit.NewVoiceChannel("v", &fakeBackend{}, roomkit.WithVoiceRecorder(bad)))
	wantError(t, "storage", err, recorder.ErrConfig)
	err = kit.RegisterChannel(roomkit.NewVoiceChannel("v", &fakeBackend{}, roomkit.WithVideoRecorder(b)))
	wantError(t, "video of a voice channel", err, roomkit.ErrInvalid)
	voices := recorder.Binding{Recorder: must(wav.NewRecorder(wav.Options{}))(t)}
	err = kit.RegisterChannel(roomkit.NewVideoChannel("v", &fakeBackend{}, roomkit.WithVideoRecorder(voices)))
	wantError(t, "WAV of pictures", err, roomkit.ErrInvalid)
	err = kit.RegisterChannel(roomkit.NewVoiceChannel("v", &fakeBackend{}, roomkit.WithVoiceRecorder(b), roomkit.WithVoiceRecorder(b)))
	wantError(t, "two of a name", err, roomkit.ErrRecordingExists)
}

// What a session's camera sends encoded is copied into its own file as well, and
// decoded for nobody.
func TestLayerCopiesEncodedPictures(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	trouble.NothingLeft(t)
	film := clip.Encode(t, "h264", clip.Options{Seconds: 2})
	f := &media.EncodedFormat{Codec: media.H264, Config: film.Extra}
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	defer kit.Close(t.Context())
	b := &fakeBackend{tracks: []backend.Track{{Kind: media.KindVideo, Encoded: *f}}}
	if err := kit.RegisterChannel(roomkit.NewVideoChannel("v", b, roomkit.WithVideoRecorder(avBinding(t, "own", recorder.Config{})))); err != nil {
		t.Fatal(err)
	}
	must(kit.CreateRoom(t.Context(), "room"))(t)
	s := must(kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
	size := int64(0)
	for _, x := range film.Samples {
		b.line("ann").tracks[0].Push(encoded(time.Duration(x.PTS)*time.Second/time.Duration(film.Timescale), f, x.Data...))
		size += int64(len(x.Data))
	}
	if err := kit.Leave(t.Context(), s.ID()); err != nil {
		t.Fatal(err)
	}
	r := s.Recordings()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; r.Err != nil || tr.Codec != "h264" || tr.SamplesWritten != int64(len(film.Samples)) || tr.Bytes > size*11/10 || tr.Bytes < size*9/10 {
		t.Errorf("result %+v of %d bytes", r, size)
	}
	wantPlays(t, r.Path, 2*time.Second)
}

// A session that has nothing for a layer is not one whose media has stalled.
func TestLayerWithoutTracksIsNotSilent(t *testing.T) {
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("ch", b,
		roomkit.WithVoiceRecorder(recorder.Binding{Recorder: &recorder.Mock{}, Name: "voice"}),
		roomkit.WithVideoRecorder(recorder.Binding{Recorder: &recorder.Mock{}, Name: "video"}))); err != nil {
		t.Fatal(err)
	}
	events := kit.Subscribe()
	must(kit.CreateRoom(t.Context(), "room"))(t)
	must(kit.Join(t.Context(), "room", "ch", roomkit.WithParticipant("ann")))(t)
	clock.Advance(20 * time.Second)
	if e := next[roomkit.MediaStalled](t, events); !strings.HasPrefix(e.Recording, "voice/") || e.Participant != "ann" {
		t.Errorf("event %+v", e)
	}
	must(kit.Close(t.Context()))(t)
	for e := range events.Events() {
		if e, ok := e.(roomkit.MediaStalled); ok && strings.HasPrefix(e.Recording, "video/") {
			t.Errorf("event %+v", e)
		}
	}
}

// A recorder that is for voices only has the voices of a room, and no word of its
// pictures.
func TestSelectiveRecorder(t *testing.T) {
	s := bareSet(t, mic, camera)
	rec := must(wav.NewRecorder(wav.Options{}))(t)
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: t.TempDir()}}, recorder.Binding{Recorder: s.mock})))(t)
	s.join("ann")
	l := s.backend.line("ann")
	for i := range 20 {
		l.tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
		l.tracks[1].Push(picture(time.Duration(i) * 20 * time.Millisecond))
	}
	results := s.closeRoom()
	if r := results[0]; r.Err != nil || len(r.Tracks) != 1 || r.Tracks[0].SamplesWritten != 20 {
		t.Errorf("voices: %+v", r)
	}
	if r := results[1]; len(r.Tracks) != 2 {
		t.Errorf("the other one: %+v", r)
	}
}
