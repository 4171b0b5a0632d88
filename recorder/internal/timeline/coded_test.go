package timeline

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// codedSource is an encoder with a clock of its own.
type codedSource struct {
	rate    int64
	lengths []int64 // of its packets in turn, in ticks
	ppm     float64 // how much faster than nominal it runs
	length  time.Duration

	stamp  func(r *rand.Rand, i int, at float64) float64 // seconds; at if nil
	loss   float64                                       // part of packets
	silent bool                                          // nobody tells what is lost
	stalls [][2]float64                                  // from when to when nothing comes, in seconds
	dtx    [][2]float64                                  // from when to when one packet in 20 comes, and is quiet
	quiet  func(at float64) bool
}

type codedSent struct {
	Packet
	captured float64 // seconds
}

const codedBegin = 60.0 // as far behind zero as recordings begin

// packets returns what arrives.
func (s codedSource) packets(seed uint64) (out []codedSent) {
	r := rand.New(rand.NewPCG(seed, 2))
	within := func(list [][2]float64, at float64) bool {
		return slices.ContainsFunc(list, func(i [2]float64) bool { return i[0] <= at && at < i[1] })
	}
	lost := 0
	for i, n := 0, int64(0); ; i++ {
		since := float64(n) / float64(s.rate) / (1 + s.ppm*1e-6)
		if since >= s.length.Seconds() {
			return out
		}
		length := s.lengths[i%len(s.lengths)]
		n += length
		at := codedBegin + since
		p := codedSent{Packet{Length: length}, at}
		if s.stamp != nil {
			at = s.stamp(r, i, at)
		}
		p.At = seconds(at)
		if p.Quiet = within(s.dtx, since); s.quiet != nil {
			p.Quiet = p.Quiet || s.quiet(since)
		}
		if i > 0 && r.Float64() < s.loss {
			lost++
			continue
		}
		if within(s.stalls, since) || within(s.dtx, since) && i%20 != 0 {
			continue
		}
		if !s.silent {
			p.Lost = lost
		}
		lost = 0
		out = append(out, p)
	}
}

// codedReport is what a timeline has made of a source.
type codedReport struct {
	first, end         int64 // ticks
	fills, late, drops int
	filled             int64   // ticks
	worst, where, last float64 // seconds
	quiet              float64 // the worst of what nobody hears
	slowest            int     // packets held at once
}

// playCoded runs packets through a timeline and checks that there is no hole.
func playCoded(t *testing.T, tl *Coded, packets []codedSent) (r codedReport) {
	t.Helper()
	begun, next := false, 0
	take := func(places []Place) {
		for _, place := range places {
			p := packets[next]
			next++
			if place.What != InPlace {
				if place.What == Surplus {
					r.drops++
				} else {
					r.late++
				}
				if place.Fill == 0 {
					continue
				}
				place.At = r.end + place.Fill
			}
			if !begun {
				begun, r.first, r.end = true, place.At, place.At
			}
			if place.At != r.end+place.Fill || place.Fill%tl.grain != 0 || place.Fill < 0 {
				t.Fatalf("packet %d at %d behind %d and %d of silence", next-1, place.At, r.end, place.Fill)
			}
			if place.Fill > 0 {
				r.fills++
				r.filled += place.Fill
			}
			r.end = place.At
			if place.What == InPlace {
				r.end += p.Length
				r.last = float64(place.At)/float64(tl.rate) - p.captured
				if p.Quiet {
					r.quiet = max(r.quiet, math.Abs(r.last))
				} else if math.Abs(r.last) > math.Abs(r.worst) {
					r.worst, r.where = r.last, p.captured-codedBegin
				}
			}
		}
	}
	for i, p := range packets {
		take(tl.Add(p.Packet))
		r.slowest = max(r.slowest, i+1-next)
	}
	take(tl.Flush())
	if next != len(packets) {
		t.Errorf("%d packets are decided, %d were taken", next, len(packets))
	}
	t.Logf("worst %+.1f ms at %.1f s, last %+.1f ms, %d fills, %d left out, %d late, %d held, %.1f ppm, %d corrections",
		1e3*r.worst, r.where, 1e3*r.last, r.fills, r.drops, r.late, r.slowest, tl.clock.ppm(), tl.corrections)
	return r
}

func milliseconds(_ *rand.Rand, _ int, at float64) float64 { return math.Round(at*1e3) / 1e3 }

func jittered(amount float64) func(*rand.Rand, int, float64) float64 {
	return func(r *rand.Rand, _ int, at float64) float64 { return at + amount*(2*r.Float64()-1) }
}

var opusLengths = [][]int64{{120}, {240}, {480}, {960}, {1920}, {2880}, {960, 120, 2880, 480}}

