package roomkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/voice"
)

func TestSessionsDoNotLeak(t *testing.T) {
	s := newSet(t, mic)
	var all sync.WaitGroup
	ids := make([]string, 4)
	for i := range ids {
		name := fmt.Sprint("p", i)
		ids[i] = s.join(name).ID()
		all.Go(func() {
			for j := range 50 {
				s.backend.line(name).tracks[0].Push(tone(time.Duration(j)*20*time.Millisecond, int16(i)))
			}
		})
	}
	all.Wait()
	s.closeRoom()
	for i, id := range ids {
		_, values := heard(s.recording().Samples(id+"/audio"), media.Inbound)
		if len(values) != 50*320 {
			t.Errorf("%s: %d frames", id, len(values))
		}
		for _, v := range values {
			if v != int16(i) {
				t.Fatalf("track of participant %d has audio of %d", i, v)
			}
		}
	}
}

func TestTracksAreNamedAfterSessionAndKind(t *testing.T) {
	s := newSet(t, mic, camera, mic, screen, camera)
	ann := s.join("ann")
	var got []string
	for _, tr := range s.recording().Tracks() {
		got = append(got, strings.TrimPrefix(tr.ID, ann.ID()+"/"))
	}
	if want := "[audio video audio2 screen video2]"; fmt.Sprint(got) != want {
		t.Errorf("tracks %v, want %s", got, want)
	}
}

func TestChannelsCarryTheirKinds(t *testing.T) {
	s := newSet(t)
	b := &fakeBackend{tracks: []backend.Track{mic, camera, screen}}
	for id, c := range map[string]struct {
		ch   roomkit.Channel
		want string
	}{
		"v":  {roomkit.NewVoiceChannel("v", b), "[audio]"},
		"p":  {roomkit.NewVideoChannel("p", b), "[video screen]"},
		"av": {roomkit.NewAudioVideoChannel("av", b), "[audio video screen]"},
	} {
		if err := s.kit.RegisterChannel(c.ch); err != nil {
			t.Fatal(err)
		}
		session := must(s.kit.Join(t.Context(), "room", id, roomkit.WithParticipant(id)))(t)
		var kinds []media.Kind
		for _, tr := range s.recording().Tracks() {
			if tr.Session == session.ID() {
				kinds = append(kinds, tr.Kind)
			}
		}
		if fmt.Sprint(kinds) != c.want {
			t.Errorf("channel %s records %v, want %s", id, kinds, c.want)
		}
	}
	_, err := b.line("v").sink.AddTrack(camera)
	wantError(t, "camera on a voice channel", err, backend.ErrUnwanted)
	_, err = b.line("p").sink.AddTrack(mic)
	wantError(t, "microphone on a video channel", err, backend.ErrUnwanted)
	_, err = b.line("av").sink.AddTrack(backend.Track{})
	wantError(t, "unknown kind", err, backend.ErrUnwanted)
}

func TestOptOutPerKind(t *testing.T) {
	off := recorder.Off
	for _, c := range []struct {
		cfg  recorder.ChannelRecordingConfig
		want string
	}{
		{recorder.ChannelRecordingConfig{}, "[audio video screen]"},
		{recorder.ChannelRecordingConfig{Audio: off}, "[video screen]"},
		{recorder.ChannelRecordingConfig{Video: off}, "[audio screen]"},
		{recorder.ChannelRecordingConfig{ScreenShare: off}, "[audio video]"},
		{recorder.ChannelRecordingConfig{Audio: recorder.On}, "[audio video screen]"},
	} {
		for _, attached := range []bool{false, true} {
			s := newSet(t)
			b := &fakeBackend{tracks: []backend.Track{mic, camera, screen}}
			opt := roomkit.WithChannelRecording(c.cfg)
			if attached { // the room's word counts for more than the channel's
				opt = roomkit.WithChannelRecording(recorder.ChannelRecordingConfig{Audio: off, Video: off, ScreenShare: off})
			}
			if err := s.kit.RegisterChannel(roomkit.NewAudioVideoChannel("c", b, opt)); err != nil {
				t.Fatal(err)
			}
			if attached {
				if err := s.kit.AttachChannel("room", "c", roomkit.WithRoomRecording(c.cfg)); err != nil {
					t.Fatal(err)
				}
			}
			must(s.kit.Join(t.Context(), "room", "c", roomkit.WithParticipant("ann")))(t)
			for _, ts := range b.line("ann").tracks { // goes nowhere, harms nothing
				ts.Push(tone(0, 1))
				ts.Push(picture(0))
			}
			var kinds []media.Kind
			for _, tr := range s.recording().Tracks() {
				kinds = append(kinds, tr.Kind)
			}
			if fmt.Sprint(kinds) != c.want {
				t.Errorf("%+v (attached: %v) records %v, want %s", c.cfg, attached, kinds, c.want)
			}
		}
	}
}

