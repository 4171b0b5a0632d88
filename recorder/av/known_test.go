package av_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// What is known to have put picture and sound apart in recorders of rooms.

var clapCam = media.VideoFormat{Width: 64, Height: 48}

// clapSamples are what a camera and a microphone take of a clapper.
func clapSamples(fps float64, begins, length time.Duration) (sound, pictures []media.Sample, late []time.Duration) {
	c := clapper{from: begins, length: length}
	pictures, late = c.camera(clapCam, fps, begins)
	return c.microphone(mono16k, begins, []time.Duration{20 * time.Millisecond}), pictures, late
}

// wantSync checks flash and beep in a file, whose flashes were captured so much
// later than their beeps.
func wantSync(t *testing.T, path string, late []time.Duration) {
	t.Helper()
	got := judge.FlashBeep(t, path)
	if len(got) != len(late) {
		t.Fatalf("%d flashes in the file, want %d", len(got), len(late))
	}
	for i, d := range got {
		near(t, "offset of flash and beep", d+late[i], 0, 5*time.Millisecond)
	}
}

// An encoder that takes half a second to open shifts nothing, whether it opens
// when the track is announced or with its first sample, whether it is that of
// the camera or of the microphone.
func TestSlowEncoder(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, slowSound := range []bool{false, true} {
		for _, announced := range []bool{false, true} {
			t.Run(fmt.Sprintf("sound %v, announced %v", slowSound, announced), func(t *testing.T) {
				r := start(t, recorder.Config{})
				quick, slow, late := clapSamples(30, 2*time.Second, 4*time.Second)
				kinds := [2]media.Kind{media.KindAudio, media.KindVideo}
				if slowSound {
					quick, slow = slow, quick
					kinds[0], kinds[1] = kinds[1], kinds[0]
				}
				a := addTrack(t, r, recorder.Track{ID: "a", Kind: kinds[0], Participant: "ann"})
				head := slices.IndexFunc(quick, func(s media.Sample) bool { return s.Time >= 2500*time.Millisecond })
				var b recorder.TrackWriter
				if announced {
					send(t, a, quick[:head])
					b = addTrack(t, r, recorder.Track{ID: "b", Kind: kinds[1], Participant: "ann"})
					send(t, b, slow[:1])
				} else {
					b = addTrack(t, r, recorder.Track{ID: "b", Kind: kinds[1], Participant: "ann"})
					opening, goOn := make(chan struct{}), make(chan struct{})
					av.SlowEncoder(b, func() { close(opening); <-goOn })
					var first sync.WaitGroup
					first.Go(func() { send(t, b, slow[:1]) })
					<-opening
					send(t, a, quick[:head])
					close(goOn)
					first.Wait()
				}
				send(t, b, slow[1:]) // had waited in the queue
				send(t, a, quick[head:])
				result := stop(t, r)
				balanced(t, result)
				for _, tr := range result.Tracks {
					if tr.Losses() != 0 {
						t.Errorf("track %s lost %v", tr.ID, tr.Dropped)
					}
				}
				near(t, "duration", judge.Probe(t, result.Path).Length(), 4*time.Second, time.Millisecond)
				wantSync(t, result.Path, late)
			})
		}
	}
}

func send(t *testing.T, w recorder.TrackWriter, samples []media.Sample) {
	t.Helper()
	for _, s := range samples {
		if err := w.WriteSample(s); err != nil {
			t.Error(err)
		}
	}
}

// Sound that begins before the pictures, or pictures before the sound, by more
// or less than the start timeout.
func TestUnequalStart(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg", "ffprobe")
	const at, length = 10 * time.Second, 6 * time.Second
	for _, policy := range []recorder.StartPolicy{recorder.StartWhenAll, recorder.StartImmediate} {
		for _, ahead := range []time.Duration{2 * time.Second, 5 * time.Second} {
			for _, first := range []media.Kind{media.KindAudio, media.KindVideo} {
				t.Run(fmt.Sprintf("%s/%s %v ahead", policy, first, ahead), func(t *testing.T) {
					r := start(t, recorder.Config{StartPolicy: policy})
					a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
					v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
					sound, pictures, _ := clapSamples(25, at, length)
					both := 4 // full seconds in which both are there, but for the first
					early, late := &sound, &pictures
					if first == media.KindVideo {
						early, late = late, early
					}
					*late = slices.DeleteFunc(*late, func(s media.Sample) bool { return s.Time < at+ahead })
					if ahead > 2*time.Second {
						both = 1
					}
					var s scene
					now := func() time.Duration { return 0 }
					s.add(a, sound, now)
					s.add(v, pictures, now)
					s.play(t)
					result := stop(t, r)
					balanced(t, result)
					begins := at + ahead
					if policy == recorder.StartImmediate || ahead > 3*time.Second {
						begins = at
					}
					near(t, "duration", judge.Probe(t, result.Path).Length(), at+length-begins, time.Millisecond)
					offsets := claps(t, result.Path)
					if len(offsets) < both-1 || len(offsets) > both {
						t.Errorf("%d pairs of flash and beep, want %d", len(offsets), both)
					}
					for _, d := range offsets {
						near(t, "offset of flash and beep", d, 0, 5*time.Millisecond)
					}
				})
			}
		}
	}
}

