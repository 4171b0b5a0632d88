package bitstream

import (
	"fmt"
	"math"

	"github.com/roomkit-live/roomkit-go/media"
)

// An AVCSPS is a sequence parameter set of H.264 (ISO/IEC 14496-10, 7.3.2.1.1).
type AVCSPS struct {
	Profile, Compatibility, Level byte
	ID                            uint32
	Chroma, LumaBits, ChromaBits  byte   // chroma_format_idc, bits of a sample
	Width, Height                 int    // pixels, cropped
	SARH, SARV                    uint32 // sample aspect ratio, 0 if unknown
	Colour                        Colour
	// Reorder is how many pictures may come before one in the order of decoding
	// and after it in that of output, -1 if that is not said.
	Reorder int

	separatePlanes bool
	frameNumBits   int // of frame_num in slice headers
	orderType      uint32
}

// A Colour is what a bit stream says of its colours, in the code points of
// ISO/IEC 23091-2.
type Colour struct {
	Present                     bool
	Primaries, Transfer, Matrix uint16
	FullRange                   bool
}

// ParseAVCSPS reads a NAL unit.
func ParseAVCSPS(nal []byte) (AVCSPS, error) {
	if AVCType(nal) != AVCSPSType {
		return AVCSPS{}, fmt.Errorf("%w: NAL unit of type %d is no H.264 SPS", media.ErrFormat, AVCType(nal))
	}
	r := &bitReader{data: appendRBSP(nil, nal), pos: 8}
	s := AVCSPS{Chroma: 1, LumaBits: 8, ChromaBits: 8, Reorder: -1}
	s.Profile, s.Compatibility, s.Level = byte(r.bits(8)), byte(r.bits(8)), byte(r.bits(8))
	s.ID = r.golomb()
	s.readFormat(r)
	s.frameNumBits = int(min(r.golomb(), 12)) + 4 // more than 16 do not exist
	s.readOrderCount(r)
	r.golomb() // max_num_ref_frames
	r.flag()   // gaps_in_frame_num_value_allowed_flag
	s.readSize(r)
	vui := !r.over && r.flag()
	if vui {
		s.readLook(r)
	}
	if r.over {
		return AVCSPS{}, fmt.Errorf("%w: H.264 SPS of %d bytes ends early", media.ErrFormat, len(nal))
	}
	if s.Chroma > 3 || s.LumaBits > 14 || s.ChromaBits > 14 || s.ID > 31 {
		return AVCSPS{}, fmt.Errorf("%w: H.264 SPS %d has chroma format %d, %d and %d bits: at most 31, 3 and 14 exist",
			media.ErrFormat, s.ID, s.Chroma, s.LumaBits, s.ChromaBits)
	}
	if vui {
		s.readRestriction(r)
	}
	s.inferReorder()
	return s, nil
}

// readFormat reads what only the High profiles have.
func (s *AVCSPS) readFormat(r *bitReader) {
	switch s.Profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
	default:
		return
	}
	s.Chroma = byte(min(r.golomb(), 255))
	if s.Chroma == 3 {
		s.separatePlanes = r.flag()
	}
	s.LumaBits = byte(8 + min(r.golomb(), 99))
	s.ChromaBits = byte(8 + min(r.golomb(), 99))
	r.flag()       // qpprime_y_zero_transform_bypass_flag
	if !r.flag() { // seq_scaling_matrix_present_flag
		return
	}
	lists := 8
	if s.Chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if r.flag() {
			skipScalingList(r, i)
		}
	}
}

// skipScalingList follows 7.3.2.1.1.1: the deltas stop where one leads to 0.
func skipScalingList(r *bitReader, list int) {
	size := 16
	if list >= 6 {
		size = 64
	}
	next := int32(8)
	for range size {
		if next = (next + r.signedGolomb()) & 255; next == 0 {
			return
		}
	}
}

func (s *AVCSPS) readOrderCount(r *bitReader) {
	s.orderType = r.golomb()
	switch s.orderType {
	case 0:
		r.golomb() // log2_max_pic_order_cnt_lsb_minus4
	case 1:
		r.flag() // delta_pic_order_always_zero_flag
		r.signedGolomb()
		r.signedGolomb()
		for range r.golomb() {
			if r.signedGolomb(); r.over {
				return
			}
		}
	}
}

