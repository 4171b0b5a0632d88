package roomkit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/prom"
	"github.com/roomkit-live/roomkit-go/voice"
)

// These tests let things happen at the same moment that end, begin or look at
// recordings.

// Kit.Close waits for a CloseRoom, or another Close, that is at work.
func TestCloseBesideClose(t *testing.T) {
	for name, first := range map[string]func(kit *roomkit.Kit){
		"CloseRoom": func(kit *roomkit.Kit) { _, _ = kit.CloseRoom(context.Background(), "room") },
		"Close":     func(kit *roomkit.Kit) { _, _ = kit.Close(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			mock, stopping, release := &recorder.Mock{}, make(chan struct{}), make(chan struct{})
			mock.OnStop = func(context.Context) error { close(stopping); <-release; return nil }
			kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
			events := kit.Subscribe()
			must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: mock})))(t)
			done := make(chan struct{})
			go func() { defer close(done); first(kit) }()
			<-stopping
			closed := make(chan struct{})
			go func() { defer close(closed); _, _ = kit.Close(context.Background()) }()
			select {
			case <-closed:
				t.Error("Close has returned while the recording is being finished")
			case <-time.After(300 * time.Millisecond):
			}
			close(release)
			<-done
			<-closed
			if k := strings.Join(kinds(events), ", "); !strings.HasSuffix(k, "recording stopped") {
				t.Errorf("events: %s", k)
			}
		})
	}
}

// reporter is a recorder that has lost something, and whose Report can be held.
type reporter struct{ hold func() }
type reporting struct {
	r *reporter
	recorder.Recording
}

func (r *reporter) Name() string { return "reporter" }
func (r *reporter) Start(ctx context.Context, c recorder.Config) (recorder.Recording, error) {
	m := &recorder.Mock{}
	rec, err := m.Start(ctx, c)
	return &reporting{r, rec}, err
}
func (r *reporting) Report() recorder.Result {
	r.r.hold()
	out := r.Recording.(recorder.Reporter).Report()
	for i := range out.Tracks {
		out.Tracks[i].Drop(recorder.DropLate, 5)
		out.Tracks[i].Bytes = 1000
	}
	return out
}
func (r *reporting) Stop(ctx context.Context) (recorder.Result, error) {
	out, err := r.Recording.Stop(ctx)
	for i := range out.Tracks {
		out.Tracks[i].Drop(recorder.DropLate, 5)
		out.Tracks[i].Bytes = 1000
	}
	return out, err
}

// Somebody else asks for a report at the same moment: nothing is counted twice.
func TestReportsCollide(t *testing.T) {
	clock, metrics := media.NewVirtualClock(), prom.New()
	kit := roomkit.New(roomkit.WithClock(clock), roomkit.WithObserver(metrics))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b)))(t)
	events := kit.Subscribe()
	var held atomic.Pointer[chan struct{}]
	entered := make(chan struct{}, 100)
	r := &reporter{func() {
		if c := held.Swap(nil); c != nil {
			entered <- struct{}{}
			<-*c
		}
	}}
	room := must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: r})))(t)
	must(kit.Join(t.Context(), "room", "v"))(t)
	clock.Advance(time.Second)
	e := next[roomkit.SamplesLost](t, events)
	for range 3 {
		c := make(chan struct{})
		held.Store(&c)
		go room.Recordings() // such as a live line
		<-entered
		clock.Advance(time.Second) // the supervisor looks now
		time.Sleep(50 * time.Millisecond)
		close(c)
		time.Sleep(50 * time.Millisecond)
		clock.Advance(time.Second)
		time.Sleep(50 * time.Millisecond)
	}
	result := must(kit.CloseRoom(t.Context(), "room"))(t)[0]
	_, _ = kit.Close(t.Context())
	told := e.Count
	for e := range events.Events() {
		if e, ok := e.(roomkit.SamplesLost); ok {
			told += e.Count
		}
	}
	if want := result.Tracks[0].Losses(); told != want {
		t.Errorf("events tell of %d lost samples, the result of %d", told, want)
	}
	fams, _ := registry(metrics).Gather()
	for _, f := range fams {
		for _, m := range f.Metric {
			want := map[string]float64{"roomkit_samples_dropped_total": 5, "roomkit_media_bytes_total": 1000}[f.GetName()]
			if got := m.GetCounter().GetValue(); want != 0 && got != want {
				t.Errorf("%s = %v, want %v", f.GetName(), got, want)
			}
		}
	}
}

