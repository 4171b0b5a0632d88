package wav_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// tone is so long of a sine at an amplitude of 0.5, in pieces of 20 ms, from a
// source that runs faster than nominal by ppm.
func tone(d media.Direction, f media.AudioFormat, from, length time.Duration, ppm float64) (all []media.Sample) {
	f.Sample = media.F32
	frame := 1 / (float64(f.Rate) * (1 + ppm*1e-6))
	for n := 0; float64(n)*frame < length.Seconds()-1e-9; n += f.Rate / 50 {
		pcm := &media.PCM{Format: f}
		for k := range f.Rate / 50 {
			v := float32(0.5 * math.Sin(2*math.Pi*440*float64(n+k)*frame))
			for range f.Channels {
				pcm.Data = binary.LittleEndian.AppendUint32(pcm.Data, math.Float32bits(v))
			}
		}
		at := from + time.Duration(math.Round(float64(n)*frame*float64(time.Second)))
		all = append(all, media.Sample{Time: at, Direction: d, PCM: pcm})
	}
	return all
}

// silences returns the lengths of runs of zeros of at least 2 ms.
func silences(values []int32) (lengths []int) {
	n := 0
	for _, v := range append(values, 1) {
		if v>>16 == 0 {
			n++
			continue
		}
		if n >= testRate/500 {
			lengths = append(lengths, n)
		}
		n = 0
	}
	return lengths
}

func record(t testing.TB, o wav.Options, samples []media.Sample) recorder.Result {
	t.Helper()
	r := start(t, newRecorder(t, o), recorder.Config{})
	write(t, addTrack(t, r, voice), samples...)
	return stop(t, r)
}

// Stamps that jitter by up to 20 ms make no silence, nor do they lose anything.
func TestJitterMakesNoSilence(t *testing.T) {
	judge.Need(t, "sox")
	r := rand.New(rand.NewPCG(11, 12))
	samples := speech(in, ms(1000), ms(9000))
	for i := range samples[:len(samples)-50] {
		samples[i].Time += ms(40*r.Float64() - 20)
	}
	result := record(t, wav.Options{}, samples)
	got := raw(t, "sox", result.Path)
	if s := silences(got); len(s) > 0 || result.Tracks[0].GapCount > 0 {
		t.Errorf("silences of %v frames, %d gaps", s, result.Tracks[0].GapCount)
	}
	if d := len(got) - 8*testRate; d < -testRate/50 || d > testRate/50 {
		t.Errorf("%d frames, want %d", len(got), 8*testRate)
	}
}

// A pause is as long as it was, in the file and in the result.
func TestPauseIsExact(t *testing.T) {
	judge.Need(t, "sox")
	result := record(t, wav.Options{}, append(speech(in, 0, ms(1000)), speech(in, ms(1200), ms(2000))...))
	if s := silences(raw(t, "sox", result.Path)); !slices.Equal(s, []int{testRate / 5}) {
		t.Errorf("silences of %v frames, want one of %d", s, testRate/5)
	}
	want := []recorder.Gap{{Start: ms(1000), Length: ms(200)}}
	if tr := result.Tracks[0]; !slices.Equal(tr.Gaps, want) || tr.GapTotal != ms(200) {
		t.Errorf("gaps %v, want %v", tr.Gaps, want)
	}
}

// A source that changes its format goes on where it was, at the file's rate.
func TestFormatChangesInMidStream(t *testing.T) {
	judge.Need(t, "sox")
	formats := []media.AudioFormat{mono, {Rate: 48000, Channels: 2}, {Rate: 8000, Channels: 1}, {Rate: 44100, Channels: 1}, {Rate: 24000, Channels: 2}, mono}
	for _, o := range []wav.Options{{}, {Rate: 48000}, {Rate: 8000}} {
		var all []media.Sample
		for i, f := range formats {
			all = append(all, tone(in, f, ms(float64(500*i)), ms(500), 0)...)
		}
		result := record(t, o, all)
		rate := o.Rate
		if rate == 0 {
			rate = testRate
		}
		got := raw(t, "sox", result.Path)
		if len(got) != 3*rate {
			t.Errorf("%d frames at %d Hz for three seconds, want %d", len(got), rate, 3*rate)
		}
		for i := range formats { // the sine starts anew with each format
			x := make([]float64, rate*4/10)
			for k := range x {
				x[k] = float64(got[rate*i/2+rate/20+k]) / math.MaxInt32
			}
			if hz, a, db := judge.FitSine(x, float64(rate), 440); math.Abs(hz-440) > 0.05 || math.Abs(a-0.5) > 0.005 || db > -50 {
				t.Errorf("%d Hz, format %d: %.2f Hz at %.3f, %.0f dB", rate, i, hz, a, db)
			}
		}
	}
}

// A source whose clock is off is resampled, so that it keeps to its time.
func TestDriftIsResampled(t *testing.T) {
	judge.Need(t, "soxi")
	for _, ppm := range []float64{1000, -1000} {
		result := record(t, wav.Options{}, tone(in, mono, ms(300), 30*time.Second, ppm))
		tr := result.Tracks[0]
		if math.Abs(tr.RatePPM-ppm) > 30 || tr.LargestCorrection == 0 || tr.GapCount != 0 {
			t.Errorf("%v ppm: measured %.0f, corrected %v, %d gaps", ppm, tr.RatePPM, tr.LargestCorrection, tr.GapCount)
		}
		if d := (result.Duration - 30*time.Second).Abs(); d > ms(22) {
			t.Errorf("%v ppm: lasts %v, want 30 s", ppm, result.Duration)
		}
	}
}

