package av

import (
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// The correction of a source's clock cannot be heard in the decoded file
// either: a sine through ±1000 ppm is as pure as the encoder leaves it.
func TestCorrectionInTheFile(t *testing.T) {
	Calculates(t)
	judge.Need(t, "ffmpeg")
	for _, ppm := range []float64{0, 1000, -1000} {
		rec, err := NewRecorder()
		if err != nil {
			t.Fatal(err)
		}
		r, err := rec.Start(t.Context(), recorder.Config{Storage: t.TempDir(), VideoCodec: "libx264",
			AudioSampleRate: 48000, Audio: recorder.AudioOptions{BitRate: 512_000}})
		if err != nil {
			t.Fatal(err)
		}
		w, err := r.AddTrack(recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		s := source{rate: 48000, ppm: ppm, sizes: []int{20}, length: 15 * time.Second, begin: time.Second}
		s.signal = func(at float64) float32 { return float32(0.5 * math.Sin(2*math.Pi*440*at)) }
		s.run(1, func(_, stamp time.Duration, pcm *media.PCM, _ bool) {
			if err := w.WriteSample(media.Sample{Time: stamp, PCM: pcm}); err != nil {
				t.Fatal(err)
			}
		})
		result, err := r.Stop(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c := result.Tracks[0].LargestCorrection; (c == 0) != (ppm == 0) {
			t.Errorf("%v ppm: corrected by %v", ppm, c)
		}
		x := judge.Audio(t, result.Path, 0, 48000)
		worst := math.Inf(-1)
		for from := 4800; from+4800 <= 14*48000; from += 4800 { // a tenth of a second: the speed changes slowly
			_, _, db := fitSine(x[from:from+4800], 48000, 440)
			worst = max(worst, db)
		}
		t.Logf("%v ppm: worst THD+N %.1f dB", ppm, worst)
		if worst > -60 {
			t.Errorf("%v ppm: THD+N %.1f dB", ppm, worst)
		}
	}
}
