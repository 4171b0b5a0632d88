package av

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

const testRate = 16000

// level makes n frames of s16 mono PCM at a constant level, a thousandth of
// full scale per unit.
func level(rate, n, units int) *media.PCM {
	pcm := &media.PCM{Format: media.AudioFormat{Rate: rate, Channels: 1}, Data: make([]byte, 2*n)}
	for i := range n {
		binary.LittleEndian.PutUint16(pcm.Data[2*i:], uint16(int16(units*32768/1000)))
	}
	return pcm
}

// all takes everything out of a timeline and returns it from position zero of
// the first frame on.
func all(t *testing.T, tl *audioTimeline) (first int64, out []float32) {
	t.Helper()
	if err := tl.flush(); err != nil {
		t.Fatal(err)
	}
	first = -1
	for {
		frames, pos := tl.next(1024, true)
		if frames == nil {
			return first, out
		}
		if first < 0 {
			first = pos
		}
		if want := first + int64(len(out)/tl.channels); pos != want {
			t.Fatalf("frames at %d, want %d: a hole", pos, want)
		}
		out = append(out, frames...)
	}
}

func add(t *testing.T, tl *audioTimeline, dir media.Direction, at time.Duration, pcm *media.PCM) placed {
	t.Helper()
	_, what, err := tl.add(dir, at, pcm)
	if err != nil {
		t.Fatal(err)
	}
	return what
}

// wantRuns checks that the frames are runs of constant levels.
func wantRuns(t *testing.T, out []float32, runs ...[2]int) {
	t.Helper()
	i := 0
	for _, r := range runs {
		for range r[0] {
			if i >= len(out) {
				t.Fatalf("%d frames, want more", len(out))
			}
			if got := float64(out[i]) * 1000; math.Abs(got-float64(r[1])) > 0.1 {
				t.Fatalf("frame %d is %.1f, want %d", i, got, r[1])
			}
			i++
		}
	}
	if i != len(out) {
		t.Fatalf("%d frames, want %d", len(out), i)
	}
}

func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

func newTestTimeline(t *testing.T) *audioTimeline {
	tl := newAudioTimeline(testRate, 1)
	t.Cleanup(tl.close)
	return tl
}

func TestTimelineFillsGaps(t *testing.T) {
	tl := newTestTimeline(t)
	add(t, tl, media.Inbound, 0, level(testRate, 320, 100))
	add(t, tl, media.Inbound, ms(20), level(testRate, 320, 200))
	add(t, tl, media.Inbound, ms(130), level(testRate, 320, 300)) // 90 ms missing
	first, out := all(t, tl)
	if first != 0 {
		t.Errorf("begins at %d", first)
	}
	wantRuns(t, out, [2]int{320, 100}, [2]int{320, 200}, [2]int{1440, 0}, [2]int{320, 300})
}

func TestTimelineSmoothsJitter(t *testing.T) {
	tl := newTestTimeline(t)
	for i, jitter := range []float64{0, 19, -12, 28, -29, 3} {
		add(t, tl, media.Inbound, ms(100+20*float64(i)+jitter), level(testRate, 320, 100+i))
	}
	first, out := all(t, tl)
	if first != 1600 {
		t.Errorf("begins at %d, want 1600", first)
	}
	wantRuns(t, out, [2]int{320, 100}, [2]int{320, 101}, [2]int{320, 102}, [2]int{320, 103}, [2]int{320, 104}, [2]int{320, 105})
}

func TestTimelineCutsOverlap(t *testing.T) {
	tl := newTestTimeline(t)
	add(t, tl, media.Inbound, 0, level(testRate, 1600, 100))                    // to 100 ms
	add(t, tl, media.Inbound, ms(50), level(testRate, 1600, 200))               // its first 50 ms are taken
	if add(t, tl, media.Inbound, ms(60), level(testRate, 320, 300)) != behind { // all taken
		t.Error("audio whose place is taken was not refused")
	}
	add(t, tl, media.Inbound, ms(150), level(testRate, 320, 400))
	_, out := all(t, tl)
	wantRuns(t, out, [2]int{1600, 100}, [2]int{800, 200}, [2]int{320, 400})
}

