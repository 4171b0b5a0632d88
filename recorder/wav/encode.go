package wav

import (
	"encoding/binary"
	"math"
)

// bytes returns the size of one value.
func (f SampleFormat) bytes() int {
	switch f {
	case S16:
		return 2
	case S24:
		return 3
	}
	return 4
}

// add adds values, full scale ±1, to those in data, which has room for as many:
// each is rounded to the file's grid and the sum clamped at full scale. So what
// came as 16 bits is the same 16 bits, and in whichever order two voices come,
// their sum is the same.
func (f SampleFormat) add(data []byte, values []float32) {
	switch f {
	case S16:
		for i, v := range values {
			b := data[2*i : 2*i+2]
			sum := int64(int16(binary.LittleEndian.Uint16(b))) + quantize(v, 15)
			binary.LittleEndian.PutUint16(b, uint16(saturate(sum, 15)))
		}
	case S24:
		for i, v := range values {
			b := data[3*i : 3*i+3]
			was := int32(b[0])<<8 | int32(b[1])<<16 | int32(b[2])<<24
			sum := saturate(int64(was>>8)+quantize(v, 23), 23)
			b[0], b[1], b[2] = byte(sum), byte(sum>>8), byte(sum>>16)
		}
	case S32:
		for i, v := range values {
			b := data[4*i : 4*i+4]
			sum := int64(int32(binary.LittleEndian.Uint32(b))) + quantize(v, 31)
			binary.LittleEndian.PutUint32(b, uint32(saturate(sum, 31)))
		}
	case F32:
		for i, v := range values {
			b := data[4*i : 4*i+4]
			sum := math.Float32frombits(binary.LittleEndian.Uint32(b)) + clean(v)
			binary.LittleEndian.PutUint32(b, math.Float32bits(min(max(sum, -1), 1)))
		}
	}
}

// quantize scales a value to a signed integer of so many bits beside the sign,
// to the nearest, within full scale. The product is exact: a float32 has 24
// significant bits and a float64 53.
func quantize(v float32, bits int) int64 {
	full := float64(int64(1) << bits)
	return saturate(int64(math.RoundToEven(float64(clean(v))*full)), bits)
}

// saturate keeps a sum within full scale, which has one more step below zero
// than above.
func saturate(v int64, bits int) int64 {
	full := int64(1) << bits
	return min(max(v, -full), full-1)
}

// clean keeps a value within full scale. What is no number is silence.
func clean(v float32) float32 {
	if v != v {
		return 0
	}
	return min(max(v, -1), 1)
}