// The last one has left although somebody was about to join, and could not.
func TestWhenEmptyAndFailedJoin(t *testing.T) {
	s := bareSet(t, mic)
	release := make(chan struct{})
	s.backend.connect = func(_ context.Context, b backend.Session, _ backend.Sink) error {
		if b.Participant == "bob" {
			<-release
			return errors.New("no ICE")
		}
		return nil
	}
	room := must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Limits: recorder.Limits{WhenEmpty: true}})))(t)
	ann := s.join("ann")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.kit.Join(context.Background(), "room", "ch", roomkit.WithParticipant("bob"))
	}()
	eventually(t, "bob to be joining", func() bool { return len(room.Sessions()) == 2 })
	must(0, s.kit.Leave(t.Context(), ann.ID()))(t)
	close(release)
	<-done
	time.Sleep(300 * time.Millisecond)
	if st := room.Status(); len(room.Sessions()) == 0 && st[0].State != roomkit.StateStopped {
		t.Errorf("nobody is there, the recording is %s", st[0].State)
	}
}

// A session's own recorder that takes long to start is told to give up when the
// kit is closed: nothing begins after that.
func TestLayerStartsAfterClose(t *testing.T) {
	mock, release := &recorder.Mock{}, make(chan struct{})
	mock.OnStart = func(ctx context.Context, _ recorder.Config) error {
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	events := kit.Subscribe()
	b := &fakeBackend{tracks: []backend.Track{mic}}
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoiceRecorder(recorder.Binding{Recorder: mock}))))(t)
	must(kit.CreateRoom(t.Context(), "room"))(t)
	must(kit.Join(t.Context(), "room", "v"))(t)
	_, _ = kit.Close(t.Context())
	if k := kinds(events); k[len(k)-1] != "recording error" {
		t.Errorf("events: %v", k)
	}
	close(release)
	time.Sleep(200 * time.Millisecond)
	if n := len(mock.Recordings()); n != 0 {
		t.Errorf("%d recordings were begun after the kit was closed", n)
	}
}

// An end is told before anybody knows of it.
func TestStoppedIsTold(t *testing.T) {
	lost := 0
	const runs = 3000
	for range runs {
		clock := media.NewVirtualClock()
		kit := roomkit.New(roomkit.WithClock(clock))
		events := kit.Subscribe()
		must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: &recorder.Mock{}, Limits: recorder.Limits{IdleTimeout: time.Second}})))(t)
		clock.Advance(time.Second)
		_, _ = kit.Close(t.Context())
		if k := kinds(events); k[len(k)-1] != "recording stopped" {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d ends were not told", lost, runs)
	}
}

// Pause and resume side by side: what is told of them is in their order.
func TestPauseAndResume(t *testing.T) {
	s := bareSet(t)
	events := s.kit.Subscribe()
	room := must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Name: "main"})))(t)
	wrong := 0
	for range 2000 {
		var both sync.WaitGroup
		both.Go(func() { must(0, room.PauseRecording(context.Background(), "main", recorder.PauseCut))(t) })
		both.Go(func() {
			for room.ResumeRecording(context.Background(), "main") != nil {
			}
		})
		both.Wait()
		if st := room.Status()[0].State; st != roomkit.StateRunning {
			wrong++
		}
		a, b := <-events.Events(), <-events.Events()
		for a.Kind() == "recording starting" || a.Kind() == "recording started" {
			a, b = b, <-events.Events()
		}
		if a.Kind() != "recording paused" || b.Kind() != "recording resumed" {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d times out of order", wrong)
	}
}

// A pause before the first sample does not make the longest duration longer.
func TestMaxDurationAfterPause(t *testing.T) {
	s := bareSet(t, mic)
	events := s.kit.Subscribe()
	room := must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Name: "main", Limits: recorder.Limits{MaxDuration: 10 * time.Second}})))(t)
	s.join("ann")
	must(0, room.PauseRecording(t.Context(), "main", recorder.PauseCut))(t)
	s.clock.Advance(100 * time.Second)
	must(0, room.ResumeRecording(t.Context(), "main"))(t)
	l := s.backend.line("ann")
	for sec := 100; sec < 130; sec++ {
		l.tracks[0].Push(tone(time.Duration(sec)*time.Second, 1))
		s.clock.Advance(time.Second)
		time.Sleep(2 * time.Millisecond)
	}
	if st := room.Status()[0]; st.State == roomkit.StateRunning {
		t.Errorf("30 s after its first sample the recording of at most 10 s is %s", st.State)
	}
	_ = events
}

// All or none: of each that was about to start it is told that it did not.
func TestStartingWithoutEnd(t *testing.T) {
	s := bareSet(t)
	events := s.kit.Subscribe()
	bad := &recorder.Mock{OnStart: func(context.Context, recorder.Config) error { return errors.New("boom") }}
	_, err := s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock, Name: "good"}, recorder.Binding{Recorder: bad, Name: "bad"}))
	if err == nil {
		t.Fatal("no error")
	}
	_, _ = s.kit.Close(t.Context())
	told := map[string][]string{}
	for e := range events.Events() {
		told[e.About().Recording] = append(told[e.About().Recording], e.Kind())
	}
	if len(told["good"]) != 2 {
		t.Errorf("told of the good one, which was started and stopped: %v", told["good"])
	}
}

