package bitstream

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// ByteStream is the length size of NAL units that have start codes instead of
// lengths.
const ByteStream = 0

// LengthSize returns of how many bytes the lengths are before the NAL units of
// a stream of H.264 or HEVC: 1, 2 or 4, or [ByteStream].
func LengthSize(f *media.EncodedFormat) (int, error) {
	if f.Packing != media.LengthPrefixed {
		return ByteStream, nil
	}
	at := 4 // of lengthSizeMinusOne in avcC, ISO/IEC 14496-15, 5.3.3.1
	if f.Codec == media.HEVC {
		at = 21 // in hvcC, 8.3.3.1
	}
	if len(f.Config) <= at || f.Config[0] != 1 {
		return 4, nil
	}
	n := int(f.Config[at]&3) + 1
	if n == 3 {
		return 0, fmt.Errorf("%w: configuration of %s says NAL units have a length of 3 bytes (allowed: 1, 2, 4)", media.ErrFormat, f.Codec)
	}
	return n, nil
}

// CutNAL returns the first NAL unit, as a part of data, and what follows it.
// ok is false where there is none: lengthSize bytes of length and as much as
// they say, or for [ByteStream] a start code. Zeros around a NAL unit of a byte
// stream (ISO/IEC 14496-10 and 23008-2, annex B) are left out. It may be empty.
func CutNAL(data []byte, lengthSize int) (nal, rest []byte, ok bool) {
	if lengthSize == ByteStream {
		return cutStartCode(data)
	}
	if lengthSize < 0 || lengthSize > 4 || len(data) < lengthSize {
		return nil, nil, false
	}
	var n uint64
	for _, b := range data[:lengthSize] {
		n = n<<8 | uint64(b)
	}
	if data = data[lengthSize:]; n > uint64(len(data)) {
		return nil, nil, false
	}
	return data[:n], data[n:], true
}

func cutStartCode(data []byte) (nal, rest []byte, ok bool) {
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

// A NALCursor goes through the NAL units of an access unit. Empty ones are left
// out.
//
//	for c := bitstream.NALs(f, au); ; {
//		nal, ok := c.Next()
//		if !ok {
//			return c.Err()
//		}
//	}
type NALCursor struct {
	whole, rest []byte
	lengthSize  int
	err         error
}

// NALs begins at the first NAL unit of an access unit of H.264 or HEVC.
func NALs(f *media.EncodedFormat, au []byte) NALCursor {
	n, err := LengthSize(f)
	c := nalsOf(au, n)
	if err != nil {
		c.rest, c.err = nil, err
	}
	return c
}

func nalsOf(au []byte, lengthSize int) NALCursor {
	return NALCursor{whole: au, rest: au, lengthSize: lengthSize}
}

// Next returns the next NAL unit, a part of the access unit, with its header.
// ok is false at the end and after an error.
func (c *NALCursor) Next() (nal []byte, ok bool) {
	for len(c.rest) > 0 {
		nal, rest, ok := CutNAL(c.rest, c.lengthSize)
		if !ok {
			c.err = c.failure()
			c.rest = nil
			return nil, false
		}
		if c.rest = rest; len(nal) > 0 {
			return nal, true
		}
	}
	return nil, false
}

func (c *NALCursor) failure() error {
	at := len(c.whole) - len(c.rest)
	if c.lengthSize == ByteStream {
		return fmt.Errorf("%w: no start code at byte %d of %d of a byte stream of NAL units", media.ErrFormat, at, len(c.whole))
	}
	return fmt.Errorf("%w: no NAL unit with a length of %d bytes that fits at byte %d of %d", media.ErrLength, c.lengthSize, at, len(c.whole))
}

// Err returns what ended the walk, nil if it was the access unit's end.
func (c *NALCursor) Err() error { return c.err }

// AppendAnnexB appends an access unit of H.264 or HEVC as a byte stream, a
// start code of four bytes before each NAL unit. dst comes back as it was if
// there is an error.
func AppendAnnexB(dst []byte, f *media.EncodedFormat, au []byte) ([]byte, error) {
	out := dst
	for c := NALs(f, au); ; {
		nal, ok := c.Next()
		if !ok {
			return onError(dst, out, c.err)
		}
		out = append(append(out, 0, 0, 0, 1), nal...)
	}
}

// AppendLength4 appends an access unit of H.264 or HEVC with a length of four
// bytes before each NAL unit. dst comes back as it was if there is an error.
func AppendLength4(dst []byte, f *media.EncodedFormat, au []byte) ([]byte, error) {
	out := dst
	for c := NALs(f, au); ; {
		nal, ok := c.Next()
		if !ok {
			return onError(dst, out, c.err)
		}
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(nal))), nal...)
	}
}

func onError(dst, out []byte, err error) ([]byte, error) {
	if err != nil {
		return dst, err
	}
	return out, nil
}
