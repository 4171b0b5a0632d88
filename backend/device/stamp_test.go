package device

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

const ms = time.Millisecond

// A packet as a simulated device sends it: captured is the truth on the
// session's clock.
type packet struct {
	captured, pts, delay time.Duration
	noPTS                bool
}

// simulated makes packets of 20 ms whose time stamps are the truth on a clock of
// another epoch; change spoils packet i.
func simulated(n int, change func(i int, p *packet)) []packet {
	const epoch = 1_700_000_000 * time.Second
	all := make([]packet, n)
	for i := range all {
		all[i].captured = time.Second + time.Duration(i)*20*ms
		all[i].pts = epoch + all[i].captured
		change(i, &all[i])
	}
	return all
}

// stamps plays the packets on a virtual clock, each arriving when it is
// complete plus its delay but never before the one ahead of it, and returns
// by how much each stamp is off the truth.
func stamps(packets []packet) []time.Duration {
	clock := media.NewVirtualClock()
	var s stamper
	var held []reading
	var off []time.Duration
	for _, p := range packets {
		clock.Advance(p.captured + 20*ms + p.delay - clock.Now())
		r := reading{arrival: clock.Now(), pts: p.pts, hasPTS: !p.noPTS, duration: 20 * ms}
		s.observe(r)
		held = append(held, r)
		if s.warmingUp() {
			continue
		}
		for _, r := range held {
			off = append(off, s.stamp(r)-packets[len(off)].captured)
		}
		held = held[:0]
	}
	return off
}

func TestStamps(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	jitter := func(p *packet) { p.delay = time.Duration(random.IntN(30)) * ms }
	for _, c := range []struct {
		name   string
		change func(i int, p *packet)
		worst  time.Duration // how far any stamp is off the truth
	}{
		{name: "undisturbed", change: func(int, *packet) {}},
		{name: "jitter of arrival", worst: ms, change: func(_ int, p *packet) { jitter(p) }},
		{name: "first packets late", worst: 5 * ms, change: func(i int, p *packet) {
			if i < 10 {
				p.delay = 150 * ms
			} else {
				jitter(p)
			}
		}},
		{name: "everything late for two seconds", worst: ms, change: func(i int, p *packet) {
			if i >= 500 && i < 600 {
				p.delay = 2 * time.Second
			}
		}},
		{name: "a device that drifts by 200 ppm", worst: 4 * ms, change: func(_ int, p *packet) {
			p.pts += p.captured / 5000
			jitter(p)
		}},
		{name: "a device that drifts the other way", worst: 4 * ms, change: func(_ int, p *packet) {
			p.pts -= p.captured / 5000
			jitter(p)
		}},
		{name: "time stamps jump ahead", worst: ms, change: func(i int, p *packet) {
			if i >= 500 {
				p.pts += time.Hour
			}
		}},
		{name: "time stamps jump back", worst: ms, change: func(i int, p *packet) {
			if i >= 500 {
				p.pts -= time.Hour
			}
		}},
		{name: "time stamps jump while packets come late", worst: 30 * ms, change: func(i int, p *packet) {
			jitter(p)
			if i >= 500 {
				p.pts += time.Hour
			}
		}},
		{name: "a pause of the device", worst: ms, change: func(i int, p *packet) {
			if i >= 500 {
				p.captured += 5 * time.Second
				p.pts += 5 * time.Second
			}
		}},
		{name: "no time stamps", change: func(_ int, p *packet) { p.noPTS = true }},
		{name: "a time stamp is missing", worst: ms, change: func(i int, p *packet) {
			p.noPTS = i%100 == 50
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			packets := simulated(2000, c.change)
			off := stamps(packets)
			if len(off) != len(packets) {
				t.Fatalf("%d stamps for %d packets", len(off), len(packets))
			}
			for i, d := range off {
				if d.Abs() > c.worst {
					t.Fatalf("packet %d is stamped %v off, allowed %v", i, d, c.worst)
				}
			}
		})
	}
}

// Whatever a device sends, stamps never run backwards.
func TestStampsNeverRunBackwards(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var s stamper
	var now, last time.Duration
	for range 100_000 {
		now += time.Duration(random.IntN(100)) * ms
		r := reading{arrival: now, pts: time.Duration(random.Int64()), hasPTS: random.IntN(4) > 0, duration: 20 * ms}
		if random.IntN(50) > 0 {
			r.pts = now + time.Duration(random.IntN(100))*ms
		}
		s.observe(r)
		at := s.stamp(r)
		if at < last && last > 0 {
			t.Fatalf("stamp %v after %v", at, last)
		}
		if len(s.candidates) > 1000 {
			t.Fatalf("%d candidates are kept", len(s.candidates))
		}
		if at > max(now-20*ms, last) {
			t.Fatalf("stamp %v for what arrived at %v", at, now)
		}
		last = at
	}
}
