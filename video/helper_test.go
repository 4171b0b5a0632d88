package video

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

var (
	pixelFormats = []media.PixelFormat{media.I420, media.NV12, media.RGB24, media.BGR24, media.RGBA, media.BGRA}
	colors       = []media.Color{media.BT601, media.BT709, media.BT601FullRange, media.BT709FullRange}
)

type rgb [3]float64

var (
	red   = rgb{255, 0, 0}
	green = rgb{0, 255, 0}
	blue  = rgb{0, 0, 255}
	white = rgb{255, 255, 255}
	black = rgb{0, 0, 0}
	grey  = rgb{120, 120, 120}
)

// coding returns what BT.601 and BT.709 define a colour coding by.
func coding(c media.Color) (kr, kb, luma, chroma, zero float64) {
	kr, kb = 0.299, 0.114
	if c == media.BT709 || c == media.BT709FullRange {
		kr, kb = 0.2126, 0.0722
	}
	if c == media.BT601FullRange || c == media.BT709FullRange {
		return kr, kb, 255, 255, 0
	}
	return kr, kb, 219, 224, 16
}

// orders are where R, G and B are in a pixel.
var orders = map[media.PixelFormat][3]int{
	media.RGB24: {0, 1, 2}, media.BGR24: {2, 1, 0}, media.RGBA: {0, 1, 2}, media.BGRA: {2, 1, 0},
}

// chromaAt returns where the two chroma bytes of a place are.
func chromaAt(p *media.Picture, x, y int) (u, v *byte) {
	if p.Format.Pixel == media.NV12 {
		at := p.Planes[1].Data[y/2*p.Planes[1].Stride+x/2*2:]
		return &at[0], &at[1]
	}
	return &p.Planes[1].Data[y/2*p.Planes[1].Stride+x/2], &p.Planes[2].Data[y/2*p.Planes[2].Stride+x/2]
}

// rgbAt converts a pixel to R, G, B by definition.
func rgbAt(p *media.Picture, x, y int) rgb {
	if o, ok := orders[p.Format.Pixel]; ok {
		at := p.Planes[0].Data[y*p.Planes[0].Stride+x*shapes[p.Format.Pixel][0].unit:]
		return rgb{float64(at[o[0]]), float64(at[o[1]]), float64(at[o[2]])}
	}
	kr, kb, luma, chroma, zero := coding(p.Format.ResolvedColor())
	u, v := chromaAt(p, x, y)
	l := (float64(p.Planes[0].Data[y*p.Planes[0].Stride+x]) - zero) / luma
	b := l + 2*(1-kb)*(float64(*u)-128)/chroma
	r := l + 2*(1-kr)*(float64(*v)-128)/chroma
	g := (l - kr*r - kb*b) / (1 - kr - kb)
	return rgb{255 * r, 255 * g, 255 * b}
}

// setRGB is the reverse. Of pixels that share chroma, the last one counts.
func setRGB(p *media.Picture, x, y int, c rgb) {
	if o, ok := orders[p.Format.Pixel]; ok {
		at := p.Planes[0].Data[y*p.Planes[0].Stride+x*shapes[p.Format.Pixel][0].unit:]
		for i := range c {
			at[o[i]] = byte(math.Round(c[i]))
		}
		if shapes[p.Format.Pixel][0].unit == 4 {
			at[3] = 255
		}
		return
	}
	kr, kb, luma, chroma, zero := coding(p.Format.ResolvedColor())
	round := func(v float64) byte { return byte(math.Round(min(max(v, 0), 255))) }
	l := (kr*c[0] + (1-kr-kb)*c[1] + kb*c[2]) / 255
	u, v := chromaAt(p, x, y)
	p.Planes[0].Data[y*p.Planes[0].Stride+x] = round(zero + luma*l)
	*u = round(128 + chroma/2*(c[2]/255-l)/(1-kb))
	*v = round(128 + chroma/2*(c[0]/255-l)/(1-kr))
}

