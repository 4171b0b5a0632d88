package mp4

import (
	"fmt"
	"math"

	"github.com/Eyevinn/mp4ff/vp8"
	"github.com/Eyevinn/mp4ff/vp9"
)

// Chroma subsampling of VP9, VP Codec ISO Media File Format Binding 1.0.
const (
	Chroma420Vertical  = 0 // 4:2:0, chroma samples between two lines
	Chroma420Colocated = 1 // 4:2:0, chroma samples on luma samples
	Chroma422          = 2
	Chroma444          = 3
)

// VP9 is stored as vp09. [VP9FromFrame] makes one from a stream. A sample is
// one frame or superframe.
type VP9 struct {
	// Profile is 0 to 3. Level is ten times the level's number, such as 31;
	// 0 for what the size needs at thirty pictures per second.
	Profile, Level int
	// BitDepth is 8, 10 or 12; 0 means 8.
	BitDepth int
	// Chroma is one of the Chroma constants.
	Chroma int
	// Primaries, Transfer and Matrix are code points of ISO/IEC 23091-2;
	// Primaries 0 means all three are unknown.
	Primaries, Transfer, Matrix byte
	FullRange                   bool
	Width, Height               int
}

// VP9FromFrame reads a key frame's uncompressed header.
func VP9FromFrame(frame []byte) (VP9, error) {
	h, err := vp9.ParseFrameHeader(frame)
	if err != nil {
		return VP9{}, fmt.Errorf("%w: VP9 frame: %w", ErrConfig, err)
	}
	if !h.KeyFrame {
		return VP9{}, fmt.Errorf("%w: VP9 frame of %d bytes is no key frame, only one describes the stream", ErrConfig, len(frame))
	}
	primaries, transfer, matrix := h.CICP()
	return VP9{Profile: int(h.Profile), BitDepth: int(h.BitDepth), Chroma: int(h.VpcCChromaSubsampling()),
		Primaries: primaries, Transfer: transfer, Matrix: matrix, FullRange: h.ColorRange,
		Width: int(h.Width), Height: int(h.Height)}, nil
}

func (VP9) handler() string { return "vide" }

func (c VP9) size() (width, height int) { return c.Width, c.Height }

func (c VP9) entry(quickTime bool) ([]byte, error) {
	setDefault(&c.BitDepth, 8)
	if c.Level == 0 && c.Width > 0 && c.Height > 0 {
		c.Level = int(vp9.Level(uint32(min(c.Width, math.MaxUint16)), uint32(min(c.Height, math.MaxUint16)), 30))
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	const unspecified = 2
	if c.Primaries == 0 {
		c.Primaries, c.Transfer, c.Matrix = unspecified, unspecified, unspecified
	}
	p := picture{width: c.Width, height: c.Height, colour: colour{
		Present:   c.Primaries != unspecified || c.Transfer != unspecified || c.Matrix != unspecified,
		Primaries: uint16(c.Primaries), Transfer: uint16(c.Transfer), Matrix: uint16(c.Matrix), FullRange: c.FullRange}}
	return visualEntry("vp09", p, quickTime, c.record())
}

func (c VP9) check() error {
	switch {
	case c.Profile < 0 || c.Profile > 3:
		return fmt.Errorf("%w: VP9 profile %d, must be 0 to 3", ErrConfig, c.Profile)
	case c.Level < 0 || c.Level > 62:
		return fmt.Errorf("%w: VP9 level %d, must be 10 to 62, or 0", ErrConfig, c.Level)
	case c.BitDepth != 8 && c.BitDepth != 10 && c.BitDepth != 12:
		return fmt.Errorf("%w: VP9 bit depth %d, must be 8, 10 or 12", ErrConfig, c.BitDepth)
	case c.Chroma < Chroma420Vertical || c.Chroma > Chroma444:
		return fmt.Errorf("%w: VP9 chroma subsampling %d, must be 0 to 3", ErrConfig, c.Chroma)
	}
	return nil
}

// record is the vpcC box, version 1; nothing initialises a decoder of VP8 or
// VP9, so the size of what would is 0.
func (c VP9) record() []byte {
	return codecBox("vpcC", beBytes(uint32(1<<24), byte(c.Profile), byte(c.Level),
		byte(c.BitDepth<<4|c.Chroma<<1)|flagByte(c.FullRange, 1), c.Primaries, c.Transfer, c.Matrix, uint16(0)))
}

func (VP9) appendSample(dst, data []byte) ([]byte, error) { return appendWhole(dst, data, "VP9") }

// VP8 is stored as vp08. A sample is one frame.
type VP8 struct {
	Width, Height int
}

// VP8FromFrame reads a key frame's header.
func VP8FromFrame(frame []byte) (VP8, error) {
	h, err := vp8.ParseFrameHeader(frame)
	if err != nil {
		return VP8{}, fmt.Errorf("%w: VP8 frame: %w", ErrConfig, err)
	}
	if !h.KeyFrame {
		return VP8{}, fmt.Errorf("%w: VP8 frame of %d bytes is no key frame, only one tells the size", ErrConfig, len(frame))
	}
	return VP8{Width: int(h.Width), Height: int(h.Height)}, nil
}

func (VP8) handler() string { return "vide" }

func (c VP8) size() (width, height int) { return c.Width, c.Height }

// entry describes the one format VP8 has: 8 bits, 4:2:0. The binding leaves
// profile and level at 0.
func (c VP8) entry(quickTime bool) ([]byte, error) {
	const unspecified = 2
	record := VP9{BitDepth: 8, Chroma: Chroma420Colocated,
		Primaries: unspecified, Transfer: unspecified, Matrix: unspecified}.record()
	return visualEntry("vp08", picture{width: c.Width, height: c.Height}, quickTime, record)
}

func (VP8) appendSample(dst, data []byte) ([]byte, error) { return appendWhole(dst, data, "VP8") }