func TestTimelineTrimsToTheSample(t *testing.T) {
	tl := newTestTimeline(t)
	if add(t, tl, media.Inbound, -ms(40), level(testRate, 320, 100)) != beforeStart {
		t.Error("audio from before the origin was taken")
	}
	add(t, tl, media.Inbound, -ms(12.5), level(testRate, 320, 200)) // 200 frames too early
	first, out := all(t, tl)
	if first != 0 {
		t.Errorf("begins at %d", first)
	}
	wantRuns(t, out, [2]int{120, 200})
}

func TestTimelineSumsDirections(t *testing.T) {
	tl := newTestTimeline(t)
	for i := range 10 {
		add(t, tl, media.Inbound, ms(20*float64(i)), level(testRate, 320, 100))
		if i >= 3 && i < 6 {
			add(t, tl, media.Outbound, ms(20*float64(i)), level(testRate, 320, 40))
		}
	}
	// The agent goes on after the microphone has fallen silent.
	add(t, tl, media.Outbound, ms(300), level(testRate, 320, 40))
	_, out := all(t, tl)
	wantRuns(t, out, [2]int{960, 100}, [2]int{960, 140}, [2]int{1280, 100}, [2]int{1600, 0}, [2]int{320, 40})
}

func TestTimelineClampsSums(t *testing.T) {
	tl := newTestTimeline(t)
	add(t, tl, media.Inbound, 0, level(testRate, 320, 800))
	add(t, tl, media.Outbound, 0, level(testRate, 320, 800))
	_, out := all(t, tl)
	wantRuns(t, out, [2]int{320, 1000})
}

func TestTimelineKeepsCountThroughFormatChanges(t *testing.T) {
	tl := newTestTimeline(t)
	at := time.Duration(0)
	for _, rate := range []int{8000, 48000, 44100, 16000, 24000} {
		for range 50 { // one second of each
			pcm := level(rate, rate/50, 100)
			add(t, tl, media.Inbound, at, pcm)
			at += ms(20)
		}
	}
	_, out := all(t, tl)
	if len(out) != 5*testRate {
		t.Errorf("%d frames for five seconds, want %d", len(out), 5*testRate)
	}
}

func TestTimelineGivesOutOnlyWhatIsSettled(t *testing.T) {
	tl := newTestTimeline(t)
	add(t, tl, media.Inbound, 0, level(testRate, 16000, 100))
	n := 0
	for {
		frames, _ := tl.next(1024, false)
		if frames == nil {
			break
		}
		n += len(frames)
	}
	if settled := 16000 - int(tl.position(settleTime)); n > settled || n < settled-1024 {
		t.Errorf("%d frames given out, %d are settled", n, settled)
	}
	// What the other direction played a moment ago still finds its place.
	if add(t, tl, media.Outbound, ms(900), level(testRate, 320, 100)) != inPlace {
		t.Error("late outbound audio was refused")
	}
}

func TestTimelinePositionIsExactForLongTimes(t *testing.T) {
	tl := newAudioTimeline(48000, 2)
	const year = 365 * 24 * time.Hour
	if got, want := tl.position(year+time.Second/48000*3+time.Microsecond), int64(365*24*3600*48000+3); got != want {
		t.Errorf("position %d, want %d", got, want)
	}
}

func TestTimelineTakesTimesFarBeforeItsStart(t *testing.T) {
	tl := newTestTimeline(t)
	for _, at := range []time.Duration{-30 * 24 * time.Hour, -60 * time.Hour, math.MinInt64 / 2} {
		if what := add(t, tl, media.Inbound, at, level(48000, 960, 1)); what != beforeStart {
			t.Errorf("audio from %v was taken as %v", at, what)
		}
	}
}
