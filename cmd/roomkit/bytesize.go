package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag's value: bytes as a plain number, or with a decimal or
// binary unit.
type byteSize int64

// sizeUnits are the units, those that end like another one first.
var sizeUnits = []struct {
	name  string
	bytes float64
}{
	{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"TIB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *byteSize) UnmarshalText(text []byte) error {
	s := strings.ToUpper(strings.TrimSpace(string(text)))
	for _, unit := range sizeUnits {
		number, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(value >= 0 && value*unit.bytes < math.MaxInt64) {
			break
		}
		*b = byteSize(value * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size (allowed: bytes such as 1048576, or a number of kB, MB, GB, TB, KiB, MiB, GiB, TiB such as 500MB; 0 for no limit)", string(text))
}
