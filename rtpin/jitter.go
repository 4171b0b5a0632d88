package rtpin

import "time"

// packet is one RTP packet on its way.
type packet struct {
	ssrc      uint32
	number    uint16 // on the wire
	stamp     uint32
	sequence  int64 // unwrapped
	timestamp int64
	arrival   time.Duration
	marker    bool
	foreign   bool // of another payload type
	payload   []byte
}

// keep returns the packet with a copy of its payload in buf.
func (p packet) keep(buf []byte) packet {
	p.payload = append(buf[:0], p.payload...)
	return p
}

// slot is the place of one sequence number in the jitter buffer.
type slot struct {
	packet packet
	held   bool
	missing
}

// jitter puts packets in order of their sequence numbers. As long as none is
// missing it holds none. It spans the numbers from next to next+len(slots)-1;
// where packets are held, the one at next is missing.
type jitter struct {
	cfg   *Config
	stats *Stats
	out   *assembler

	slots   []slot // by sequence number modulo their count, a power of two
	next    int64  // the number that goes out next
	highest int64  // the highest that has come
	count   int    // packets held
	oldest  time.Duration
	free    [][]byte // buffers of packets that are gone
	history history

	asking asking
}

func newJitter(cfg *Config, stats *Stats, out *assembler) jitter {
	n := 1
	for n < cfg.MaxPackets {
		n *= 2
	}
	return jitter{cfg: cfg, stats: stats, out: out, slots: make([]slot, n)}
}

func (j *jitter) slot(n int64) *slot { return &j.slots[n&int64(len(j.slots)-1)] }

// restart begins anew with the number next. The buffer is empty.
func (j *jitter) restart(next int64) {
	j.next, j.highest = next, next-1
	j.history = history{}
}

// isFresh reports whether a packet of this number is still awaited, and counts
// it if not.
func (j *jitter) isFresh(n int64) bool {
	switch {
	case n >= j.next && (n > j.highest || !j.slot(n).held):
		return true
	case n >= j.next, j.history.has(n, j.next):
		j.stats.Duplicates++
	default:
		j.stats.Late++
		j.history.set(n, true)
	}
	return false
}

// insert takes a fresh packet, and passes on what is in order. The payload is
// only lent.
func (j *jitter) insert(p packet) {
	j.makeRoom(p.sequence)
	if p.sequence <= j.highest {
		if j.slot(p.sequence).asked > 0 {
			j.stats.Recovered++
		}
		j.stats.Reordered++
	} else {
		for n := max(j.highest+1, j.next); n < p.sequence; n++ {
			j.slot(n).missing = missing{noticed: p.arrival}
		}
		j.highest = p.sequence
	}
	if p.sequence == j.next {
		j.release(&p)
		j.drain()
		return
	}
	if j.count == 0 || p.arrival < j.oldest {
		j.oldest = p.arrival
	}
	s := j.slot(p.sequence)
	s.packet, s.held = p.keep(j.buffer()), true
	j.count++
}

// makeRoom gives up what is missing until number n is within the span.
func (j *jitter) makeRoom(n int64) {
	for n-j.next >= int64(len(j.slots)) {
		if j.count > 0 {
			j.skip()
			continue
		}
		j.lose(n - int64(len(j.slots)) + 1 - j.next)
	}
}

// skip gives up what is missing before the first packet held, and passes on
// what follows.
func (j *jitter) skip() {
	n := int64(1)
	for !j.slot(j.next + n).held {
		n++
	}
	j.lose(n)
	j.drain()
}

// lose gives up the next n numbers, none of which is there.
func (j *jitter) lose(n int64) {
	for range n {
		j.history.set(j.next, false)
		j.next++
	}
	j.stats.Lost += uint64(n)
	j.out.hole(n)
}

// drain passes on what is in order.
func (j *jitter) drain() {
	released := false
	for s := j.slot(j.next); s.held; s = j.slot(j.next) {
		s.held, released = false, true
		j.count--
		j.free = append(j.free, s.packet.payload)
		j.release(&s.packet)
	}
	if released && j.count > 0 {
		j.oldest = j.findOldest()
	}
}

func (j *jitter) findOldest() time.Duration {
	oldest := time.Duration(1<<63 - 1)
	for n := j.next; n <= j.highest; n++ {
		if s := j.slot(n); s.held {
			oldest = min(oldest, s.packet.arrival)
		}
	}
	return oldest
}

// release passes on the packet whose number is next.
func (j *jitter) release(p *packet) {
	j.history.set(j.next, true)
	j.next++
	j.out.packet(p)
}

// expire gives up what packets have waited for long enough.
func (j *jitter) expire(now time.Duration) {
	for j.count > 0 && now-j.oldest >= j.cfg.MaxDelay {
		j.skip()
	}
}

// flush gives up all that is missing.
func (j *jitter) flush() {
	for j.count > 0 {
		j.skip()
	}
}

// nextEvent returns when expire or ask will have something to do.
func (j *jitter) nextEvent() (at time.Duration, ok bool) {
	if j.count == 0 {
		return 0, false
	}
	at = j.oldest + j.cfg.MaxDelay
	if j.cfg.Nack != nil {
		at = min(at, j.asking.next)
	}
	return at, true
}

func (j *jitter) buffer() []byte {
	if n := len(j.free); n > 0 {
		b := j.free[n-1]
		j.free = j.free[:n-1]
		return b
	}
	return nil
}

// historySize is how far behind a duplicate is told from a late packet.
const historySize = 4096

// history remembers which of the numbers that are past were there.
type history [historySize / 64]uint64

func (h *history) set(n int64, there bool) {
	n &= historySize - 1
	if there {
		h[n/64] |= 1 << (n % 64)
	} else {
		h[n/64] &^= 1 << (n % 64)
	}
}

func (h *history) has(n, next int64) bool {
	at := n & (historySize - 1)
	return next-n <= historySize && h[at/64]&(1<<(at%64)) != 0
}
