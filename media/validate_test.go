package media

import (
	"errors"
	"math"
	"testing"
)

func TestValidateRefusesWhatWouldOverflow(t *testing.T) {
	p := NewPicture(VideoFormat{Pixel: RGB24, Width: 4, Height: 16384})
	p.Planes[0].Stride = math.MaxInt/16383 + 2 // times 16383 is negative
	if err := p.Validate(); !errors.Is(err, ErrLength) {
		t.Errorf("stride %d: %v, want ErrLength", p.Planes[0].Stride, err)
	}
	for _, rate := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1} {
		if err := (VideoFormat{Width: 2, Height: 2, Rate: rate}).Validate(); !errors.Is(err, ErrFormat) {
			t.Errorf("rate %v: %v, want ErrFormat", rate, err)
		}
	}
}

func TestDurationOfUndeclaredFormat(t *testing.T) {
	if d := (&PCM{Data: make([]byte, 4)}).Duration(); d != 0 {
		t.Errorf("duration %v, want 0", d)
	}
}

func TestAppendBytesDropsPadding(t *testing.T) {
	for f := I420; f <= BGRA; f++ {
		format := VideoFormat{Pixel: f, Width: 5, Height: 3}
		p := NewPicture(format)
		want := make([]byte, format.Bytes())
		for i := range want {
			want[i] = byte(i + 1)
		}
		at := 0
		for i := range p.Planes {
			row, rows := format.plane(i)
			stride := row + 7
			data := make([]byte, stride*rows)
			for y := range rows {
				at += copy(data[y*stride:][:row], want[at:])
			}
			p.Planes[i] = Plane{Data: data, Stride: stride}
		}
		if got := p.AppendBytes([]byte("x")); string(got) != "x"+string(want) {
			t.Errorf("%s: % x, want % x", f, got[1:], want)
		}
	}
}
