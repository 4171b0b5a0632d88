package timeline

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// codePeriod is how long the time code takes to begin anew, in seconds.
const codePeriod = 8.0

// timeCode is a signal whose value tells when it was captured: it rises from
// 0.1 to 0.9. Silence is below.
func timeCode(at float64) float32 {
	return float32(0.1 + 0.8*(at/codePeriod-math.Floor(at/codePeriod)))
}

// source is a microphone with a clock of its own.
type source struct {
	rate   int
	ppm    float64       // how much faster than nominal it runs
	sizes  []int         // of its packets in turn, in ms
	length time.Duration // of virtual time

	jitter func(r *rand.Rand, i int) float64 // of stamps, in ms
	loss   float64                           // part of packets
	stalls []float64                         // seconds at which nothing comes for 3 s
	signal func(at float64) float32          // timeCode if nil
	begin  time.Duration
}

// run delivers the source's packets, with their true capture times.
func (s source) run(seed uint64, deliver func(true, stamp time.Duration, pcm *media.PCM, lost bool)) {
	r := rand.New(rand.NewPCG(seed, 1))
	if s.signal == nil {
		s.signal = timeCode
	}
	pcm := &media.PCM{Format: media.AudioFormat{Rate: s.rate, Channels: 1, Sample: media.F32}}
	frame := 1 / (float64(s.rate) * (1 + s.ppm*1e-6))
	for i, n := 0, 0; ; i++ {
		count := s.sizes[i%len(s.sizes)] * s.rate / 1000
		at := s.begin.Seconds() + float64(n)*frame
		if at >= (s.begin + s.length).Seconds() {
			return
		}
		pcm.Data = pcm.Data[:0]
		for k := range count {
			v := s.signal(at + float64(k)*frame)
			pcm.Data = binary.LittleEndian.AppendUint32(pcm.Data, math.Float32bits(v))
		}
		n += count
		stamp := at
		if s.jitter != nil && at < (s.begin+s.length).Seconds()-1 { // of the last nobody could tell
			stamp += s.jitter(r, i) / 1000
		}
		lost := r.Float64() < s.loss
		for _, stall := range s.stalls {
			lost = lost || stall <= at && at < stall+3
		}
		deliver(seconds(at), seconds(stamp), pcm, lost)
	}
}

// meter reads the time code from what a timeline gives out.
type meter struct {
	t     *testing.T
	rate  int
	skip  time.Duration // what is not judged at the beginning
	first int64
	next  int64
	loud  int64   // frames that are not silent
	worst float64 // error against capture time, in seconds
	where float64
	last  float64 // error seen last
	quiet int     // frames since silence or the code's wrap
	seams bool    // a leap is a seam
	prev  float64 // value before
	tail  []float64
}

// judged is how far from a seam frames are judged: a resampler's filter rings.
const judged = 5 * time.Millisecond

func (m *meter) take(tl *Audio, ended bool) {
	for {
		frames, pos := tl.Next(960, ended)
		if frames == nil {
			return
		}
		if m.next == 0 {
			m.first = pos
		} else if pos != m.next {
			m.t.Fatalf("frames at %d, want %d: a hole", pos, m.next)
		}
		m.next = pos + int64(len(frames))
		for i, v := range frames {
			m.see(float64(pos+int64(i))/float64(m.rate), float64(v))
		}
	}
}

// see judges a frame when the following ones are known to be no seam.
func (m *meter) see(at, v float64) {
	guard := int(judged * time.Duration(m.rate) / time.Second)
	if v > 0.05 {
		m.loud++
	}
	leap := m.seams && math.Abs(v-m.prev) > 0.01
	if m.prev = v; leap || v < 0.12 || v > 0.88 {
		m.quiet, m.tail = 0, m.tail[:0]
		return
	}
	e := at - (v-0.1)/0.8*codePeriod
	e -= math.Round(e/codePeriod) * codePeriod
	m.tail = append(m.tail, e)
	if m.quiet++; len(m.tail) <= 2*guard {
		return
	}
	e = m.tail[len(m.tail)-guard]
	if len(m.tail) > 16*guard {
		m.tail = m.tail[:copy(m.tail, m.tail[len(m.tail)-2*guard:])]
	}
	m.last = e
	if math.Abs(e) > math.Abs(m.worst) && at > m.skip.Seconds() {
		m.worst, m.where = e, at
	}
}

// play runs a source through a timeline.
func play(t *testing.T, s source, out int, seed uint64) (*Audio, *meter) {
	t.Helper()
	tl := NewAudio(out, 1)
	t.Cleanup(tl.Close)
	m := &meter{t: t, rate: out}
	s.run(seed, func(_, stamp time.Duration, pcm *media.PCM, lost bool) {
		if lost {
			return
		}
		add(t, tl, media.Inbound, stamp, pcm)
		m.take(tl, false)
	})
	if err := tl.Flush(); err != nil {
		t.Fatal(err)
	}
	m.take(tl, true)
	return tl, m
}

