package pcm

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

func f32(values ...float64) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return b
}

func s32(values ...int32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

var inf, nan = math.Inf(1), math.NaN()

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		f    media.SampleFormat
		data []byte
		want []float64
	}{
		{media.S16, []byte{0, 0, 0xff, 0x7f, 0, 0x80, 1, 0}, []float64{0, 32767. / 32768, -1, 1. / 32768}},
		{media.U8, []byte{128, 255, 0}, []float64{0, 127. / 128, -1}},
		{media.S8, []byte{0, 127, 0x80}, []float64{0, 127. / 128, -1}},
		{media.S32, s32(0, math.MaxInt32, math.MinInt32), []float64{0, 1 - 1./(1<<31), -1}},
		{media.F32, f32(0, 0.25, -2, inf, -inf, nan), []float64{0, 0.25, -2, 1, -1, 0}},
		{media.F32 + 1, []byte{1, 2, 3, 4}, nil},
	} {
		got := Decode([]float64{9}, c.f, c.data)
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.f, got, c.want)
			continue
		}
		for i, v := range got {
			if v != c.want[i] {
				t.Errorf("%s: %v, want %v", c.f, got, c.want)
				break
			}
		}
	}
}

func TestEncodeRoundsAndSaturates(t *testing.T) {
	for _, c := range []struct {
		f    media.SampleFormat
		in   []float64
		want []byte
	}{
		{media.S16, []float64{1, -1, -1.1, 1e300, inf, -inf, nan, 0.5 / 32768, 1.5 / 32768, -1.5 / 32768},
			[]byte{0xff, 0x7f, 0, 0x80, 0, 0x80, 0xff, 0x7f, 0xff, 0x7f, 0, 0x80, 0, 0, 0, 0, 2, 0, 0xfe, 0xff}},
		{media.U8, []float64{0, 1, -1, inf, -inf, nan, 1.5 / 128}, []byte{128, 255, 0, 255, 0, 128, 130}},
		{media.S8, []float64{0, 1, -1, inf, -inf, nan, 1.5 / 128}, []byte{0, 127, 0x80, 127, 0x80, 0, 2}},
		{media.S32, []float64{0, 1, -1, inf, -inf, nan}, s32(0, math.MaxInt32, math.MinInt32, math.MaxInt32, math.MinInt32, 0)},
		{media.S16, []float64{32767.7 / 32768, 32766.7 / 32768, -32768.7 / 32768, -32767.7 / 32768}, []byte{0xff, 0x7f, 0xff, 0x7f, 0, 0x80, 0, 0x80}},
		{media.F32, []float64{0.25, 2, -2, inf, -inf, nan, 1e300}, f32(0.25, 1, -1, 1, -1, 0, 1)},
		{media.F32 + 1, []float64{1}, []byte{0, 0, 0, 0}},
	} {
		got := make([]byte, len(c.want))
		Encode(got, c.f, c.in)
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, want % x", c.f, got, c.want)
		}
		single := make([]float32, len(c.in))
		for i, v := range c.in {
			single[i] = float32(v)
		}
		clear(got)
		Encode(got, c.f, single)
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s of float32: % x, want % x", c.f, got, c.want)
		}
	}
}

// Every value comes back; of 32 bits those at the edges of what could be lost.
func TestThereAndBack(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var all16 []byte
	for v := range 1 << 16 {
		all16 = binary.LittleEndian.AppendUint16(all16, uint16(v))
	}
	for f, data := range map[media.SampleFormat][]byte{
		media.U8: all, media.S8: all, media.S16: all16,
		media.S32: s32(1, -1, 1<<24+1, -1<<24-1, math.MaxInt32-1, math.MinInt32+1, 0x12345679),
		media.F32: f32(1, -1, 1e-40, 0.1, -0.3),
	} {
		back := make([]byte, len(data))
		Encode(back, f, Decode(nil, f, data))
		if !bytes.Equal(back, data) {
			t.Errorf("%s does not come back", f)
		}
	}
}

func TestDecodeReusesMemory(t *testing.T) {
	data, values := make([]byte, 1920), make([]float64, 960)
	if n := testing.AllocsPerRun(10, func() {
		values = Decode(values, media.S16, data)
		Encode(data, media.S16, values)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A packet of 20 ms at 48 kHz.
func Benchmark(b *testing.B) {
	for f := media.S16; f <= media.F32; f++ {
		data := make([]byte, 960*f.Bytes())
		for i := range data {
			data[i] = byte(i * 31)
		}
		values := Decode(nil, f, data)
		b.Run("decode "+f.String(), func(b *testing.B) {
			for b.Loop() {
				values = Decode(values, f, data)
			}
		})
		b.Run("encode "+f.String(), func(b *testing.B) {
			for b.Loop() {
				Encode(data, f, values)
			}
		})
	}
}
