package mp4

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// cutAnnexB returns the first NAL unit of a byte stream (ISO/IEC 14496-10 and
// 23008-2, annex B) that begins at a start code, without the zeros around it,
// and what begins at the next start code. ok is false where no start code
// stands at the beginning; zeros before it are allowed.
func cutAnnexB(data []byte) (nal, rest []byte, ok bool) {
	zeros := 0
	for zeros < len(data) && data[zeros] == 0 {
		zeros++
	}
	if zeros < 2 || zeros == len(data) || data[zeros] != 1 {
		return nil, nil, false
	}
	nal = data[zeros+1:]
	if end := bytes.Index(nal, []byte{0, 0, 1}); end >= 0 {
		nal, rest = nal[:end], nal[end:]
	}
	// A NAL unit never ends in zero: these are trailing zeros, or the first
	// byte of a start code of four.
	for len(nal) > 0 && nal[len(nal)-1] == 0 {
		nal = nal[:len(nal)-1]
	}
	return nal, rest, true
}

// cutLength returns the first NAL unit of a sample whose NAL units have a
// length of four bytes before them, and what follows it.
func cutLength(data []byte) (nal, rest []byte, ok bool) {
	if len(data) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(data))
	if n > uint64(len(data)-4) {
		return nil, nil, false
	}
	return data[4 : 4+n], data[4+n:], true
}

// splitAnnexB returns the NAL units of a byte stream, as parts of it.
func splitAnnexB(data []byte) ([][]byte, error) {
	var nals [][]byte
	for len(data) > 0 {
		nal, rest, ok := cutAnnexB(data)
		if !ok {
			return nil, fmt.Errorf("%w: byte stream does not begin with a start code", ErrConfig)
		}
		if len(nal) > 0 {
			nals = append(nals, nal)
		}
		data = rest
	}
	return nals, nil
}

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
	cut, want := cutLength, "a length that fits"
	if annexB {
		cut, want = cutAnnexB, "a start code"
	}
	out, pictures := dst, 0
	for rest := data; len(rest) > 0; {
		at := len(data) - len(rest)
		nal, next, ok := cut(rest)
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
