package rtpin

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A tally is the worst of what one sender's capture times were in a span of
// capture time, in seconds.
type tally struct {
	from, to float64
	off      float64 // of any frame, from what it should be
	audio    float64 // of audio alone
	lip      float64 // audio against video
	spacing  float64 // by how much the distance of frames is wrong, a ratio
	back     float64 // how far frames went back, at any time
	frames   int
	last     [2]struct{ at, off float64 }
	have     [2]bool
}

func (w *tally) frame(stream int, at, off float64) {
	l, o := &w.last[stream], w.last[1-stream]
	on := w.have[stream] && at > l.at
	if on {
		w.back = max(w.back, -(at + off - l.at - l.off))
	}
	if at >= w.from && (w.to == 0 || at < w.to) {
		w.frames++
		w.off = max(w.off, math.Abs(off))
		if stream == 0 {
			w.audio = max(w.audio, math.Abs(off))
		}
		if w.have[1-stream] && math.Abs(o.at-at) < 0.05 {
			w.lip = max(w.lip, math.Abs(off-o.off))
		}
		if on {
			w.spacing = max(w.spacing, math.Abs(off-l.off)/(at-l.at))
		}
	}
	if on || !w.have[stream] {
		*l = struct{ at, off float64 }{at, off}
		w.have[stream] = true
	}
}

func (w *tally) add(o tally) {
	w.off, w.audio, w.lip = max(w.off, o.off), max(w.audio, o.audio), max(w.lip, o.lip)
	w.spacing, w.back = max(w.spacing, o.spacing), max(w.back, o.back)
	w.frames += o.frames
}

func (w *tally) log(t *testing.T, what string) {
	t.Helper()
	t.Logf("%-16s off %7.2f ms, audio %7.2f ms, lip %6.2f ms, spacing %6.0f ppm", what, w.off*1e3, w.audio*1e3, w.lip*1e3, w.spacing*1e6)
}

// below fails if something is above its bound, in ms and ppm. What is NaN is
// not bound.
func (w *tally) below(t *testing.T, what string, off, lip, spacing float64) {
	t.Helper()
	w.log(t, what)
	if w.frames == 0 {
		t.Errorf("%s: no frames", what)
	}
	if w.off*1e3 > off || w.lip*1e3 > lip || w.spacing*1e6 > spacing {
		t.Errorf("%s: bounds are %g ms, %g ms, %g ppm", what, off, lip, spacing)
	}
	if w.back > 1e-9 {
		t.Errorf("%s: went back by %g s", what, w.back)
	}
}

var networks = []struct {
	name   string
	jitter func(*rand.Rand, float64) float64
}{
	{"still", nil},
	{"exponential 10 ms", exponential(10e-3)},
	{"exponential 40 ms", exponential(40e-3)},
	{"uniform to 180 ms", uniform},
	{"bell", bell},
	{"busy", busy},
}

// TestClockPairs runs pairs of senders, whose NTP clocks, rates and timestamps
// differ, through networks of 20 ms to 200 ms for ten minutes.
func TestClockPairs(t *testing.T) {
	for _, c := range networks {
		t.Run(c.name, func(t *testing.T) {
			first, later := tally{from: 10}, tally{from: 300}
			var pair float64
			for seed := uint64(1); seed <= 4; seed++ {
				var offs [2][]float64
				for i, ppm := range []float64{200, -200} {
					w, l := tally{from: 10}, tally{from: 300}
					measure(simCaller(seed*2+uint64(i), ppm, c.jitter), 600, func(stream int, at, off float64) {
						w.frame(stream, at, off)
						l.frame(stream, at, off)
						for k := int(at / 0.02); stream == 0 && len(offs[i]) <= k; {
							offs[i] = append(offs[i], off)
						}
					})
					first.add(w)
					later.add(l)
				}
				for k := 500; k < min(len(offs[0]), len(offs[1])); k++ {
					pair = max(pair, math.Abs(offs[0][k]-offs[1][k]))
				}
			}
			first.below(t, "from 10 s", 10, 5, 2500)
			later.below(t, "from 300 s", 6, 2, 1500)
			t.Logf("participants apart by %.2f ms", pair*1e3)
			if pair > 12e-3 {
				t.Error("more than 12 ms")
			}
		})
	}
}

