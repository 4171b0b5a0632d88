package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// ParameterSets returns the NAL units of a configuration of H.264 or HEVC, as
// parts of it: a byte stream, or the payload of an avcC or hvcC box (ISO/IEC
// 14496-15, 5.3.3.1 and 8.3.3.1). lengthSize is what the box says of the
// stream's samples, [ByteStream] for a byte stream.
func ParameterSets(codec media.Codec, config []byte) (nals [][]byte, lengthSize int, err error) {
	if len(config) == 0 || config[0] != 1 {
		nals, err = splitNALs(nalsOf(config, ByteStream))
		return nals, ByteStream, err
	}
	lengthSize, err = LengthSize(&media.EncodedFormat{Codec: codec, Packing: media.LengthPrefixed, Config: config})
	if err != nil {
		return nil, 0, err
	}
	if codec == media.HEVC {
		nals, err = setsOfHVCC(config)
	} else {
		nals, err = setsOfAVCC(config)
	}
	return nals, lengthSize, err
}

func splitNALs(c NALCursor) (nals [][]byte, err error) {
	for {
		nal, ok := c.Next()
		if !ok {
			return nals, c.Err()
		}
		nals = append(nals, nal)
	}
}

func setsOfAVCC(record []byte) ([][]byte, error) {
	const fixed = 6
	if len(record) <= fixed {
		return nil, fmt.Errorf("%w: avcC of %d bytes ends early", media.ErrLength, len(record))
	}
	nals, rest, ok := cutSets(nil, record[fixed:], int(record[5]&0x1F))
	if !ok || len(rest) == 0 {
		return nil, fmt.Errorf("%w: avcC of %d bytes ends within its SPS", media.ErrLength, len(record))
	}
	if nals, _, ok = cutSets(nals, rest[1:], int(rest[0])); !ok {
		return nil, fmt.Errorf("%w: avcC of %d bytes ends within its PPS", media.ErrLength, len(record))
	}
	return nals, nil
}

func setsOfHVCC(record []byte) (nals [][]byte, err error) {
	const fixed = 23
	if len(record) < fixed {
		return nil, fmt.Errorf("%w: hvcC of %d bytes ends early", media.ErrLength, len(record))
	}
	rest := record[fixed:]
	for range record[22] {
		if len(rest) < 3 {
			return nil, fmt.Errorf("%w: hvcC of %d bytes ends within its arrays", media.ErrLength, len(record))
		}
		var ok bool
		if nals, rest, ok = cutSets(nals, rest[3:], int(rest[1])<<8|int(rest[2])); !ok {
			return nil, fmt.Errorf("%w: hvcC of %d bytes ends within its parameter sets", media.ErrLength, len(record))
		}
	}
	return nals, nil
}

// cutSets appends n parameter sets, each after its length of two bytes.
func cutSets(sets [][]byte, data []byte, n int) (_ [][]byte, rest []byte, ok bool) {
	for range n {
		nal, next, ok := CutNAL(data, 2)
		if !ok {
			return nil, nil, false
		}
		sets, data = append(sets, nal), next
	}
	return sets, data, true
}
