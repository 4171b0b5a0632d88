package rtpin

import (
	"math"
	"math/rand/v2"
	"time"
)

// A simStream is one stream of a simulated sender. Times are in seconds of the
// kit's clock.
type simStream struct {
	rate     int     // ticks in a second, as declared
	ppm      float64 // by how much faster they are
	every    float64 // between frames
	packets  int     // in a frame
	encoding float64 // the least time from capture to sending
	silent   func(at float64) bool
	// shift is added to the ticks' time: negative where they stood still.
	shift func(at float64) float64
	// reportShift is added to the timestamps of reports alone, in seconds.
	reportShift float64
}

// A simSender is a participant behind a network.
type simSender struct {
	seed    uint64
	ppm     float64                  // of its NTP clock
	ntp     float64                  // that clock at the kit's zero, in seconds since 1900
	reset   func(at float64) float64 // by how much it was set by then
	streams []simStream

	least   float64                                // network delay
	jitter  func(r *rand.Rand, at float64) float64 // beyond that
	detour  func(at float64) float64               // and that
	mute    func(at float64) bool                  // no reports while
	outage  func(at float64) (sent float64)        // when it leaves the sender's queue
	reports struct {
		none  bool
		first float64 // none before
		every float64 // 1 to 5 s if 0
		loss  float64
		noise float64 // of the relation, in seconds, ± uniform
	}
}

type simEvent struct {
	arrival float64
	stream  int
	report  bool
	ntp     uint64
	ticks   int64
	at      float64 // capture
}

// simHeap orders events by arrival, without allocating for each.
type simHeap []simEvent

func (h *simHeap) push(e simEvent) {
	*h = append(*h, e)
	s := *h
	for i := len(s) - 1; i > 0 && s[i].arrival < s[(i-1)/2].arrival; i = (i - 1) / 2 {
		s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
	}
}

func (h *simHeap) pop() simEvent {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s = s[:last]
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			break
		}
		if c+1 < last && s[c+1].arrival < s[c].arrival {
			c++
		}
		if s[i].arrival <= s[c].arrival {
			break
		}
		s[i], s[c] = s[c], s[i]
		i = c
	}
	*h = s
	return top
}

// exponential jitter with a mean, up to 180 ms.
func exponential(mean float64) func(*rand.Rand, float64) float64 {
	return func(r *rand.Rand, _ float64) float64 { return min(r.ExpFloat64()*mean, 0.18) }
}

// uniform is the worst kind that is not correlated: up to 180 ms, all alike.
func uniform(r *rand.Rand, _ float64) float64 { return r.Float64() * 0.18 }

// bell has few packets near the least delay: the sum of three exponentials.
func bell(r *rand.Rand, _ float64) float64 {
	return min((r.ExpFloat64()+r.ExpFloat64()+r.ExpFloat64())*15e-3, 0.18)
}

// busy is a queue that stands for 8 s in every 30 s, at up to 120 ms.
func busy(r *rand.Rand, at float64) float64 {
	d := r.ExpFloat64() * 10e-3
	if phase := math.Mod(at, 30); phase < 8 {
		d += 0.12 * math.Sin(phase/8*math.Pi)
	}
	return min(d, 0.18)
}

func (s *simSender) delay(r *rand.Rand, at float64) float64 {
	sent := at
	if s.outage != nil {
		sent = max(at, s.outage(at))
	}
	d := sent - at + s.least
	if s.jitter != nil {
		d += s.jitter(r, at)
	}
	if s.detour != nil {
		d += s.detour(at)
	}
	return d
}

// ticks is a stream's timestamp at a time, and when exactly that is. The
// origins of timestamps differ and are large.
func (s *simSender) ticks(i int, at float64) (int64, float64) {
	st, shift := &s.streams[i], 0.0
	if st.shift != nil {
		shift = st.shift(at)
	}
	rate := float64(st.rate) * (1 + st.ppm*1e-6)
	ticks := math.Round((at + shift) * rate)
	return int64(ticks) + int64(i+1)<<33 + 0xfffff000, ticks/rate - shift
}

func (s *simSender) ntpAt(at float64) uint64 {
	t := s.ntp + at*(1+s.ppm*1e-6)
	if s.reset != nil {
		t += s.reset(at)
	}
	whole := math.Floor(t)
	return uint64(int64(whole))<<32 | uint64((t-whole)*(1<<32))
}