// TestClockFourHours looks at what is off in each half hour.
func TestClockFourHours(t *testing.T) {
	for _, c := range []struct {
		name    string
		ppm     float64
		reports bool
	}{{"fast", 200, true}, {"slow", -200, true}, {"fast, no reports", 200, false}, {"slow, no reports", -200, false}} {
		t.Run(c.name, func(t *testing.T) {
			s := simCaller(7, c.ppm, exponential(40e-3))
			s.reports.none = !c.reports
			if !c.reports { // then what one encoder takes longer is not known
				s.streams[1].encoding = s.streams[0].encoding
			}
			hours := make([]tally, 8)
			start := time.Now()
			tracks := measure(s, 4*3600, func(stream int, at, off float64) {
				if at > 60 {
					hours[min(int(at/1800), 7)].frame(stream, at, off)
				}
			})
			took := time.Since(start)
			for i := range hours {
				hours[i].below(t, "half hour", 3, 3, 1500)
			}
			state := tracks[0].State()
			t.Logf("took %v, %+v", took, state)
			if math.Abs(state.PPM-s.streams[0].ppm) > 10 || state.Locked != c.reports {
				t.Errorf("%+v; want %g ppm, locked %t", state, s.streams[0].ppm, c.reports)
			}
		})
	}
}

// A span is what may be off in a part of a run.
type span struct {
	name              string
	from, to          float64
	off, lip, spacing float64 // ms, ms, ppm
	want              float64 // ms that capture times should be later
}

var anything = math.Inf(1)

func at(when, v float64) func(float64) float64 {
	return func(at float64) float64 {
		if at < when {
			return 0
		}
		return v
	}
}

func within(from, to float64) func(float64) bool {
	return func(at float64) bool { return at >= from && at < to }
}

