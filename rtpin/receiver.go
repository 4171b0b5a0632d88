package rtpin

import (
	"fmt"
	"time"

	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Receiver turns the RTP packets of one track into samples. Its methods are
// for one goroutine at a time; none of them blocks. All times are those of the
// kit's clock.
type Receiver struct {
	cfg      Config
	stats    Stats
	now      time.Duration // the latest time heard of
	parsed   rtp.Packet    // reused by Push
	source   source
	jitter   jitter
	assemble assembler
}

// NewReceiver returns a receiver. Errors wrap [ErrConfig] or [media.ErrFormat].
func NewReceiver(cfg Config) (*Receiver, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	params, err := parseFMTP(cfg.FMTP)
	if err != nil {
		return nil, err
	}
	if cfg.Format, err = describe(*cfg.Format, params); err != nil {
		return nil, err
	}
	d, err := newDepacketizer(cfg, params)
	if err != nil {
		return nil, err
	}
	r := &Receiver{cfg: cfg}
	r.assemble = assembler{cfg: &r.cfg, stats: &r.stats, now: &r.now, depacketizer: d, torn: true}
	r.jitter = newJitter(&r.cfg, &r.stats, &r.assemble)
	return r, nil
}

// Format returns the format that samples carry: that of the configuration with
// what FMTP adds to it. A track is to be announced with it. It is read only.
func (r *Receiver) Format() *media.EncodedFormat { return r.cfg.Format }

// Push takes one RTP packet as it came from the network at the given time. It
// keeps nothing of it. The error wraps [ErrPacket] where it is none, which does
// no harm to what follows; a payload that is no frame is not an error, but
// counted.
func (r *Receiver) Push(packet []byte, arrival time.Duration) error {
	if err := r.parse(packet); err != nil {
		r.stats.Received++
		r.stats.Malformed++
		return err
	}
	r.PushPacket(&r.parsed, arrival)
	return nil
}

// parse reads a packet, and refuses what is no RTP but can come through the
// same port: RTCP, whose packet types look like payload types 64 to 95 with a
// marker (RFC 5761, section 4), STUN and DTLS, which have another version.
func (r *Receiver) parse(packet []byte) error {
	switch {
	case len(packet) < 12:
		return fmt.Errorf("%w: %d bytes (at least 12 needed)", ErrPacket, len(packet))
	case packet[0]>>6 != 2:
		return fmt.Errorf("%w: version %d (must be 2)", ErrPacket, packet[0]>>6)
	case packet[1] >= 192 && packet[1] <= 223:
		return fmt.Errorf("%w: RTCP packet of type %d", ErrPacket, packet[1])
	}
	if err := r.parsed.Unmarshal(packet); err != nil {
		return fmt.Errorf("%w: %w", ErrPacket, err)
	}
	return nil
}

// PushPacket is Push for a packet that is parsed already. It keeps nothing of
// it.
func (r *Receiver) PushPacket(p *rtp.Packet, arrival time.Duration) {
	r.stats.Received++
	r.now = max(r.now, arrival)
	r.sort(p, arrival)
	r.pass()
}

// pass does what is due by now.
func (r *Receiver) pass() {
	r.jitter.expire(r.now)
	r.jitter.ask(r.now)
	r.assemble.settle(false)
}

// Next returns when Poll is to be called, if no packet comes before. ok is
// false where nothing waits.
func (r *Receiver) Next() (at time.Duration, ok bool) {
	at, ok = r.jitter.nextEvent()
	if s := &r.assemble.settling; len(s.held) > 0 && (!ok || s.until < at) {
		return s.until, true
	}
	return at, ok
}

// Poll lets time pass: missing packets are asked for, or given up so that those
// behind them are delivered. It may be called at any time and as often as one
// likes.
func (r *Receiver) Poll(now time.Duration) {
	r.now = max(r.now, now)
	r.pass()
}

// Flush gives up all that is missing and delivers all that is whole. The
// receiver can go on afterwards.
func (r *Receiver) Flush() {
	r.flushSource()
	r.jitter.flush()
	r.assemble.flush()
	r.assemble.settle(true)
}

// Stats returns what has been counted until now.
func (r *Receiver) Stats() Stats {
	s := r.stats
	s.Waiting = uint64(r.jitter.count + r.assemble.packets)
	if r.source.holding {
		s.Waiting++
	}
	return s
}