// readSize reads the size in macroblocks and what is cropped from it.
func (s *AVCSPS) readSize(r *bitReader) {
	width, height := 16*(int64(r.golomb())+1), 16*(int64(r.golomb())+1)
	cropX, cropY := int64(1), int64(1)
	if !s.separatePlanes {
		switch s.Chroma {
		case 1:
			cropX, cropY = 2, 2
		case 2:
			cropX = 2
		}
	}
	if frames := r.flag(); !frames {
		r.flag() // mb_adaptive_frame_field_flag
		height, cropY = 2*height, 2*cropY
	}
	r.flag()      // direct_8x8_inference_flag
	if r.flag() { // frame_cropping_flag
		width -= cropX * (int64(r.golomb()) + int64(r.golomb()))
		height -= cropY * (int64(r.golomb()) + int64(r.golomb()))
	}
	s.Width = int(max(min(width, math.MaxInt32), 0))
	s.Height = int(max(min(height, math.MaxInt32), 0))
}

// sampleAspect reads ISO/IEC 14496-10, table E-1; 0, 0 is unspecified or reserved.
func sampleAspect(idc uint32) (h, v uint32) {
	table := [...][2]uint32{{1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11}, {80, 33},
		{18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1}}
	if idc < 1 || int(idc) > len(table) {
		return 0, 0
	}
	return table[idc-1][0], table[idc-1][1]
}

// readLook reads the video usability information (annex E.1.1) to the colours.
func (s *AVCSPS) readLook(r *bitReader) {
	const extendedSAR = 255
	if r.flag() { // aspect_ratio_info_present_flag
		if idc := r.bits(8); idc == extendedSAR {
			s.SARH, s.SARV = r.bits(16), r.bits(16)
		} else {
			s.SARH, s.SARV = sampleAspect(idc)
		}
	}
	if r.flag() { // overscan_info_present_flag
		r.flag()
	}
	if !r.flag() { // video_signal_type_present_flag
		return
	}
	r.bits(3) // video_format
	full := r.flag()
	if r.flag() { // colour_description_present_flag
		s.Colour = Colour{true, uint16(r.bits(8)), uint16(r.bits(8)), uint16(r.bits(8)), full}
	}
}

// maxReorder is what a decoder's picture buffer can hold, in H.264 and HEVC.
const maxReorder = 16

// readRestriction reads the rest of the video usability information. Encoders
// are known that cut it off: then nothing is said, and the SPS serves all the
// same.
func (s *AVCSPS) readRestriction(r *bitReader) {
	if r.flag() { // chroma_loc_info_present_flag
		r.golomb()
		r.golomb()
	}
	if r.flag() { // timing_info_present_flag
		r.bits(32)
		r.bits(32)
		r.flag()
	}
	nal := r.flag() && skipHRD(r)
	vcl := r.flag() && skipHRD(r)
	if nal || vcl {
		r.flag() // low_delay_hrd_flag
	}
	r.flag()                 // pic_struct_present_flag
	if r.over || !r.flag() { // bitstream_restriction_flag
		return
	}
	r.flag() // motion_vectors_over_pic_boundaries_flag
	for range 4 {
		r.golomb() // bytes and bits of a picture, lengths of motion vectors
	}
	if n := r.golomb(); !r.over && n <= maxReorder {
		s.Reorder = int(n)
	}
}

// skipHRD passes over the buffer model, E.1.2, and returns true. There are 32
// descriptions at most: one that claims more is an overrun.
func skipHRD(r *bitReader) bool {
	n := r.golomb() + 1
	if n > 32 {
		r.over = true
		return true
	}
	r.bits(4 + 4)
	for range n {
		r.golomb()
		r.golomb()
		r.flag()
	}
	r.bits(5 + 5 + 5 + 5)
	return true
}

// inferReorder says 0 where the standard leaves no other choice: output in the
// order of decoding (order count type 2, 8.2.1.3), the profiles of pictures that
// do not refer to others (E.2.1, max_num_reorder_frames). Baseline has no B
// slices, and no encoder of it is known that reorders otherwise.
func (s *AVCSPS) inferReorder() {
	const baseline, constraintSet3 = 66, 0x10
	switch s.Profile {
	case 44, 86, 100, 110, 122, 244:
		if s.Compatibility&constraintSet3 != 0 && s.Reorder < 0 {
			s.Reorder = 0
		}
	case baseline:
		s.Reorder = 0
	}
	if s.orderType == 2 {
		s.Reorder = 0
	}
}
