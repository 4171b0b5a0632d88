package mp4

import (
	"fmt"
	"slices"

	"github.com/Eyevinn/mp4ff/av1"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
)

// AV1 is stored as av01 (AV1 Codec ISO Media File Format Binding 1.2).
//
// A sample is one temporal unit in the low-overhead format: each OBU has its
// size, except perhaps the last. Temporal delimiters, padding, tile lists and
// redundant frame headers are left out of the file, as the binding wants.
type AV1 struct {
	// Config is the payload of the av1C box: four bytes, then OBUs, of which
	// the sequence header should be one.
	Config []byte
	// Width and Height are the picture's size, 0 for what the sequence header
	// in Config says.
	Width, Height int
}

// AV1FromSequenceHeader makes the configuration from the first sequence header
// among OBUs in the low-overhead format: that one alone, what an encoder gives
// as extradata, or a whole temporal unit.
func AV1FromSequenceHeader(obu []byte) (AV1, error) {
	obus, err := av1.SplitOBUs(obu)
	if err != nil {
		return AV1{}, fmt.Errorf("%w: AV1 sequence header: %w", ErrConfig, err)
	}
	i := slices.IndexFunc(obus, func(o av1.OBU) bool { return o.Header.Type == av1.OBUSequenceHeader })
	if i < 0 {
		return AV1{}, fmt.Errorf("%w: AV1: no sequence header among %d OBUs", ErrConfig, len(obus))
	}
	h, err := av1.ParseSequenceHeader(obus[i].Payload)
	if err != nil {
		return AV1{}, fmt.Errorf("%w: AV1 sequence header: %w", ErrConfig, err)
	}
	return AV1{Config: append(av1Record(h), obus[i].Encode()...)}, nil
}

// av1Record is the fixed part of AV1CodecConfigurationRecord, 2.3.3.
func av1Record(h *av1.SequenceHeader) []byte {
	const marker, version = 0x80, 1
	return []byte{marker | version, h.SeqProfile<<5 | h.SeqLevelIdx0,
		h.SeqTier0<<7 | flagByte(h.BitDepth > 8, 0x40) | flagByte(h.BitDepth > 10, 0x20) | flagByte(h.MonoChrome, 0x10) |
			h.SubsamplingX<<3 | h.SubsamplingY<<2 | h.ChromaSamplePosition, 0}
}

func (AV1) handler() string { return "vide" }

func (c AV1) size() (width, height int) {
	p, err := c.picture()
	if err != nil {
		return c.Width, c.Height
	}
	return p.width, p.height
}

func (c AV1) picture() (picture, error) {
	p := picture{width: c.Width, height: c.Height}
	record, err := av1.DecodeAV1CodecConfRec(c.Config)
	if err != nil {
		return p, fmt.Errorf("%w: AV1: %w", ErrConfig, err)
	}
	if len(record.ConfigOBUs) == 0 {
		return p, nil
	}
	h, err := record.SequenceHeader()
	if err != nil {
		return p, fmt.Errorf("%w: AV1: %w", ErrConfig, err)
	}
	setDefault(&p.width, int(h.Width()))
	setDefault(&p.height, int(h.Height()))
	const unspecified = 2
	p.colour = colour{Present: true, Primaries: uint16(h.ColorPrimaries), Transfer: uint16(h.TransferCharacteristics),
		Matrix: uint16(h.MatrixCoefficients), FullRange: h.ColorRange}
	if p.colour.Primaries == unspecified && p.colour.Transfer == unspecified && p.colour.Matrix == unspecified {
		p.colour.Present = false
	}
	return p, nil
}

func (c AV1) entry(quickTime bool) ([]byte, error) {
	p, err := c.picture()
	if err != nil {
		return nil, err
	}
	return visualEntry("av01", p, quickTime, codecBox("av1C", c.Config))
}

func (AV1) appendSample(dst, data []byte) ([]byte, error) {
	out, frames := dst, 0
	for rest := data; len(rest) > 0; {
		at := len(data) - len(rest)
		obu, size, err := bitstream.CutOBU(rest)
		if err != nil {
			return dst, fmt.Errorf("%w: AV1: OBU at byte %d of %d: %w", ErrSample, at, len(data), err)
		}
		switch obu.Header.Type {
		case av1.OBUTemporalDelimiter, av1.OBUPadding, av1.OBUTileList, av1.OBURedundantFrameHeader:
		case av1.OBUFrame, av1.OBUFrameHeader:
			frames++
			fallthrough
		default:
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	if frames == 0 {
		return dst, fmt.Errorf("%w: AV1: no frame among the OBUs of %d bytes", ErrSample, len(data))
	}
	return out, nil
}

// av1FromExtradata reads the payload of an av1C box, or OBUs. No OBU begins
// with the marker of av1C: its highest bit is forbidden.
func av1FromExtradata(extradata []byte) (AV1, error) {
	if len(extradata) > 0 && extradata[0]&0x80 == 0 {
		return AV1FromSequenceHeader(extradata)
	}
	return AV1{Config: slices.Clone(extradata)}, nil
}