// A recorder that fails, panics, hangs or is slow beside one that works.
func TestRecordersAreIsolated(t *testing.T) {
	release := make(chan struct{})
	faulty := map[string]*recorder.Mock{
		"error": {OnWrite: func(recorder.Track, media.Sample) error { return errors.New("boom") }},
		"panic": {OnWrite: func(recorder.Track, media.Sample) error { panic("ouch") }},
		"hang":  {OnWrite: func(recorder.Track, media.Sample) error { <-release; return nil }},
		"track": {OnAddTrack: func(recorder.Track) error { return recorder.ErrLateTrack }},
	}
	s := bareSet(t, mic, camera)
	var bindings []recorder.Binding
	for name, m := range faulty {
		bindings = append(bindings, recorder.Binding{Recorder: m, Name: name, StallTimeout: time.Second})
	}
	bindings = append(bindings, recorder.Binding{Recorder: s.mock, Name: "good"})
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(bindings...)))(t)
	s.join("ann")
	l := s.backend.line("ann")
	var slowest time.Duration
	for i := range 60 {
		begun := time.Now()
		l.tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
		l.tracks[1].Push(picture(time.Duration(i) * 20 * time.Millisecond))
		slowest = max(slowest, time.Since(begun))
	}
	if slowest > 500*time.Millisecond {
		t.Errorf("a push took %v", slowest)
	}
	begun := time.Now()
	results, err := s.kit.CloseRoom(t.Context(), "room")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("CloseRoom took %v", took)
	}
	close(release)
	balanced(t, results...)
	for _, r := range results {
		if r.Binding == "good" {
			if r.Err != nil || r.Tracks[0].SamplesWritten != 60 || r.Tracks[1].SamplesWritten != 60 {
				t.Errorf("the good recorder: %+v", r)
			}
			continue
		}
		lost := int64(60)
		if r.Binding == "panic" {
			lost = r.Tracks[0].SamplesIn // it is ended at once, and gets no more
		}
		if r.Err == nil || !strings.Contains(err.Error(), fmt.Sprintf("recording %q", r.Binding)) || r.Tracks[0].Losses() != lost {
			t.Errorf("%s: %+v", r.Binding, r)
		}
	}
	wantError(t, "close", err, recorder.ErrPanic)
	wantError(t, "close", err, recorder.ErrUnresponsive)
}

func TestFullQueueIsCounted(t *testing.T) {
	release := make(chan struct{})
	s := newSet(t, camera)
	s.mock.OnWrite = func(recorder.Track, media.Sample) error { <-release; return nil }
	s.join("ann")
	for i := range 200 {
		s.backend.line("ann").tracks[0].Push(picture(time.Duration(i)))
	}
	close(release)
	r := s.closeRoom()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; tr.SamplesIn != 200 || tr.Dropped[recorder.DropQueueFull] < 130 {
		t.Errorf("track %+v", tr)
	}
}

