package mp4

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Opus is stored as Opus (Encapsulation of Opus in ISO Base Media File
// Format). A sample is one packet; the timescale must be 48000.
type Opus struct {
	// Channels that come out of the decoder.
	Channels int
	// PreSkip is how many samples at 48 kHz the decoder gives out before the
	// first to be heard.
	PreSkip uint16
	// InputRate is the rate before encoding, 0 if unknown; it changes nothing.
	InputRate uint32
	// Gain to apply after decoding, in 1/256 dB.
	Gain int16
	// Family says what the channels mean (RFC 7845, 5.1.1): 0 mono and stereo,
	// 1 up to eight channels in Vorbis order. With a family other than 0 there
	// are Streams, of which Coupled are stereo, and Mapping has for each
	// channel the decoded one that it is, or 255 for silence.
	Family           byte
	Streams, Coupled byte
	Mapping          []byte
}

// OpusFromHead reads an OpusHead packet (RFC 7845, 5.1), which is what FFmpeg
// has as extradata.
func OpusFromHead(head []byte) (Opus, error) {
	const fixed = 19
	if len(head) < fixed || string(head[:8]) != "OpusHead" {
		return Opus{}, fmt.Errorf("%w: OpusHead of %d bytes, must begin with its name and have at least %d", ErrConfig, len(head), fixed)
	}
	if major := head[8] >> 4; major != 0 {
		return Opus{}, fmt.Errorf("%w: OpusHead of version %d, must be below 16", ErrConfig, head[8])
	}
	c := Opus{Channels: int(head[9]), PreSkip: binary.LittleEndian.Uint16(head[10:]),
		InputRate: binary.LittleEndian.Uint32(head[12:]), Gain: int16(binary.LittleEndian.Uint16(head[16:])), Family: head[18]}
	if c.Family == 0 {
		return c, c.check()
	}
	if len(head) < fixed+2+c.Channels {
		return Opus{}, fmt.Errorf("%w: OpusHead of %d bytes ends within the mapping of %d channels", ErrConfig, len(head), c.Channels)
	}
	c.Streams, c.Coupled = head[fixed], head[fixed+1]
	c.Mapping = slices.Clone(head[fixed+2:][:c.Channels])
	return c, c.check()
}

func (Opus) handler() string { return "soun" }

func (Opus) size() (width, height int) { return 0, 0 }

func (c Opus) check() error {
	if c.Family == 0 {
		if c.Channels != 1 && c.Channels != 2 {
			return fmt.Errorf("%w: Opus: %d channels in family 0, must be 1 or 2", ErrConfig, c.Channels)
		}
		return nil
	}
	decoded := int(c.Streams) + int(c.Coupled)
	switch {
	case c.Channels < 1 || c.Channels > 255 || c.Family == 1 && c.Channels > 8:
		return fmt.Errorf("%w: Opus: %d channels in family %d, at most 255, in family 1 at most 8", ErrConfig, c.Channels, c.Family)
	case len(c.Mapping) != c.Channels:
		return fmt.Errorf("%w: Opus: mapping of %d channels, there are %d", ErrConfig, len(c.Mapping), c.Channels)
	case c.Streams == 0 || c.Coupled > c.Streams || decoded > 255:
		return fmt.Errorf("%w: Opus: %d streams, %d of them stereo", ErrConfig, c.Streams, c.Coupled)
	}
	for i, m := range c.Mapping {
		if m != 255 && int(m) >= decoded {
			return fmt.Errorf("%w: Opus: channel %d is mapped to %d, there are %d", ErrConfig, i, m, decoded)
		}
	}
	return nil
}

// entry is the same in both formats: QuickTime has none of its own.
func (c Opus) entry(bool) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	dops := beBytes(uint8(0), uint8(c.Channels), c.PreSkip, c.InputRate, uint16(c.Gain), c.Family)
	if c.Family != 0 {
		dops = append(append(dops, c.Streams, c.Coupled), c.Mapping...)
	}
	return audioEntry("Opus", sound{channels: c.Channels, bits: 16, rate: 48000}, codecBox("dOps", dops))
}

func (Opus) appendSample(dst, data []byte) ([]byte, error) { return appendWhole(dst, data, "Opus") }
