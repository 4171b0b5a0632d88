package bitstream

import (
	"bytes"
	"testing"
)

// The last OBU of a temporal unit gets its size, and nothing else changes.
func TestAppendSizedOBUs(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 200)
	for name, c := range map[string]struct {
		tu      []byte
		unsized int
		want    []byte
	}{
		"sized":         {[]byte{0x12, 0, 0x32, 2, 8, 9}, -1, nil},
		"alone":         {[]byte{0x30, 8, 9}, 0, []byte{0x32, 2, 8, 9}},
		"last":          {[]byte{0x12, 0, 0x30, 8}, 2, []byte{0x12, 0, 0x32, 1, 8}},
		"extended":      {[]byte{0x12, 0, 0x34, 0x48, 8}, 2, []byte{0x12, 0, 0x36, 0x48, 1, 8}},
		"empty":         {[]byte{0x12, 0, 0x10}, 2, []byte{0x12, 0, 0x12, 0}},
		"size of two":   {append([]byte{0x30}, long...), 0, append([]byte{0x32, 0xC8, 1}, long...)},
		"cut short":     {[]byte{0x12, 0, 0x32, 9, 1}, -1, nil},
		"no bytes left": {nil, -1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			at := UnsizedOBU(c.tu)
			if at != c.unsized {
				t.Fatalf("the OBU at %d has no size, want %d", at, c.unsized)
			}
			if at < 0 {
				return
			}
			if got := AppendSizedOBUs([]byte{1}, c.tu, at); !bytes.Equal(got[1:], c.want) || got[0] != 1 {
				t.Errorf("% x, want % x", got, c.want)
			}
		})
	}
}
