package roomkit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// span checks that the frames make one gapless piece from start to end.
func span(t *testing.T, samples []media.Sample, start, end time.Duration) {
	t.Helper()
	at := start
	for _, s := range samples {
		if s.Direction != media.Outbound {
			continue
		}
		if s.Time != at {
			t.Fatalf("slice at %v, want %v", s.Time, at)
		}
		if d := s.PCM.Duration(); d > 20*time.Millisecond {
			t.Errorf("slice of %v", d)
		}
		at += s.PCM.Duration()
	}
	if at != end {
		t.Errorf("played until %v, want %v", at, end)
	}
}

func (s *set) pacer() media.Pacer {
	p := s.clock.NewPacer()
	s.t.Cleanup(p.Close)
	return p
}

func (s *set) sleep(p media.Pacer, until time.Duration) {
	s.t.Helper()
	if err := p.SleepUntil(s.t.Context(), until); err != nil {
		s.t.Fatal(err)
	}
}

func (s *set) play(session *roomkit.Session, chunks ...*media.PCM) {
	s.t.Helper()
	for _, c := range chunks {
		if err := session.Play(s.t.Context(), c); err != nil {
			s.t.Fatal(err)
		}
	}
}

const ms = time.Millisecond

// An agent delivers two seconds of speech at once, at another rate than the
// microphone's, while that is silent.
func TestPlayFasterThanRealTime(t *testing.T) {
	s := newSet(t, mic)
	me := s.pacer()
	ann := s.join("ann")
	s.sleep(me, 100*ms)
	for range 4 {
		s.play(ann, pcm(speechFormat, 12000, 7))
	}
	s.sleep(me, 1100*ms)
	for range 4 { // half of it heard: this queues behind the rest
		s.play(ann, pcm(speechFormat, 12000, 7))
	}
	s.sleep(me, 10*time.Second)
	s.play(ann, pcm(speechFormat, 240, 7)) // after a pause: at once
	s.sleep(me, 11*time.Second)
	r := s.closeRoom()[0]
	balanced(t, r)
	got := s.recording().Samples(ann.ID() + "/audio")
	last := got[len(got)-1]
	span(t, got[:len(got)-1], 100*ms, 4100*ms)
	if last.Time != 10*time.Second || last.PCM.Duration() != 10*ms || last.PCM.Format != speechFormat {
		t.Errorf("last slice at %v, %v of %v", last.Time, last.PCM.Duration(), last.PCM.Format)
	}
	if len(r.Tracks) != 1 {
		t.Errorf("tracks %+v", r.Tracks)
	}
}

func TestInterruptToTheSample(t *testing.T) {
	s := newSet(t, mic)
	me := s.pacer()
	ann := s.join("ann")
	f := media.AudioFormat{Rate: 44100, Channels: 2}
	s.play(ann, pcm(f, 44100, 3), pcm(f, 44100, 3))
	s.sleep(me, 333*ms)
	ann.Interrupt()
	s.sleep(me, 400*ms)
	s.play(ann, pcm(speechFormat, 2400, 4)) // the answer to the interruption
	s.sleep(me, 2*time.Second)
	ann.Interrupt() // with nothing to interrupt
	s.closeRoom()
	samples := s.recording().Samples(ann.ID() + "/audio")
	frames := 0
	for _, x := range samples {
		if x.PCM.Format == f {
			frames += x.PCM.Frames()
			if end := x.Time + x.PCM.Duration(); end > 333*ms {
				t.Errorf("audio until %v", end)
			}
		}
	}
	if want := 44100 * 333 / 1000; frames != want {
		t.Errorf("%d frames played, want %d", frames, want)
	}
	if x := samples[len(samples)-5]; x.Time != 400*ms || x.PCM.Format != speechFormat {
		t.Errorf("next speech at %v, %v", x.Time, x.PCM.Format)
	}
}