// Random conversations of two directions are in the file as a naive model has
// them, whatever the order, within what a track's queues allow, in which they
// are delivered.
func TestRandomPlans(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 99))
		var voices [2][]media.Sample
		for d := range voices {
			at := ms(float64(20 * r.IntN(30)))
			for range 1 + r.IntN(5) { // phrases
				for range 10 + r.IntN(40) {
					n := 160 * (1 + r.IntN(4))
					voices[d] = append(voices[d], spoken(media.Direction(d), at, n))
					at += mono.Duration(n)
				}
				at += ms(float64(100 + 20*r.IntN(60)))
			}
		}
		all := byTime(voices[0], voices[1])
		zero := min(voices[0][0].Time, voices[1][0].Time)
		result := record(t, wav.Options{Channels: wav.All}, all)
		var m model
		m.hear(zero, all)
		wantFiles(t, result, m.files(wav.Both, wav.All))
	}
}

// Two tracks that run ahead of each other by a second have one time zero, and
// the same file as if they did not.
func TestTracksShareOneZero(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	played := voice
	played.ID = "played"
	mic, agent := speech(in, ms(1100), ms(4000)), speech(out, ms(1000), ms(3000))
	for name, ahead := range map[string]time.Duration{"together": 0, "microphone ahead": ms(1280), "agent ahead": -ms(1280)} {
		t.Run(name, func(t *testing.T) {
			r := start(t, newRecorder(t, wav.Options{Channels: wav.Stereo}), recorder.Config{})
			writers := [2]recorder.TrackWriter{addTrack(t, r, voice), addTrack(t, r, played)}
			all := slices.Concat(mic, agent)
			slices.SortStableFunc(all, func(a, b media.Sample) int {
				return int(a.Time + ahead*time.Duration(a.Direction) - b.Time - ahead*time.Duration(b.Direction))
			})
			for _, s := range all {
				write(t, writers[s.Direction], s)
			}
			result := stop(t, r)
			var m model
			m.hear(ms(1000), all)
			wantFiles(t, result, m.files(wav.Both, wav.Stereo))
		})
	}
}

// What the network brings twice is in the file once.
func TestRepeatsAreCounted(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	samples := speech(in, 0, ms(800))
	result := record(t, wav.Options{}, slices.Concat(samples[:26], samples[20:25], samples[26:]))
	var m model
	m.hear(0, samples)
	wantFile(t, result.Path, m.voices[in])
	if tr := result.Tracks[0]; tr.Dropped[recorder.DropLate] != 5 || tr.SamplesWritten != 40 {
		t.Errorf("%d written, dropped %v, want 40 and 5 late", tr.SamplesWritten, tr.Dropped)
	}
}

// One direction of a track may be delivered some 200 ms behind the other, and
// still be the one that time zero is at.
func TestZeroIsTheEarliestOfBothDirections(t *testing.T) {
	mic, agent := speech(in, ms(1000), ms(2000)), speech(out, ms(990), ms(1590))
	result := record(t, wav.Options{Channels: wav.Stereo}, slices.Concat(mic[:9], agent, mic[9:]))
	if tr := result.Tracks[0]; tr.Losses() != 0 || result.Duration != ms(1010) {
		t.Errorf("dropped %v, lasts %v, want 1.01 s", tr.Dropped, result.Duration)
	}
}

// On a virtual clock a recording is the same to the byte however the machine
// schedules its tracks: each time zero, place, and sum.
func TestRecordingDoesNotDependOnScheduling(t *testing.T) {
	played := voice
	played.ID = "played"
	var first []byte
	for i := range 6 {
		rec := newRecorder(t, wav.Options{Rate: 16000, Channels: wav.Mixed})
		rec.SetTime(time.Unix(1e9, 0))
		feed, err := recorder.OpenFeed(t.Context(), recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: t.TempDir()}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		clock := media.NewVirtualClock()
		hold := clock.NewPacer() // until both sources are there
		var sources sync.WaitGroup
		for _, source := range []struct {
			track   recorder.Track
			samples []media.Sample
		}{
			{voice, tone(in, media.AudioFormat{Rate: 48000, Channels: 1}, ms(110), 4*time.Second, 300)},
			{played, tone(out, media.AudioFormat{Rate: 24000, Channels: 1}, ms(100), 3*time.Second, -300)},
		} {
			input, pacer := feed.AddTrack(source.track), clock.NewPacer()
			sources.Go(func() {
				defer pacer.Close()
				for _, s := range source.samples {
					if err := errors.Join(pacer.SleepUntil(t.Context(), s.Time+s.PCM.Duration()), input.Wait(t.Context(), s)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		hold.Close()
		sources.Wait()
		result := feed.Stop(t.Context())
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		balanced(t, result)
		b, err := os.ReadFile(result.Path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Fatalf("recording %d is another, of %d bytes, not %d", i, len(b), len(first))
		}
	}
}

// What was captured before time zero and comes when that is decided is counted.
func TestBeforeStart(t *testing.T) {
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{})
	w := addTrack(t, r, voice)
	write(t, w, speech(in, ms(2000), ms(3000))...)
	write(t, w, speech(out, ms(1500), ms(2200))...)
	result := stop(t, r)
	if tr := result.Tracks[0]; tr.Dropped[recorder.DropBeforeStart] != 25 || tr.Losses() != 25 {
		t.Errorf("dropped %v, want 25 before start", tr.Dropped)
	}
	if result.Duration != ms(1000) {
		t.Errorf("lasts %v, want 1 s", result.Duration)
	}
}
