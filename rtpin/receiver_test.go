package rtpin

import (
	"fmt"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

var allCodecs = []string{"h264", "hevc", "vp8", "vp9", "vp9svc", "av1", "opus", "aac", "pcmu", "g722"}

// Numbers just before they wrap around, both of them.
const (
	nearWrap      = 65500
	nearStampWrap = 1<<32 - 20000
)

func TestWithoutLoss(t *testing.T) {
	for _, codec := range allCodecs {
		t.Run(codec, func(t *testing.T) {
			m := newMaterial(t, codec)
			p := plan{ssrc: 1, sequence: nearWrap, stamp: nearStampWrap, padding: 0.1}
			w := newWorld(t, m, p)
			w.stream(p, 0)
			w.run()
			if len(w.delivered) != len(w.units) {
				t.Fatalf("%d samples of %d; %+v", len(w.delivered), len(w.units), w.r.Stats())
			}
			for _, d := range w.delivered {
				_, last := w.packetsOf(d.unit)
				if d.at != w.arrived[last] {
					t.Fatalf("unit %d delivered at %v, whole at %v", d.unit, d.at, w.arrived[last])
				}
				if d.lost != 0 {
					t.Fatalf("unit %d: %d lost", d.unit, d.lost)
				}
			}
			if len(w.keyFrames) != 0 {
				t.Errorf("asked for keyframes at %v", w.keyFrames)
			}
			s := w.r.Stats()
			if s.Lost+s.Duplicates+s.Reordered+s.Discarded+s.DamagedFrames != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestWrapsManyTimes(t *testing.T) {
	// 200 packets a round, 500 rounds: 100 000 packets, 4000 s at 8 kHz in
	// steps that let timestamps of 32 bits wrap each 10 rounds.
	m := newMaterial(t, "pcmu")
	for i := range m.units {
		m.units[i].ticks *= 13421 // 268 s each
	}
	p := plan{ssrc: 1, sequence: 60000, stamp: 1 << 31, rounds: 500, loss: 0.01}
	w := newWorld(t, m, p)
	w.stream(p, 0)
	w.run()
	s := w.r.Stats()
	if got, want := int(s.Lost), w.losses(); got != want {
		t.Errorf("%d lost, %d counted", want, got)
	}
	if int(s.Samples) != len(w.units)-int(s.Lost) && len(w.units)-int(s.Samples)-int(s.Lost) > 2 {
		t.Errorf("%d samples of %d, %d lost", s.Samples, len(w.units), s.Lost)
	}
	if s.Restarts != 0 || len(w.units) < 100000 {
		t.Errorf("%d units, %d restarts", len(w.units), s.Restarts)
	}
}

// checkLossy holds what is promised whatever the network does, as long as no
// packet comes too late.
func checkLossy(t *testing.T, w *world) {
	t.Helper()
	s := w.r.Stats()
	if got, want := int(s.Lost), w.losses()+int(s.Late); got != want {
		t.Errorf("%d packets lost, %d counted: %+v", want, got, s)
	}
	told := 0
	for _, d := range w.delivered {
		told += d.lost
		_, last := w.packetsOf(d.unit)
		if wait := d.at - w.arrived[last]; wait > w.r.cfg.MaxDelay {
			t.Errorf("unit %d waited %v", d.unit, wait)
		}
	}
	// A unit at the end without its end is one more, of which no packet is
	// known to be missing.
	if pending := int(w.r.assemble.lost); told+pending != int(s.Lost) && (told != int(s.Lost) || pending != 1) {
		t.Errorf("samples tell of %d lost and %d are yet to be told, of %d", told, pending, s.Lost)
	}
	w.checkComplete()
}

// checkComplete: a unit all of whose packets came, and the packet before it,
// has been delivered.
func (w *world) checkComplete() {
	w.t.Helper()
	if w.r.Stats().Late > 0 {
		return
	}
	got := map[int]bool{}
	for _, d := range w.delivered {
		got[d.unit] = true
	}
	for i := range w.units {
		from, to := w.packetsOf(i)
		whole := from == 0 || w.arrived[from-1] >= 0
		for j := from; j <= to; j++ {
			whole = whole && w.arrived[j] >= 0
		}
		if whole && !got[i] {
			w.t.Errorf("unit %d came whole and was not delivered", i)
		}
	}
}

func TestNetworks(t *testing.T) {
	ms := time.Millisecond
	networks := map[string]plan{
		"loss":       {loss: 0.05},
		"heavy loss": {loss: 0.4},
		"reordering": {reorder: 0.3, behind: 20},
		"duplicates": {duplicate: 0.3},
		"jitter":     {jitter: 40 * ms},
		"spikes":     {spikeEvery: 150, spike: 1500 * ms},
		"all of it":  {loss: 0.1, reorder: 0.2, behind: 20, duplicate: 0.1, jitter: 10 * ms, spikeEvery: 300, spike: 500 * ms, padding: 0.05},
		"nack":       {loss: 0.1, reorder: 0.1, behind: 5, answers: true, roundTrip: 50 * ms},
	}
	for _, codec := range allCodecs {
		m := newMaterial(t, codec)
		for name, p := range networks {
			t.Run(codec+"/"+name, func(t *testing.T) {
				p.ssrc, p.sequence, p.stamp, p.rounds, p.seed = 7, nearWrap, nearStampWrap, 3, 11
				w := newWorld(t, m, p)
				w.stream(p, time.Second)
				w.run()
				checkLossy(t, w)
				s := w.r.Stats()
				if p.loss > 0 && s.Lost == 0 && !p.answers || p.loss == 0 && p.behind > 0 && s.Reordered == 0 || p.duplicate > 0 && s.Duplicates == 0 {
					t.Errorf("the network did nothing: %+v", s)
				}
				if p.loss == 0 && len(w.delivered) != len(w.units) {
					t.Errorf("%d samples of %d without loss: %+v", len(w.delivered), len(w.units), s)
				}
				if p.answers && (s.Recovered == 0 || int(s.Samples) < len(w.units)*98/100) {
					t.Errorf("%d samples of %d with requests: %+v", s.Samples, len(w.units), s)
				}
			})
		}
	}
}

func TestNetworksAtRandom(t *testing.T) {
	materials := map[string]material{}
	for _, codec := range allCodecs {
		materials[codec] = newMaterial(t, codec)
	}
	for seed := range uint64(300) {
		codec := allCodecs[seed%uint64(len(allCodecs))]
		t.Run(fmt.Sprint(codec, seed), func(t *testing.T) {
			w := newWorld(t, materials[codec], plan{seed: seed})
			f := func(most float64) float64 { return max(0, w.rng.Float64()*2-1) * most }
			d := func(most time.Duration) time.Duration { return time.Duration(f(float64(most))) }
			p := plan{
				seed: seed, ssrc: w.rng.Uint32(), sequence: uint16(w.rng.Uint32()), stamp: w.rng.Uint32(), rounds: 1,
				loss: f(0.5), duplicate: f(0.5), reorder: f(0.5), behind: 1 + w.rng.IntN(200), jitter: d(400 * time.Millisecond),
				spikeEvery: w.rng.IntN(200), spike: d(2 * time.Second), padding: f(0.3),
				silentAt: w.rng.IntN(100), silence: d(40 * time.Second), roundTrip: 1 + d(300*time.Millisecond),
			}
			p.config = func(c *Config) {
				c.MaxPackets = 1 << w.rng.IntN(10)
				c.MaxDelay = 1 + d(time.Second)
				if w.rng.IntN(2) == 0 {
					c.Nack = w.answer
				}
			}
			streams := 1 + w.rng.IntN(3)
			w = newWorld(t, materials[codec], p)
			at := time.Duration(0)
			for range streams {
				at = w.stream(p, at) + 3*time.Second
				p.ssrc, p.sequence, p.stamp = p.ssrc+1, uint16(w.rng.Uint32()), w.rng.Uint32()
			}
			w.run()
			s := w.r.Stats()
			if got, most := int(s.Lost), w.losses()+int(s.Late); got > most {
				t.Errorf("%d packets lost at most, %d counted: %+v", most, got, s)
			}
			if int(s.SSRCChanges) > streams-1 {
				t.Errorf("%d changes among %d streams", s.SSRCChanges, streams)
			}
			told := int(w.r.assemble.lost)
			for _, d := range w.delivered {
				told += d.lost
			}
			if told < int(s.Lost) {
				t.Errorf("samples tell of %d lost of %d", told, s.Lost)
			}
		})
	}
}

// TestSilence: with discontinuous transmission timestamps go on and sequence
// numbers do not. Nothing is lost, and time is kept.
func TestSilence(t *testing.T) {
	m := newMaterial(t, "opus")
	p := plan{ssrc: 3, sequence: nearWrap, stamp: nearStampWrap, silentAt: 75, silence: 30 * time.Second}
	w := newWorld(t, m, p)
	w.stream(p, 0)
	w.run()
	if s := w.r.Stats(); len(w.delivered) != len(w.units) || s.Lost+s.Restarts != 0 {
		t.Fatalf("%d samples of %d: %+v", len(w.delivered), len(w.units), s)
	}
	gap := w.delivered[75].time - w.delivered[74].time
	if off := gap - 30*time.Second - 20*time.Millisecond; off < -2*time.Millisecond || off > 2*time.Millisecond {
		t.Errorf("silence of 30 s lasts %v", gap)
	}
	if w.delivered[5].dur != 20*time.Millisecond {
		t.Errorf("Opus packet of %v", w.delivered[5].dur)
	}
}

func TestDurations(t *testing.T) {
	for codec, want := range map[string]time.Duration{"pcmu": 20 * time.Millisecond, "g722": 20 * time.Millisecond, "aac": 1024 * time.Second / 48000, "vp8": 0} {
		m := newMaterial(t, codec)
		w := newWorld(t, m, plan{})
		w.stream(plan{ssrc: 1}, 0)
		w.run()
		if got := w.delivered[3].dur; got != want {
			t.Errorf("%s lasts %v, want %v", codec, got, want)
		}
	}
}

// TestTimes: capture times are apart as the timestamps are, in order of
// decoding.
func TestTimes(t *testing.T) {
	m := newMaterial(t, "h264")
	p := plan{ssrc: 1, stamp: nearStampWrap}
	w := newWorld(t, m, p)
	w.stream(p, 0)
	back := false
	w.run()
	for i, d := range w.delivered {
		want := time.Duration(m.units[i].ticks-m.units[0].ticks) * time.Second / 90000
		if off := d.time - w.delivered[0].time - want; off > time.Millisecond || off < -time.Millisecond {
			t.Errorf("unit %d at %v, want %v", i, d.time-w.delivered[0].time, want)
		}
		back = back || i > 0 && d.time < w.delivered[i-1].time
	}
	if !back {
		t.Error("no picture is shown before one decoded earlier")
	}
}

func TestLead(t *testing.T) {
	for codec, want := range map[media.Codec]time.Duration{media.H264: media.UnknownLead, media.HEVC: media.UnknownLead, media.VP8: 0, media.AV1: 0, media.Opus: 0} {
		if got := lead(codec); got != want {
			t.Errorf("%s: %v", codec, got)
		}
	}
}
