package rtpin

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// TestClockAlignsSoon has reports from the beginning: what arrival times alone
// have wrong, 30 ms, is gone within a few seconds.
func TestClockAlignsSoon(t *testing.T) {
	worst := tally{from: 6, to: 30}
	for seed := uint64(1); seed <= 20; seed++ {
		s := simCaller(seed, 50, exponential(20e-3))
		s.reports.every, s.reports.loss = 1.5, 0
		w := tally{from: worst.from, to: worst.to}
		measure(s, 30, w.frame)
		worst.add(w)
	}
	worst.below(t, "from 6 s", 15, 10, slewMost*1e6+500)
}

// TestClockNonsense mixes reports that cannot be true with those that are.
func TestClockNonsense(t *testing.T) {
	s := simCaller(3, 100, exponential(30e-3))
	p := NewParticipant()
	audio, video := p.NewTrack(48000), p.NewTrack(90000)
	r := rand.New(rand.NewPCG(9, 9))
	w := tally{from: 10}
	s.run(300, []*TrackClock{audio, video}, func(stream int, at float64, ticks int64, capture time.Duration) {
		w.frame(stream, at, capture.Seconds()-at-s.least-s.streams[0].encoding)
		if r.Float64() > 0.02 {
			return
		}
		track, arrival := []*TrackClock{audio, video}[stream], capture+50*time.Millisecond
		switch r.IntN(5) {
		case 0:
			track.Report(0, ticks, arrival)
		case 1:
			track.Report(s.ntpAt(at), ticks+r.Int64()-r.Int64(), arrival)
		case 2: // one that is old, with another time
			track.Report(s.ntpAt(at-r.Float64()), ticks-int64(r.IntN(1e6)), arrival)
		case 3:
			ticks, at := s.ticks(stream, at)
			track.Report(s.ntpAt(at), ticks, arrival)
			track.Report(s.ntpAt(at), ticks, arrival)
		case 4:
			if r.IntN(10) == 0 {
				track.Report(r.Uint64(), ticks, arrival)
			}
		}
	})
	w.below(t, "from 10 s", 10, 5, 3000)
}

// steady sends packets of 20 ms from a time on, 30 ms after capture.
func steady(c *TrackClock, ticks *int64, from, to time.Duration) (last time.Duration) {
	for at := from; at < to; at += 20 * time.Millisecond {
		c.Arrived(*ticks, at+30*time.Millisecond)
		last = c.Capture(*ticks)
		*ticks += 960
	}
	return last
}

// TestClockStray has packets that belong nowhere, and one that is far too late.
// What comes next is late, and would be no good begin of anything.
func TestClockStray(t *testing.T) {
	for _, far := range []int64{1 << 31, -1 << 31, 1 << 62, -96000, 48000 * 1000} {
		c := NewParticipant().NewTrack(48000)
		ticks := int64(1e6)
		steady(c, &ticks, 0, 5*time.Second)
		c.Arrived(ticks+far, 5*time.Second+30*time.Millisecond)
		if got := c.Capture(ticks + far); far > 0 && (got < 5*time.Second || got > 6*time.Second) {
			t.Errorf("the stray %d: %v", far, got)
		}
		c.Arrived(ticks, 5*time.Second+130*time.Millisecond)
		ticks += 960
		got := steady(c, &ticks, 5020*time.Millisecond, 10*time.Second)
		if want := 9980*time.Millisecond + 30*time.Millisecond; (got - want).Abs() > time.Microsecond {
			t.Errorf("after %d: %v, want %v", far, got, want)
		}
	}
}

