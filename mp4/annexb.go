package mp4

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
)

// A nalRole says what becomes of a NAL unit of a sample.
type nalRole int

const (
	nalPicture nalRole = iota // holds coded picture data; a sample has at least one
	nalKept
	nalDropped
)

// appendNALs appends an access unit with a length of four bytes before each NAL
// unit. dst comes back as it was if there is an error.
func appendNALs(dst, data []byte, annexB bool, codec string, role func([]byte) nalRole) ([]byte, error) {
	lengthSize, want := 4, "a length that fits"
	if annexB {
		lengthSize, want = bitstream.ByteStream, "a start code"
	}
	out, pictures := dst, 0
	for rest := data; len(rest) > 0; {
		at := len(data) - len(rest)
		nal, next, ok := bitstream.CutNAL(rest, lengthSize)
		if !ok {
			return dst, fmt.Errorf("%w: %s: no NAL unit at byte %d of %d, must begin with %s", ErrSample, codec, at, len(data), want)
		}
		rest = next
		if len(nal) == 0 {
			continue
		}
		switch role(nal) {
		case nalDropped:
			continue
		case nalPicture:
			pictures++
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(nal)))
		out = append(out, nal...)
	}
	if pictures == 0 {
		return dst, fmt.Errorf("%w: %s: no picture among the NAL units of %d bytes", ErrSample, codec, len(data))
	}
	return out, nil
}

func containsSet(sets [][]byte, nal []byte) bool {
	for _, s := range sets {
		if bytes.Equal(s, nal) {
			return true
		}
	}
	return false
}

// appendSets appends parameter sets, each after its length of two bytes.
func appendSets(dst []byte, sets [][]byte) []byte {
	for _, s := range sets {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

// checkSets says whether a codec's parameter sets can be stored: how many, of
// what size, and of which NAL unit type.
func checkSets(name string, sets [][]byte, limit int, valid func([]byte) bool) error {
	if len(sets) == 0 || len(sets) > limit {
		return fmt.Errorf("%w: %d of %s, must be 1 to %d", ErrConfig, len(sets), name, limit)
	}
	for i, s := range sets {
		if len(s) > 65535 {
			return fmt.Errorf("%w: %s %d has %d bytes, at most 65535 can be stored", ErrConfig, name, i, len(s))
		}
		if !valid(s) {
			return fmt.Errorf("%w: %s %d is no NAL unit of that type", ErrConfig, name, i)
		}
	}
	return nil
}