func uniform(r *rand.Rand, _ int) float64 { return 40*r.Float64() - 20 }

func outliers(r *rand.Rand, _ int) float64 {
	if r.IntN(50) == 0 {
		return 400*r.Float64() - 200
	}
	return 2*r.Float64() - 1
}

// bursts delays what comes within 200 ms to their end, every three seconds.
func bursts(_ *rand.Rand, i int) float64 { return max(float64(200-i%150*20), 0) }

func small(r *rand.Rand, _ int) float64 { return 4*r.Float64() - 2 }

var allSizes = [][]int{{20}, {10}, {60}, {300, 20, 100}}

// Whatever a source's rate and jitter, its audio is within 10 ms of where it
// was captured, and no jitter is taken for a gap. Only where few stamps with
// much jitter are all there is, 60 ms apart or more, it takes 20 ms: 17 stamps
// at ±20 ms leave a standard deviation of 3 ms at the start, and the rate is
// worth another 1 ms for each second until it is known.
func TestErrorStaysSmall(t *testing.T) {
	Calculates(t)
	type kind struct {
		name  string
		f     func(*rand.Rand, int) float64
		bound float64 // ms
		ppm   float64
	}
	kinds := []kind{{"none", nil, 6, 1}, {"uniform", uniform, 10, 80}, {"outliers", outliers, 7, 12}, {"bursts", bursts, 6, 6}}
	seed := uint64(0)
	for _, rates := range [][2]int{{8000, 16000}, {16000, 16000}, {24000, 16000}, {44100, 48000}, {48000, 48000}} {
		for _, ppm := range []float64{0, 100, -300, 1000, -1000} {
			for _, k := range kinds {
				for i, sizes := range allSizes {
					if k.name == "bursts" && i > 0 {
						continue
					}
					if k.name == "uniform" && i > 1 {
						k.bound, k.ppm = 20, 150
					}
					seed++
					t.Run(fmt.Sprintf("%v/%v/%s/%v", rates, ppm, k.name, sizes), func(t *testing.T) {
						s := source{rate: rates[0], ppm: ppm, sizes: sizes, jitter: k.f, length: 40 * time.Second, begin: time.Second}
						tl, m := play(t, s, rates[1], seed)
						m.wantError(k.bound)
						got, _, gaps := tl.Figures()
						if math.Abs(got-ppm) > k.ppm {
							t.Errorf("measured %.1f ppm", got)
						}
						if gaps.Count != 0 {
							t.Errorf("gaps: %v", gaps.Listed)
						}
						if ppm == 0 && k.f == nil && tl.streams[0].stretch.engaged {
							t.Error("a source that is exact was corrected")
						}
					})
				}
			}
		}
	}
}

// wantError checks the error against capture time, in milliseconds.
func (m *meter) wantError(bound float64) {
	m.t.Helper()
	if math.Abs(m.worst) > bound/1e3 {
		m.t.Errorf("off by %.1f ms at %.2f s", 1e3*m.worst, m.where)
	}
}

// Lost packets and stalls leave gaps and move nothing. Where jitter hides a
// lost packet for a while, what follows is early by its length for so long.
func TestLossesAndStalls(t *testing.T) {
	Calculates(t)
	for _, rates := range [][2]int{{8000, 16000}, {16000, 16000}, {44100, 48000}, {48000, 16000}} {
		for _, sizes := range allSizes {
			longest := float64(slices.Max(sizes))
			for _, k := range []struct {
				name  string
				f     func(*rand.Rand, int) float64
				bound float64 // ms
			}{{"none", nil, 4}, {"2 ms", small, 5}, {"outliers", outliers, 15}, {"uniform", uniform, 30 + min(longest, 40)}} {
				t.Run(fmt.Sprintf("%v/%v/%s", rates, sizes, k.name), func(t *testing.T) {
					s := source{rate: rates[0], ppm: 200, sizes: sizes, jitter: k.f, length: 60 * time.Second, begin: time.Second, loss: 0.01, stalls: []float64{20, 40}}
					tl, m := play(t, s, rates[1], 5)
					m.wantError(k.bound)
					got, _, gaps := tl.Figures()
					if k.name == "uniform" && sizes[0] == 20 && math.Abs(got-s.ppm) > 500 || k.name != "uniform" && math.Abs(got-s.ppm) > 30 {
						t.Errorf("measured %.1f ppm", got)
					}
					loud := float64(m.loud) / float64(rates[1])
					span := TimeOf(m.next-m.first, int64(rates[1])).Seconds()
					if d := span - loud - gaps.Total.Seconds(); math.Abs(d) > 1e-3*float64(gaps.Count) {
						t.Errorf("%.1f ms of silence are not listed as gaps", 1e3*d)
					}
				})
			}
		}
	}
}

