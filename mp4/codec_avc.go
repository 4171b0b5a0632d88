package mp4

import (
	"fmt"
	"slices"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/media"
)

// AVC is H.264, stored as avc1 (ISO/IEC 14496-15, 5). The colours and the
// shape of a pixel are taken from the first SPS.
//
// A sample is one access unit. Filler and parameter sets that are equal to one
// given here are left out of the file. A parameter set that differs stays in the sample: decoders accept it there, although the
// standard would rather have a new sample entry.
type AVC struct {
	// SPS and PPS are NAL units with their header, without start code.
	SPS, PPS [][]byte
	// Width and Height are the picture's size, 0 for what the SPS says.
	Width, Height int
	// AnnexB: samples have start codes. Otherwise a big-endian length of four
	// bytes is before each NAL unit.
	AnnexB bool
	// KeepSets leaves parameter sets in the samples although they are given
	// here. It is for a track whose description changes: FFmpeg's parser goes
	// by the track's first one, and by what is in the samples.
	KeepSets bool
}

func (AVC) handler() string { return "vide" }

func (c AVC) size() (width, height int) {
	if len(c.SPS) == 0 {
		return c.Width, c.Height
	}
	sps, err := bitstream.ParseAVCSPS(c.SPS[0])
	if err != nil {
		return c.Width, c.Height
	}
	return c.sizeFrom(sps)
}

func (c AVC) sizeFrom(sps bitstream.AVCSPS) (width, height int) {
	width, height = c.Width, c.Height
	setDefault(&width, sps.Width)
	setDefault(&height, sps.Height)
	return width, height
}

func (c AVC) entry(quickTime bool) ([]byte, error) {
	err := checkSets("H.264 SPS", c.SPS, 31, func(nal []byte) bool { return bitstream.AVCType(nal) == bitstream.AVCSPSType })
	if err != nil {
		return nil, err
	}
	err = checkSets("H.264 PPS", c.PPS, 255, func(nal []byte) bool { return bitstream.AVCType(nal) == bitstream.AVCPPSType })
	if err != nil {
		return nil, err
	}
	sps, err := bitstream.ParseAVCSPS(c.SPS[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	p := picture{sarH: sps.SARH, sarV: sps.SARV, colour: sps.Colour}
	p.width, p.height = c.sizeFrom(sps)
	return visualEntry("avc1", p, quickTime, codecBox("avcC", c.record(sps)))
}

// record is the AVCDecoderConfigurationRecord, ISO/IEC 14496-15, 5.3.3.1.
func (c AVC) record(sps bitstream.AVCSPS) []byte {
	const lengthSize = 4
	b := []byte{1, sps.Profile, sps.Compatibility, sps.Level, 0xFC | (lengthSize - 1), 0xE0 | byte(len(c.SPS))}
	b = appendSets(b, c.SPS)
	b = append(b, byte(len(c.PPS)))
	b = appendSets(b, c.PPS)
	switch sps.Profile {
	case 66, 77, 88: // Baseline, Main, Extended: always 4:2:0 in 8 bits
		return b
	}
	return append(b, 0xFC|sps.Chroma, 0xF8|(sps.LumaBits-8), 0xF8|(sps.ChromaBits-8), 0)
}

func (c AVC) appendSample(dst, data []byte) ([]byte, error) {
	return appendNALs(dst, data, c.AnnexB, "H.264", c.role)
}

func (c AVC) role(nal []byte) nalRole {
	switch t := bitstream.AVCType(nal); {
	case t >= bitstream.AVCFirstVCL && t <= bitstream.AVCLastVCL:
		return nalPicture
	case t == bitstream.AVCFiller, !c.KeepSets &&
		(t == bitstream.AVCSPSType && containsSet(c.SPS, nal) || t == bitstream.AVCPPSType && containsSet(c.PPS, nal)):
		return nalDropped
	}
	return nalKept
}

// avcFromExtradata reads an AVCDecoderConfigurationRecord, or parameter sets
// as a byte stream, in which case samples are taken to be one as well.
func avcFromExtradata(extradata []byte) (AVC, error) {
	nals, annexB, err := setsFromExtradata(media.H264, extradata)
	if err != nil {
		return AVC{}, err
	}
	c := AVC{AnnexB: annexB}
	for _, nal := range nals {
		switch bitstream.AVCType(nal) {
		case bitstream.AVCSPSType:
			c.SPS = append(c.SPS, slices.Clone(nal))
		case bitstream.AVCPPSType:
			c.PPS = append(c.PPS, slices.Clone(nal))
		}
	}
	return c, nil
}
