package mp4

import (
	"encoding/binary"
	"fmt"
)

// FLAC is stored as fLaC (Encapsulation of FLAC in ISO Base Media File
// Format). A sample is one frame.
type FLAC struct {
	// StreamInfo is the body of the STREAMINFO block, 34 bytes (RFC 9639, 8.2).
	StreamInfo []byte
}

func (FLAC) handler() string { return "soun" }

func (FLAC) size() (width, height int) { return 0, 0 }

// entry is the same in both formats: QuickTime has none of its own.
func (c FLAC) entry(bool) ([]byte, error) {
	const size = 34
	if len(c.StreamInfo) != size {
		return nil, fmt.Errorf("%w: FLAC STREAMINFO of %d bytes, must be %d", ErrConfig, len(c.StreamInfo), size)
	}
	// 20 bits of rate, 3 of channels, 5 of sample size, 36 of length.
	v := binary.BigEndian.Uint64(c.StreamInfo[10:])
	s := sound{rate: uint32(v >> 44), channels: int(v>>41&7) + 1, bits: int(v>>36&31) + 1}
	const lastBlock = 0x80
	return audioEntry("fLaC", s, codecBox("dfLa", beBytes(uint32(0), uint32(lastBlock<<24|size), c.StreamInfo)))
}

func (FLAC) appendSample(dst, data []byte) ([]byte, error) { return appendWhole(dst, data, "FLAC") }

// ALAC is Apple Lossless, stored as alac. A sample is one packet.
type ALAC struct {
	// Config is the ALACSpecificConfig of 24 bytes, or the whole alac box
	// around it, 36 bytes, which FFmpeg has as extradata.
	Config []byte
}

func (ALAC) handler() string { return "soun" }

func (ALAC) size() (width, height int) { return 0, 0 }

func (c ALAC) entry(quickTime bool) ([]byte, error) {
	const size, boxed = 24, 36
	config := c.Config
	if len(config) == boxed && string(config[4:8]) == "alac" {
		config = config[boxed-size:]
	}
	if len(config) != size {
		return nil, fmt.Errorf("%w: ALAC config of %d bytes, must be %d, or %d with its box", ErrConfig, len(c.Config), size, boxed)
	}
	s := sound{packed: true, frames: binary.BigEndian.Uint32(config), bits: int(config[5]), channels: int(config[9]),
		rate: binary.BigEndian.Uint32(config[20:])}
	cookie := codecBox("alac", make([]byte, 4), config)
	if quickTime {
		return quickTimeAudio("alac", s, waveBox("alac", cookie))
	}
	return audioEntry("alac", s, cookie)
}

func (ALAC) appendSample(dst, data []byte) ([]byte, error) { return appendWhole(dst, data, "ALAC") }
