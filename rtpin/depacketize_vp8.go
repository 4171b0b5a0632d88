package rtpin

import (
	"fmt"

	"github.com/pion/rtp/codecs"
)

// vp8 joins the payloads of VP8 (RFC 7741).
type vp8 struct {
	descriptor codecs.VP8Packet
}

func (*vp8) reset() {}

// begins: a frame begins where the first partition does.
func (*vp8) begins(payload []byte) bool { return payload[0]&0x10 != 0 && payload[0]&0x07 == 0 }

func (v *vp8) add(u *unit, payload []byte) (whole bool, err error) {
	data, err := v.descriptor.Unmarshal(payload)
	if err != nil {
		return false, fmt.Errorf("%w: %w", errFrame, err)
	}
	if first := len(u.data) == 0; first != v.begins(payload) {
		return false, fmt.Errorf("%w: VP8 frame begins within another, or without its first partition", errFrame)
	}
	if len(data) == 0 {
		return false, fmt.Errorf("%w: VP8 descriptor without data", errFrame)
	}
	u.data = append(u.data, data...)
	return false, nil
}

func (*vp8) finish(u *unit) error {
	u.key = len(u.data) > 0 && u.data[0]&1 == 0 // RFC 6386, section 9.1
	return nil
}
