package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// SplitADTS returns the first raw frame of AAC in data with ADTS headers
// (ISO/IEC 13818-7, 6.2, and 14496-3, 1.A.2.2), as a part of it, the
// AudioSpecificConfig that its header makes, and what follows the frame. Errors
// wrap media.ErrFormat where there is no header, media.ErrLength where the frame
// is cut.
//
// A frame has one raw data block. Where several are put together without a
// checksum nobody knows but by decoding where each ends; it is not done.
func SplitADTS(data []byte) (frame []byte, config [2]byte, rest []byte, err error) {
	const header = 7
	if len(data) < header {
		return nil, config, nil, fmt.Errorf("%w: ADTS header of %d bytes (allowed: from %d)", media.ErrLength, len(data), header)
	}
	const sync, layer = 0xFFF0, 0x06
	if word := uint32(data[0])<<8 | uint32(data[1]); word&(sync|layer) != sync {
		return nil, config, nil, fmt.Errorf("%w: ADTS header begins with %#04x (allowed: 0xfff0, 0xfff1, 0xfff8, 0xfff9)", media.ErrFormat, word)
	}
	size := int(data[3]&3)<<11 | int(data[4])<<3 | int(data[5]>>5)
	head := header
	if protected := data[1]&1 == 0; protected {
		head += 2 // a checksum
	}
	switch {
	case size <= head:
		return nil, config, nil, fmt.Errorf("%w: ADTS frame of %d bytes with a header of %d", media.ErrFormat, size, head)
	case size > len(data):
		return nil, config, nil, fmt.Errorf("%w: %d bytes of an ADTS frame of %d", media.ErrLength, len(data), size)
	case data[6]&3 != 0:
		return nil, config, nil, fmt.Errorf("%w: ADTS frame with %d raw data blocks (allowed: 1)", media.ErrFormat, data[6]&3+1)
	}
	object, rate, layout := data[2]>>6+1, data[2]>>2&0xF, data[2]&1<<2|data[3]>>6
	if indexedRate(uint32(rate)) == 0 || layout == 0 {
		return nil, config, nil, fmt.Errorf("%w: ADTS header with sampling frequency index %d and channel configuration %d (allowed: up to 12, from 1)",
			media.ErrFormat, rate, layout)
	}
	// audioObjectType 5 bits, samplingFrequencyIndex 4, channelConfiguration 4,
	// GASpecificConfig 3: frames of 1024 samples, no core coder, no extension.
	config = [2]byte{object<<3 | rate>>1, rate<<7 | layout<<3}
	return data[head:size], config, data[size:], nil
}