// Interrupting at any instant keeps exactly the frames that are over by then.
func TestInterruptAtAnyInstant(t *testing.T) {
	for _, rate := range []int{8000, 11025, 16000, 22050, 24000, 44100, 48000} {
		f := media.AudioFormat{Rate: rate, Channels: 1}
		for _, at := range []time.Duration{1, 45351, 62500, 62499, 5 * ms, 20 * ms, 20*ms - 1, 20*ms + 1, 60 * ms, 61*ms + 7, 100 * ms, 101 * ms} {
			s := newSet(t, mic)
			me := s.pacer()
			ann := s.join("ann")
			s.play(ann, pcm(f, rate/10, 3))
			s.sleep(me, at)
			ann.Interrupt()
			s.sleep(me, time.Second)
			s.closeRoom()
			_, values := heard(s.recording().Samples(ann.ID()+"/audio"), media.Outbound)
			n := len(values)
			if over := f.Duration(n) <= at; !over || n < rate/10 && f.Duration(n+1) <= at {
				t.Errorf("%d Hz interrupted at %v: %d frames", rate, at, n)
			}
		}
	}
}

func TestLeavingKeepsWhatWasHeard(t *testing.T) {
	for name, end := range map[string]func(*set, *roomkit.Session){
		"leave": func(s *set, ann *roomkit.Session) {
			if err := s.kit.Leave(s.t.Context(), ann.ID()); err != nil {
				s.t.Error(err)
			}
		},
		"close": func(s *set, _ *roomkit.Session) { s.closeRoom() },
		"end":   func(s *set, _ *roomkit.Session) { s.backend.line("ann").sink.End(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSet(t, mic)
			me := s.pacer()
			ann := s.join("ann")
			s.play(ann, pcm(speechFormat, 24000, 3))
			s.sleep(me, 505*ms)
			end(s, ann)
			<-ann.Done()
			if name != "close" {
				s.closeRoom()
			}
			span(t, s.recording().Samples(ann.ID()+"/audio"), 0, 505*ms)
			wantError(t, "play", ann.Play(t.Context(), pcm(speechFormat, 240, 3)), roomkit.ErrSessionEnded, `"ann"`)
		})
	}
}

func TestMicrophoneAndAgentShareTheTrack(t *testing.T) {
	s := newSet(t, mic)
	me := s.pacer()
	ann := s.join("ann")
	ts := s.backend.line("ann").tracks[0]
	s.play(ann, pcm(speechFormat, 24000, 7))
	for i := range 50 {
		ts.Push(tone(time.Duration(i)*20*ms, 5))
		s.sleep(me, time.Duration(i+1)*20*ms)
	}
	ts.End() // the line stays: speech goes on, and the microphone may return
	s.play(ann, pcm(speechFormat, 2400, 7))
	s.sleep(me, 1100*ms)
	again := must(s.backend.line("ann").sink.AddTrack(mic))(t)
	again.Push(tone(1100*ms, 5))
	r := s.closeRoom()[0]
	balanced(t, r)
	if len(r.Tracks) != 1 || r.Tracks[0].SamplesWritten != 51+55 {
		t.Errorf("result %+v", r)
	}
	samples := s.recording().Samples(ann.ID() + "/audio")
	span(t, samples, 0, 1100*ms)
	if _, said := heard(samples, media.Inbound); len(said) != 51*320 {
		t.Errorf("%d frames said", len(said))
	}
}

// Without a microphone the speech makes the track, which a microphone that
// opens later joins.
func TestPlayWithoutMicrophone(t *testing.T) {
	s := newSet(t)
	me := s.pacer()
	ann := s.join("ann")
	s.play(ann, pcm(speechFormat, 2400, 7))
	if got := s.recording().Tracks(); len(got) != 1 || got[0].ID != ann.ID()+"/audio" || got[0].Audio != speechFormat {
		t.Errorf("tracks %+v", got)
	}
	s.sleep(me, 100*ms)
	must(s.backend.line("ann").sink.AddTrack(mic))(t).Push(tone(100*ms, 5))
	must(s.backend.line("ann").sink.AddTrack(mic))(t).Push(tone(100*ms, 5))
	r := s.closeRoom()[0]
	if len(r.Tracks) != 2 || r.Tracks[0].SamplesWritten != 6 || r.Tracks[1].SamplesWritten != 1 {
		t.Errorf("result %+v", r)
	}
}