// Six hours of a sound card that is 300 ppm fast, with one packet of a hundred
// lost and two stalls.
func TestSixHours(t *testing.T) {
	Calculates(t)
	const rate = 8000
	s := source{rate: rate, ppm: 300, sizes: []int{20}, length: 6 * time.Hour, loss: 0.01}
	if testing.Short() {
		s.length = 10 * time.Minute
	}
	s.stalls = []float64{s.length.Seconds() / 6, s.length.Seconds() / 2}
	tl, m := play(t, s, rate, 1)
	m.wantError(10)
	if d := TimeOf(m.next, rate) - s.length; d.Abs() > 30*time.Millisecond { // the last packets may be lost
		t.Errorf("ends %v off", d)
	}
	if math.Abs(m.last) > 10e-3 {
		t.Errorf("the end is off by %.1f ms", 1e3*m.last)
	}
	ppm, _, gaps := tl.Figures()
	if math.Abs(ppm-300) > 2 {
		t.Errorf("measured %.1f ppm", ppm)
	}
	if want := s.length.Seconds() * 0.01; math.Abs(gaps.Total.Seconds()-want-6) > 0.1*want {
		t.Errorf("gaps of %v, want about %.0f s", gaps.Total, want+6)
	}
	if len(gaps.Listed) > mostGaps {
		t.Errorf("%d gaps are listed", len(gaps.Listed))
	}
	if n := cap(tl.sum.buf) + cap(tl.streams[0].hold.data) + cap(tl.streams[0].stretch.in); n > 8*rate {
		t.Errorf("%d values are kept", n)
	}
}

// A source whose clock is set by seconds, either way, goes on without a loss:
// forwards where its stamps say from the first of them on; backwards it follows
// on, for there is no place for it, and the next pause takes it back.
func TestClockSteps(t *testing.T) {
	Calculates(t)
	for _, step := range []time.Duration{5 * time.Second, 700 * time.Millisecond, -700 * time.Millisecond, -5 * time.Second} {
		for _, sizes := range allSizes {
			t.Run(fmt.Sprint(step, sizes), func(t *testing.T) {
				const rate = 16000
				s := source{rate: rate, ppm: 100, sizes: sizes, length: 20 * time.Second, begin: 10 * time.Second, jitter: small}
				tl := NewAudio(rate, 1)
				defer tl.Close()
				m := &meter{t: t, rate: rate}
				in := 0
				pause := max(-step, 0) + time.Second
				s.run(1, func(at, stamp time.Duration, pcm *media.PCM, _ bool) {
					if at > 15*time.Second {
						stamp += step
					}
					if at > 25*time.Second {
						stamp += pause
					}
					in += pcm.Frames()
					add(t, tl, media.Inbound, stamp, pcm)
					m.take(tl, false)
				})
				if err := tl.Flush(); err != nil {
					t.Fatal(err)
				}
				m.take(tl, true)
				if d := float64(int(m.loud)-in) / rate; math.Abs(d) > 10e-3 {
					t.Errorf("%.1f ms are missing", -1e3*d)
				}
				want := s.begin + s.length + step + pause
				if d := TimeOf(m.next, rate) - want; d < -20*time.Millisecond || d > 320*time.Millisecond { // a last packet of 300 ms
					t.Errorf("ends at %v, want %v", TimeOf(m.next, rate), want)
				}
				_, _, gaps := tl.Figures()
				wantGaps := int64(1)
				if step > 0 {
					wantGaps = 2
				}
				if gaps.Count != wantGaps {
					t.Errorf("gaps %v", gaps.Listed)
				}
			})
		}
	}
}

// The speech of an agent is delivered as fast as it is made, with the times at
// which it is played: it lands where it was played, and as long as it is less
// than leadTime ahead, so does what the microphone hears meanwhile.
func TestBurstsOfSpeech(t *testing.T) {
	for _, mic := range []bool{true, false} {
		tl := newTestTimeline(t)
		length := 900 * time.Millisecond
		if !mic {
			length = 10 * time.Second
		}
		var out []float32
		take := func(ended bool) {
			for frames, _ := tl.Next(960, ended); frames != nil; frames, _ = tl.Next(960, ended) {
				out = append(out, frames...)
			}
		}
		for i := range 1000 {
			at := ms(20 * float64(i))
			if mic {
				add(t, tl, media.Inbound, at, level(testRate, 320, 100))
			}
			if mic && (i == 150 || i == 400) || !mic && (i == 0 || i == 600) {
				for k := time.Duration(0); k < length; k += ms(30) {
					add(t, tl, media.Outbound, at+k, level(testRate, 480, 200))
				}
			}
			take(false)
		}
		if err := tl.Flush(); err != nil {
			t.Fatal(err)
		}
		take(true)
		if mic {
			wantRuns(t, out, [2]int{48000, 100}, [2]int{14400, 300}, [2]int{65600, 100}, [2]int{14400, 300}, [2]int{177600, 100})
		} else {
			wantRuns(t, out, [2]int{160320, 200}, [2]int{31680, 0}, [2]int{160320, 200}) // 334 pieces of 30 ms
		}
	}
}

