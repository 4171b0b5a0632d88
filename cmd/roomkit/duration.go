package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// duration is a flag's value: seconds as a plain number, or Go's notation.
type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	s := string(text)
	value, err := time.ParseDuration(s)
	if err != nil {
		seconds, numErr := strconv.ParseFloat(s, 64)
		// What is beyond time.Duration, and what is no number, would turn
		// into some other one.
		if numErr != nil || !(math.Abs(seconds) < math.MaxInt64/1e9) {
			return fmt.Errorf("%q is no duration (allowed: seconds such as 10, or 1m30s; 0 for no limit)", s)
		}
		value = time.Duration(seconds * float64(time.Second))
	}
	if value < 0 {
		return fmt.Errorf("%q is negative (allowed: seconds such as 10, or 1m30s; 0 for no limit)", s)
	}
	*d = duration(value)
	return nil
}