// TestClockLookBack asks for timestamps in the order of decoding, and late.
func TestClockLookBack(t *testing.T) {
	c := NewParticipant().NewTrack(90000)
	given := map[int64]time.Duration{}
	r := rand.New(rand.NewPCG(1, 2))
	for i := int64(0); i < 3000; i++ {
		jitter := time.Duration(r.IntN(40)) * time.Millisecond
		ticks := (i + []int64{0, 2, -1, -1}[i%4]) * 3000
		c.Arrived(ticks, time.Duration(i)*time.Second/30+100*time.Millisecond+jitter)
		given[ticks] = c.Capture(ticks)
	}
	last := c.Capture(3000 * 3000)
	for i := int64(2850); i < 2990; i++ {
		if got := c.Capture(i * 3000); (got - given[i*3000]).Abs() > 50*time.Microsecond {
			t.Errorf("picture %d: %v, was %v", i, got, given[i*3000])
		}
		if d := given[(i+1)*3000] - given[i*3000]; (d - time.Second/30).Abs() > 100*time.Microsecond {
			t.Errorf("picture %d lasts %v", i, d)
		}
	}
	if last < given[2990*3000] {
		t.Errorf("the end %v", last)
	}
}

// TestClockLateReaders asks late, across a jump back, a jump ahead
// and a source that stood still: each timestamp has the time of its own stretch.
func TestClockLateReaders(t *testing.T) {
	for _, c := range []struct {
		name  string
		jump  int64
		still time.Duration
		wait  int // packets until it is asked
	}{
		{"back", -4800000, 0, 25},
		{"back by 3 s", -144000, 0, 25},
		{"back by 2 s, asked 3 s late", -96000, 0, 150},
		{"ahead", 4800000, 0, 25},
		{"still", 0, time.Minute, 25},
		{"still for 5 s", 0, 5 * time.Second, 25},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := NewParticipant().NewTrack(48000)
			type packet struct {
				ticks int64
				at    time.Duration
			}
			var waiting []packet
			ticks := int64(5e6)
			for at := time.Duration(0); at < 10*time.Second; at += 20 * time.Millisecond {
				real := at
				if at >= 5*time.Second {
					real += c.still
				}
				if at == 5*time.Second {
					ticks += c.jump
				}
				clock.Arrived(ticks, real+30*time.Millisecond)
				waiting = append(waiting, packet{ticks, real})
				ticks += 960
				if len(waiting) < c.wait {
					continue
				}
				first := waiting[0]
				waiting = waiting[1:]
				if got := clock.Capture(first.ticks) - 30*time.Millisecond; (got - first.at).Abs() > time.Millisecond {
					t.Fatalf("%v instead of %v", got, first.at)
				}
			}
		})
	}
}

// TestClockFirstPacketLate has the first packet 180 ms late, and no reports.
func TestClockFirstPacketLate(t *testing.T) {
	c := NewParticipant().NewTrack(48000)
	c.Arrived(0, 210*time.Millisecond)
	ticks := int64(960)
	for _, s := range []struct{ until, off time.Duration }{
		{2 * time.Second, 125 * time.Millisecond}, {7 * time.Second, 15 * time.Millisecond}, {10 * time.Second, time.Millisecond},
	} {
		from := time.Duration(ticks) * time.Second / 48000
		got := steady(c, &ticks, from, s.until) - (s.until - 20*time.Millisecond) - 30*time.Millisecond
		if got > s.off || got < -time.Microsecond {
			t.Errorf("at %v: off %v, allowed %v", s.until, got, s.off)
		}
	}
}

// TestClockJumpWhileSlewing has timestamps jump back when the path is still too
// late, and asks for them half a second later: in the order of the stream, no
// time is before the last.
func TestClockJumpWhileSlewing(t *testing.T) {
	c := NewParticipant().NewTrack(48000)
	c.Arrived(1e9, 210*time.Millisecond)
	last, ticks := time.Duration(0), []int64{1e9}
	for i := 1; i < 150; i++ {
		next := ticks[i-1] + 960
		if i == 50 {
			next = 1000
		}
		ticks = append(ticks, next)
		c.Arrived(next, time.Duration(i)*20*time.Millisecond+30*time.Millisecond)
		if i < 25 {
			continue
		}
		got := c.Capture(ticks[i-25])
		if got < last {
			t.Fatalf("packet %d: %v after %v", i-25, got, last)
		}
		last = got
	}
}