// A source that changes its rate and channels in mid-stream loses nothing and
// stays in time.
func TestFormatChangesInTime(t *testing.T) {
	const rate = 48000
	tl := NewAudio(rate, 1)
	defer tl.Close()
	m := &meter{t: t, rate: rate, seams: true} // the filters of both rates end there
	begin := time.Second
	for i, from := range []int{8000, 16000, 44100, 24000, 48000, 8000, 44100} {
		ppm := 500 - 1000*float64(i%2) // another device each time
		s := source{rate: from, ppm: ppm, sizes: []int{20}, length: 10 * time.Second, begin: begin}
		s.run(uint64(i), func(_, stamp time.Duration, pcm *media.PCM, _ bool) {
			if begin = stamp + seconds(0.02/(1+ppm*1e-6)); i%2 == 1 {
				pcm = stereo(pcm)
			}
			add(t, tl, media.Inbound, stamp, pcm)
			m.take(tl, false)
		})
	}
	if err := tl.Flush(); err != nil {
		t.Fatal(err)
	}
	m.take(tl, true)
	m.wantError(5)
	if d := TimeOf(m.loud, rate) - (begin - time.Second); d.Abs() > 5*time.Millisecond {
		t.Errorf("%v too much", d)
	}
	if _, _, gaps := tl.Figures(); gaps.Count != 0 {
		t.Errorf("gaps %v", gaps.Listed)
	}
}

func stereo(mono *media.PCM) *media.PCM {
	pcm := &media.PCM{Format: mono.Format}
	pcm.Format.Channels = 2
	for i := 0; i < len(mono.Data); i += 4 {
		pcm.Data = append(append(pcm.Data, mono.Data[i:i+4]...), mono.Data[i:i+4]...)
	}
	return pcm
}

func TestTimelineDoesNotAllocate(t *testing.T) {
	const rate = 16000
	tl := NewAudio(rate, 1)
	defer tl.Close()
	s := source{rate: 24000, ppm: 800, sizes: []int{20}, length: 60 * time.Second, jitter: outliers, loss: 0.02}
	packets := 0
	var before, after runtime.MemStats
	s.run(3, func(at, stamp time.Duration, pcm *media.PCM, lost bool) {
		if packets++; packets == 1500 {
			runtime.ReadMemStats(&before)
		}
		if !lost {
			_, _ = tl.Add(media.Inbound, stamp, pcm)
			for frames, _ := tl.Next(960, false); frames != nil; frames, _ = tl.Next(960, false) {
			}
		}
	})
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > uint64(packets)/50 { // the list of gaps grows, as does ReadMemStats
		t.Errorf("%d allocations for %d packets", n, packets-1500)
	}
}

// A source whose first words are short, with pauses between that are hardly
// longer than jitter could be: each word is where it was said, the first one
// included.
func TestShortWordsAtTheStart(t *testing.T) {
	const words, pause = 30, 90.0
	for _, c := range []struct{ jitter, bound float64 }{{0, 0.1}, {0.5, 3}, {1, 4}, {2, 6}, {5, 12}} {
		for _, packets := range []int{5, 10, 20, 40} {
			worst := 0.0
			said := func(n int) float64 { return 1000 + float64(n)*(20*float64(packets)+pause) }
			for seed := range uint64(20) {
				r := rand.New(rand.NewPCG(seed, 7))
				tl := NewAudio(testRate, 1)
				for n := range words {
					for k := range packets {
						at := said(n) + 20*float64(k) + c.jitter*(2*r.Float64()-1)
						add(t, tl, media.Inbound, ms(at), level(testRate, 320, 100+20*n))
					}
				}
				first, out := all(t, tl)
				tl.Close()
				for i, n := 0, 0; n < words; n++ {
					// The level tells the words apart, wherever they are. At their
					// edges it rings.
					for steady := 0; steady < 80 && i < len(out); i++ {
						if steady++; math.Abs(float64(out[i])-0.1-0.02*float64(n)) > 0.005 {
							steady = 0
						}
					}
					worst = max(worst, math.Abs(float64(first+int64(i-80))/testRate*1000-said(n)))
				}
			}
			if worst > c.bound {
				t.Errorf("jitter ±%v ms, words of %d packets: off by %.1f ms", c.jitter, packets, worst)
			}
		}
	}
}
