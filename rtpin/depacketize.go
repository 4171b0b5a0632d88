package rtpin

import (
	"errors"
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// errFrame: the payloads of an access unit do not make one.
var errFrame = errors.New("rtpin: payload is no frame")

// A depacketizer joins the payloads of one access unit, which come in order and
// without a hole.
type depacketizer interface {
	// reset is called before the first payload of an access unit.
	reset()
	// begins reports whether an access unit surely begins with this payload.
	begins(payload []byte) bool
	// add adds a payload to the unit, and reports whether that is whole
	// whatever the marker says. Payloads have at least one byte; they are only
	// lent.
	add(u *unit, payload []byte) (whole bool, err error)
	// finish is called after the last payload.
	finish(u *unit) error
}

// unit is an access unit in the making.
type unit struct {
	data     []byte
	cuts     []cut // if there are several samples, where they end
	duration int64 // of each sample in ticks of the RTP clock; 0: not known
	key      bool  // decoding can begin here
}

// cut is the end of a sample within a unit.
type cut struct {
	end   int
	ticks int64 // from the unit's timestamp to the sample's
}

func (u *unit) reset() {
	u.data, u.cuts, u.duration, u.key = u.data[:0], u.cuts[:0], 0, false
}

func newDepacketizer(cfg Config, p fmtp) (depacketizer, error) {
	switch f := cfg.Format; f.Codec {
	case media.H264:
		return newH264(f, p)
	case media.HEVC:
		return newHEVC(f, p)
	case media.VP8:
		return &vp8{}, nil
	case media.VP9:
		return &vp9{}, nil
	case media.AV1:
		return &av1{}, nil
	case media.Opus:
		return &opus{clockRate: cfg.ClockRate}, nil
	case media.AAC:
		return newAAC(cfg, p)
	case media.PCMU, media.PCMA:
		return &bytewise{perTick: f.Channels}, nil
	case media.G722:
		// 64 kbit/s: a byte in each tick of the 8000 Hz that RFC 3551, section
		// 4.5.2, gives it for historical reasons.
		return &bytewise{perTick: 1}, nil
	}
	return nil, fmt.Errorf("%w: codec %s cannot be sent in RTP", ErrConfig, cfg.Format.Codec)
}