func TestWaitingSourceLosesNothing(t *testing.T) {
	s := bareSet(t, camera)
	slow := &recorder.Mock{OnWrite: func(_ recorder.Track, x media.Sample) error {
		if x.Time%10 == 0 {
			time.Sleep(time.Millisecond)
		}
		return nil
	}}
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: s.mock}, recorder.Binding{Recorder: slow, Name: "slow"})))(t)
	s.join("ann")
	for i := range 500 {
		if err := s.backend.line("ann").tracks[0].Wait(t.Context(), picture(time.Duration(i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range s.closeRoom() {
		if tr := r.Tracks[0]; tr.SamplesWritten != 500 || tr.Losses() != 0 {
			t.Errorf("%s: %+v", r.Binding, tr)
		}
	}
}

func TestWaitEndsWithContextAndSession(t *testing.T) {
	release := make(chan struct{})
	s := newSet(t, camera)
	s.mock.OnWrite = func(recorder.Track, media.Sample) error { <-release; return nil }
	ann := s.join("ann")
	ts := s.backend.line("ann").tracks[0]
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = ts.Wait(ctx, picture(0))
	}
	wantError(t, "Wait", err, context.DeadlineExceeded)
	if err := s.kit.Leave(t.Context(), ann.ID()); err != nil {
		t.Error(err)
	}
	wantError(t, "Wait after leaving", ts.Wait(t.Context(), picture(0)), backend.ErrEnded)
	close(release)
	r := s.closeRoom()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; tr.SamplesWritten != int64(n-1) || tr.Dropped[recorder.DropTrackEnded] != 1 {
		t.Errorf("after %d samples: %+v", n, tr)
	}
}

func TestRecordingsStartAndStopOnALiveRoom(t *testing.T) {
	s := newSet(t, mic, camera)
	ann := s.join("ann")
	l := s.backend.line("ann")
	push := func(from, n int) {
		for i := from; i < from+n; i++ {
			l.tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
		}
	}
	push(0, 10)
	second := &recorder.Mock{Label: "second"}
	if err := s.room.StartRecording(t.Context(), recorder.Binding{Recorder: second}); err != nil {
		t.Fatal(err)
	}
	if got := second.Recordings()[0].Tracks(); len(got) != 2 || got[0].ID != ann.ID()+"/audio" || got[1].ID != ann.ID()+"/video" {
		t.Errorf("tracks of the second recording %v", got)
	}
	push(10, 20)
	live := s.room.Recordings()
	if len(live) != 2 || live[0].Binding != "mock" || live[1].Binding != "second" || live[1].Tracks[0].SamplesIn != 20 {
		t.Errorf("live results %+v", live)
	}
	r, err := s.room.StopRecording(t.Context(), "mock")
	if err != nil || r.Tracks[0].SamplesWritten != 30 || !s.recording().Stopped() {
		t.Errorf("stopped: %+v, %v", r, err)
	}
	push(30, 5)
	if err := s.room.StartRecording(t.Context(), recorder.Binding{Recorder: s.mock}); err != nil { // its name is free again
		t.Fatal(err)
	}
	push(35, 5)
	results := s.closeRoom()
	balanced(t, append(results, r)...)
	if len(results) != 2 || results[0].Binding != "second" || results[0].Tracks[0].SamplesWritten != 30 ||
		results[1].Binding != "mock" || results[1].Tracks[0].SamplesWritten != 5 {
		t.Errorf("results %+v", results)
	}
}

// A stream that ends and comes again, as a shared screen does, is one track.
func TestTracksComeAndGo(t *testing.T) {
	s := newSet(t)
	ann := s.join("ann")
	l := s.backend.line("ann")
	id := ann.ID() + "/screen"
	for i := range 2 {
		ts := must(l.sink.AddTrack(screen))(t)
		ts.Push(picture(time.Duration(i)))
		ts.End()
		ts.End()
		ts.Push(picture(0)) // late: counted
		wantError(t, "Wait", ts.Wait(t.Context(), picture(0)), backend.ErrEnded)
		eventually(t, id+" ends", func() bool { return s.recording().Ended(id) })
	}
	r := s.closeRoom()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; len(r.Tracks) != 1 || tr.SamplesWritten != 2 || tr.Dropped[recorder.DropTrackEnded] != 4 {
		t.Errorf("tracks %+v", r.Tracks)
	}
}

// Who returns on the same channel goes on with the tracks they left, even if
// the recorder is still writing what they said before; who is there twice at
// once has tracks of their own.
func TestReturningContinuesTracks(t *testing.T) {
	s := newSet(t, mic, camera)
	first := s.join("ann")
	l := s.backend.line("ann")
	for i := range 30 {
		l.tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
	}
	twin := s.join("ann")
	if err := s.kit.Leave(t.Context(), first.ID()); err != nil {
		t.Fatal(err)
	}
	l.tracks[0].Push(tone(time.Second, 1)) // late: counted where it belongs
	s.join("ann")
	s.backend.line("ann").tracks[0].Push(tone(2*time.Second, 2))
	s.join("bob")
	r := s.closeRoom()[0]
	balanced(t, r)
	var got []string
	for _, tr := range r.Tracks {
		got = append(got, tr.ID)
	}
	if len(got) != 6 || got[0] != first.ID()+"/audio" || got[2] != twin.ID()+"/audio" {
		t.Errorf("tracks %v", got)
	}
	if tr := r.Tracks[0]; tr.SamplesWritten != 31 || tr.Dropped[recorder.DropTrackEnded] != 1 {
		t.Errorf("track %+v", tr)
	}
	times, values := heard(s.recording().Samples(got[0]), media.Inbound)
	if n := len(values); n != 31*320 || values[n-1] != 2 || times[n-320] != 2*time.Second {
		t.Errorf("%d frames, the last of %d", n, values[n-1])
	}
}

func TestTapRefusesAndCounts(t *testing.T) {
	s := newSet(t, mic, camera)
	s.join("ann")
	l := s.backend.line("ann")
	short := picture(0)
	short.Picture.Planes[1].Data = short.Picture.Planes[1].Data[:10]
	odd := media.Sample{PCM: &media.PCM{Format: micFormat, Data: make([]byte, 3)}}
	both := picture(0)
	both.PCM = pcm(micFormat, 320, 0)
	sideways := tone(0, 1)
	sideways.Direction = 7
	audio := []media.Sample{{}, odd, both, sideways, tone(-1, 1), tone(10*time.Second+1, 1), picture(0),
		{PCM: &media.PCM{}}, {PCM: &media.PCM{Format: media.AudioFormat{Rate: math.MaxInt, Channels: 9, Sample: 99}, Data: make([]byte, 8)}}}
	video := []media.Sample{{}, short, both, tone(0, 1), picture(-1), picture(time.Hour), {Picture: &media.Picture{}},
		{Picture: &media.Picture{Format: media.VideoFormat{Width: 1 << 40, Height: -1, Pixel: 200, Color: 200}}}}
	for _, x := range audio {
		l.tracks[0].Push(x)
	}
	for _, x := range video {
		if err := l.tracks[1].Wait(t.Context(), x); err != nil {
			t.Error(err)
		}
	}
	l.tracks[0].Push(tone(10*time.Second, 1)) // just near enough
	s.clock.Advance(time.Minute)
	l.tracks[0].Push(tone(70*time.Second, 1))
	r := s.closeRoom()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; tr.SamplesWritten != 2 || tr.Dropped[recorder.DropRejected] != int64(len(audio)) {
		t.Errorf("audio %+v", tr)
	}
	if tr := r.Tracks[1]; tr.SamplesWritten != 0 || tr.Dropped[recorder.DropRejected] != int64(len(video)) {
		t.Errorf("video %+v", tr)
	}
	_, err := l.sink.AddTrack(mic)
	wantError(t, "track after the end", err, backend.ErrEnded)
}

func TestTapRefusesImpossibleFormats(t *testing.T) {
	s := newSet(t)
	s.join("ann")
	_, err := s.backend.line("ann").sink.AddTrack(backend.Track{Kind: media.KindAudio, Audio: media.AudioFormat{Rate: -1}})
	wantError(t, "audio", err, media.ErrFormat)
	_, err = s.backend.line("ann").sink.AddTrack(backend.Track{Kind: media.KindVideo, Video: media.VideoFormat{Width: -1}})
	wantError(t, "video", err, media.ErrFormat)
}

// A file has packets of encoded audio before its time zero, and its time zero
// may be the clock's.
func TestEncodedSamplesMayLieBeforeTheClocksZero(t *testing.T) {
	s := newSet(t, mic)
	s.join("ann")
	format := &media.EncodedFormat{Codec: media.AAC, Packing: media.ADTS}
	for _, at := range []time.Duration{-time.Minute - 1, -time.Minute, -21 * time.Millisecond, 0} {
		s.backend.line("ann").tracks[0].Push(media.Sample{Time: at, Encoded: &media.Encoded{Format: format, Data: []byte{1}}})
	}
	r := s.closeRoom()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; tr.SamplesWritten != 3 || tr.Dropped[recorder.DropRejected] != 1 {
		t.Errorf("audio %+v", tr)
	}
}

// A backend that breaks every rule there is: calls at random from several
// goroutines, before, during and after the session's end.
func TestTapSurvivesMisuse(t *testing.T) {
	s := newSet(t, mic, camera)
	s.backend.connect = nil
	var all sync.WaitGroup
	for i := range 6 {
		name := fmt.Sprint("p", i)
		session := s.join(name)
		l := s.backend.line(name)
		for g := range 3 {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(i), uint64(g)))
				sinks := append([]backend.TrackSink(nil), l.tracks...)
				for range 300 {
					sinks = misuse(rnd, l.sink, sinks)
				}
			})
		}
		all.Go(func() {
			for range 20 {
				_ = session.RequestKeyFrame()
				s.clock.Advance(time.Second)
			}
		})
		if i%2 == 0 {
			all.Go(func() { _ = s.kit.Leave(t.Context(), session.ID()) })
		}
	}
	all.Wait()
	balanced(t, s.closeRoom()...)
}

