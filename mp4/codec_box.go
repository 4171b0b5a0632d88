package mp4

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
)

// codecBox returns a box of the given parts.
func codecBox(kind string, parts ...[]byte) []byte {
	size := 8
	for _, p := range parts {
		size += len(p)
	}
	box := binary.BigEndian.AppendUint32(make([]byte, 0, size), uint32(size))
	box = append(box, kind...)
	for _, p := range parts {
		box = append(box, p...)
	}
	return box
}

// beBytes returns big-endian fields: uint8, uint16, uint32 and float64 by
// their own size, strings and byte slices as they are.
func beBytes(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch v := f.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = binary.BigEndian.AppendUint16(b, v)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, v)
		case float64:
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

// entryHead is the part all sample entries begin with (ISO/IEC 14496-12,
// 8.5.2): six reserved bytes and the index of the data reference, which is
// always the file itself.
const entryHead = "\x00\x00\x00\x00\x00\x00\x00\x01"

// A colour is what a bit stream says of its colours.
type colour = bitstream.Colour

// A picture is what a visual sample entry says besides the codec's
// configuration.
type picture struct {
	width, height int
	colour        colour
	sarH, sarV    uint32 // sample aspect ratio, 0 if unknown
}

// visualEntry returns a sample entry of video (ISO/IEC 14496-12, 12.1.3),
// with the codec's configuration box.
func visualEntry(kind string, p picture, quickTime bool, config []byte) ([]byte, error) {
	if p.width < 1 || p.width > math.MaxUint16 || p.height < 1 || p.height > math.MaxUint16 {
		return nil, fmt.Errorf("%w: %s: picture of %dx%d, each side must be 1 to 65535", ErrConfig, kind, p.width, p.height)
	}
	const resolution = uint32(72 << 16)
	head := beBytes(entryHead, make([]byte, 16), uint16(p.width), uint16(p.height), resolution, resolution,
		uint32(0), uint16(1), make([]byte, 32), uint16(24), uint16(0xFFFF))
	return codecBox(kind, head, config, p.colourBox(quickTime), p.aspectBox()), nil
}

// colourBox returns the colr box, empty where the colours are unknown.
// QuickTime's type nclc has no range.
func (p picture) colourBox(quickTime bool) []byte {
	c := p.colour
	switch {
	case !c.Present:
		return nil
	case quickTime:
		return codecBox("colr", beBytes("nclc", c.Primaries, c.Transfer, c.Matrix))
	}
	return codecBox("colr", beBytes("nclx", c.Primaries, c.Transfer, c.Matrix, flagByte(c.FullRange, 0x80)))
}

func (p picture) aspectBox() []byte {
	if p.sarH == 0 || p.sarV == 0 {
		return nil
	}
	return codecBox("pasp", beBytes(p.sarH, p.sarV))
}

func flagByte(set bool, value byte) byte {
	if set {
		return value
	}
	return 0
}

// A sound is what an audio sample entry says besides the codec's
// configuration.
type sound struct {
	channels, bits int
	rate           uint32
	packed         bool   // compressed: version 1 and 2 of QuickTime's entry say so
	frames         uint32 // samples per packet, 1 for PCM
	bytes          uint32 // bytes per sample of one channel, PCM only
	flags          uint32 // of a PCM sample, QuickTime's version 2 only
}

func (s sound) check(kind string) error {
	if s.channels < 1 || s.channels > 255 {
		return fmt.Errorf("%w: %s: %d channels, must be 1 to 255", ErrConfig, kind, s.channels)
	}
	if s.rate == 0 {
		return fmt.Errorf("%w: %s: sample rate is 0", ErrConfig, kind)
	}
	return nil
}

// audioEntry returns a sample entry of audio (ISO/IEC 14496-12, 12.2.3) with
// its boxes. The rate is a 16.16 number: one that does not fit is 0, as FFmpeg
// writes it, and readers take the true one from the codec's configuration or, for
// PCM, the timescale.
func audioEntry(kind string, s sound, boxes ...[]byte) ([]byte, error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	var rate uint32
	if s.rate <= math.MaxUint16 {
		rate = s.rate << 16
	}
	head := beBytes(entryHead, uint32(0), uint32(0), uint16(s.channels), uint16(s.bits), uint32(0), rate)
	return codecBox(kind, append([][]byte{head}, boxes...)...), nil
}

// compressionID of compressed audio, whose packets differ in size.
const packedID = uint16(0xFFFE)

// quickTimeAudio returns a sound description of version 1, or of version 2
// where the rate does not fit version 1's 16.16 number (QuickTime File Format,
// "Sound Sample Descriptions").
func quickTimeAudio(kind string, s sound, boxes ...[]byte) ([]byte, error) {
	if err := s.check(kind); err != nil {
		return nil, err
	}
	frameBytes := s.bytes * uint32(s.channels)
	compression := uint16(0)
	if s.packed {
		compression = packedID
	}
	head := beBytes(entryHead, uint16(1), uint16(0), uint32(0), uint16(s.channels), uint16(16), compression, uint16(0),
		s.rate<<16, s.frames, s.bytes, frameBytes, uint32(2))
	if s.rate > math.MaxUint16 {
		head = quickTimeAudio2(s, frameBytes)
	}
	parts := append([][]byte{head}, boxes...)
	return codecBox(kind, append(parts, channelBox(s.channels))...), nil
}

// quickTimeAudio2 is version 2, whose old fields are constants and whose
// structure of 72 bytes counts from the box's beginning.
func quickTimeAudio2(s sound, frameBytes uint32) []byte {
	var bits, packetFrames uint32
	if !s.packed {
		bits, packetFrames = uint32(s.bits), 1
	}
	return beBytes(entryHead, uint16(2), uint16(0), uint32(0), uint16(3), uint16(16), packedID, uint16(0), uint32(1<<16),
		uint32(72), float64(s.rate), uint32(s.channels), uint32(0x7F000000), bits, s.flags, frameBytes, packetFrames)
}

// waveBox is the box in which QuickTime keeps a decoder's configuration; its
// last child is a terminator of size 8 and type 0.
func waveBox(format string, boxes ...[]byte) []byte {
	parts := append([][]byte{codecBox("frma", []byte(format))}, boxes...)
	return codecBox("wave", append(parts, codecBox("\x00\x00\x00\x00"))...)
}

// channelBox is QuickTime's chan, for the two layouts that need no guess.
func channelBox(channels int) []byte {
	const mono, stereo = uint32(100<<16 | 1), uint32(101<<16 | 2)
	layout := mono
	switch channels {
	case 1:
	case 2:
		layout = stereo
	default:
		return nil
	}
	return codecBox("chan", beBytes(uint32(0), layout, uint32(0), uint32(0)))
}

// appendWhole stores a sample as it comes.
func appendWhole(dst, data []byte, codec string) ([]byte, error) {
	if len(data) == 0 {
		return dst, fmt.Errorf("%w: %s: sample is empty", ErrSample, codec)
	}
	return append(dst, data...), nil
}
