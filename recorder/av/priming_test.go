package av_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// An encoder's delay is taken back to the sample, at every rate, from the
// start of the file on as for a track that joins late, and for one that
// returns, soon or late.
func TestEncoderDelayIsCancelled(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg")
	for codec, rates := range map[string][]int{
		"aac":     {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000},
		"libopus": {8000, 12000, 16000, 24000, 48000},
	} {
		for _, rate := range rates {
			t.Run(fmt.Sprint(codec, rate), func(t *testing.T) {
				f := media.AudioFormat{Rate: rate, Channels: 1, Sample: media.F32}
				r := start(t, recorder.Config{AudioCodec: codec, AudioSampleRate: rate, Audio: recorder.AudioOptions{BitRate: 64000}})
				const origin = 5 * time.Second
				visits := []struct {
					track  int
					begins time.Duration
				}{{0, 0}, {1, 2345678 * time.Microsecond}, {1, 5012345 * time.Microsecond}, {1, 22111111 * time.Microsecond}}
				for _, v := range visits {
					id := fmt.Sprint(v.track)
					w := addTrack(t, r, recorder.Track{ID: id, Kind: media.KindAudio, Participant: id, Audio: f})
					for n := 0; n < 2*rate; n += rate / 50 {
						write(t, w, chirps(f, origin+v.begins, n, rate/50))
					}
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
				}
				result := stop(t, r)
				balanced(t, result)
				heard := [][]float64{judge.Audio(t, result.Path, 0, rate), judge.Audio(t, result.Path, 1, rate)}
				worst := 0.0
				for _, v := range visits {
					for _, at := range chirpTimes {
						want := (v.begins + at).Seconds() * float64(rate)
						shift := findChirp(heard[v.track], want, rate)
						worst = max(worst, math.Abs(shift))
						if math.Abs(shift) > 1 {
							t.Errorf("track %d: chirp at %v is %+.2f samples late", v.track, v.begins+at, shift)
						}
					}
				}
				t.Logf("off by up to %.2f samples", worst)
			})
		}
	}
}

// chirpTimes are when the chirps begin, counted from the track's first sample.
var chirpTimes = []time.Duration{0, 700 * time.Millisecond, 1900 * time.Millisecond}

const chirpLength = 0.06 // seconds

// chirp sweeps from 300 to 2500 Hz: its correlation with itself has one peak.
func chirp(at float64) float64 {
	if at < 0 || at >= chirpLength {
		return 0
	}
	window := 0.5 - 0.5*math.Cos(2*math.Pi*at/chirpLength)
	return 0.7 * window * math.Sin(2*math.Pi*(300+2200*at/(2*chirpLength))*at)
}

// chirps returns n frames from the given one on of a track that began at t0.
func chirps(f media.AudioFormat, t0 time.Duration, first, n int) media.Sample {
	pcm := &media.PCM{Format: f}
	for i := range n {
		v := 0.0
		for _, at := range chirpTimes {
			v += chirp(float64(first+i)/float64(f.Rate) - at.Seconds())
		}
		pcm.Data = appendValue(pcm.Data, f.Sample, v)
	}
	return media.Sample{Time: t0 + f.Duration(first), PCM: pcm}
}

// findChirp returns how much later than at the given sample the chirp begins,
// in samples.
func findChirp(x []float64, want float64, rate int) float64 {
	const reach = 12
	score := func(shift float64) (sum float64) {
		from := int(want+shift) - 1
		for i := max(from, 0); i < min(from+int(chirpLength*float64(rate))+2, len(x)); i++ {
			sum += x[i] * chirp((float64(i)-want-shift)/float64(rate))
		}
		return sum
	}
	best := -math.MaxFloat64
	where := 0.0
	for shift := -float64(reach); shift <= reach; shift += 0.1 {
		if s := score(shift); s > best {
			best, where = s, shift
		}
	}
	return where
}