// TestClockTrouble lets something happen to a caller after 100 s, for whom all
// is well before.
func TestClockTrouble(t *testing.T) {
	well := span{"before", 10, 99, 10, 5, 3000, 0}
	for _, c := range []struct {
		name   string
		change func(*simSender)
		spans  []span
	}{
		{"nothing", func(*simSender) {}, []span{{"after", 100, 300, 5, 2, 1500, 0}}},

		{"first reports after 12 s", func(s *simSender) { s.reports.first = 12 },
			[]span{{"arrival", 8, 12, 45, 45, anything, 0}, {"reports", 22, 300, 8, 5, 3000, 0}}},
		{"no reports after 100 s", func(s *simSender) {
			s.mute = within(100, 1e9)
		}, []span{{"after", 100, 3600, 5, 5, 1500, 0}}},

		{"NTP set by an hour", func(s *simSender) { s.reset = at(100, 3600) },
			[]span{well, {"after", 99, 300, 6, 4, 1500, 0}}},
		{"NTP set back by 2.5 s", func(s *simSender) { s.reset = at(100, -2.5) },
			[]span{well, {"after", 99, 300, 6, 4, 1500, 0}}},
		{"NTP set by 0.5 s", func(s *simSender) { s.reset = at(100, 0.5) },
			[]span{well, {"after", 99, 300, 20, 20, 7000, 0}, {"later", 150, 300, 6, 4, 1500, 0}}},
		{"NTP set by 40 ms", func(s *simSender) { s.reset = at(100, 0.04) },
			[]span{well, {"after", 99, 400, 10, 10, 2500, 0}}},

		{"timestamps jump ahead", func(s *simSender) { s.shiftAll(at(100, 1e5)) },
			[]span{well, {"at once", 100, 101, 200, 200, anything, 0}, {"after", 110, 300, 10, 5, 3000, 0}}},
		{"timestamps jump back", func(s *simSender) { s.shiftAll(at(100, -1e5)) },
			[]span{well, {"at once", 100, 101, 200, 200, anything, 0}, {"after", 110, 300, 10, 5, 3000, 0}}},
		{"timestamps jump ahead by 3 s", func(s *simSender) { s.shiftAll(at(100, 3)) },
			[]span{well, {"at once", 100, 101, 200, 200, anything, 0}, {"after", 110, 300, 10, 5, 3000, 0}}},
		{"timestamps jump back by 3 s", func(s *simSender) { s.shiftAll(at(100, -3)) },
			[]span{well, {"at once", 100, 101, 200, 200, anything, 0}, {"after", 110, 300, 10, 5, 3000, 0}}},

		{"stands still for a minute", func(s *simSender) {
			s.shiftAll(at(160, -60))
			s.silence(within(100, 160))
		}, []span{well, {"at once", 160, 161, 200, anything, anything, 0}, {"after", 161, 170, 200, anything, anything, 0}, {"later", 170, 300, 10, 5, 3000, 0}}},
		{"stands still for 5 s", func(s *simSender) {
			s.shiftAll(at(105, -5))
			s.silence(within(100, 105))
		}, []span{well, {"after", 106, 115, 200, anything, anything, 0}, {"later", 115, 300, 10, 5, 3000, 0}}},
		{"stands still for an hour, and NTP too", func(s *simSender) {
			s.shiftAll(at(3700, -3600))
			s.silence(within(100, 3700))
			s.reset = at(3700, -3600)
		}, []span{well, {"after", 3701, 3710, 200, anything, anything, 0}, {"later", 3710, 3900, 10, 5, 3000, 0}}},
		{"stands still by half", func(s *simSender) {
			s.shiftAll(at(160, -30))
			s.silence(within(100, 160))
		}, []span{well, {"after", 161, 170, 200, anything, anything, 0}, {"later", 170, 300, 10, 5, 3000, 0}}},
		{"video stands still for a minute", func(s *simSender) {
			s.streams[1].shift, s.streams[1].silent = at(160, -60), within(100, 160)
		}, []span{well, {"after", 161, 170, 200, anything, anything, 0}, {"later", 170, 300, 10, 5, 3000, 0}}},
		{"video is muted for ten minutes", func(s *simSender) {
			s.streams[1].silent = within(100, 700)
		}, []span{well, {"after", 100, 900, 10, 5, 3000, 0}}},
		{"all are muted for ten minutes", func(s *simSender) { s.silence(within(100, 700)) },
			[]span{well, {"after", 700, 900, 10, 5, 3000, 0}}},

		{"network out for 3 s", func(s *simSender) {
			s.outage = func(at float64) float64 {
				if at < 100 {
					return at
				}
				return 103 + (at-100)*0.1
			}
		}, []span{well, {"after", 100, 300, 10, 5, 3000, 0}}},
		{"route longer by 100 ms", func(s *simSender) { s.detour = at(100, 0.1) },
			[]span{well, {"meanwhile", 100, 240, 101, 5, 7500, 0}}},
		{"route longer, later", func(s *simSender) { s.detour = at(100, 0.1) },
			[]span{{"not before 40 s", 100, 138, 2, 2, 2500, 0}, {"later", 200, 600, 3, 3, 500, 100}}},
		{"route longer while audio is muted", func(s *simSender) {
			s.streams[0].silent, s.detour = within(100, 1e9), at(200, 0.1)
		}, []span{well, {"not before", 100, 238, 3, anything, 500, 0}, {"later", 320, 600, 3, anything, 500, 100}}},
		{"route shorter by 100 ms", func(s *simSender) { s.least, s.detour = 0.12, at(100, -0.1) },
			[]span{{"meanwhile", 101, 160, 101, 5, 7500, 0}, {"later", 160, 600, 3, 3, 500, -100}}},

		{"declared 90000, ticks at 89900", func(s *simSender) { s.streams[1].ppm = -1e6 / 900 },
			[]span{{"after", 10, 60, 20, 20, 4000, 0}, {"later", 60, 600, 10, 5, 3000, 0}}},
		{"the same without reports", func(s *simSender) {
			s.streams[1].ppm, s.reports.none, s.streams[1].encoding = -1e6/900, true, 5e-3
		}, []span{{"after", 10, 60, 45, 45, 4000, 0}, {"later", 90, 600, 5, 5, 3000, 0}}},
		{"reports count from elsewhere", func(s *simSender) { s.streams[1].reportShift = 1e4 },
			[]span{{"by arrival", 10, 300, 45, 45, 3000, 0}}},
		{"no NTP in common", func(s *simSender) { s.streams[1].reportShift = 2.5 },
			[]span{{"by arrival", 10, 300, 45, 45, 3000, 0}}},
		{"NTP over the end of an era", func(s *simSender) { s.ntp = 1<<32 - 100.3 },
			[]span{well, {"after", 100, 300, 6, 4, 1500, 0}}},
		{"silence suppressed", func(s *simSender) {
			s.streams[0].silent = func(at float64) bool { return math.Mod(at, 10) > 2 && math.Mod(at, 0.4) > 0.02 }
		}, []span{{"after", 10, 300, 10, 5, 3000, 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			worst := make([]tally, len(c.spans))
			for seed := uint64(1); seed <= 3; seed++ {
				s := simCaller(seed, 100, exponential(30e-3))
				c.change(s)
				tallies, end := make([]tally, len(c.spans)), 0.0
				for i, p := range c.spans {
					tallies[i].from, tallies[i].to = p.from, p.to
					end = max(end, p.to)
				}
				measure(s, end, func(stream int, at, off float64) {
					for i := range tallies {
						tallies[i].frame(stream, at, off-c.spans[i].want/1e3)
					}
				})
				for i := range worst {
					worst[i].add(tallies[i])
				}
			}
			for i, p := range c.spans {
				worst[i].below(t, p.name, p.off, p.lip, p.spacing)
			}
		})
	}
}