func misuse(rnd *rand.Rand, sink backend.Sink, sinks []backend.TrackSink) []backend.TrackSink {
	ts := sinks[rnd.IntN(len(sinks))]
	var x media.Sample
	if rnd.IntN(4) > 0 {
		x.PCM = &media.PCM{Format: media.AudioFormat{Rate: rnd.IntN(50000) - 100, Channels: rnd.IntN(4) - 1, Sample: media.SampleFormat(rnd.IntN(7))},
			Data: make([]byte, rnd.IntN(2000))}
	}
	if rnd.IntN(3) == 0 {
		x.Picture = media.NewPicture(camFormat)
		p := &x.Picture.Planes[rnd.IntN(3)]
		p.Stride = rnd.Int()>>rnd.IntN(63) - 5
		p.Data = p.Data[:rnd.IntN(len(p.Data)+1)]
	}
	if rnd.IntN(3) == 0 {
		x.Encoded = &media.Encoded{
			Format: &media.EncodedFormat{Codec: media.Codec(rnd.IntN(14)), Packing: media.Packing(rnd.IntN(4)), Channels: rnd.IntN(3)},
			Data:   make([]byte, rnd.IntN(5)), Lead: time.Duration(rnd.IntN(3) - 2), Key: media.Keyness(rnd.IntN(4)), Lost: rnd.IntN(3) - 1,
		}
	}
	x.Time = time.Duration(rnd.Int64()>>rnd.IntN(63)) - time.Duration(rnd.IntN(2)*1000)
	x.Direction = media.Direction(rnd.IntN(3))
	switch rnd.IntN(20) {
	case 0:
		ts.End()
	case 1:
		bt := backend.Track{
			Kind: media.Kind(rnd.IntN(6)), Audio: media.AudioFormat{Rate: rnd.IntN(3) - 1},
			Encoded: media.EncodedFormat{Codec: media.Codec(rnd.IntN(14) * rnd.IntN(2))}, RequestKeyFrame: func() { panic("no") },
		}
		if n, err := sink.AddTrack(bt); err == nil {
			sinks = append(sinks, n)
		}
	case 2:
		if rnd.IntN(20) == 0 {
			sink.End(errors.New("enough"))
		}
	case 3, 4, 5, 6, 7:
		var none context.Context
		_ = ts.Wait(none, x)
	default:
		ts.Push(x)
	}
	return sinks
}

