package bitstream

// noRecovery says that there is no recovery point.
const noRecovery = -1

// recoveryPoint returns the number in the recovery point message of an SEI NAL
// unit without its header, as RBSP, or noRecovery: of H.264 recovery_frame_cnt
// (ISO/IEC 14496-10, D.1.8), of HEVC recovery_poc_cnt (23008-2, D.2.8), which is
// signed.
func recoveryPoint(rbsp []byte, signed bool) int {
	const recovery = 6
	for len(rbsp) > 2 { // two bytes and the trailing bits are the shortest
		kind, rest := cutFF(rbsp)
		size, rest := cutFF(rest)
		if size > len(rest) {
			break
		}
		if kind == recovery {
			r := &bitReader{data: rest[:size]}
			n := int(r.golomb())
			if signed {
				// se(v); before 0 the picture is whole already.
				n = max((n+1)/2*(2*(n&1)-1), 0)
			}
			if r.over {
				break
			}
			return n
		}
		rbsp = rest[size:]
	}
	return noRecovery
}

// cutFF reads a number that is the sum of bytes up to the first below 255.
func cutFF(data []byte) (n int, rest []byte) {
	for i, b := range data {
		if n += int(b); b < 255 {
			return n, data[i+1:]
		}
	}
	return n, nil
}