// Tracks that were taken back are in no gauge.
func TestPromForgets(t *testing.T) {
	clock, metrics := media.NewVirtualClock(), prom.New()
	kit := roomkit.New(roomkit.WithClock(clock), roomkit.WithObserver(metrics))
	b := &fakeBackend{tracks: []backend.Track{mic}}
	b.connect = func(context.Context, backend.Session, backend.Sink) error {
		clock.Advance(time.Second)
		time.Sleep(20 * time.Millisecond)
		return errors.New("no ICE")
	}
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b)))(t)
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: &recorder.Mock{}})))(t)
	for range 5 {
		_, _ = kit.Join(t.Context(), "room", "v")
	}
	_, _ = kit.Close(t.Context())
	fams, _ := registry(metrics).Gather()
	for _, f := range fams {
		if f.GetName() == "roomkit_tracks" {
			t.Errorf("the kit is closed: roomkit_tracks is %v", f.Metric[0].GetGauge().GetValue())
		}
	}
}

// The kit is closed in a hurry while a recording ends at a limit: its end is told
// all the same.
func TestHurryBesideLimit(t *testing.T) {
	mock, stopping := &recorder.Mock{}, make(chan struct{})
	mock.OnStop = func(context.Context) error { close(stopping); time.Sleep(500 * time.Millisecond); return nil }
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock))
	events := kit.Subscribe()
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: mock, Limits: recorder.Limits{IdleTimeout: time.Second}})))(t)
	clock.Advance(time.Second)
	<-stopping
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	results, err := kit.Close(ctx)
	if k := kinds(events); k[len(k)-1] != "recording stopped" {
		t.Errorf("told: %v; results %d, %v", k, len(results), err)
	}
	time.Sleep(time.Second)
}

type holder struct {
	kept    []media.Sample
	flushed chan struct{}
}

func (h *holder) Process(s media.Sample, emit func(media.Sample)) error {
	s.Retain()
	h.kept = append(h.kept, s)
	return nil
}
func (h *holder) Flush(emit func(media.Sample)) error {
	if len(h.kept) > 0 {
		close(h.flushed)
		time.Sleep(20 * time.Millisecond)
	}
	for _, s := range h.kept {
		emit(s)
	}
	h.kept = nil
	return nil
}

// Who leaves while the outbound pipeline is being flushed loses nothing of it.
func TestLeaveDuringFlush(t *testing.T) {
	lost := 0
	for range 30 {
		s := newSet(t)
		b := &fakeBackend{tracks: []backend.Track{mic}}
		h := &holder{flushed: make(chan struct{})}
		n := 0
		must(0, s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithOutboundPipeline(voice.NewPipeline(func(pipeline.Stream) pipeline.Processor {
			n++
			if n == 1 {
				return h // that of playout
			}
			return &holder{flushed: make(chan struct{})}
		})))))(t)
		ann := must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
		must(0, ann.Play(t.Context(), pcm(speechFormat, 480, 1000)))(t)
		<-h.flushed
		must(0, s.kit.Leave(t.Context(), ann.ID()))(t)
		r := s.closeRoom()[0]
		if r.Tracks[0].SamplesWritten != 1 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of 30 times the end of what was played is not recorded", lost)
	}
}

// What was lost on the way is counted, with a pipeline too.
func TestLostOnTheWay(t *testing.T) {
	for _, piped := range []bool{false, true} {
		s := newSet(t)
		f := &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}
		b := &fakeBackend{tracks: []backend.Track{{Kind: media.KindAudio, Encoded: *f}}}
		var o []roomkit.ChannelOption
		if piped {
			o = append(o, roomkit.WithVoicePipeline(voice.NewPipeline(voice.Gain(-3))))
		}
		must(0, s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, o...)))(t)
		must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
		for i := range 3 {
			b.line("ann").tracks[0].Push(media.Sample{Time: time.Duration(i) * 100 * time.Millisecond, Encoded: &media.Encoded{Format: f, Data: make([]byte, 160), Lost: 4 * min(i, 1)}})
		}
		r := s.closeRoom()[0].Tracks[0]
		if r.LostOnTheWay != 8 {
			t.Errorf("pipeline %v: lost on the way %d, want 8 (in %d, dropped %v)", piped, r.LostOnTheWay, r.SamplesIn, r.Dropped)
		}
	}
}

