package av_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// stepHz and stepLuma are what is heard and seen in a second of capture.
func stepHz(sec int) float64 { return 400 + 150*float64(sec) }
func stepLuma(sec int) byte  { return byte(40 + 20*sec) }

// steps is a voice whose tone, in whole Hz, changes each second.
func steps(at, length time.Duration) media.Sample {
	pcm := &media.PCM{Format: mono16k}
	for i := range int(length * 16000 / time.Second) {
		t := at + mono16k.Duration(i)
		pcm.Data = appendValue(pcm.Data, media.S16, 0.5*math.Sin(2*math.Pi*stepHz(int(t/time.Second))*t.Seconds()))
	}
	return media.Sample{Time: at, PCM: pcm}
}

// A pausePlan is six seconds with pauses, in packets of a length that come so
// long after their capture.
type pausePlan struct {
	pauses []recorder.Pause // Start is on the capture clock
	packet time.Duration
	late   time.Duration
	seen   []int // which second of capture is in each second of the file; -1 for silence
}

// record plays the plan, in which a packet is handed over when it is over.
func (p pausePlan) record(t *testing.T) recorder.Result {
	t.Helper()
	r := start(t, recorder.Config{AudioSampleRate: 16000, VideoCodec: "libx264"})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	var s scene
	var sounds, pictures []media.Sample
	for at := time.Duration(0); at < 6*time.Second; at += p.packet {
		sounds = append(sounds, steps(at, min(p.packet, 6*time.Second-at)))
	}
	for n := range time.Duration(6 * 25) {
		at := n * 40 * time.Millisecond
		pictures = append(pictures, gray(vga(media.I420), at, stepLuma(int(at/time.Second))))
	}
	for _, c := range p.pauses { // first, for what is handed over at the same time comes behind
		begin := func() error { return r.(recorder.Pauser).Pause(c.Start, c.Mode) }
		end := func() error { return r.(recorder.Pauser).Resume(c.Start + c.Length) }
		s.deliveries = append(s.deliveries, delivery{handed: c.Start, to: command(begin)})
		if c.Start+c.Length < 6*time.Second { // else it stays open
			s.deliveries = append(s.deliveries, delivery{handed: c.Start + c.Length, to: command(end)})
		}
	}
	late := func() time.Duration { return p.late }
	s.add(a, sounds, late)
	s.add(v, pictures, late)
	s.play(t)
	return stop(t, r)
}

func pause(start, length time.Duration, mode recorder.PauseMode) recorder.Pause {
	return recorder.Pause{Start: start, Length: length, Mode: mode}
}

// A command is called in its place among deliveries.
type command func() error

func (c command) WriteSample(media.Sample) error { return c() }
func (c command) Close() error                   { return nil }

// Second by second the decoded file has what was captured outside of pauses,
// sound and picture in step.
func TestPause(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	const cut, hold = recorder.PauseCut, recorder.PauseHold
	const second, short = time.Second, 20 * time.Millisecond
	for name, p := range map[string]pausePlan{
		"cut":           {[]recorder.Pause{pause(2*second, 2*second, cut)}, short, 0, []int{0, 1, 4, 5}},
		"cut straddled": {[]recorder.Pause{pause(2*second, 2*second, cut)}, 3 * short, 0, []int{0, 1, 4, 5}},
		"cut late":      {[]recorder.Pause{pause(2*second, 2*second, cut)}, 3 * short, second / 2, []int{0, 1, 4, 5}},
		"hold":          {[]recorder.Pause{pause(2*second, 2*second, hold)}, 3 * short, 0, []int{0, 1, -1, -1, 4, 5}},
		"two cuts":      {[]recorder.Pause{pause(second, second, cut), pause(3*second, second, cut)}, 3 * short, 0, []int{0, 2, 4, 5}},
		"both":          {[]recorder.Pause{pause(second, second, cut), pause(3*second, second, hold)}, 3 * short, 0, []int{0, 2, -1, 4, 5}},
		"to the end":    {[]recorder.Pause{pause(4*second, 3*second, cut)}, 3 * short, 0, []int{0, 1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			result := p.record(t)
			balanced(t, result)
			judge.DecodesClean(t, result.Path)
			wantSteps(t, judge.Audio(t, result.Path, 0, 16000), p.seen)
			wantGrays(t, judge.Pictures(t, result.Path, 0), p.seen)
			length := time.Duration(len(p.seen)) * time.Second
			a := result.Tracks[0]
			near(t, "the voice's end", a.Last, length, time.Second/16000)
			near(t, "file's duration", judge.Probe(t, result.Path).Length(), length, 64*time.Millisecond)
			if dropped := result.Tracks[1].Dropped[recorder.DropPaused]; dropped != 50 || result.Tracks[1].Losses() != 50 || a.Losses() != a.Dropped[recorder.DropPaused] {
				t.Errorf("dropped: %v, %v", a.Dropped, result.Tracks[1].Dropped)
			}
			cutBefore := time.Duration(0)
			for i, want := range p.pauses {
				want.Start -= cutBefore
				if want.Mode == cut {
					cutBefore += want.Length
				}
				want.Length = min(want.Length, 6*second-p.pauses[i].Start)
				if result.Pauses[i] != want {
					t.Errorf("pause %+v, want %+v", result.Pauses[i], want)
				}
			}
			if a.LargestCorrection != 0 || math.Abs(a.RatePPM) > 5 {
				t.Errorf("the source's clock is taken to be off by %v ppm, %v", a.RatePPM, a.LargestCorrection)
			}
		})
	}
}