// TestClockWrongRate has rates that were declared 8 % wrong. That is not a clock
// that drifts, and it is followed with steps, or at half speed, so that it is
// never off without bound.
func TestClockWrongRate(t *testing.T) {
	for _, c := range []struct {
		declared, real int
		off            float64
	}{{48000, 44100, 5}, {44100, 48000, 1.2}} {
		w := tally{from: 10}
		s := &simSender{seed: 1, least: 20e-3, jitter: exponential(10e-3)}
		s.reports.none = true
		audio := simAudio((float64(c.real)/float64(c.declared) - 1) * 1e6)
		audio.rate = c.declared
		s.streams = []simStream{audio}
		measure(s, 600, func(_ int, at, off float64) { w.frame(0, at, off) })
		w.log(t, "wrong rate")
		if w.off > c.off || w.back > 1e-9 {
			t.Errorf("%d declared %d: off %g s, back %g s", c.real, c.declared, w.off, w.back)
		}
	}
}

// TestReportsOrder has reports twice, and of before.
func TestReportsOrder(t *testing.T) {
	var r reports
	for i, c := range []struct {
		x, ntp      float64
		taken, anew bool
	}{
		{1, 101, true, false},
		{1, 101, false, false}, // twice
		{2, 102, true, false},
		{1.5, 101.5, false, false}, // of before
		{3, 203, false, false},     // the clock was set, or it is a mistake,
		{3, 203, false, false},     // and twice is no proof,
		{4, 104, true, false},      // so it was
		{5, 205, false, false},
		{6, 306, false, false}, // nor do these agree,
		{7, 307, true, true},   // but these
	} {
		taken, anew := r.add(report{c.x, c.ntp})
		if taken != c.taken || anew != c.anew {
			t.Errorf("report %d: taken %t, anew %t", i, taken, anew)
		}
	}
	if got := r.ntp(8); r.count != 2 || math.Abs(got-308) > 1e-6 {
		t.Errorf("%d reports, which make it %g", r.count, got)
	}
}

// TestClockRestart has another SSRC follow: time goes on, and not back.
func TestClockRestart(t *testing.T) {
	c := NewParticipant().NewTrack(48000)
	if got := c.Capture(7); got != 0 {
		t.Errorf("%v before the first packet", got)
	}
	ticks := int64(1e6)
	before := steady(c, &ticks, 0, 5*time.Second)
	c.Restart()
	c.Restart()
	ticks = -1e15
	c.Arrived(ticks, 5*time.Second+30*time.Millisecond)
	if got := c.Capture(ticks) - before; (got - 20*time.Millisecond).Abs() > time.Microsecond {
		t.Errorf("%v after the last of before", got)
	}
	ticks += 960
	got := steady(c, &ticks, 5020*time.Millisecond, 8*time.Second)
	if want := 8010 * time.Millisecond; (got - want).Abs() > time.Microsecond {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestClockState checks what is told of a caller, and that a track that was
// closed is no longer compared with.
func TestClockState(t *testing.T) {
	s := simCaller(5, -150, exponential(20e-3))
	tracks := measure(s, 300, func(int, float64, float64) {})
	audio, video := tracks[0].State(), tracks[1].State()
	t.Logf("audio %+v, video %+v", audio, video)
	if !audio.Locked || !video.Locked || math.Abs(audio.PPM+120) > 10 || math.Abs(video.PPM+170) > 10 {
		t.Errorf("audio %+v, video %+v; want -120 and -170 ppm, locked", audio, video)
	}
	if audio.Lag > 2*time.Millisecond || (video.Lag-30*time.Millisecond).Abs() > 2*time.Millisecond {
		t.Errorf("lags are %v and %v, want 0 and 30 ms", audio.Lag, video.Lag)
	}
	p := tracks[0].participant
	tracks[0].Close()
	if len(p.tracks) != 1 || p.tracks[0] != tracks[1] {
		t.Errorf("%d tracks are left", len(p.tracks))
	}
	if (&TrackClock{participant: p, rate: 1}).State() != (ClockState{}) {
		t.Error("a track without packets has a state")
	}
}

func TestClockDoesNotAllocate(t *testing.T) {
	p := NewParticipant()
	audio, video := p.NewTrack(48000), p.NewTrack(90000)
	n := int64(0)
	allocs := testing.AllocsPerRun(5000, func() {
		at := time.Duration(n) * 20 * time.Millisecond
		audio.Arrived(n*960, at)
		audio.Capture(n * 960)
		video.Arrived(n*1800, at+30*time.Millisecond)
		video.Capture(n * 1800)
		if n%100 == 50 {
			audio.Report(1<<40+uint64(at.Seconds()*(1<<32)), n*960, at)
			video.Report(1<<40+uint64(at.Seconds()*(1<<32)), n*1800, at)
		}
		if n%1000 == 999 {
			audio.Restart()
		}
		n++
	})
	if allocs != 0 {
		t.Errorf("%g allocations", allocs)
	}
}

func TestClockConcurrent(t *testing.T) {
	p := NewParticipant()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			c := p.NewTrack(48000)
			for n := int64(0); n < 2000; n++ {
				at := time.Duration(n) * 20 * time.Millisecond
				c.Arrived(n*960, at)
				c.Report(uint64(n+1)<<27, n*960, at+time.Duration(i))
				c.Capture(n * 960)
				c.State()
			}
			c.Close()
		})
	}
	all.Wait()
}

