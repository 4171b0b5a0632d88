package main

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "500MB": 500_000_000, "500 mb": 500_000_000, "1.5GiB": 3 << 29, "2KB": 2000, "7B": 7, "4kib": 4096,
	} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || int64(got) != want {
			t.Errorf("%q is %d (%v), want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1", "5 parsecs", "NaN", "1e300GB", "Inf"} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}