// claps returns how much later beeps are than flashes for the seconds in which
// there are both.
func claps(t *testing.T, path string) (offsets []time.Duration) {
	t.Helper()
	beeps, _ := beepsIn(t, path, 16000)
	shift := judge.Probe(t, path).Of("audio")[0].Start()
	dark := false
	for _, p := range judge.Pictures(t, path, 0) {
		if p.Luma <= 128 {
			dark = true
			continue
		}
		for _, b := range beeps {
			if d := b + shift - p.Time; dark && d.Abs() < 500*time.Millisecond {
				offsets = append(offsets, d)
			}
		}
		dark = false
	}
	return offsets
}

// Speech in bursts with short pauses: none is closed up, and there is as much
// audio as time.
func TestBurstsKeepTheirTime(t *testing.T) {
	judge.Need(t, "ffmpeg")
	for _, jitter := range []time.Duration{0, 2 * time.Millisecond} {
		r := start(t, recorder.Config{})
		a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
		random := rand.New(rand.NewPCG(1, 1))
		const burst, pause, packet = 400 * time.Millisecond, 90 * time.Millisecond, 20 * time.Millisecond
		for n := range time.Duration(60) {
			for at := time.Duration(0); at < burst; at += packet {
				s := sine(mono16k, at, packet, 500)
				s.Time += time.Second + n*(burst+pause) + time.Duration((2*random.Float64()-1)*float64(jitter))
				write(t, a, s)
			}
		}
		result := stop(t, r)
		balanced(t, result)
		const want = 60*(burst+pause) - pause
		pcm := judge.Audio(t, result.Path, 0, 16000)
		wantLength(t, result.Path, len(pcm), 16000, want, jitter+time.Millisecond)
		quiet, onsets := 16000, 0
		for i, v := range pcm {
			if math.Abs(v) < 0.1 {
				quiet++
				continue
			}
			if quiet > 16000*60/1000 {
				at := time.Duration(i) * time.Second / 16000
				near(t, "a burst's onset", at, time.Duration(onsets)*(burst+pause), 5*time.Millisecond)
				onsets++
			}
			quiet = 0
		}
		if gaps := result.Tracks[0].GapCount; onsets != 60 || gaps != 59 {
			t.Errorf("%d bursts and %d gaps, want 60 and 59", onsets, gaps)
		}
	}
}

// An agent's speech comes faster than it is played, in bursts, while the
// microphone is muted or silent: it is heard at its pace, where it was played.
func TestAgentSpeaksIntoSilence(t *testing.T) {
	judge.Need(t, "ffmpeg")
	for _, muted := range []bool{true, false} {
		t.Run(fmt.Sprintf("muted %v", muted), func(t *testing.T) {
			result := recordAgent(t, muted)
			balanced(t, result)
			if tr := result.Tracks[0]; tr.Losses() != 0 {
				t.Errorf("lost %v", tr.Dropped)
			}
			pcm := judge.Audio(t, result.Path, 0, 16000)
			wantLength(t, result.Path, len(pcm), 16000, 9*time.Second, time.Millisecond)
			for sec, want := range [9][2]float64{{0.5, 0}, {0, 0.3}, {0, 0.3}, {0, 0.3}, {0, 0.3}, {0, 0.3}, {0, 0}, {0.5, 0}, {0.5, 0.3}} {
				x := pcm[sec*16000+80 : (sec+1)*16000-80]
				if mic, agent := amplitude(x, micHz), amplitude(x, agentHz); math.Abs(mic-want[0]) > 0.02 || math.Abs(agent-want[1]) > 0.02 {
					t.Errorf("second %d: %.3f of the microphone and %.3f of the agent, want %v", sec, mic, agent, want)
				}
			}
		})
	}
}