func TestPlayRefuses(t *testing.T) {
	s := newSet(t, mic)
	ann := s.join("ann")
	ctx := t.Context()
	me := s.pacer()
	wantError(t, "nil", ann.Play(ctx, nil), roomkit.ErrInvalid)
	wantError(t, "odd", ann.Play(ctx, &media.PCM{Format: speechFormat, Data: make([]byte, 3)}), media.ErrLength)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	wantError(t, "context", ann.Play(ended, pcm(speechFormat, 240, 1)), context.Canceled)
	minute := pcm(media.AudioFormat{Rate: 1000, Channels: 1, Sample: media.U8}, 60_000, 0)
	for range 10 {
		minute.Retain()
		s.play(ann, minute)
	}
	wantError(t, "too much", ann.Play(ctx, minute), roomkit.ErrPlayoutFull, "10m0s wait")
	ann.Interrupt()
	s.play(ann, minute) // there is room again
	s.sleep(me, 0)

	b := &fakeBackend{tracks: []backend.Track{camera}}
	if err := s.kit.RegisterChannel(roomkit.NewVideoChannel("video", b)); err != nil {
		t.Fatal(err)
	}
	bob := must(s.kit.Join(ctx, "room", "video"))(t)
	wantError(t, "video channel", bob.Play(ctx, pcm(speechFormat, 240, 1)), backend.ErrUnwanted, `"video"`)
}

// Play takes over the reference in every case.
func TestPlayReturnsBuffers(t *testing.T) {
	s := newSet(t, mic)
	me := s.pacer()
	ann := s.join("ann")
	var freed int
	var pool media.PCMPool
	count := func(want int, what string) {
		t.Helper()
		if freed != want {
			t.Errorf("%s: %d buffers came back, want %d", what, freed, want)
		}
	}
	get := func() *media.PCM {
		p := pool.Get(speechFormat, 2400)
		p.Retain() // ours, to see whether the other is given back
		return p
	}
	back := func(p *media.PCM) {
		p.Release()
		if q := pool.Get(speechFormat, 2400); q == p {
			freed++
		}
	}
	played, cut, refused := get(), get(), get()
	s.play(ann, played, cut)
	s.sleep(me, 150*ms)
	ann.Interrupt()
	s.sleep(me, 200*ms)
	s.closeRoom()
	if err := ann.Play(t.Context(), refused); !errors.Is(err, roomkit.ErrSessionEnded) {
		t.Error(err)
	}
	if raceEnabled { // sync.Pool drops at random then
		return
	}
	back(played)
	back(cut)
	back(refused)
	count(3, "played, interrupted and refused")
}

// The clock runs as fast as the machine, and the recorder is slower than that:
// nothing may be lost.
func TestPlayOnVirtualClockIsPacedByTheRecorder(t *testing.T) {
	s := bareSet(t, mic)
	n := 0
	slow := &recorder.Mock{OnWrite: func(recorder.Track, media.Sample) error {
		if n++; n%100 == 0 {
			time.Sleep(ms)
		}
		return nil
	}}
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: slow})))(t)
	me := s.pacer()
	ann := s.join("ann")
	for range 5 {
		s.play(ann, pcm(media.AudioFormat{Rate: 8000, Channels: 1}, 8000*120, 3))
	}
	s.sleep(me, 10*time.Minute)
	r := s.closeRoom()[0]
	if tr := r.Tracks[0]; tr.SamplesWritten != 30_000 || tr.Losses() != 0 || r.Duration != 10*time.Minute {
		t.Errorf("track %+v, duration %v", tr, r.Duration)
	}
}

func TestPlayOnRealClock(t *testing.T) {
	kit := roomkit.New()
	b, mock := &fakeBackend{}, &recorder.Mock{}
	if err := kit.RegisterChannel(roomkit.NewVoiceChannel("ch", b)); err != nil {
		t.Fatal(err)
	}
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: mock})))(t)
	ann := must(kit.Join(t.Context(), "room", "ch"))(t)
	before := kit.Clock().Now()
	for range 10 {
		if err := ann.Play(t.Context(), pcm(speechFormat, 480, 3)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * ms)
	ann.Interrupt()
	after := kit.Clock().Now()
	must(kit.Close(t.Context()))(t)
	times, _ := heard(mock.Recordings()[0].Samples(ann.ID()+"/audio"), media.Outbound)
	if first, last := times[0], times[len(times)-1]; first < before || last > after || last-first < 45*ms {
		t.Errorf("played from %v to %v, allowed %v to %v", first, last, before, after)
	}
}
