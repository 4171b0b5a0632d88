package bitstream

import (
	"encoding/binary"
	"fmt"

	"github.com/Eyevinn/mp4ff/av1"

	"github.com/roomkit-live/roomkit-go/media"
)

// CutOBU returns the first of OBUs in the low-overhead format (AV1 Bitstream &
// Decoding Process Specification, 5.2), its size with header, and what follows
// it. One that does not tell its size goes to the end.
func CutOBU(data []byte) (obu av1.OBU, size int, err error) {
	h, err := av1.ParseOBUHeader(data)
	if err != nil {
		return av1.OBU{}, 0, fmt.Errorf("%w: OBU: %w", media.ErrFormat, err)
	}
	if !h.HasSizeField {
		return av1.OBU{Header: h, Payload: data[h.HeaderSize:]}, len(data), nil
	}
	n, length, err := av1.ReadLEB128(data[h.HeaderSize:])
	if err != nil {
		return av1.OBU{}, 0, fmt.Errorf("%w: OBU: %w", media.ErrLength, err)
	}
	head := h.HeaderSize + length
	if n > uint64(len(data)-head) {
		return av1.OBU{}, 0, fmt.Errorf("%w: %d bytes of an OBU of %d", media.ErrLength, len(data)-head, n)
	}
	return av1.OBU{Header: h, Payload: data[head:][:n]}, head + int(n), nil
}

// UnsizedOBU returns where the OBU of a temporal unit begins that does not tell
// its size, which only the last may leave out. It is -1 where all tell it, and
// where the data cannot be read.
func UnsizedOBU(tu []byte) int {
	for at := 0; at < len(tu); {
		obu, size, err := CutOBU(tu[at:])
		if err != nil {
			return -1
		}
		if !obu.Header.HasSizeField {
			return at
		}
		at += size
	}
	return -1
}

// AppendSizedOBUs appends a temporal unit whose OBU at a place found by
// [UnsizedOBU] gets its size. The result has at most MaxOBUSize bytes more.
func AppendSizedOBUs(dst, tu []byte, unsized int) []byte {
	const hasSize, extended = 2, 4
	head := 1 + int(tu[unsized]&extended/extended)
	dst = append(dst, tu[:unsized]...)
	dst = append(dst, tu[unsized]|hasSize)
	dst = append(dst, tu[unsized+1:unsized+head]...)
	dst = binary.AppendUvarint(dst, uint64(len(tu)-unsized-head)) // leb128() of 4.10.5 is the same
	return append(dst, tu[unsized+head:]...)
}

// MaxOBUSize is the most bytes that the size of an OBU takes.
const MaxOBUSize = binary.MaxVarintLen64
