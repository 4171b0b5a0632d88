package endtoend_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// A sender sends flows on a clock of its own.
type sender struct {
	flows []flow
	ppm   float64       // how fast its clock runs
	ahead time.Duration // of its NTP clock
	seed  uint64        // of all that is random on the way
	// changeAt, where set, is when all streams go on with other SSRCs, sequence
	// numbers and timestamps, as after a restart.
	changeAt time.Duration
	// silentAt is when nothing is captured and sent for so long.
	silentAt, silence time.Duration
	wraps             bool // sequence numbers and timestamps pass zero after a second
	noReports         bool
	net               network
}

// A network loses, delays and doubles packets.
type network struct {
	loss      float64
	duplicate float64
	reorder   float64       // part of the packets that is held back
	behind    int           // by up to how many packets
	least     time.Duration // on the way
	queue     time.Duration // at most, on top of that
	freezeAt  time.Duration // all that is sent for a while comes together when it ends
	freeze    time.Duration
}

// most is by how much packets are too late at most for when they were captured,
// which is how wrong the first can be, and is what is corrected later.
func (n network) most() time.Duration { return 30*time.Millisecond + n.queue }

// An arrival is a packet, or a report, that reaches the receiver of a flow.
type arrival struct {
	at     time.Duration
	flow   int
	packet *rtp.Packet
	report *rtcp.SenderReport
}

// A dispatch is what became of a flow on its way.
type dispatch struct {
	sent       int
	dropped    int // all of them
	noticeable int // those between packets that arrived: no receiver can tell of others
	duplicated int
}

// Pictures take 30 ms to encode, sound 20 ms to gather.
func latency(f flow) time.Duration {
	if f.format.Codec.IsPicture() {
		return 30 * time.Millisecond
	}
	return 20 * time.Millisecond
}

const (
	reportEach = time.Second
	ntpEpoch   = 3_900_000_000 // seconds since 1900, some day
)

// real returns when on the kit's clock, from the beginning, the sender's clock
// has gone on by so much.
func (s *sender) real(own time.Duration) time.Duration {
	return time.Duration(float64(own) / (1 + s.ppm/1e6))
}

// send returns all that arrives, in order, for what is captured from zero on.
func (s *sender) send() (arrivals []arrival, went []dispatch) {
	rng := rand.New(rand.NewPCG(s.seed, 1))
	queue := newQueue(rng, s.net.queue)
	for i, f := range s.flows {
		sent := s.departures(i, f)
		got, d := s.net.carry(sent, rng, queue)
		arrivals, went = append(arrivals, got...), append(went, d)
	}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
	return arrivals, went
}

// departures returns what is sent and when, reports in between.
func (s *sender) departures(index int, f flow) []arrival {
	var out []arrival
	ssrc, sequence, stamp := uint32(1000*s.seed)+uint32(index), uint16(100), uint32(5000)
	if s.wraps {
		sequence, stamp = 65535-40, -uint32(f.clockRate)
	}
	var last, began time.Duration
	changed, nextReport := false, time.Duration(0)
	for i := range f.packets {
		own := f.at(i)
		if s.changeAt > 0 && own >= s.changeAt && !changed {
			changed, began = true, own
			ssrc, sequence, stamp = ssrc+77, 40000, 0x70000000
		}
		if s.silence > 0 && own >= s.silentAt {
			own += s.silence
		}
		p := f.packets[i].Clone()
		p.SSRC, p.SequenceNumber = ssrc, sequence
		p.Timestamp = stamp + uint32(math.Round((own-began).Seconds()*float64(f.clockRate)))
		sequence++
		// With B-frames pictures that are shown earlier are sent later.
		last = max(last+50*time.Microsecond, s.real(own)+latency(f))
		for ; !s.noReports && nextReport <= last; nextReport += reportEach {
			if i > 0 {
				out = append(out, arrival{at: last, flow: index, report: s.report(ssrc, stamp, began, f.clockRate, last)})
			}
		}
		out = append(out, arrival{at: last, flow: index, packet: p})
	}
	return out
}

// report relates the stream's timestamps to the sender's NTP clock.
func (s *sender) report(ssrc, stamp uint32, began time.Duration, rate int, at time.Duration) *rtcp.SenderReport {
	own := time.Duration(float64(at) * (1 + s.ppm/1e6))
	ntp := (own + s.ahead).Seconds()
	return &rtcp.SenderReport{SSRC: ssrc, NTPTime: uint64((ntpEpoch + ntp) * (1 << 32)),
		RTPTime: stamp + uint32(int64(math.Round((own-began).Seconds()*float64(rate))))}
}

// carry brings what is sent to the receiver, in order but for what is held back.
func (n network) carry(sent []arrival, rng *rand.Rand, queue func(time.Duration) time.Duration) (got []arrival, d dispatch) {
	var last time.Duration
	pending := 0 // dropped since the latest that arrived
	for i, a := range sent {
		way := n.least + queue(a.at)
		if n.freeze > 0 && a.at >= n.freezeAt && a.at < n.freezeAt+n.freeze {
			way += n.freezeAt + n.freeze - a.at
		}
		last = max(last+10*time.Microsecond, a.at+way)
		a.at = last
		if a.report != nil {
			got = append(got, a)
			continue
		}
		d.sent++
		if rng.Float64() < n.loss {
			d.dropped++
			pending++
			continue
		}
		if d.dropped < d.sent-1 { // some have arrived before
			d.noticeable += pending
		}
		pending = 0
		if rng.Float64() < n.reorder {
			// Behind the packet that is sent so many later.
			a.at += max(0, sent[min(i+1+rng.IntN(n.behind), len(sent)-1)].at-sent[i].at) + 20*time.Microsecond
		}
		got = append(got, a)
		if rng.Float64() < n.duplicate {
			d.duplicated++
			b := a
			b.at += time.Duration(rng.Int64N(int64(30 * time.Millisecond)))
			got = append(got, b)
		}
	}
	return got, d
}

// newQueue returns how long a queue on the way is at a time: it grows and shrinks
// within half seconds, and is short most of the time.
func newQueue(rng *rand.Rand, most time.Duration) func(time.Duration) time.Duration {
	const knot = 500 * time.Millisecond
	var knots []float64
	return func(at time.Duration) time.Duration {
		i := int(at / knot)
		for len(knots) < i+2 {
			knots = append(knots, math.Pow(rng.Float64(), 3))
		}
		part := float64(at%knot) / float64(knot)
		return time.Duration(float64(most) * (knots[i]*(1-part) + knots[i+1]*part))
	}
}
