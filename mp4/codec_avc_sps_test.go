package mp4

import (
	"math/bits"
	"testing"
)

// ue is a field of pack with an unsigned Golomb code.
func ue(v uint32) [2]uint32 { return [2]uint32{v + 1, uint32(2*bits.Len32(v+1) - 1)} }

// An SPS with all that ordinary encoders leave out: three full planes in 10
// bits with scaling lists, picture order count of type 1, fields, cropping,
// pixels of a shape with no number, and an emulation prevention byte.
func TestAVCSPSInFull(t *testing.T) {
	type f = [2]uint32
	bit := func(v uint32) f { return f{v, 1} }
	fields := []f{{0x67, 8}, {244, 8}, {0, 8}, {40, 8}, ue(0), ue(3), bit(0), ue(2), ue(2), bit(0), bit(1)}
	// Twelve lists; the first stops at once (delta -8), the last has 64 deltas of 0.
	fields = append(fields, bit(1), ue(16))
	for range 10 {
		fields = append(fields, bit(0))
	}
	fields = append(fields, bit(1))
	for range 64 {
		fields = append(fields, ue(0))
	}
	fields = append(fields, ue(0), ue(1), bit(1), ue(1), ue(2), ue(2), ue(3), ue(4)) // order count: cycle of 2
	fields = append(fields, ue(4), bit(0), ue(119), ue(33), bit(0), bit(1), bit(1))  // 120 by 34 macroblocks of fields
	fields = append(fields, bit(1), ue(1), ue(2), ue(3), ue(1))                      // crop: 3 columns, 4 lines of each field
	fields = append(fields, bit(1), bit(1), f{255, 8}, f{64, 16}, f{45, 16}, bit(0))
	fields = append(fields, bit(1), f{5, 3}, bit(1), bit(1), f{9, 8}, f{16, 8}, f{10, 8})
	nal := escape(pack(append(fields, bit(1))...))
	got, err := parseAVCSPS(nal)
	want := avcSPS{profile: 244, level: 40, chroma: 3, lumaBits: 10, chromaBits: 10,
		picture: picture{width: 1917, height: 1080, sarH: 64, sarV: 45, colour: colour{true, 9, 16, 10, true}}}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// escape puts the 3 into each 0 0 that would otherwise look like a start code.
func escape(rbsp []byte) []byte {
	var out []byte
	zeros := 0
	for _, b := range rbsp {
		if zeros == 2 && b <= 3 {
			out, zeros = append(out, 3), 0
		}
		if out = append(out, b); b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}

func TestUnescape(t *testing.T) {
	for escaped, want := range map[string]string{"000003": "0000", "00000301": "000001", "0000030000030003": "000000000003", "000300": "000300"} {
		if got := unescape(unhex(escaped)); string(got) != string(unhex(want)) {
			t.Errorf("%s is % x, want %s", escaped, got, want)
		}
	}
}
