package mp4

import (
	"fmt"
	"slices"

	"github.com/Eyevinn/mp4ff/hevc"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/media"
)

// HEVC is H.265, stored as hvc1 (ISO/IEC 14496-15, 8). The colours and the
// shape of a pixel are taken from the first SPS.
//
// A sample is one access unit. Filler and parameter sets that are equal to one
// given here are left out of the file. A parameter set that differs stays in the sample: decoders accept it there, although the
// standard would rather have a new sample entry.
type HEVC struct {
	// VPS, SPS and PPS are NAL units with their header, without start code.
	VPS, SPS, PPS [][]byte
	// Width and Height are the picture's size, 0 for what the SPS says.
	Width, Height int
	// AnnexB: samples have start codes. Otherwise a big-endian length of four
	// bytes is before each NAL unit.
	AnnexB bool
	// KeepSets is as for [AVC].
	KeepSets bool
}

func (HEVC) handler() string { return "vide" }

func (c HEVC) size() (width, height int) {
	if len(c.SPS) == 0 {
		return c.Width, c.Height
	}
	sps, err := parseHEVCSPS(c.SPS[0])
	if err != nil {
		return c.Width, c.Height
	}
	p := c.picture(sps)
	return p.width, p.height
}

func parseHEVCSPS(nal []byte) (*hevc.SPS, error) {
	sps, err := bitstream.ParseHEVCSPS(nal)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if sps.ChromaFormatIDC > 3 || sps.BitDepthLumaMinus8 > 7 || sps.BitDepthChromaMinus8 > 7 {
		return nil, fmt.Errorf("%w: H.265 SPS has chroma format %d, %d and %d bits: at most 3 and 15 can be stored",
			ErrConfig, sps.ChromaFormatIDC, int(sps.BitDepthLumaMinus8)+8, int(sps.BitDepthChromaMinus8)+8)
	}
	return sps, nil
}

func (c HEVC) picture(sps *hevc.SPS) picture {
	w, h := sps.ImageSize()
	p := picture{width: c.Width, height: c.Height}
	setDefault(&p.width, int(w))
	setDefault(&p.height, int(h))
	if vui := sps.VUI; vui != nil {
		p.sarH, p.sarV = uint32(vui.SampleAspectRatioWidth), uint32(vui.SampleAspectRatioHeight)
		p.colour = colour{Present: vui.ColourDescriptionFlag, Primaries: uint16(vui.ColourPrimaries),
			Transfer: uint16(vui.TransferCharacteristics), Matrix: uint16(vui.MatrixCoefficients), FullRange: vui.VideoFullRangeFlag}
	}
	return p
}

// sets are the parameter sets by type, in the order they are stored.
func (c HEVC) sets() [3]hevcSets {
	return [...]hevcSets{{"H.265 VPS", bitstream.HEVCVPSType, c.VPS}, {"H.265 SPS", bitstream.HEVCSPSType, c.SPS}, {"H.265 PPS", bitstream.HEVCPPSType, c.PPS}}
}

type hevcSets struct {
	name string
	kind int
	nals [][]byte
}

func (c HEVC) entry(quickTime bool) ([]byte, error) {
	for _, s := range c.sets() {
		if err := checkSets(s.name, s.nals, 65535, func(nal []byte) bool { return bitstream.HEVCType(nal) == s.kind }); err != nil {
			return nil, err
		}
	}
	sps, err := parseHEVCSPS(c.SPS[0])
	if err != nil {
		return nil, err
	}
	return visualEntry("hvc1", c.picture(sps), quickTime, codecBox("hvcC", c.record(sps)))
}

// record is the HEVCDecoderConfigurationRecord, ISO/IEC 14496-15, 8.3.3.1.
// The kind of parallelism is left open, which is allowed always.
func (c HEVC) record(sps *hevc.SPS) []byte {
	const lengthSize = 4
	ptl := sps.ProfileTierLevel
	segmentation := uint16(0)
	if sps.VUI != nil && sps.VUI.BitstreamResctrictions != nil {
		// More than 4095 of these units the standard does not know.
		segmentation = uint16(min(sps.VUI.BitstreamResctrictions.MinSpatialSegmentationIDC, 0xFFF))
	}
	constraints := ptl.GeneralConstraintIndicatorFlags
	layers := (sps.MaxSubLayersMinus1 + 1) & 7
	b := beBytes(uint8(1), ptl.GeneralProfileSpace<<6|flagByte(ptl.GeneralTierFlag, 0x20)|ptl.GeneralProfileIDC&0x1F,
		ptl.GeneralProfileCompatibilityFlags, uint16(constraints>>32), uint32(constraints), ptl.GeneralLevelIDC,
		0xF000|segmentation, uint8(0xFC), 0xFC|sps.ChromaFormatIDC, 0xF8|sps.BitDepthLumaMinus8,
		0xF8|sps.BitDepthChromaMinus8, uint16(0), layers<<3|flagByte(sps.TemporalIDNestingFlag, 4)|(lengthSize-1))
	sets := c.sets()
	b = append(b, byte(len(sets)))
	for _, s := range sets {
		const complete = 0x80 // hvc1 promises it
		b = append(b, complete|byte(s.kind), byte(len(s.nals)>>8), byte(len(s.nals)))
		b = appendSets(b, s.nals)
	}
	return b
}

func (c HEVC) appendSample(dst, data []byte) ([]byte, error) {
	return appendNALs(dst, data, c.AnnexB, "H.265", c.role)
}

func (c HEVC) role(nal []byte) nalRole {
	switch t := bitstream.HEVCType(nal); {
	case t >= 0 && t <= bitstream.HEVCLastVCL:
		return nalPicture
	case t < 0, t == bitstream.HEVCFiller, !c.KeepSets &&
		(t == bitstream.HEVCVPSType && containsSet(c.VPS, nal) || t == bitstream.HEVCSPSType && containsSet(c.SPS, nal) ||
			t == bitstream.HEVCPPSType && containsSet(c.PPS, nal)):
		return nalDropped
	}
	return nalKept
}

// add sorts a NAL unit into its parameter sets; others, such as the SEI that
// encoders put beside them, are left out.
func (c *HEVC) add(nal []byte) {
	switch bitstream.HEVCType(nal) {
	case bitstream.HEVCVPSType:
		c.VPS = append(c.VPS, slices.Clone(nal))
	case bitstream.HEVCSPSType:
		c.SPS = append(c.SPS, slices.Clone(nal))
	case bitstream.HEVCPPSType:
		c.PPS = append(c.PPS, slices.Clone(nal))
	}
}

// hevcFromExtradata reads an HEVCDecoderConfigurationRecord, or parameter sets
// as a byte stream, in which case samples are taken to be one as well.
func hevcFromExtradata(extradata []byte) (HEVC, error) {
	nals, annexB, err := setsFromExtradata(media.HEVC, extradata)
	if err != nil {
		return HEVC{}, err
	}
	c := HEVC{AnnexB: annexB}
	for _, nal := range nals {
		c.add(nal)
	}
	return c, nil
}
