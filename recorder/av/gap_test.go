package av_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A microphone that is muted for minutes says the next word where it was said,
// with silence before it, to the sample.
func TestLongSilence(t *testing.T) {
	const gap = 5*time.Minute + 123456*time.Microsecond
	for _, c := range []recorder.Config{{AudioSampleRate: 48000}, {AudioCodec: "libopus", AudioSampleRate: 48000}, {Format: "mkv"}} {
		t.Run(c.AudioCodec+c.Format, func(t *testing.T) {
			r := start(t, c)
			f := media.AudioFormat{Rate: 48000, Channels: 2}
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: f})
			record(t, r, a, nil, f, vga(media.I420), 0, time.Second)
			record(t, r, a, nil, f, vga(media.I420), time.Second+gap, time.Second)
			result := stop(t, r)
			judge.DecodesClean(t, result.Path)
			near(t, "result's duration", result.Duration, 2*time.Second+gap, time.Millisecond)
			near(t, "file's duration", judge.Probe(t, result.Path).Length(), 2*time.Second+gap, 70*time.Millisecond)

			pcm := judge.Audio(t, result.Path, 0, 16000)
			at := func(d time.Duration) int { return int(d * 16000 / time.Second) }
			loud := func(v float64) bool { return math.Abs(v) > 0.05 }
			if i := slices.IndexFunc(pcm[at(1100*time.Millisecond):at(gap+900*time.Millisecond)], loud); i >= 0 {
				t.Errorf("something is to be heard %v into the silence", time.Duration(i)*time.Second/16000)
			}
			onset := slices.IndexFunc(pcm[at(gap):], loud) + at(gap)
			near(t, "the next word", time.Duration(onset)*time.Second/16000, time.Second+gap, 5*time.Millisecond)
			from := time.Second + gap + 200*time.Millisecond
			if c.Format == "" { // mkv counts in milliseconds and plays the priming
				if shift := phaseShift(pcm[at(from):at(from)+8000], 440, time.Duration(at(from))*time.Second/16000); shift.Abs() > time.Millisecond/8 {
					t.Errorf("the next word is shifted by %v", shift)
				}
			}
		})
	}
}

// Without edit lists there is nothing to hide pictures with: the file begins
// at the origin all the same.
func TestTrimsWithoutEditLists(t *testing.T) {
	for _, format := range []string{"mkv", "webm", "ts"} {
		t.Run(format, func(t *testing.T) {
			r := start(t, recorder.Config{Format: format, VideoCodec: "auto"})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
			v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
			record(t, r, nil, v, mono16k, vga(media.I420), 0, 1500*time.Millisecond)
			record(t, r, a, v, mono16k, vga(media.I420), 1500*time.Millisecond, 2*time.Second)
			result := stop(t, r)
			judge.DecodesClean(t, result.Path)
			near(t, "result's duration", result.Duration, 2*time.Second, 10*time.Millisecond)
			near(t, "file's duration", judge.Probe(t, result.Path).Length(), 2*time.Second, 150*time.Millisecond)
			if n := len(judge.Pictures(t, result.Path, 0)); n < 59 || n > 61 {
				t.Errorf("%d pictures in 2 s at 30 per second", n)
			}
		})
	}
}