func TestVoicePipeline(t *testing.T) {
	s := newSet(t)
	var made atomic.Int32
	b := &fakeBackend{tracks: []backend.Track{mic}}
	p := voice.NewPipeline(voice.Gain(20), func(pipeline.Stream) pipeline.Processor { made.Add(1); return failing{} })
	if err := s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoicePipeline(p))); err != nil {
		t.Fatal(err)
	}
	ann := must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
	must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("bob")))(t)
	if made.Load() != 2 {
		t.Errorf("%d processors for two sessions", made.Load())
	}
	b.line("ann").tracks[0].Push(tone(0, 100))
	agent := tone(0, 100)
	agent.Direction = media.Outbound // what is played is not processed as if it were said
	b.line("ann").tracks[0].Push(agent)
	s.closeRoom()
	got := s.recording().Samples(ann.ID() + "/audio")
	_, said := heard(got, media.Inbound)
	_, played := heard(got, media.Outbound)
	if len(said) != 320 || said[0] != 1000 || len(played) != 320 || played[0] != 100 {
		t.Errorf("%d frames of %d said, %d of %d played", len(said), said[0], len(played), played[0])
	}
}

type failing struct{}

func (failing) Process(media.Sample, func(media.Sample)) error { panic("ouch") }

// The tap takes over the caller's reference: a pooled picture must come back
// once the recorders are done with it, and not before.
func TestTapReturnsPictures(t *testing.T) {
	for _, good := range []bool{true, false} {
		release := make(chan struct{})
		s := newSet(t, camera)
		s.mock.OnWrite = func(recorder.Track, media.Sample) error { <-release; return nil }
		s.join("ann")
		var pool media.PicturePool
		p := pool.Get(camFormat)
		at := time.Duration(0)
		if !good {
			at = -1
		}
		s.backend.line("ann").tracks[0].Push(media.Sample{Time: at, Picture: p})
		if good {
			if q := pool.Get(camFormat); q == p {
				t.Error("picture came back while the recorder has it")
			}
		}
		close(release)
		s.closeRoom()
		if q := pool.Get(camFormat); q != p {
			t.Errorf("picture did not come back (accepted: %v)", good)
		}
	}
}