// run sends for some seconds and tells for each frame, when its first packet
// comes, its stream, when it was captured, its timestamp and its capture time.
func (s *simSender) run(seconds float64, tracks []*TrackClock, frame func(stream int, at float64, ticks int64, capture time.Duration)) {
	r := rand.New(rand.NewPCG(s.seed, 1))
	var queue simHeap
	next := make([]float64, len(s.streams))
	report := make([]float64, len(s.streams))
	seen := make([]int64, len(s.streams))
	through := make([]float64, len(s.streams)) // when the last packet came
	for i := range next {
		next[i] = r.Float64() * s.streams[i].every
		report[i] = s.reports.first + r.Float64()*s.interval(r)
		seen[i] = math.MinInt64
	}
	for now := 0.0; now < seconds; now += 0.1 {
		for i := range s.streams {
			st := &s.streams[i]
			for ; next[i] < now+0.1; next[i] += st.every {
				at := next[i]
				if st.silent != nil && st.silent(at) {
					continue
				}
				ticks, at := s.ticks(i, at)
				for k := range st.packets {
					sent := at + st.encoding + float64(k)*1e-3
					arrival := sent + s.delay(r, sent)
					if s.outage != nil { // a queue keeps the order
						arrival = max(arrival, through[i]+1e-6)
						through[i] = arrival
					}
					queue.push(simEvent{arrival: arrival, stream: i, ticks: ticks, at: at})
				}
			}
			for ; report[i] < now+0.1; report[i] += s.interval(r) {
				at := report[i]
				if s.reports.none || r.Float64() < s.reports.loss || s.paused(at) || s.mute != nil && s.mute(at) {
					continue
				}
				ticks, exact := s.ticks(i, at)
				shown := exact + (2*r.Float64()-1)*s.reports.noise
				queue.push(simEvent{arrival: at + s.delay(r, at), stream: i, report: true, ntp: s.ntpAt(shown),
					ticks: ticks + int64(st.reportShift*float64(st.rate))})
			}
		}
		for len(queue) > 0 && queue[0].arrival < now+0.1 {
			e := queue.pop()
			t, arrival := tracks[e.stream], time.Duration(e.arrival*1e9)
			if e.report {
				t.Report(e.ntp, e.ticks, arrival)
				continue
			}
			t.Arrived(e.ticks, arrival)
			if e.ticks != seen[e.stream] {
				seen[e.stream] = e.ticks
				frame(e.stream, e.at, e.ticks, t.Capture(e.ticks))
			}
		}
	}
}

// paused is when nothing of the sender runs: it sends no reports either.
func (s *simSender) paused(at float64) bool {
	for _, st := range s.streams {
		if st.silent == nil || !st.silent(at) {
			return false
		}
	}
	return true
}

func (s *simSender) interval(r *rand.Rand) float64 {
	if s.reports.every > 0 {
		return s.reports.every * (0.5 + r.Float64())
	}
	return 1 + 4*r.Float64()
}

// measure runs a sender alone and returns what its capture times are off, less
// its participant's least delay.
func measure(s *simSender, seconds float64, frame func(stream int, at, off float64)) []*TrackClock {
	p := NewParticipant()
	tracks := make([]*TrackClock, len(s.streams))
	least := math.Inf(1)
	for i := range tracks {
		tracks[i] = p.NewTrack(s.streams[i].rate)
		least = min(least, s.least+s.streams[i].encoding)
	}
	s.run(seconds, tracks, func(stream int, at float64, _ int64, capture time.Duration) {
		frame(stream, at, capture.Seconds()-at-least)
	})
	return tracks
}

// audio and video are the usual streams: Opus, and pictures of three packets
// that take 30 ms longer to encode.
func simAudio(ppm float64) simStream {
	return simStream{rate: 48000, ppm: ppm, every: 0.02, packets: 1, encoding: 5e-3}
}

func simVideo(ppm float64) simStream {
	return simStream{rate: 90000, ppm: ppm, every: 1.0 / 30, packets: 3, encoding: 35e-3}
}

// A caller is a sender of both with NTP and stream clocks that differ.
func simCaller(seed uint64, ppm float64, jitter func(*rand.Rand, float64) float64) *simSender {
	s := &simSender{seed: seed, ppm: ppm, ntp: 3.9e9 + 0.5*float64(seed), least: 20e-3, jitter: jitter}
	s.streams = []simStream{simAudio(ppm + 30), simVideo(ppm - 20)}
	s.reports.loss, s.reports.noise = 0.1, 1e-3
	return s
}

func (s *simSender) shiftAll(shift func(float64) float64) {
	for i := range s.streams {
		s.streams[i].shift = shift
	}
}

func (s *simSender) silence(silent func(float64) bool) {
	for i := range s.streams {
		s.streams[i].silent = silent
	}
}
