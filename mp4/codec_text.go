package mp4

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Text is QuickTime's text track, as players take chapter names from it: a
// track that another names by a tref of type chap. A sample is text in UTF-8,
// at most 65535 bytes, without anything around it; each lasts until the next.
type Text struct{}

func (Text) handler() string { return "text" }

func (Text) size() (width, height int) { return 0, 0 }

// entry is the one FFmpeg writes for chapters, whose fields are those of
// 3GPP's TextSampleEntry (TS 26.245, 5.16) under QuickTime's type: display
// flags, justification and background; the box; a style of font 1; and a
// table with font 1, which has no name.
func (Text) entry(bool) ([]byte, error) {
	style := beBytes(uint32(0), uint16(1), uint16(0), uint32(0))
	fonts := codecBox("ftab", beBytes(uint16(1), uint16(1), uint8(0)))
	return codecBox("text", beBytes(entryHead, uint32(1), uint16(0), uint32(0), uint32(0), uint32(0), style, fonts)), nil
}

// appendSample puts the text's length before it and its encoding after it.
func (Text) appendSample(dst, data []byte) ([]byte, error) {
	if len(data) > math.MaxUint16 {
		return dst, fmt.Errorf("%w: text of %d bytes, must be at most %d", ErrSample, len(data), math.MaxUint16)
	}
	if !utf8.Valid(data) {
		return dst, fmt.Errorf("%w: text %q is not UTF-8", ErrSample, data[:min(len(data), 40)])
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)))
	dst = append(dst, data...)
	return append(dst, "\x00\x00\x00\x0cencd\x00\x00\x01\x00"...), nil
}
