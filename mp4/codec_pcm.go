package mp4

import (
	"fmt"
	"math"
)

// PCM is uncompressed audio, channels interleaved: ipcm and fpcm in MP4
// (ISO/IEC 23003-5), QuickTime's own types in mov. What the channels are is
// said for mono and stereo only. A sample is any number of whole frames.
type PCM struct {
	Rate, Channels int
	// Bits are 16, 24 or 32 of integer, 32 or 64 of floating point.
	Bits      int
	Float     bool
	BigEndian bool
}

func (PCM) handler() string { return "soun" }

func (PCM) size() (width, height int) { return 0, 0 }

func (c PCM) check() error {
	ok := c.Bits == 16 || c.Bits == 24 || c.Bits == 32
	if c.Float {
		ok = c.Bits == 32 || c.Bits == 64
	}
	if !ok {
		return fmt.Errorf("%w: PCM of %d bits (floating point: %t), must be 16, 24 or 32, or 32 or 64 in floating point",
			ErrConfig, c.Bits, c.Float)
	}
	if c.Rate < 1 || int64(c.Rate) > math.MaxUint32 {
		return fmt.Errorf("%w: PCM at %d Hz, must be 1 to 4294967295", ErrConfig, c.Rate)
	}
	return nil
}

func (c PCM) entry(quickTime bool) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	s := sound{channels: c.Channels, bits: 16, rate: uint32(c.Rate)}
	if quickTime {
		return c.quickTimeEntry(s)
	}
	kind := "ipcm"
	if c.Float {
		kind = "fpcm"
	}
	return audioEntry(kind, s, codecBox("pcmC", beBytes(uint32(0), flagByte(!c.BigEndian, 1), uint8(c.Bits))))
}

// quickTimeEntry chooses the type: 16 bits have one for each byte order, more
// have one with the order in an enda box, and rates above 65535 have lpcm with
// flags.
func (c PCM) quickTimeEntry(s sound) ([]byte, error) {
	if s.rate > math.MaxUint16 {
		s.bits, s.bytes, s.flags = c.Bits, uint32(c.Bits/8), c.lpcmFlags()
		return quickTimeAudio("lpcm", s)
	}
	if c.Bits == 16 {
		kind := "sowt"
		if c.BigEndian {
			kind = "twos"
		}
		return audioEntry(kind, s, channelBox(c.Channels))
	}
	kind := fmt.Sprintf("in%d", c.Bits)
	if c.Float {
		kind = fmt.Sprintf("fl%d", c.Bits)
	}
	s.frames, s.bytes = 1, uint32(c.Bits/8)
	enda := codecBox("enda", beBytes(uint16(flagByte(!c.BigEndian, 1))))
	return quickTimeAudio(kind, s, waveBox(kind, enda))
}

func (c PCM) lpcmFlags() uint32 {
	const float, bigEndian, signed, packed = 1, 2, 4, 8
	flags := uint32(packed)
	if c.Float {
		flags |= float
	} else {
		flags |= signed
	}
	if c.BigEndian {
		flags |= bigEndian
	}
	return flags
}

func (c PCM) appendSample(dst, data []byte) ([]byte, error) {
	frame := c.Channels * c.Bits / 8
	if frame < 1 || len(data)%frame != 0 {
		return dst, fmt.Errorf("%w: PCM: %d bytes, must be a multiple of a frame's %d", ErrSample, len(data), frame)
	}
	return appendWhole(dst, data, "PCM")
}