// FuzzClock makes any calls on two tracks. Asked twice in a row for timestamps
// that do not fall, a clock gives times that do not fall, and none is further
// ahead of arrivals than a path is followed.
func FuzzClock(f *testing.F) {
	for seed := uint64(0); seed < 20; seed++ {
		r := rand.New(rand.NewPCG(seed, 3))
		var calls []byte
		for range 200 {
			calls = append(calls, byte(r.IntN(256)))
			calls = binary.LittleEndian.AppendUint64(calls, r.Uint64()>>r.IntN(64))
		}
		f.Add(calls)
	}
	f.Fuzz(func(t *testing.T, calls []byte) {
		p := NewParticipant()
		var tracks [2]*TrackClock
		var ticks, asked [2]int64
		var given [2]time.Duration
		var hasGiven [2]bool
		for i := range tracks {
			tracks[i] = p.NewTrack([]int{48000, -5}[i])
		}
		var now, most time.Duration
		most = math.MinInt64
		for ; len(calls) >= 9; calls = calls[9:] {
			v := binary.LittleEndian.Uint64(calls[1:])
			i := int(calls[0] >> 7)
			c := tracks[i]
			switch calls[0] & 15 {
			case 0, 1, 2, 3: // a packet, near
				now += time.Duration(v % 1e8)
				ticks[i] += int64(v>>32) % 5000
				c.Arrived(ticks[i], now)
				most = max(most, now)
			case 4: // a packet, anywhere and at any time
				ticks[i], now = int64(v), time.Duration(v*0x9e3779b97f4a7c15)
				c.Arrived(ticks[i], now)
				most = max(most, now)
			case 5:
				now += time.Duration(v % 1e11)
				ticks[i] += int64(v>>32) % 1e7
				c.Arrived(ticks[i], now)
				most = max(most, now)
			case 6:
				c.Report(v, ticks[i], now)
			case 7:
				c.Report(uint64(now)*4, ticks[i]+int64(v%10000), now)
			case 8:
				c.Report(v, int64(v), time.Duration(v))
			case 9:
				c.Restart()
				asked[i] = math.MinInt64
			case 10:
				c.State()
			default:
				at := ticks[i]
				if calls[0]&15 == 11 {
					at = int64(v)
				}
				got := c.Capture(at)
				if hasGiven[i] && at >= asked[i] && got < given[i] {
					t.Fatalf("%d: %v, before %d: %v", at, got, asked[i], given[i])
				}
				if most != math.MinInt64 && got.Seconds() > max(0, most.Seconds())*(1+1e-9)+beyond+1e-6 {
					t.Fatalf("%d: %v, packets came until %v", at, got, most)
				}
				asked[i], given[i], hasGiven[i] = at, got, c.given
			}
			for j := range tracks {
				if s := tracks[j].current; s != nil {
					for _, v := range []float64{s.lag, s.excess, s.envelope.drift, s.reports.slope, s.path.at(s.newest)} {
						if math.IsNaN(v) || math.IsInf(v, 0) {
							t.Fatalf("track %d: %+v", j, *s)
						}
					}
				}
			}
		}
	})
}
