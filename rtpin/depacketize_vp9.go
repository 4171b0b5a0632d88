package rtpin

import (
	"fmt"

	"github.com/pion/rtp/codecs"
)

// maxLayers is how many frames a superframe can have.
const maxLayers = 8

// vp9 joins the payloads of VP9 (RFC 9628). A picture may have a frame for each
// spatial layer; those become one superframe, which is what decoders take.
type vp9 struct {
	descriptor codecs.VP9Packet
	layers     []int // where each layer's frame begins
}

func (v *vp9) reset() { v.layers = v.layers[:0] }

// begins: a picture begins with the lowest layer. Without layer indices there
// is only one.
func (v *vp9) begins(payload []byte) bool {
	_, err := v.parse(payload)
	return err == nil && v.descriptor.B && v.descriptor.SID == 0
}

// parse reads a descriptor. Pion's appends to its lists, and leaves what is
// absent as it was.
func (v *vp9) parse(payload []byte) ([]byte, error) {
	d := &v.descriptor
	*d = codecs.VP9Packet{
		PDiff: d.PDiff[:0], Width: d.Width, Height: d.Height,
		PGTID: d.PGTID[:0], PGU: d.PGU[:0], PGPDiff: d.PGPDiff[:0],
	}
	data, err := d.Unmarshal(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errFrame, err)
	}
	return data, nil
}

func (v *vp9) add(u *unit, payload []byte) (whole bool, err error) {
	data, err := v.parse(payload)
	switch {
	case err != nil:
		return false, err
	case len(data) == 0:
		return false, fmt.Errorf("%w: VP9 descriptor without data", errFrame)
	case v.descriptor.B && len(v.layers) == maxLayers:
		return false, fmt.Errorf("%w: more than %d VP9 layers", errFrame, maxLayers)
	case v.descriptor.B:
		v.layers = append(v.layers, len(u.data))
	case len(v.layers) == 0:
		return false, fmt.Errorf("%w: VP9 frame without its beginning", errFrame)
	}
	if len(u.data) == 0 {
		// P: predicted from other pictures. Higher layers of a key picture are
		// predicted from lower ones only.
		u.key = !v.descriptor.P && v.descriptor.SID == 0
	}
	u.data = append(u.data, data...)
	return false, nil
}

// finish appends the index of a superframe (VP9 bitstream specification, annex
// B): a byte 110ssnnn, the size of each frame in ss+1 bytes, little endian, and
// the byte again, with nnn the number of frames less one.
func (v *vp9) finish(u *unit) error {
	if len(v.layers) < 2 {
		return nil
	}
	v.layers = append(v.layers, len(u.data))
	largest, sizeBytes := 0, 1
	for i, at := range v.layers[:len(v.layers)-1] {
		largest = max(largest, v.layers[i+1]-at)
	}
	for ; largest > 255; largest >>= 8 {
		sizeBytes++
	}
	header := byte(0xc0 | (sizeBytes-1)<<3 | len(v.layers) - 2)
	u.data = append(u.data, header)
	for i, at := range v.layers[:len(v.layers)-1] {
		size := v.layers[i+1] - at
		for range sizeBytes {
			u.data = append(u.data, byte(size))
			size >>= 8
		}
	}
	u.data = append(u.data, header)
	return nil
}