// wantSteps checks each second of sound: one tone, in phase to an eighth of a
// millisecond.
func wantSteps(t *testing.T, pcm []float64, seen []int) {
	t.Helper()
	for i, sec := range seen {
		from, to := i*16000+160, (i+1)*16000-160
		if to > len(pcm) {
			t.Fatalf("the sound ends at %.3f s", float64(len(pcm))/16000)
		}
		part := pcm[from:to]
		if sec < 0 {
			if rms(part) > 0.003 {
				t.Errorf("second %d: level %.3f, want silence", i, rms(part))
			}
			continue
		}
		amplitude, whole := toneIn(part, stepHz(sec)), rms(part)*math.Sqrt2
		if math.Abs(amplitude-0.5) > 0.02 || whole > amplitude*1.02 {
			t.Errorf("second %d: %.3f of %.0f Hz in %.3f, want 0.5 and nothing else", i, amplitude, stepHz(sec), whole)
		}
		if shift := phaseShift(part, stepHz(sec), 10*time.Millisecond); shift.Abs() > time.Second/16000 {
			t.Errorf("second %d is shifted by %v", i, shift)
		}
	}
}

// wantGrays checks each picture, and that there are 25 in each second.
func wantGrays(t *testing.T, pictures []judge.Picture, seen []int) {
	t.Helper()
	n := 0
	for i, sec := range seen {
		for k := range time.Duration(25) {
			if sec < 0 {
				break // the last one stands
			}
			at := time.Duration(i)*time.Second + k*40*time.Millisecond
			if n == len(pictures) {
				t.Fatalf("the last picture is before %v", at)
			}
			near(t, "picture", pictures[n].Time, at, time.Millisecond)
			if d := int(pictures[n].Luma) - int(stepLuma(sec)); d < -4 || d > 4 {
				t.Errorf("at %v: luma %d, want %d", at, pictures[n].Luma, stepLuma(sec))
			}
			n++
		}
	}
	if n != len(pictures) {
		t.Errorf("%d pictures, want %d", len(pictures), n)
	}
}

func TestPauseErrors(t *testing.T) {
	r := start(t, recorder.Config{})
	p := r.(recorder.Pauser)
	want := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	want("not paused", p.Resume(0), recorder.ErrNotPaused)
	var wrong *recorder.ConfigError
	if err := p.Pause(0, "stop"); !errors.As(err, &wrong) || wrong.Value != "stop" {
		t.Errorf("unknown mode: %v", err)
	}
	want("pause", p.Pause(0, recorder.PauseHold), nil)
	want("pause twice", p.Pause(time.Second, recorder.PauseCut), recorder.ErrPaused)
	write(t, a, sine(mono16k, time.Second, 20*time.Millisecond, 440))
	result, err := r.Stop(t.Context()) // what is left out is no first sample: the file has none
	want("stop", err, recorder.ErrNoMedia)
	wantCounts(t, result.Tracks[0], 1, 0, recorder.DropPaused, 1)
	want("pause after the end", p.Pause(0, recorder.PauseCut), recorder.ErrStopped)
	want("resume after the end", p.Resume(0), recorder.ErrStopped)
}

// A recording that begins paused starts with what comes first behind that.
func TestPauseBeforeTheFirstSample(t *testing.T) {
	r := start(t, recorder.Config{AudioSampleRate: 16000})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	p := r.(recorder.Pauser)
	if err := p.Pause(0, recorder.PauseHold); err != nil {
		t.Fatal(err)
	}
	record(t, r, a, v, mono16k, vga(media.I420), 0, time.Second)
	if err := p.Resume(time.Second); err != nil {
		t.Fatal(err)
	}
	record(t, r, a, v, mono16k, vga(media.I420), time.Second, time.Second)
	result := stop(t, r)
	balanced(t, result)
	near(t, "duration", result.Duration, time.Second, time.Millisecond)
	wantCounts(t, result.Tracks[0], 100, 50, recorder.DropPaused, 50)
}

