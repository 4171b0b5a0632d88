package mp4

import (
	"fmt"
	"math"
)

// avcSPS is what a sample entry needs of a sequence parameter set (ISO/IEC
// 14496-10, 7.3.2.1.1). It is read no further than the colours: what follows
// there, the buffer model, can claim any number of entries.
type avcSPS struct {
	profile, compatibility, level byte
	chroma, lumaBits, chromaBits  byte
	picture                       picture
}

func parseAVCSPS(nal []byte) (avcSPS, error) {
	r := &bitReader{data: unescape(nal), pos: 8}
	s := avcSPS{chroma: 1, lumaBits: 8, chromaBits: 8}
	s.profile, s.compatibility, s.level = byte(r.bits(8)), byte(r.bits(8)), byte(r.bits(8))
	r.golomb() // seq_parameter_set_id
	planes := s.readFormat(r)
	r.golomb() // log2_max_frame_num_minus4
	skipOrderCount(r)
	r.golomb() // max_num_ref_frames
	r.flag()   // gaps_in_frame_num_value_allowed_flag
	s.readSize(r, planes)
	if !r.over && r.flag() { // vui_parameters_present_flag
		s.picture.readVUI(r)
	}
	if r.over {
		return avcSPS{}, fmt.Errorf("%w: H.264 SPS of %d bytes ends early", ErrConfig, len(nal))
	}
	if s.chroma > 3 || s.lumaBits > 14 || s.chromaBits > 14 {
		return avcSPS{}, fmt.Errorf("%w: H.264 SPS has chroma format %d, %d and %d bits: at most 3 and 14 exist",
			ErrConfig, s.chroma, s.lumaBits, s.chromaBits)
	}
	return s, nil
}

// readFormat reads what only the High profiles have, and tells whether the
// three planes are coded apart.
func (s *avcSPS) readFormat(r *bitReader) (separatePlanes bool) {
	switch s.profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
	default:
		return false
	}
	s.chroma = byte(min(r.golomb(), 255))
	if s.chroma == 3 {
		separatePlanes = r.flag()
	}
	s.lumaBits = byte(8 + min(r.golomb(), 99))
	s.chromaBits = byte(8 + min(r.golomb(), 99))
	r.flag()       // qpprime_y_zero_transform_bypass_flag
	if !r.flag() { // seq_scaling_matrix_present_flag
		return separatePlanes
	}
	lists := 8
	if s.chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if r.flag() {
			skipScalingList(r, i)
		}
	}
	return separatePlanes
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

func skipOrderCount(r *bitReader) {
	switch r.golomb() { // pic_order_cnt_type
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
func (s *avcSPS) readSize(r *bitReader, separatePlanes bool) {
	width, height := 16*(int64(r.golomb())+1), 16*(int64(r.golomb())+1)
	cropX, cropY := int64(1), int64(1)
	if !separatePlanes {
		switch s.chroma {
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
	s.picture.width = int(max(min(width, math.MaxInt32), 0))
	s.picture.height = int(max(min(height, math.MaxInt32), 0))
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

// readVUI reads the video usability information (annex E.1.1) to the colours.
func (p *picture) readVUI(r *bitReader) {
	const extendedSAR = 255
	if r.flag() { // aspect_ratio_info_present_flag
		if idc := r.bits(8); idc == extendedSAR {
			p.sarH, p.sarV = r.bits(16), r.bits(16)
		} else {
			p.sarH, p.sarV = sampleAspect(idc)
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
		p.colour = colour{true, uint16(r.bits(8)), uint16(r.bits(8)), uint16(r.bits(8)), full}
	}
}
