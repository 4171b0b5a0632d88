package bitstream

import "testing"

func TestParseAAC(t *testing.T) {
	type f = [2]uint32
	const aacLC, sbr, ps, usac = 2, 5, 29, 42
	general := [][2]uint32{{0, 1}, {0, 1}, {0, 1}}
	// One centre, a pair in front, a pair at the back, a bass; one mixdown.
	program := append(general, f{0, 4}, f{1, 2}, f{3, 4}, f{2, 4}, f{0, 4}, f{1, 4}, f{1, 2}, f{0, 3}, f{0, 4},
		f{1, 1}, f{5, 4}, f{0, 1}, f{0, 1}, f{0, 1}, f{0, 4}, f{1, 1}, f{0, 4}, f{1, 1}, f{1, 4}, f{0, 4}, f{0, 1})
	tests := []struct {
		name           string
		config         []byte
		rate, channels int
	}{
		{"mono", unhex("1408"), 16000, 1},
		{"5.1", unhex("11b0"), 48000, 6},
		{"7.1", unhex("11b8"), 48000, 8},
		{"rate in full", pack(f{aacLC, 5}, f{15, 4}, f{37800, 24}, f{2, 4}), 37800, 2},
		{"SBR", pack(f{sbr, 5}, f{6, 4}, f{2, 4}, f{3, 4}, f{aacLC, 5}), 48000, 2},
		{"SBR and PS", pack(f{ps, 5}, f{6, 4}, f{1, 4}, f{3, 4}, f{aacLC, 5}), 48000, 2},
		{"USAC", pack(f{31, 5}, f{usac - 32, 6}, f{3, 4}, f{2, 4}), 48000, 2},
		{"channels by program config", pack(append([][2]uint32{{aacLC, 5}, {3, 4}, {0, 4}}, program...)...), 48000, 6},
	}
	for _, tt := range tests {
		rate, channels, _, err := ParseAAC(tt.config)
		if err != nil || rate != tt.rate || channels != tt.channels {
			t.Errorf("%s: %d Hz, %d channels, %v; want %d, %d", tt.name, rate, channels, err, tt.rate, tt.channels)
		}
	}
}
