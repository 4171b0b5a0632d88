package timeline

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
func all(t *testing.T, tl *Audio) (first int64, out []float32) {
	t.Helper()
	if err := tl.Flush(); err != nil {
		t.Fatal(err)
	}
	first = -1
	for {
		frames, pos := tl.Next(1024, true)
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

func add(t *testing.T, tl *Audio, dir media.Direction, at time.Duration, pcm *media.PCM) Placed {
	t.Helper()
	what, err := tl.Add(dir, at, pcm)
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

func newTestTimeline(t *testing.T) *Audio {
	tl := NewAudio(testRate, 1)
	t.Cleanup(tl.Close)
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
	sum := 0.0
	for i, jitter := range []float64{0, 19, -12, 28, -29, 3} {
		sum += jitter
		add(t, tl, media.Inbound, ms(100+20*float64(i)+jitter), level(testRate, 320, 100+i))
	}
	first, out := all(t, tl)
	if want := tl.position(ms(100 + sum/6)); first != want {
		t.Errorf("begins at %d, want %d, which is where the stamps say in the mean", first, want)
	}
	wantRuns(t, out, [2]int{320, 100}, [2]int{320, 101}, [2]int{320, 102}, [2]int{320, 103}, [2]int{320, 104}, [2]int{320, 105})
}

func TestTimelineKeepsWhatOverlaps(t *testing.T) {
	tl := newTestTimeline(t)
	at := 0.0
	for range 50 {
		add(t, tl, media.Inbound, ms(at), level(testRate, 320, 100))
		at += 20
	}
	at -= 100 // the source's clock is set back
	for range 10 {
		add(t, tl, media.Inbound, ms(at), level(testRate, 320, 200))
		at += 20
	}
	at += 500 // of which 100 ms are taken
	for range 10 {
		add(t, tl, media.Inbound, ms(at), level(testRate, 320, 300))
		at += 20
	}
	_, out := all(t, tl)
	loud := 0
	for _, v := range out {
		if v > 0.09 {
			loud++
		}
	}
	if want := 70 * 320; loud < want-5 || loud > want {
		t.Errorf("%d frames of %d", loud, want)
	}
	if want := testRate*1800/1000 - 320; len(out) != int(tl.position(ms(at))) {
		t.Errorf("ends at %d, want %d (%d)", len(out), tl.position(ms(at)), want)
	}
}

func TestTimelineDropsRepeats(t *testing.T) {
	tl := newTestTimeline(t)
	var fates []Placed
	tl.Decided = func(_ int64, what Placed) { fates = append(fates, what) }
	for i := range 20 {
		add(t, tl, media.Inbound, ms(20*float64(i)), level(testRate, 320, 100+i))
		if i == 12 {
			for j := 8; j < 12; j++ { // the network brings these once more
				add(t, tl, media.Inbound, ms(20*float64(j)), level(testRate, 320, 500))
			}
		}
	}
	_, out := all(t, tl)
	var want [][2]int
	for i := range 20 {
		want = append(want, [2]int{320, 100 + i})
	}
	wantRuns(t, out, want...)
	late := 0
	for _, f := range fates {
		if f == Behind {
			late++
		}
	}
	if len(fates) != 24 || late != 4 {
		t.Errorf("%d of %d packets are late, want 4 of 24", late, len(fates))
	}
}

func TestTimelineTrimsToTheSample(t *testing.T) {
	tl := newTestTimeline(t)
	if add(t, tl, media.Inbound, -ms(40), level(testRate, 320, 100)) != BeforeStart {
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
		frames, _ := tl.Next(1024, false)
		if frames == nil {
			break
		}
		n += len(frames)
	}
	if settled := 16000 - int(tl.position(settleTime)); n > settled || n < settled-1024 {
		t.Errorf("%d frames given out, %d are settled", n, settled)
	}
	// What the other direction played a moment ago still finds its place.
	tl.Decided = func(_ int64, what Placed) {
		if what != InPlace {
			t.Errorf("late outbound audio was placed as %v", what)
		}
	}
	add(t, tl, media.Outbound, ms(900), level(testRate, 320, 100))
	all(t, tl)
}

// What the other direction has already is not given out while a packet is held
// whose place is there.
func TestTimelineWaitsForWhatIsHeld(t *testing.T) {
	tl := newTestTimeline(t)
	tl.Decided = func(_ int64, what Placed) {
		if what != InPlace {
			t.Errorf("a packet was placed as %v", what)
		}
	}
	var out []float32
	take := func(ended bool) {
		for frames, _ := tl.Next(320, ended); frames != nil; frames, _ = tl.Next(320, ended) {
			out = append(out, frames...)
		}
	}
	for i := range 120 {
		add(t, tl, media.Inbound, ms(20*float64(i)), level(testRate, 320, 100))
		if i == 50 {
			add(t, tl, media.Outbound, ms(1000), level(testRate, 320, 200)) // one alone
		}
		take(false)
	}
	if len(out) < testRate*3/2 {
		t.Errorf("%d frames given out: it waits for more than patience", len(out))
	}
	if err := tl.Flush(); err != nil {
		t.Fatal(err)
	}
	take(true)
	wantRuns(t, out, [2]int{16000, 100}, [2]int{320, 300}, [2]int{38400 - 16320, 100})
}

// Who has a timeline for each direction takes what is decided at once, and lets
// gaps be gaps.
func TestTakeWaitsForNothing(t *testing.T) {
	tl := newTestTimeline(t)
	crossed := int64(0)
	tl.Cross = func(gap int64) error {
		if frames, _ := tl.Take(); frames != nil {
			t.Errorf("%d frames had not been taken", len(frames))
		}
		crossed += gap
		tl.Advance(gap)
		return nil
	}
	for i := range 20 {
		if i == 3 {
			if from, ok := tl.Holds(); !ok || from != ms(100) || tl.HasBegun() {
				t.Errorf("holds from %v, %v; has begun: %v", from, ok, tl.HasBegun())
			}
		}
		add(t, tl, media.Inbound, ms(100+20*float64(i)), level(testRate, 320, 100))
	}
	frames, at := tl.Take()
	if _, ok := tl.Holds(); ok || !tl.HasBegun() {
		t.Error("holds what is decided")
	}
	if at != 1600 {
		t.Errorf("begins at %d", at)
	}
	wantRuns(t, frames, [2]int{20 * 320, 100})
	add(t, tl, media.Inbound, ms(1500), level(testRate, 320, 200)) // is a second behind
	if frames, _ := tl.Take(); frames != nil {
		t.Errorf("%d frames of what is not decided", len(frames))
	}
	if err := tl.Resolve(); err != nil {
		t.Fatal(err)
	}
	frames, at = tl.Take()
	wantRuns(t, frames, [2]int{320, 200})
	if at != 24000 || crossed != 16000 || tl.Base() != 24320 {
		t.Errorf("at %d behind %d, then at %d", at, crossed, tl.Base())
	}
}

func TestTimelinePositionIsExactForLongTimes(t *testing.T) {
	tl := NewAudio(48000, 2)
	const year = 365 * 24 * time.Hour
	if got, want := tl.position(year+time.Second/48000*3+time.Microsecond), int64(365*24*3600*48000+3); got != want {
		t.Errorf("position %d, want %d", got, want)
	}
}

func TestTimelineTakesTimesFarBeforeItsStart(t *testing.T) {
	tl := newTestTimeline(t)
	for _, at := range []time.Duration{-30 * 24 * time.Hour, -60 * time.Hour, math.MinInt64 / 2} {
		if what := add(t, tl, media.Inbound, at, level(48000, 960, 1)); what != BeforeStart {
			t.Errorf("audio from %v was taken as %v", at, what)
		}
	}
}