func registry(m *prom.Metrics) *prometheus.Registry {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(m)
	return r
}

// Everything that can end a recording, at the same moment: each stops once, and
// nothing comes after that.
func TestEndsCollide(t *testing.T) {
	bad := map[string]int{}
	for range 400 {
		clock := media.NewVirtualClock()
		kit := roomkit.New(roomkit.WithClock(clock))
		b := &fakeBackend{tracks: nil}
		b.tracks = append(b.tracks, mic, camera)
		mock := &recorder.Mock{}
		layer := &recorder.Mock{Label: "layer"}
		must(0, kit.RegisterChannel(roomkit.NewAudioVideoChannel("ch", b, roomkit.WithVoiceRecorder(recorder.Binding{Recorder: layer, Limits: recorder.Limits{MaxDuration: time.Second}}))))(t)
		events := kit.Subscribe()
		room := must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
			recorder.Binding{Recorder: mock, Name: "a", Limits: recorder.Limits{MaxDuration: time.Second, IdleTimeout: time.Second, WhenEmpty: true}},
			recorder.Binding{Recorder: mock, Name: "b", Limits: recorder.Limits{MaxDuration: time.Second}})))(t)
		s := must(kit.Join(t.Context(), "room", "ch", roomkit.WithParticipant("ann")))(t)
		l := b.line("ann")
		var all sync.WaitGroup
		at := func(f func()) {
			n := rand.IntN(100)
			all.Go(func() { time.Sleep(time.Duration(n) * time.Microsecond); f() })
		}
		at(func() {
			for i := range 60 {
				l.tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1))
				clock.Advance(20 * time.Millisecond)
			}
		})
		at(func() { _, _ = room.StopRecording(context.Background(), "a") })
		at(func() { _ = kit.Leave(context.Background(), s.ID()) })
		at(func() { _, _ = kit.CloseRoom(context.Background(), "room") })
		all.Wait()
		_, _ = kit.Close(context.Background())
		last := map[string]string{}
		stops := map[string]int{}
		open := map[string]int{}
		for e := range events.Events() {
			n := e.About().Recording
			if last[n] == "recording stopped" {
				bad["after stop: "+e.Kind()]++
			}
			last[n] = e.Kind()
			switch e := e.(type) {
			case roomkit.RecordingStopped:
				stops[n]++
				for _, tr := range e.Result.Tracks {
					if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
						bad["unbalanced"]++
					}
				}
			case roomkit.TrackAdded:
				open[n+e.Track.ID]++
			case roomkit.TrackEnded:
				if open[n+e.Track.ID]--; open[n+e.Track.ID] < 0 {
					bad["ended before added"]++
				}
			}
		}
		for n, k := range stops {
			if k != 1 {
				bad["stops of "+n]++
			}
		}
		for n, k := range last {
			if k != "recording stopped" && k != "recording error" {
				bad["last of "+n[:1]+": "+k]++
			}
		}
	}
	if len(bad) > 0 {
		t.Errorf("%v", bad)
	}
}

// The longest duration is the same in every run.
func TestMaxDurationExact(t *testing.T) {
	got := map[time.Duration]int{}
	for range 12 {
		o := smallPattern
		b := avBinding(t, "main", recorder.Config{})
		b.Limits.MaxDuration = 1500 * time.Millisecond
		p := newPatternRoom(t, media.NewVirtualClock(), o, b)
		s := must(p.kit.Join(t.Context(), "room", "av", roomkit.WithParticipant("ann")))(t)
		close(p.start)
		<-s.Done()
		r, _ := p.kit.Close(t.Context())
		got[r[0].Duration]++
	}
	if len(got) > 1 {
		t.Errorf("differs from run to run: %v", got)
	}
}

type counting struct{ n int }

func (c *counting) Observe(recorder.Observation) { c.n++ }

// Those who have left cost no observations.
func TestObservationsOfThoseWhoLeft(t *testing.T) {
	clock, seen := media.NewVirtualClock(), &counting{}
	kit := roomkit.New(roomkit.WithClock(clock), roomkit.WithObserver(seen))
	b := &fakeBackend{}
	b.tracks = append(b.tracks, mic)
	must(0, kit.RegisterChannel(roomkit.NewVoiceChannel("v", b)))(t)
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: &recorder.Mock{}})))(t)
	for range 500 {
		s := must(kit.Join(t.Context(), "room", "v"))(t)
		must(0, kit.Leave(t.Context(), s.ID()))(t)
	}
	for range 10 {
		clock.Advance(time.Second)
		time.Sleep(50 * time.Millisecond)
	}
	_, _ = kit.Close(t.Context())
	if seen.n > 1100 { // two for each visit
		t.Errorf("%d observations of 500 visits", seen.n)
	}
}
