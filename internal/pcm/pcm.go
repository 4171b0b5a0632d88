// Package pcm turns stored PCM into numbers with full scale ±1, and back.
//
// An integer of n bits is divided by 2^(n-1), so that the most negative one is
// -1 and the most positive one a step less than 1. A float64 holds each of them
// exactly, and scaling by a power of two loses nothing: what is decoded and
// encoded again is the same, in every format.
package pcm

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/roomkit-live/roomkit-go/media"
)

// Float is what samples are encoded from. A float32 holds 24 bits.
type Float interface{ float32 | float64 }

// Decode returns the values of data, a whole number of them, in dst's memory if
// that is large enough. Floats beyond full scale stay what they are, but for
// infinities, which are full scale; NaN is 0. So whatever comes in, sums and
// filters remain finite. An unknown format has no values.
func Decode(dst []float64, f media.SampleFormat, data []byte) []float64 {
	if f > media.F32 {
		return dst[:0]
	}
	n := len(data) / f.Bytes()
	dst = slices.Grow(dst[:0], n)[:n]
	switch f {
	case media.S16:
		for i := range dst {
			dst[i] = float64(int16(binary.LittleEndian.Uint16(data[2*i:]))) / (1 << 15)
		}
	case media.U8:
		for i := range dst {
			dst[i] = (float64(data[i]) - 128) / (1 << 7)
		}
	case media.S8:
		for i := range dst {
			dst[i] = float64(int8(data[i])) / (1 << 7)
		}
	case media.S32:
		for i := range dst {
			dst[i] = float64(int32(binary.LittleEndian.Uint32(data[4*i:]))) / (1 << 31)
		}
	case media.F32:
		for i := range dst {
			dst[i] = finite(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
		}
	}
	return dst
}

// Encode stores values in dst, which has room for exactly so many. They are
// rounded to the nearest, to even between two; what is beyond full scale
// saturates, floats at ±1; NaN is 0. Of an unknown format nothing is stored.
func Encode[T Float](dst []byte, f media.SampleFormat, values []T) {
	switch f {
	case media.S16:
		for i, v := range values {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(int16(whole(float64(v), 1<<15))))
		}
	case media.U8:
		for i, v := range values {
			dst[i] = byte(whole(float64(v), 1<<7) + 128)
		}
	case media.S8:
		for i, v := range values {
			dst[i] = byte(int8(whole(float64(v), 1<<7)))
		}
	case media.S32:
		for i, v := range values {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(int32(whole(float64(v), 1<<31))))
		}
	case media.F32:
		for i, v := range values {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(unit(float32(v))))
		}
	}
}

func finite(v float32) float64 {
	switch {
	case v != v:
		return 0
	case v > math.MaxFloat32:
		return 1
	case v < -math.MaxFloat32:
		return -1
	}
	return float64(v)
}

// roundEven, added to a number below 2^51 and taken away again, leaves it
// without its fraction: a float64 has no bits for that beyond 2^52. It rounds as
// the processor does, to even, at half of math.RoundToEven's cost.
const roundEven = 3 << 51

// whole rounds v·full to a whole number in [-full, full-1].
func whole(v, full float64) int64 {
	v *= full
	switch {
	case v >= full-1:
		return int64(full) - 1
	case v > -full:
		return int64(v + roundEven - roundEven)
	case v != v:
		return 0
	}
	return -int64(full)
}

func unit(v float32) float32 {
	switch {
	case v > 1:
		return 1
	case v < -1:
		return -1
	case v != v:
		return 0
	}
	return v
}