// null keeps nothing, without allocating.
type null struct{}

func (null) Name() string                                                       { return "null" }
func (null) Start(context.Context, recorder.Config) (recorder.Recording, error) { return null{}, nil }
func (null) ID() string                                                         { return "null" }
func (null) AddTrack(recorder.Track) (recorder.TrackWriter, error)              { return null{}, nil }
func (null) Stop(context.Context) (recorder.Result, error)                      { return recorder.Result{}, nil }
func (null) WriteSample(media.Sample) error                                     { return nil }
func (null) Close() error                                                       { return nil }

func TestPicturesDoNotAllocate(t *testing.T) {
	b := &fakeBackend{tracks: []backend.Track{camera}}
	kit := roomkit.New(roomkit.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err := kit.RegisterChannel(roomkit.NewVideoChannel("ch", b)); err != nil {
		t.Fatal(err)
	}
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: null{}, Name: "a"}, recorder.Binding{Recorder: null{}, Name: "b"})))(t)
	must(kit.Join(t.Context(), "room", "ch", roomkit.WithParticipant("ann")))(t)
	var pool media.PicturePool
	ts := b.line("ann").tracks[0]
	push := func() { ts.Push(media.Sample{Time: kit.Clock().Now(), Picture: pool.Get(camFormat)}) }
	for range 200 { // fill pool and queues
		push()
	}
	n := testing.AllocsPerRun(500, func() {
		push()
		time.Sleep(10 * time.Microsecond) // let the recorders keep up, so that the pool suffices
	})
	if n != 0 {
		t.Errorf("%v allocations per picture", n)
	}
	results := must(kit.Close(t.Context()))(t)
	balanced(t, results...)
}

func BenchmarkPush(b *testing.B) {
	fake := &fakeBackend{tracks: []backend.Track{camera}}
	kit := roomkit.New()
	_ = kit.RegisterChannel(roomkit.NewVideoChannel("ch", fake))
	_, err := kit.CreateRoom(b.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: null{}}))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := kit.Join(b.Context(), "room", "ch", roomkit.WithParticipant("ann")); err != nil {
		b.Fatal(err)
	}
	p := media.NewPicture(camFormat)
	b.ReportAllocs()
	for b.Loop() {
		p.Retain()
		fake.line("ann").tracks[0].Push(media.Sample{Picture: p})
	}
	if _, err := kit.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
