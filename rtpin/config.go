package rtpin

import (
	"errors"
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// Errors of this package, to be matched with errors.Is.
var (
	// ErrConfig: a receiver cannot be made of this configuration.
	ErrConfig = errors.New("rtpin: invalid configuration")
	// ErrPacket: what was pushed is no RTP packet.
	ErrPacket = errors.New("rtpin: no RTP packet")
)

// Config is what a [Receiver] is made of.
type Config struct {
	// Format says what the packets hold. Its packing must be
	// [media.PackingDefault]. It is not changed: samples carry a copy, to which
	// is added what FMTP knows and it does not.
	Format *media.EncodedFormat
	// ClockRate is that of the RTP timestamps in Hz: 90000 for pictures, 48000
	// for Opus, 8000 for G.711 and for G.722, although that samples at 16000,
	// and usually the sampling rate for AAC. From 1000 to 384000.
	ClockRate int
	// FMTP is the format's parameters as SDP has them after "a=fmtp:96 ".
	// AAC needs it; of the others it gives the parameter sets sent out of band
	// (H.264, HEVC) and the channels (Opus).
	FMTP string
	// PayloadTypes are those of the RTP packets that hold the format. Packets
	// of others, such as telephone events, only take their place in the
	// sequence. Empty: all.
	PayloadTypes []uint8
	// Clock maps RTP time to capture time. It is used from within the calls of
	// the receiver.
	Clock *TrackClock
	// Deliver takes samples in the order of decoding and owns the reference. It
	// is called from within Push, PushPacket, Poll and Flush, and must call
	// none of them.
	Deliver func(media.Sample)
	// MaxDelay is how long packets wait for a missing one before them. 0: 300
	// ms.
	MaxDelay time.Duration
	// MaxPackets is how many packets, there or missing, the jitter buffer
	// spans: from 1 to 32768, rounded up to a power of two. 0: 512.
	MaxPackets int
	// Settle is for how long what a stream begins with is held back, so that it
	// is stamped by a clock that has seen a little of it; up to 10 s, 0: not at
	// all. A second takes in what senders need to get going.
	Settle time.Duration
	// Nack, where set, is called to ask for missing packets, first when two
	// later ones are there or 10 ms have passed, and then up to seven times in
	// intervals that grow from 20 to 100 ms. It must not keep the slice, which
	// holds up to MaxPackets numbers, nor call the receiver.
	Nack func(missing []uint16)
	// RequestKeyFrame, where set, is called when decoding needs a keyframe: a
	// stream begins without, or picture data is lost. At most once a second,
	// as long as none comes. It must not call the receiver.
	RequestKeyFrame func()
}

const (
	defaultMaxDelay   = 300 * time.Millisecond
	defaultMaxPackets = 512
	maxMaxPackets     = 1 << 15 // half of the sequence numbers: more would be ambiguous
	maxSettle         = 10 * time.Second
	minClockRate      = 1000
	maxClockRate      = 384000
)

// withDefaults checks the configuration and fills what is left out.
func (c Config) withDefaults() (Config, error) {
	if c.MaxDelay == 0 {
		c.MaxDelay = defaultMaxDelay
	}
	if c.MaxPackets == 0 {
		c.MaxPackets = defaultMaxPackets
	}
	switch {
	case c.Format == nil:
		return c, fmt.Errorf("%w: no Format", ErrConfig)
	case c.Format.Packing != media.PackingDefault:
		return c, fmt.Errorf("%w: packing %s of %s (allowed: default)", ErrConfig, c.Format.Packing, c.Format.Codec)
	case c.Clock == nil:
		return c, fmt.Errorf("%w: no Clock", ErrConfig)
	case c.Deliver == nil:
		return c, fmt.Errorf("%w: no Deliver", ErrConfig)
	case c.ClockRate < minClockRate || c.ClockRate > maxClockRate:
		return c, fmt.Errorf("%w: ClockRate of %d Hz (allowed: %d to %d)", ErrConfig, c.ClockRate, minClockRate, maxClockRate)
	case c.MaxDelay < 0 || c.MaxDelay > time.Minute:
		return c, fmt.Errorf("%w: MaxDelay of %v (allowed: 0 to 1m)", ErrConfig, c.MaxDelay)
	case c.Settle < 0 || c.Settle > maxSettle:
		return c, fmt.Errorf("%w: Settle of %v (allowed: 0 to %v)", ErrConfig, c.Settle, maxSettle)
	case c.MaxPackets < 1 || c.MaxPackets > maxMaxPackets:
		return c, fmt.Errorf("%w: MaxPackets of %d (allowed: 1 to %d)", ErrConfig, c.MaxPackets, maxMaxPackets)
	}
	for _, t := range c.PayloadTypes {
		if t > 127 {
			return c, fmt.Errorf("%w: payload type %d (allowed: 0 to 127)", ErrConfig, t)
		}
	}
	return c, nil
}
