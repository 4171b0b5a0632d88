package rtpin

import (
	"fmt"

	"github.com/pion/rtp/codecs/av1/obu"
)

// av1 joins the payloads of AV1 to a temporal unit in the low-overhead format:
// each OBU with its size, without temporal delimiters (AV1 RTP specification of
// AOMedia, version 1.0, sections 4.4 and 5).
//
// Pion's depacketiser copies all that is there of a fragmented OBU with every
// further fragment, a megabyte eight hundred times over for a keyframe that
// large, and drops fragments without a beginning in silence.
type av1 struct {
	fragment []byte // the OBU whose end has not come
	inside   bool
}

func (a *av1) reset() { a.inside = false }

// The aggregation header.
const (
	av1Continues = 0x80 // Z: the first element continues an OBU
	av1Continued = 0x40 // Y: the last one will be continued
	av1New       = 0x08 // N: the first packet of a coded video sequence
)

// begins: only the beginning of a coded video sequence tells itself from that
// of a further frame in the same temporal unit.
func (*av1) begins(payload []byte) bool {
	return payload[0]&av1Continues == 0 && payload[0]&av1New != 0
}

func (a *av1) add(u *unit, payload []byte) (whole bool, err error) {
	header, rest := payload[0], payload[1:]
	if header&av1New != 0 {
		u.key = true
	}
	if continues := header&av1Continues != 0; continues != a.inside {
		return false, fmt.Errorf("%w: OBU fragment out of place", errFrame)
	}
	count := int(header >> 4 & 3) // W: how many elements there are; 0: each has its size
	for i := 1; len(rest) > 0; i++ {
		element := rest
		if count != 0 && i == count {
			rest = nil
		} else if element, rest, err = av1Element(rest); err != nil {
			return false, err
		}
		continued := len(rest) == 0 && header&av1Continued != 0
		if err := a.element(u, element, continued); err != nil {
			return false, err
		}
		if len(rest) == 0 && count != 0 && i != count {
			return false, fmt.Errorf("%w: %d OBU elements, must be %d", errFrame, i, count)
		}
	}
	return false, nil
}

// av1Element cuts an element that has its size before it.
func av1Element(data []byte) (element, rest []byte, err error) {
	size, n, err := obu.ReadLeb128(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	data = data[n:]
	if size > uint(len(data)) {
		return nil, nil, fmt.Errorf("%w: OBU element of %d bytes with %d left", errFrame, size, len(data))
	}
	return data[:size], data[size:], nil
}

// element takes an OBU or a fragment of one.
func (a *av1) element(u *unit, data []byte, continued bool) error {
	if !a.inside && !continued {
		return appendOBU(u, data)
	}
	if !a.inside {
		a.fragment = a.fragment[:0]
	}
	a.fragment = append(a.fragment, data...)
	if a.inside = continued; continued {
		return nil
	}
	return appendOBU(u, a.fragment)
}

// OBU types (AV1 specification, section 6.2.2).
const (
	obuSequenceHeader    = 1
	obuTemporalDelimiter = 2
	obuTileList          = 8
)

// appendOBU appends an OBU with its size. Its header (section 5.3.2) is a byte
// 0ttttes0, and another one if e is set; s says whether a size follows.
func appendOBU(u *unit, data []byte) (err error) {
	if len(data) == 0 {
		return nil
	}
	header := 1 + int(data[0]>>2&1)
	if data[0]&0x80 != 0 || len(data) < header {
		return fmt.Errorf("%w: OBU of %d bytes with header %#x", errFrame, len(data), data[0])
	}
	switch data[0] >> 3 & 0x0f {
	case obuTemporalDelimiter, obuTileList:
		return nil // to be ignored: AV1 RTP specification, section 5
	case obuSequenceHeader:
		u.key = true
	}
	body := data[header:]
	if data[0]&0x02 != 0 {
		if body, _, err = av1Element(body); err != nil {
			return err
		}
	}
	u.data = append(u.data, data[0]|0x02)
	u.data = append(u.data, data[1:header]...)
	u.data = appendLEB128(u.data, len(body))
	u.data = append(u.data, body...)
	return nil
}

// appendLEB128 appends a number, seven bits in each byte, the lowest first.
func appendLEB128(dst []byte, n int) []byte {
	for ; n > 0x7f; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	return append(dst, byte(n))
}

func (a *av1) finish(*unit) error {
	if a.inside {
		return fmt.Errorf("%w: OBU without its end", errFrame)
	}
	return nil
}
