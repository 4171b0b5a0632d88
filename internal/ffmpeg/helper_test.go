package ffmpeg

import (
	"math"
	"os/exec"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// noLeak fails the test if objects are left when it ends.
func noLeak(t testing.TB) {
	t.Helper()
	before := LiveObjects()
	t.Cleanup(func() {
		if n := LiveObjects() - before; n != 0 {
			t.Errorf("%d objects left", n)
		}
	})
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

type rgb struct{ r, g, b float64 }

var (
	red   = rgb{255, 0, 0}
	green = rgb{0, 255, 0}
	blue  = rgb{0, 0, 255}
	skin  = rgb{224, 172, 105}
)

// yuv is the definition of ITU-R BT.601 and BT.709, computed with real
// numbers: what every conversion is compared with.
func (c rgb) yuv(color media.Color) [3]float64 {
	kr, kb := 0.299, 0.114
	if color == media.BT709 || color == media.BT709FullRange {
		kr, kb = 0.2126, 0.0722
	}
	y := kr*c.r + (1-kr-kb)*c.g + kb*c.b
	u, v := (c.b-y)/(2*(1-kb)), (c.r-y)/(2*(1-kr))
	if color == media.BT601FullRange || color == media.BT709FullRange {
		return [3]float64{y, u + 128, v + 128}
	}
	return [3]float64{16 + y*219/255, 128 + u*224/255, 128 + v*224/255}
}

// paint draws a picture; what is between the rows is filled with noise that
// must not be seen. The colour at each place is asked of at.
func paint(f media.VideoFormat, padding int, at func(x, y int) rgb) *media.Picture {
	p := media.NewPicture(f)
	for i := range p.Planes {
		pl := &p.Planes[i]
		if pl.Stride == 0 {
			continue
		}
		rows := len(pl.Data) / pl.Stride
		stride := pl.Stride + padding
		pl.Data = make([]byte, stride*(rows-1)+pl.Stride)
		for j := range pl.Data {
			pl.Data[j] = byte(j * 89)
		}
		pl.Stride = stride
	}
	round := func(v float64) byte { return byte(math.Round(min(max(v, 0), 255))) }
	order := map[media.PixelFormat][]int{
		media.RGB24: {0, 1, 2}, media.BGR24: {2, 1, 0}, media.RGBA: {0, 1, 2, -1}, media.BGRA: {2, 1, 0, -1},
	}
	for y := range f.Height {
		for x := range f.Width {
			c := at(x, y)
			if o, ok := order[f.Pixel]; ok {
				for i, k := range o {
					v := byte(7) // alpha, to be ignored
					if k >= 0 {
						v = round([]float64{c.r, c.g, c.b}[k])
					}
					p.Planes[0].Data[y*p.Planes[0].Stride+x*len(o)+i] = v
				}
				continue
			}
			v := c.yuv(f.ResolvedColor())
			p.Planes[0].Data[y*p.Planes[0].Stride+x] = round(v[0])
			cx, cy := x/2, y/2
			if f.Pixel == media.NV12 {
				p.Planes[1].Data[cy*p.Planes[1].Stride+2*cx] = round(v[1])
				p.Planes[1].Data[cy*p.Planes[1].Stride+2*cx+1] = round(v[2])
			} else {
				p.Planes[1].Data[cy*p.Planes[1].Stride+cx] = round(v[1])
				p.Planes[2].Data[cy*p.Planes[2].Stride+cx] = round(v[2])
			}
		}
	}
	return p
}

// tolerance is how far a converted value may be from the real number: integer
// arithmetic of 6 to 8 bits in libyuv, rounding in the painted source.
const tolerance = 3

// expect compares the frame's value at a place with a colour.
func expect(t testing.TB, f *Frame, x, y int, want [3]float64, what string) {
	t.Helper()
	got := f.at(x, y)
	for i := range 3 {
		if math.Abs(float64(got[i])-want[i]) > tolerance {
			t.Errorf("%s: at %d,%d: YUV %v, want %.0f", what, x, y, got, want)
			return
		}
	}
}

func haveTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here", name)
	}
	return path
}
