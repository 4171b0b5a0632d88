package av

import (
	"encoding/binary"
	"iter"
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
		for at, pcm := range fastTone(48000, ppm, 440, 15) {
			if err := w.WriteSample(media.Sample{Time: at, PCM: pcm}); err != nil {
				t.Fatal(err)
			}
		}
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
			_, _, db := judge.FitSine(x[from:from+4800], 48000, 440)
			worst = max(worst, db)
		}
		t.Logf("%v ppm: worst THD+N %.1f dB", ppm, worst)
		if worst > -60 {
			t.Errorf("%v ppm: THD+N %.1f dB", ppm, worst)
		}
	}
}

// fastTone is so many seconds of a sine from a source that runs faster than
// nominal by ppm, in packets of 20 ms that are used again, with capture times.
func fastTone(rate int, ppm, hz, seconds float64) iter.Seq2[time.Duration, *media.PCM] {
	return func(yield func(time.Duration, *media.PCM) bool) {
		pcm := &media.PCM{Format: media.AudioFormat{Rate: rate, Channels: 1, Sample: media.F32}}
		frame := 1 / (float64(rate) * (1 + ppm*1e-6))
		for n := 0; float64(n)*frame < seconds; n += rate / 50 {
			pcm.Data = pcm.Data[:0]
			for k := range rate / 50 {
				v := 0.5 * math.Sin(2*math.Pi*hz*float64(n+k)*frame)
				pcm.Data = binary.LittleEndian.AppendUint32(pcm.Data, math.Float32bits(float32(v)))
			}
			at := time.Second + time.Duration(math.Round(float64(n)*frame*float64(time.Second)))
			if !yield(at, pcm) {
				return
			}
		}
	}
}