const micHz, agentHz = 500, 900

// amplitude is how strong a frequency is.
func amplitude(x []float64, hz float64) float64 {
	var re, im float64
	for i, v := range x {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / 16000)
		re, im = re+v*cos, im+v*sin
	}
	return 2 * math.Hypot(re, im) / float64(len(x))
}

// recordAgent records nine seconds. The microphone speaks in the first and in
// the last two. The agent speaks from the second to the sixth, and in the last.
func recordAgent(t *testing.T, muted bool) recorder.Result {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{lines: map[string]*stageLine{}}
	clock := media.NewVirtualClock()
	pacer := clock.NewPacer()
	defer pacer.Close()
	kit := roomkit.New(roomkit.WithClock(clock))
	defer kit.Close(t.Context())
	if err := kit.RegisterChannel(roomkit.NewVoiceChannel("stage", s)); err != nil {
		t.Fatal(err)
	}
	cfg := recorder.Config{Storage: t.TempDir()}
	if _, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: rec, Config: cfg})); err != nil {
		t.Fatal(err)
	}
	session, err := kit.Join(t.Context(), "room", "stage", roomkit.WithParticipant("ann"))
	if err != nil {
		t.Fatal(err)
	}
	speak := func(length time.Duration) {
		f := media.AudioFormat{Rate: 24000, Channels: 1}
		speech := sine(f, 0, length, agentHz).PCM
		for i := 0; i < len(speech.Data); i += 2 { // or the sum would be too loud for AAC, which turns it down
			v := int16(binary.LittleEndian.Uint16(speech.Data[i:]))
			binary.LittleEndian.PutUint16(speech.Data[i:], uint16(v/5*3))
		}
		for n := 24000 / 2 * 2; len(speech.Data) > 0; speech.Data = speech.Data[n:] { // half a second at once
			if err := session.Play(t.Context(), &media.PCM{Format: f, Data: speech.Data[:n]}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for at := time.Duration(0); at < 9*time.Second; at += 20 * time.Millisecond {
		switch at {
		case time.Second:
			speak(5 * time.Second)
		case 8 * time.Second:
			speak(time.Second)
		}
		if err := pacer.SleepUntil(t.Context(), at+20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		packet := sine(stageMic, at, 20*time.Millisecond, micHz)
		if at >= time.Second && at < 7*time.Second {
			clear(packet.PCM.Data)
			if muted {
				continue
			}
		}
		if err := s.lines["ann"].mic.Wait(t.Context(), packet); err != nil {
			t.Fatal(err)
		}
	}
	results, err := kit.CloseRoom(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

// Who never says anything, or is muted for long, holds nobody up: what the
// others say is in the file a moment later.
func TestSilentTrackHoldsNobodyUp(t *testing.T) {
	r := start(t, recorder.Config{})
	ann := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
	camera := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Video: clapCam})
	bob := addTrack(t, r, recorder.Track{ID: "b", Kind: media.KindAudio, Participant: "bob", Audio: mono16k})
	addTrack(t, r, recorder.Track{ID: "c", Kind: media.KindVideo, Participant: "carol", Video: clapCam}) // never sends
	written := func(length time.Duration) func() bool {
		return func() bool {
			tracks := r.(recorder.Reporter).Report().Tracks
			behind := (length - 1500*time.Millisecond).Seconds() // a fragment, and what the timeline keeps back
			return tracks[0].SamplesWritten >= int64(50*behind) && tracks[1].SamplesWritten >= int64(30*behind)
		}
	}
	for at := time.Duration(0); at < 60*time.Second; at += time.Second {
		record(t, r, ann, nil, mono16k, clapCam, at, time.Second)
		record(t, r, nil, camera, mono16k, clapCam, at, time.Second)
		if at < 5*time.Second {
			record(t, r, bob, nil, mono16k, clapCam, at, time.Second)
		}
		if end := at + time.Second; end > 4*time.Second && end%(8*time.Second) == 0 {
			eventually(t, fmt.Sprintf("what was captured until %v is in the file", end), written(end))
		}
	}
	result := stop(t, r)
	balanced(t, result)
	near(t, "duration", result.Duration, 60*time.Second, time.Millisecond)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out: ", what)
		}
	}
}