// Stamps that are exact, or rounded to a millisecond, leave every packet
// behind the one before; jitter is not taken for anything.
func TestCodedStaysAsItWas(t *testing.T) {
	Calculates(t)
	for name, stamp := range map[string]func(*rand.Rand, int, float64) float64{
		"exact": nil, "ms": milliseconds, "2ms": jittered(2e-3), "20ms": jittered(20e-3),
	} {
		for _, lengths := range opusLengths {
			t.Run(fmt.Sprint(name, lengths), func(t *testing.T) {
				bound, held := 0.6e-3, max(fewestAtOnce, int(48000*shortestHold)/int(lengths[0])+1)
				if name == "2ms" || name == "20ms" {
					bound, held = 10e-3, mostHeld
				}
				for seed := range uint64(10) {
					s := codedSource{rate: 48000, lengths: lengths, length: time.Minute, stamp: stamp}
					r := playCoded(t, NewOpus(), s.packets(seed))
					if r.fills+r.drops+r.late != 0 {
						t.Error("changed")
					}
					if math.Abs(r.worst) > bound || r.slowest > held {
						t.Errorf("off by up to %.1f ms, %d held", 1e3*r.worst, r.slowest)
					}
				}
			})
		}
	}
}

// What is lost is filled with as much silence, at once, whether anybody tells
// or not.
func TestCodedLosses(t *testing.T) {
	Calculates(t)
	for _, silent := range []bool{false, true} {
		for name, stamp := range map[string]func(*rand.Rand, int, float64) float64{
			"exact": nil, "ms": milliseconds, "20ms": jittered(20e-3),
		} {
			for _, lengths := range opusLengths {
				t.Run(fmt.Sprint(name, lengths, silent), func(t *testing.T) {
					s := codedSource{rate: 48000, lengths: lengths, length: 3 * time.Minute, stamp: stamp, loss: 0.05, silent: silent}
					packets := s.packets(2)
					r := playCoded(t, NewOpus(), packets)
					if name == "20ms" {
						if !silent && len(lengths) == 1 && (r.drops > 0 || math.Abs(r.worst) > 10e-3) {
							t.Errorf("off by up to %.2f ms", 1e3*r.worst)
						}
						return
					}
					if r.drops+r.late != 0 || math.Abs(r.worst) > 2.75e-3 {
						t.Errorf("off by up to %.2f ms", 1e3*r.worst)
					}
					if want := 48000 * 180; math.Abs(float64(r.end-r.first)-float64(want)) > 4000 {
						t.Errorf("%d samples, want %d", r.end-r.first, want)
					}
				})
			}
		}
	}
}

// A drift is corrected: Opus stays within 10 ms, AAC within half of a frame.
func TestCodedDrift(t *testing.T) {
	Calculates(t)
	length := 4 * time.Hour
	if testing.Short() {
		length = 20 * time.Minute
	}
	for _, ppm := range []float64{200, -200, 1000, -1000} {
		for name, stamp := range map[string]func(*rand.Rand, int, float64) float64{
			"exact": nil, "ms": milliseconds, "20ms": jittered(20e-3),
		} {
			for _, quiet := range []bool{false, true} {
				for tn, c := range map[string]struct {
					tl    *Coded
					bound float64
				}{
					"opus":  {NewOpus(), 10e-3},
					"aac48": {NewAAC(48000, 1024), 14.5e-3},
					"aac16": {NewAAC(16000, 1024), 36e-3},
				} {
					t.Run(fmt.Sprint(tn, name, ppm, quiet), func(t *testing.T) {
						s := codedSource{rate: c.tl.rate, lengths: []int64{960}, length: length, ppm: ppm, stamp: stamp}
						if c.tl.grain != OpusGrain {
							s.lengths[0] = c.tl.grain
						}
						if quiet {
							s.quiet = func(at float64) bool { return math.Mod(at, 4) < 1 }
						}
						r := playCoded(t, c.tl, s.packets(3))
						if math.Abs(r.worst) > c.bound {
							t.Errorf("off by %.1f ms", 1e3*r.worst)
						}
						moved := float64(c.tl.corrections*c.tl.step) / float64(c.tl.rate)
						if want := math.Abs(ppm) * 1e-6 * length.Seconds(); math.Abs(moved-want) > c.tl.seconds(2*c.tl.step)+10e-3 {
							t.Errorf("corrected by %.3f s, want %.3f", moved, want)
						}
					})
				}
			}
		}
	}
}

