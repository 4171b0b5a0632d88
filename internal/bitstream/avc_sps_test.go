package bitstream

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
	look := len(fields)
	fields = append(fields, bit(1), ue(1), ue(2), bit(1), f{1001, 32}, f{60000, 32}, bit(1)) // chroma location, timing
	buffer := []f{bit(1), ue(1), {4, 4}, {5, 4}, ue(9), ue(8), bit(0), ue(7), ue(6), bit(1), {23, 5}, {22, 5}, {21, 5}, {24, 5}}
	fields = append(append(fields, buffer...), buffer...)                                       // of NAL units and of VCL
	fields = append(fields, bit(1), bit(1))                                                     // low delay, structure of pictures
	fields = append(fields, bit(1), bit(1), ue(2), ue(1), ue(10), ue(11), ue(3), ue(4), bit(1)) // restriction
	got, err := ParseAVCSPS(escape(pack(fields...)))
	want := AVCSPS{Profile: 244, Level: 40, Chroma: 3, LumaBits: 10, ChromaBits: 10,
		Width: 1917, Height: 1080, SARH: 64, SARV: 45, Colour: Colour{true, 9, 16, 10, true}, Reorder: 3,
		frameNumBits: 4, orderType: 1}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	want.Reorder = -1
	if got, err := ParseAVCSPS(escape(pack(fields[:look+9]...))); err != nil || got != want {
		t.Errorf("cut within the buffer model: %+v, %v; want %+v", got, err, want)
	}
}

func TestAVCReorder(t *testing.T) {
	type f = [2]uint32
	tests := []struct {
		name                        string
		profile, constraints, order uint32
		want                        int
	}{
		{"Baseline", 66, 0xC0, 0, 0},
		{"Main", 77, 0, 0, -1},
		{"Main in the order of decoding", 77, 0, 2, 0},
		{"High", 100, 0, 0, -1},
		{"High Intra", 100, 0x10, 0, 0},
		{"Main with constraint_set3", 77, 0x10, 0, -1},
	}
	for _, tt := range tests {
		fields := []f{{0x67, 8}, {tt.profile, 8}, {tt.constraints, 8}, {30, 8}, ue(0)}
		if tt.profile == 100 {
			fields = append(fields, ue(1), ue(0), ue(0), f{0, 2})
		}
		if fields = append(fields, ue(0), ue(tt.order)); tt.order == 0 {
			fields = append(fields, ue(0))
		}
		fields = append(fields, ue(1), f{0, 1}, ue(9), ue(5), f{1, 1}, f{1, 1}, f{0, 1}, f{0, 1}, f{1, 1})
		sps, err := ParseAVCSPS(escape(pack(fields...)))
		if err != nil || sps.Reorder != tt.want || sps.Width != 160 || sps.Height != 96 {
			t.Errorf("%s: %+v, %v; want %d", tt.name, sps, err, tt.want)
		}
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

func TestRBSP(t *testing.T) {
	for escaped, want := range map[string]string{"000003": "0000", "00000301": "000001", "0000030000030003": "000000000003", "000300": "000300"} {
		if got := appendRBSP(nil, unhex(escaped)); string(got) != string(unhex(want)) {
			t.Errorf("%s is % x, want %s", escaped, got, want)
		}
	}
}
