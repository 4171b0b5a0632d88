package mp4

import (
	"fmt"
	"slices"
)

// AVC is H.264, stored as avc1 (ISO/IEC 14496-15, 5). The colours and the
// shape of a pixel are taken from the first SPS.
//
// A sample is one access unit. Access unit delimiters, filler and parameter
// sets that are equal to one given here are left out of the file. A parameter
// set that differs stays in the sample: decoders accept it there, although the
// standard would rather have a new sample entry.
type AVC struct {
	// SPS and PPS are NAL units with their header, without start code.
	SPS, PPS [][]byte
	// Width and Height are the picture's size, 0 for what the SPS says.
	Width, Height int
	// AnnexB: samples have start codes. Otherwise a big-endian length of four
	// bytes is before each NAL unit.
	AnnexB bool
}

// NAL unit types, ISO/IEC 14496-10, table 7-1.
const (
	avcFirstVCL, avcLastVCL = 1, 5
	avcSPSType              = 7
	avcPPSType              = 8
	avcAUDType              = 9
	avcFillerType           = 12
)

func avcType(nal []byte) int {
	if len(nal) == 0 {
		return 0
	}
	return int(nal[0] & 0x1F)
}

func (AVC) handler() string { return "vide" }

func (c AVC) size() (width, height int) {
	if len(c.SPS) == 0 {
		return c.Width, c.Height
	}
	sps, err := parseAVCSPS(c.SPS[0])
	if err != nil {
		return c.Width, c.Height
	}
	return c.sizeFrom(sps)
}

func (c AVC) sizeFrom(sps avcSPS) (width, height int) {
	width, height = c.Width, c.Height
	setDefault(&width, sps.picture.width)
	setDefault(&height, sps.picture.height)
	return width, height
}

func (c AVC) entry(quickTime bool) ([]byte, error) {
	err := checkSets("H.264 SPS", c.SPS, 31, func(nal []byte) bool { return avcType(nal) == avcSPSType })
	if err != nil {
		return nil, err
	}
	err = checkSets("H.264 PPS", c.PPS, 255, func(nal []byte) bool { return avcType(nal) == avcPPSType })
	if err != nil {
		return nil, err
	}
	sps, err := parseAVCSPS(c.SPS[0])
	if err != nil {
		return nil, err
	}
	p := sps.picture
	p.width, p.height = c.sizeFrom(sps)
	return visualEntry("avc1", p, quickTime, codecBox("avcC", c.record(sps)))
}

// record is the AVCDecoderConfigurationRecord, ISO/IEC 14496-15, 5.3.3.1.
func (c AVC) record(sps avcSPS) []byte {
	const lengthSize = 4
	b := []byte{1, sps.profile, sps.compatibility, sps.level, 0xFC | (lengthSize - 1), 0xE0 | byte(len(c.SPS))}
	b = appendSets(b, c.SPS)
	b = append(b, byte(len(c.PPS)))
	b = appendSets(b, c.PPS)
	switch sps.profile {
	case 66, 77, 88: // Baseline, Main, Extended: always 4:2:0 in 8 bits
		return b
	}
	return append(b, 0xFC|sps.chroma, 0xF8|(sps.lumaBits-8), 0xF8|(sps.chromaBits-8), 0)
}

func (c AVC) appendSample(dst, data []byte) ([]byte, error) {
	return appendNALs(dst, data, c.AnnexB, "H.264", c.role)
}

func (c AVC) role(nal []byte) nalRole {
	switch t := avcType(nal); {
	case t >= avcFirstVCL && t <= avcLastVCL:
		return nalPicture
	case t == avcAUDType, t == avcFillerType,
		t == avcSPSType && containsSet(c.SPS, nal), t == avcPPSType && containsSet(c.PPS, nal):
		return nalDropped
	}
	return nalKept
}

// avcFromExtradata reads an AVCDecoderConfigurationRecord, or parameter sets
// as a byte stream, in which case samples are taken to be one as well.
func avcFromExtradata(extradata []byte) (AVC, error) {
	if len(extradata) == 0 || extradata[0] != 1 {
		return avcFromAnnexB(extradata)
	}
	var c AVC
	if len(extradata) < 7 {
		return c, fmt.Errorf("%w: avcC of %d bytes ends early", ErrConfig, len(extradata))
	}
	if n := extradata[4]&3 + 1; n != 4 {
		return c, fmt.Errorf("%w: avcC says NAL units have a length of %d bytes, must be 4", ErrConfig, n)
	}
	rest := extradata[6:]
	var ok bool
	if c.SPS, rest, ok = cutSets(rest, int(extradata[5]&0x1F)); !ok || len(rest) == 0 {
		return AVC{}, fmt.Errorf("%w: avcC of %d bytes ends within its SPS", ErrConfig, len(extradata))
	}
	if c.PPS, _, ok = cutSets(rest[1:], int(rest[0])); !ok {
		return AVC{}, fmt.Errorf("%w: avcC of %d bytes ends within its PPS", ErrConfig, len(extradata))
	}
	return c, nil
}

func avcFromAnnexB(extradata []byte) (AVC, error) {
	c := AVC{AnnexB: true}
	nals, err := splitAnnexB(extradata)
	if err != nil {
		return AVC{}, fmt.Errorf("H.264 extradata: %w", err)
	}
	for _, nal := range nals {
		switch avcType(nal) {
		case avcSPSType:
			c.SPS = append(c.SPS, slices.Clone(nal))
		case avcPPSType:
			c.PPS = append(c.PPS, slices.Clone(nal))
		}
	}
	return c, nil
}

// cutSets reads n parameter sets, each after its length of two bytes.
func cutSets(data []byte, n int) (sets [][]byte, rest []byte, ok bool) {
	for range n {
		if len(data) < 2 {
			return nil, nil, false
		}
		size := int(data[0])<<8 | int(data[1])
		if data = data[2:]; size > len(data) {
			return nil, nil, false
		}
		sets, data = append(sets, slices.Clone(data[:size])), data[size:]
	}
	return sets, data, true
}
