package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// A vp8Stream reads VP8, RFC 6386.
type vp8Stream struct {
	width, height int
	// filter are the loop filter deltas in force, of four reference frames and
	// four modes. Encoders repeat them so that they survive losses.
	filter [8]int8
}

func (s *vp8Stream) describe([]byte) description {
	return description{ready: s.width > 0, width: s.width, height: s.height}
}

// read reads the frame header, section 9 and 19.2.
func (s *vp8Stream) read(frame []byte) (Picture, error) {
	const tag, keyHeader = 3, 7
	if len(frame) < tag {
		return Picture{}, fmt.Errorf("%w: frame of %d bytes (allowed: from %d)", media.ErrLength, len(frame), tag)
	}
	p := Picture{HasPicture: true, FirstSlice: true, Key: frame[0]&1 == 0, Hidden: frame[0]&0x10 == 0}
	first := (int(frame[0]) | int(frame[1])<<8 | int(frame[2])<<16) >> 5 // size of the first partition
	head := tag
	if p.Key {
		head += keyHeader
	}
	if first > len(frame)-head {
		return Picture{}, fmt.Errorf("%w: first partition of %d bytes after a header of %d in a frame of %d", media.ErrLength, first, head, len(frame))
	}
	next := *s
	if p.Key {
		if err := next.keyHeader(frame[tag:head]); err != nil {
			return Picture{}, err
		}
	}
	d := newBoolDecoder(frame[head:][:first])
	p.Discardable = next.keepsNothing(&d, p.Key)
	*s = next
	return p, nil
}

func (s *vp8Stream) keyHeader(b []byte) error {
	width, height := (int(b[3])|int(b[4])<<8)&0x3FFF, (int(b[5])|int(b[6])<<8)&0x3FFF
	if b[0] != 0x9D || b[1] != 0x01 || b[2] != 0x2A || width == 0 || height == 0 {
		return fmt.Errorf("%w: key frame with start code % x of %dx%d (allowed: 9d 01 2a, from 1x1)", media.ErrFormat, b[:3], width, height)
	}
	*s = vp8Stream{width: width, height: height}
	return nil
}

// keepsNothing reads the header in the first partition (9.2 to 9.11) and reports
// whether the frame leaves the decoder as it was: it refreshes no reference
// frame and no probabilities, and changes neither segments nor loop filter
// deltas, which stay in force.
func (s *vp8Stream) keepsNothing(d *boolDecoder, key bool) bool {
	if key {
		d.literal(1 + 1) // color_space, clamping_type
	}
	segments := skipVP8Segments(d)
	d.literal(1 + 6 + 3) // filter_type, loop_filter_level, sharpness_level
	filter := s.filter
	s.readFilter(d)
	if key || segments || filter != s.filter {
		return false
	}
	d.literal(2 + 7) // log2_nbr_of_dct_partitions, y_ac_qi
	for range 5 {    // quantizer deltas
		if d.flag() {
			d.literal(4 + 1)
		}
	}
	golden, alternate := d.flag(), d.flag() // refresh_golden_frame, refresh_alternate_frame
	if golden || alternate || d.literal(2+2) != 0 {
		return false // or copied from another: copy_buffer_to_golden, copy_buffer_to_arf
	}
	d.literal(1 + 1)                    // sign_bias_golden, sign_bias_alternate
	entropy, last := d.flag(), d.flag() // refresh_entropy_probs, refresh_last
	return !entropy && !last
}

// skipVP8Segments passes over update_segmentation and reports whether there is
// an update in it.
func skipVP8Segments(d *boolDecoder) (update bool) {
	if !d.flag() { // segmentation_enabled
		return false
	}
	places, values := d.flag(), d.flag() // update_mb_segmentation_map, update_segment_feature_data
	if values {
		d.flag() // segment_feature_mode
		for i := range 8 {
			if bits := 7 - i/4; d.flag() { // four quantizers, four filter levels
				d.literal(bits + 1)
			}
		}
	}
	for i := 0; places && i < 3; i++ {
		if d.flag() {
			d.literal(8) // segment_prob
		}
	}
	return places || values
}

// readFilter reads mb_lf_adjustments.
func (s *vp8Stream) readFilter(d *boolDecoder) {
	update := d.flag() && // loop_filter_adj_enable
		d.literal(1) == 1 // mode_ref_lf_delta_update
	for i := range s.filter {
		if !update || !d.flag() {
			continue
		}
		v := int8(d.literal(6))
		if d.flag() {
			v = -v
		}
		s.filter[i] = v
	}
}

// A boolDecoder is the arithmetic decoder of section 7, for values that are as
// likely 0 as 1, as all in the frame header are. Beyond the end it reads zeros.
type boolDecoder struct {
	data         []byte
	value, bound uint32 // two bytes of the stream; the interval, 128 to 255
	shifted      int    // bits of the lower byte that are used up
}

func newBoolDecoder(data []byte) boolDecoder {
	d := boolDecoder{data: data, bound: 255}
	d.value = d.next()<<8 | d.next()
	return d
}

func (d *boolDecoder) next() uint32 {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return uint32(b)
}

func (d *boolDecoder) flag() bool {
	const even = 128 // of 256
	split := 1 + (d.bound-1)*even>>8
	set := d.value >= split<<8
	if set {
		d.bound -= split
		d.value -= split << 8
	} else {
		d.bound = split
	}
	for d.bound < 128 {
		d.value <<= 1
		d.bound <<= 1
		if d.shifted++; d.shifted == 8 {
			d.shifted = 0
			d.value |= d.next()
		}
	}
	return set
}

func (d *boolDecoder) literal(bits int) (v uint32) {
	for range bits {
		v <<= 1
		if d.flag() {
			v |= 1
		}
	}
	return v
}