// Behind a silence of any length, of which nobody tells but the stamps, audio
// is where it was captured, at once; a microphone that sends comfort noise now
// and then is no other case.
func TestCodedSilences(t *testing.T) {
	Calculates(t)
	for name, stamp := range map[string]func(*rand.Rand, int, float64) float64{
		"exact": nil, "ms": milliseconds, "20ms": jittered(20e-3),
	} {
		for _, c := range []struct {
			tl     *Coded
			length int64
		}{{NewOpus(), 960}, {NewAAC(48000, 1024), 1024}} {
			t.Run(fmt.Sprint(name, c.length), func(t *testing.T) {
				s := codedSource{rate: 48000, lengths: []int64{c.length}, length: 3 * time.Hour, stamp: stamp,
					dtx: [][2]float64{{20, 50}, {100, 104}, {9000, 9010}}, stalls: [][2]float64{{60, 90}, {110, 3710}, {9500, 9500.2}}}
				packets := s.packets(4)
				r := playCoded(t, c.tl, packets)
				bound := c.tl.seconds(c.tl.grain)/2 + 0.5e-3
				held := 2
				if name == "20ms" {
					bound, held = bound+10e-3, mostHeld
				}
				if name != "20ms" && r.quiet > bound || r.quiet > 25e-3 { // single stamps are all that there is
					t.Errorf("off by %.1f ms where it is quiet", 1e3*r.quiet)
				}
				if r.drops+r.late != 0 || math.Abs(r.worst) > bound || r.slowest > max(held, fewestAtOnce) {
					t.Errorf("off by %.1f ms", 1e3*r.worst)
				}
				if got := c.tl.seconds(r.filled); math.Abs(got-c.tl.gaps.Total.Seconds()) > 10e-3 || math.Abs(got-3600.2-30-44*0.95) > 0.3 {
					t.Errorf("%.2f s of silence, %v of gaps", got, c.tl.gaps.Total)
				}
			})
		}
	}
}

// A source whose clock is set forward leaves a gap; one whose clock is set back
// follows on, and is pulled in if it is near, or with the next gap.
func TestCodedClockSteps(t *testing.T) {
	Calculates(t)
	for _, step := range []float64{5, 0.7, 0.1, -0.1, -0.7, -5} {
		for name, jitter := range map[string]float64{"exact": 0, "20ms": 20e-3} {
			t.Run(fmt.Sprint(step, name), func(t *testing.T) {
				s := codedSource{rate: 48000, lengths: []int64{960}, length: 60 * time.Second,
					stalls: [][2]float64{{50, 56}}, stamp: func(r *rand.Rand, _ int, at float64) float64 {
						if at > codedBegin+20 {
							at += step
						}
						return at + jitter*(2*r.Float64()-1)
					}}
				packets := s.packets(5)
				for i, p := range packets {
					if p.captured > codedBegin+20 {
						packets[i].captured += step
					}
				}
				tl := NewOpus()
				r := playCoded(t, tl, packets)
				if math.Abs(r.last) > 10e-3 || r.late != 0 {
					t.Errorf("%+.1f ms at the end", 1e3*r.last)
				}
				switch most := int(-step / 5e-3); {
				case step > 0 || step < -pullRange:
					if r.drops != 0 {
						t.Errorf("%d packets are left out", r.drops)
					}
				case r.drops < most/4-1 || r.drops > most:
					t.Errorf("%d packets are left out for %.0f ms", r.drops, -1e3*step)
				}
			})
		}
	}
}

// Bursts, outliers and packets that come twice are neither gaps nor steps.
func TestCodedDisturbances(t *testing.T) {
	Calculates(t)
	repeat := func(packets []codedSent) (out []codedSent) {
		for i, p := range packets {
			out = append(out, p)
			if i%100 == 50 {
				out = append(out, packets[i-1])
			}
		}
		return out
	}
	same := func(p []codedSent) []codedSent { return p }
	for name, c := range map[string]struct {
		stamp func(r *rand.Rand, i int, at float64) float64
		alter func([]codedSent) []codedSent
		late  bool
	}{
		"bursts":   {func(_ *rand.Rand, i int, at float64) float64 { return at + max(float64(200-i%150*20), 0)/1e3 }, same, false},
		"outliers": {func(r *rand.Rand, i int, at float64) float64 { return at + outliers(r, i)/1e3 }, same, false},
		"twice":    {nil, repeat, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := codedSource{rate: 48000, lengths: []int64{960}, length: 2 * time.Minute, stamp: c.stamp}
			r := playCoded(t, NewOpus(), c.alter(s.packets(6)))
			if want := 60; c.late && r.late != want || !c.late && r.late != 0 || r.drops+r.fills != 0 || math.Abs(r.worst) > 5e-3 {
				t.Errorf("changed, or off by %.1f ms", 1e3*r.worst)
			}
		})
	}
}

func TestCodedAllocatesNothing(t *testing.T) {
	s := codedSource{rate: 48000, lengths: []int64{960}, length: time.Minute, stamp: jittered(20e-3), loss: 0.05}
	packets := s.packets(7)
	tl := NewOpus()
	tl.gaps.Listed = make([]recorder.Gap, 0, mostGaps)
	for _, p := range packets[:len(packets)/2] {
		tl.Add(p.Packet)
	}
	rest := packets[len(packets)/2:]
	if n := testing.AllocsPerRun(len(rest)-2, func() {
		tl.Add(rest[0].Packet)
		rest = rest[1:]
	}); n > 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}
