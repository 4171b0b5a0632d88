package bitstream

// A bitReader reads big-endian bit fields. Beyond the end it gives zeros and
// remembers that it did.
type bitReader struct {
	data []byte
	pos  int // bits
	over bool
}

// bits reads up to 32 bits.
func (r *bitReader) bits(n int) uint32 {
	var v uint32
	for range n {
		v <<= 1
		if r.pos>>3 >= len(r.data) {
			r.over = true
			continue
		}
		v |= uint32(r.data[r.pos>>3]>>(7-r.pos&7)) & 1
		r.pos++
	}
	return v
}

func (r *bitReader) flag() bool { return r.bits(1) == 1 }

// golomb reads ue(v) of H.264. A code of more than 32 bits is an overrun: no
// value that is read here is that large.
func (r *bitReader) golomb() uint32 {
	zeros := 0
	for !r.flag() {
		zeros++
		if r.over || zeros > 31 {
			r.over = true
			return 0
		}
	}
	return 1<<zeros - 1 + r.bits(zeros)
}

// signedGolomb reads se(v) of H.264.
func (r *bitReader) signedGolomb() int32 {
	v := r.golomb()
	if v&1 == 1 {
		return int32(v/2) + 1
	}
	return -int32(v / 2)
}

// appendRBSP appends what a NAL unit carries: its bytes without the 3 of each
// 0 0 3.
func appendRBSP(dst, nal []byte) []byte {
	zeros := 0
	for _, b := range nal {
		if zeros >= 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		dst = append(dst, b)
	}
	return dst
}