// blank returns a picture whose rows have padding between them, none behind
// the last, all of it noise.
func blank(f media.VideoFormat, padding int, pool *media.PicturePool) *media.Picture {
	p := &media.Picture{Format: f}
	if pool != nil {
		p = pool.Get(f)
	}
	random := rand.New(rand.NewPCG(1, uint64(f.Width)))
	for i, s := range shapes[f.Pixel] {
		w, h := s.size(f)
		stride := w*s.unit + padding
		data := make([]byte, stride*(h-1)+w*s.unit)
		for j := range data {
			data[j] = byte(random.Uint32())
		}
		p.Planes[i] = media.Plane{Data: data[:len(data):len(data)], Stride: stride}
	}
	return p
}

// paint draws a picture by asking for the colour of each place.
func paint(f media.VideoFormat, padding int, at func(x, y int) rgb) *media.Picture {
	p := blank(f, padding, nil)
	for y := range f.Height {
		for x := range f.Width {
			setRGB(p, x, y, at(x, y))
		}
	}
	return p
}

func plain(c rgb) func(x, y int) rgb { return func(int, int) rgb { return c } }

// quarters has a colour for each, with borders at even places.
func quarters(w, h int) func(x, y int) rgb {
	return func(x, y int) rgb {
		left, top := x < w/4*2, y < h/4*2
		switch {
		case left && top:
			return red
		case top:
			return green
		case left:
			return blue
		}
		return grey
	}
}

// near fails unless a pixel has a colour, give or take.
func near(t *testing.T, p *media.Picture, x, y int, want rgb, by float64) {
	t.Helper()
	got := rgbAt(p, x, y)
	for i := range got {
		if math.Abs(got[i]-want[i]) > by {
			t.Fatalf("%s %s: at %d,%d: %.0f, want %.0f", p.Format, p.Format.Color, x, y, got, want)
		}
	}
}

// through returns what a stage makes of a picture, which must be one, without
// a failure. It checks that the picture is left alone.
func through(t testing.TB, stage Stage, p *media.Picture) *media.Picture {
	t.Helper()
	out, err := try(t, stage, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try is through for what may fail; then there may be no picture.
func try(t testing.TB, stage Stage, p *media.Picture) (out *media.Picture, err error) {
	t.Helper()
	before := snapshot(p)
	proc := stage(pipeline.Stream{})
	err = proc.Process(media.Sample{Time: 7, Picture: p}, func(s media.Sample) {
		if s.Time != 7 || out != nil {
			t.Fatalf("time %v, picture %v", s.Time, out)
		}
		out = s.Picture
	})
	if c, ok := proc.(interface{ Close() error }); ok {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(snapshot(p), before) {
		t.Fatalf("%s: the input was written to", p.Format)
	}
	if err == nil && out == nil {
		t.Fatal("nothing came out")
	}
	if out != nil {
		if err := out.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	return out, err
}

// snapshot is all of a picture's memory, padding included.
func snapshot(p *media.Picture) (b []byte) {
	b = fmt.Append(b, p.Format)
	for i := range p.Planes {
		b = append(b, p.Planes[i].Data...)
	}
	return b
}

func same(t *testing.T, what string, a, b *media.Picture) {
	t.Helper()
	if a.Format.Pixel != b.Format.Pixel || a.Format.Width != b.Format.Width || a.Format.Height != b.Format.Height {
		t.Fatalf("%s: %s, want %s", what, a.Format, b.Format)
	}
	if !bytes.Equal(a.AppendBytes(nil), b.AppendBytes(nil)) {
		t.Fatalf("%s: pictures of %s differ", what, a.Format)
	}
}

// noLeak fails the test if C objects are left when it ends.
func noLeak(t testing.TB) {
	t.Helper()
	before := ffmpeg.LiveObjects()
	t.Cleanup(func() {
		if n := ffmpeg.LiveObjects() - before; n != 0 {
			t.Errorf("%d objects left", n)
		}
	})
}

// everyFormat calls f for each pixel format and a few sizes and strides.
func everyFormat(f func(vf media.VideoFormat, padding int)) {
	for _, pixel := range pixelFormats {
		for _, size := range [][2]int{{64, 48}, {63, 47}, {35, 70}, {40, 33}, {2, 2}, {1, 1}, {1, 9}, {5, 1}} {
			for _, padding := range []int{0, 13} {
				f(media.VideoFormat{Pixel: pixel, Width: size[0], Height: size[1]}, padding)
			}
		}
	}
}