// Through the kit, on its clock: the middle of three seconds is cut out.
func TestRoomPauses(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{lines: map[string]*stageLine{}}
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock))
	defer kit.Close(context.Background())
	if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("stage", s)); err != nil {
		t.Fatal(err)
	}
	cfg := recorder.Config{Storage: t.TempDir(), VideoCodec: "libx264", AudioSampleRate: 16000}
	room, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Name: "tape", Recorder: rec, Config: cfg}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kit.Join(t.Context(), "room", "stage", roomkit.WithParticipant("alice")); err != nil {
		t.Fatal(err)
	}
	for at := time.Duration(0); at < 3*time.Second; at += 20 * time.Millisecond {
		switch at {
		case time.Second:
			err = room.PauseRecording(t.Context(), "tape", recorder.PauseCut)
		case 2 * time.Second:
			err = room.ResumeRecording(t.Context(), "tape")
		}
		if err != nil {
			t.Fatal(err)
		}
		clock.Advance(20 * time.Millisecond) // a packet comes when it is over
		s.lines["alice"].perform(t, alice, at)
	}
	result, err := room.StopRecording(t.Context(), "tape")
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, result)
	near(t, "file's duration", judge.Probe(t, result.Path).Length(), 2*time.Second, 64*time.Millisecond)
	if want := (recorder.Pause{Start: time.Second, Length: time.Second, Mode: recorder.PauseCut}); len(result.Pauses) != 1 || result.Pauses[0] != want {
		t.Errorf("pauses %v, want %v", result.Pauses, want)
	}
	pcm := judge.Audio(t, result.Path, 0, 16000)
	for i, sec := range []int{0, 2} {
		c, _ := alice(time.Duration(sec) * time.Second)
		if got := toneIn(pcm[i*16000+160:(i+1)*16000-160], c.hz); math.Abs(got-0.5) > 0.02 {
			t.Errorf("second %d: %.3f of %.0f Hz, want 0.5", i, got, c.hz)
		}
	}
}

// A source whose clock runs fast and whose stamps jitter is judged alike, with
// pauses or without: neither a cut nor a hold of any length is taken for drift,
// and what is said behind them is where it was said.
func TestPausesOfADriftingSource(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg", "ffprobe")
	const ppm, packet, seconds = 200, 20 * time.Millisecond, 90
	for name, p := range map[string]recorder.Pause{
		"cut":  pause(30*time.Second+7*time.Millisecond, 30*time.Second, recorder.PauseCut),
		"hold": pause(30*time.Second+7*time.Millisecond, 30*time.Second, recorder.PauseHold),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, recorder.Config{AudioSampleRate: 16000})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
			if err := r.(recorder.Pauser).Pause(p.Start, p.Mode); err != nil {
				t.Fatal(err)
			}
			if err := r.(recorder.Pauser).Resume(p.Start + p.Length); err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for i := range time.Duration(seconds) * time.Second / packet {
				captured := time.Duration(float64(i*packet) / (1 + ppm*1e-6)) // the source is fast
				s := clicks(captured, ppm)
				s.Time = time.Second + captured + time.Duration(random.Float64()*4e6)
				write(t, a, s)
			}
			result := stop(t, r)
			balanced(t, result)
			shift := time.Duration(0)
			if p.Mode == recorder.PauseCut {
				shift = p.Length
			}
			// Where a cut is made goes by stamps that jitter: up to 4 ms in the
			// 30 s since, of which the estimate has half.
			if got := result.Tracks[0]; math.Abs(got.RatePPM-ppm) > 60 || (got.GapCount > 0) != (p.Mode == recorder.PauseHold) {
				t.Errorf("%.0f ppm with %d gaps", got.RatePPM, got.GapCount)
			}
			// The last click: at 89 s of capture, some ms after what the file begins with.
			pcm := judge.Audio(t, result.Path, 0, 16000)
			from := 88900*time.Millisecond - shift
			part := pcm[from*16000/time.Second:]
			onset := slices.IndexFunc(part, func(v float64) bool { return math.Abs(v) > 0.1 })
			near(t, "the last word", from+time.Duration(onset)*time.Second/16000, 89*time.Second-shift, 10*time.Millisecond)
		})
	}
}

// clicks is 20 ms of a source that is fast by ppm: a tone in the first tenth of
// each second of capture.
func clicks(captured time.Duration, ppm float64) media.Sample {
	pcm := &media.PCM{Format: mono16k}
	for i := range 320 {
		at := captured.Seconds() + float64(i)/16000/(1+ppm*1e-6)
		v := 0.0
		if math.Mod(at, 1) < 0.1 {
			v = 0.5 * math.Cos(2*math.Pi*500*at)
		}
		pcm.Data = appendValue(pcm.Data, media.S16, v)
	}
	return media.Sample{PCM: pcm}
}
