package bitstream

import (
	"encoding/hex"
	"strings"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// pack writes fields given as value and number of bits.
func pack(fields ...[2]uint32) []byte {
	var out []byte
	n := 0
	for _, f := range fields {
		for i := int(f[1]) - 1; i >= 0; i-- {
			if n%8 == 0 {
				out = append(out, 0)
			}
			out[n/8] |= byte(f[0]>>i&1) << (7 - n%8)
			n++
		}
	}
	return out
}
