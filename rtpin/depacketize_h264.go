package rtpin

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// NAL unit types of H.264 (ISO/IEC 14496-10, table 7-1) and the additional ones
// of RFC 6184, section 5.2.
const (
	h264IDR   = 5
	h264SEI   = 6
	h264SPS   = 7
	h264AUD   = 9
	h264STAPA = 24
	h264FUA   = 28
)

// h264 joins the payloads of H.264 (RFC 6184, non-interleaved mode) to a byte
// stream.
type h264 struct {
	nalUnits
	// outOfBand: there are parameter sets outside the stream, and none have
	// been seen in it.
	outOfBand bool
	unsure    bool // what is missing before this access unit may be its parameter sets
}

func newH264(f *media.EncodedFormat, p fmtp) (*h264, error) {
	mode, err := p.number("packetization-mode", 0, 2)
	if err != nil {
		return nil, err
	}
	if mode == 2 {
		return nil, fmt.Errorf("%w: FMTP packetization-mode=2 (allowed: 0, 1)", ErrConfig)
	}
	return &h264{outOfBand: len(f.Config) > 0}, nil
}

// h264Head returns the type of the first NAL unit that begins in a payload, 0
// if none does, and whether it is a slice at the beginning of the picture:
// first_mb_in_slice is 0, which is coded as a bit of 1.
func h264Head(payload []byte) (nal byte, first bool) {
	body := payload
	switch payload[0] & 0x1f {
	case h264STAPA: // header, size, NAL unit
		if len(payload) < 4 {
			return 0, false
		}
		body = payload[3:]
	case h264FUA: // indicator, header with the type, rest of the NAL unit
		if len(payload) < 2 || payload[1]&0x80 == 0 {
			return 0, false
		}
		body = payload[1:]
	}
	return body[0] & 0x1f, len(body) > 1 && body[1]&0x80 != 0
}

func (h *h264) reset() {
	h.nalUnits.reset()
	h.unsure = false
}

// begins: an access unit begins with a delimiter or its parameter sets. A
// slice at the beginning of the picture may have had such before it, except
// where the parameter sets come by another way. So may information (SEI), which
// x264 and GStreamer also send ahead of them: that shows when all is there.
func (h *h264) begins(payload []byte) bool {
	nal, first := h264Head(payload)
	h.unsure = nal == h264SEI && !h.outOfBand
	return nal == h264AUD || nal == h264SPS || nal == h264SEI || nal == h264IDR && first && h.outOfBand
}

func (h *h264) add(u *unit, payload []byte) (whole bool, err error) {
	switch kind := payload[0] & 0x1f; kind {
	case h264STAPA:
		return false, h.aggregate(u, payload[1:], h)
	case h264FUA:
		if len(payload) < 2 {
			return false, fmt.Errorf("%w: H.264 fragment of %d bytes", errFrame, len(payload))
		}
		// Importance from the indicator, type from the fragment's header.
		h.header[0] = payload[0]&0xe0 | payload[1]&0x1f
		return false, h.fragment(u, payload[1], 1, payload[2:], h)
	case 0, 25, 26, 27, 29, 30, 31: // interleaved, or without a meaning
		return false, fmt.Errorf("%w: H.264 payload of type %d", errFrame, kind)
	}
	return false, h.single(u, payload, h)
}

// see takes note of a NAL unit by its header.
func (h *h264) see(u *unit, nal []byte) {
	switch nal[0] & 0x1f {
	case h264IDR:
		u.key = true
	case h264SPS:
		h.outOfBand, h.unsure = false, false
	}
}

func (h *h264) finish(u *unit) error {
	if h.unsure && u.key {
		return fmt.Errorf("%w: H.264 keyframe without its parameter sets", errFrame)
	}
	return h.nalUnits.finish(u)
}
