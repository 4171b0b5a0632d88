package rtpin

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// NAL unit types of HEVC (ISO/IEC 23008-2, table 7-1) and the additional ones of
// RFC 7798, section 4.4.
const (
	hevcBLA         = 16 // the first type of random access pictures
	hevcCRA         = 21 // and the last one in use
	hevcVPS         = 32
	hevcAUD         = 35
	hevcSEI         = 39 // that comes before the picture
	hevcAggregation = 48
	hevcFragment    = 49
)

// hevc joins the payloads of HEVC (RFC 7798, without decoding order numbers) to
// a byte stream.
type hevc struct {
	nalUnits
	outOfBand, unsure bool // see h264
}

func newHEVC(f *media.EncodedFormat, p fmtp) (*hevc, error) {
	diff, err := p.number("sprop-max-don-diff", 0, 32767)
	if err != nil {
		return nil, err
	}
	if diff != 0 {
		return nil, fmt.Errorf("%w: FMTP sprop-max-don-diff=%d (allowed: 0)", ErrConfig, diff)
	}
	return &hevc{outOfBand: len(f.Config) > 0}, nil
}

// hevcHead returns the type of the first NAL unit that begins in a payload, -1
// if none does, and whether it is the first slice segment of the picture: that
// is the bit after the header of two bytes.
func hevcHead(payload []byte) (nal int, first bool) {
	if len(payload) < 3 {
		return -1, false
	}
	switch kind := payload[0] >> 1 & 0x3f; kind {
	case hevcAggregation: // header, size, NAL unit
		if len(payload) < 7 {
			return -1, false
		}
		return int(payload[4] >> 1 & 0x3f), payload[6]&0x80 != 0
	case hevcFragment: // header, header with the type, rest of the NAL unit
		if payload[2]&0x80 == 0 || len(payload) < 4 {
			return -1, false
		}
		return int(payload[2] & 0x3f), payload[3]&0x80 != 0
	default:
		return int(kind), payload[2]&0x80 != 0
	}
}

func (h *hevc) reset() {
	h.nalUnits.reset()
	h.unsure = false
}

// begins: as in H.264.
func (h *hevc) begins(payload []byte) bool {
	nal, first := hevcHead(payload)
	h.unsure = nal == hevcSEI && !h.outOfBand
	return nal == hevcAUD || nal == hevcVPS || nal == hevcSEI || hevcBLA <= nal && nal <= hevcCRA && first && h.outOfBand
}

func (h *hevc) add(u *unit, payload []byte) (whole bool, err error) {
	if len(payload) < 3 {
		return false, fmt.Errorf("%w: HEVC payload of %d bytes", errFrame, len(payload))
	}
	switch kind := payload[0] >> 1 & 0x3f; {
	case kind == hevcAggregation:
		return false, h.aggregate(u, payload[2:], h)
	case kind == hevcFragment:
		// Layer and temporal layer from the payload's header, type from the
		// fragment's.
		h.header = [2]byte{payload[0]&0x81 | payload[2]&0x3f<<1, payload[1]}
		return false, h.fragment(u, payload[2], 2, payload[3:], h)
	case kind > hevcFragment: // control information, or without a meaning
		return false, fmt.Errorf("%w: HEVC payload of type %d", errFrame, kind)
	}
	return false, h.single(u, payload, h)
}

// see takes note of a NAL unit by its header.
func (h *hevc) see(u *unit, nal []byte) {
	switch kind := nal[0] >> 1 & 0x3f; {
	case hevcBLA <= kind && kind <= hevcCRA:
		u.key = true
	case kind == hevcVPS:
		h.outOfBand, h.unsure = false, false
	}
}

func (h *hevc) finish(u *unit) error {
	if h.unsure && u.key {
		return fmt.Errorf("%w: HEVC keyframe without its parameter sets", errFrame)
	}
	return h.nalUnits.finish(u)
}
