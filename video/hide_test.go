package video

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

func TestRegionPixels(t *testing.T) {
	for _, c := range []struct {
		r      Region
		rgb    image.Rectangle // of 101x50
		yuv    image.Rectangle
		reason string
	}{
		{Region{0, 0, 1, 1}, image.Rect(0, 0, 101, 50), image.Rect(0, 0, 101, 50), "all"},
		{Region{.1, .1, .1, .1}, image.Rect(10, 5, 21, 10), image.Rect(10, 4, 22, 10), "rounded outward"},
		{Region{.1, .3, .2, .6}, image.Rect(10, 15, 31, 45), image.Rect(10, 14, 32, 46), "0.3+0.6 is not quite 0.9"},
		{Region{-.5, -5, .6, 100}, image.Rect(0, 0, 11, 50), image.Rect(0, 0, 12, 50), "cut off"},
		{Region{1 - 1e-12, 1 - 1e-12, 1e-13, 1e-13}, image.Rect(100, 49, 101, 50), image.Rect(100, 48, 101, 50), "never nothing"},
		{Region{-1, -1, 1 + 1e-12, 1 + 1e-12}, image.Rect(0, 0, 1, 1), image.Rect(0, 0, 2, 2), "never nothing"},
		{Region{.5, .5, math.MaxFloat64, math.MaxFloat64}, image.Rect(50, 25, 101, 50), image.Rect(50, 24, 101, 50), "huge"},
	} {
		if err := c.r.validate(); err != nil {
			t.Error(err)
		}
		rgb := c.r.in(media.VideoFormat{Pixel: media.RGB24, Width: 101, Height: 50})
		yuv := c.r.in(media.VideoFormat{Pixel: media.NV12, Width: 101, Height: 50})
		if rgb != c.rgb || yuv != c.yuv {
			t.Errorf("%s: %v in RGB, %v in YUV, want %v and %v", c.reason, rgb, yuv, c.rgb, c.yuv)
		}
	}
}

// hidden checks each byte outside of a region, and hands those inside to f.
func checkHidden(t *testing.T, in, out *media.Picture, r image.Rectangle, f func(got byte, s shape, plane, x, y, k int)) {
	t.Helper()
	for i, s := range shapes[in.Format.Pixel] {
		w, h := s.size(in.Format)
		for y := range h {
			for x := range w {
				for k := range s.unit {
					got := out.Planes[i].Data[y*out.Planes[i].Stride+x*s.unit+k]
					if image.Pt(x*s.step, y*s.step).In(r) {
						f(got, s, i, x, y, k)
					} else if want := in.Planes[i].Data[y*in.Planes[i].Stride+x*s.unit+k]; got != want {
						t.Fatalf("%s: plane %d at %d,%d outside of %v: %d, was %d", in.Format, i, x, y, r, got, want)
					}
				}
			}
		}
	}
}

// Noise becomes nearly flat inside a region, and stays what it was around it.
func TestBlur(t *testing.T) {
	region := Region{.25, .2, .5, .6}
	for _, pixel := range pixelFormats {
		for _, size := range [][2]int{{640, 480}, {321, 243}, {67, 53}, {20, 20}} {
			f := media.VideoFormat{Pixel: pixel, Width: size[0], Height: size[1]}
			in := blank(f, 5, nil)
			out := through(t, Blur(region), in)
			var n, sum, squares float64
			checkHidden(t, in, out, region.in(f), func(got byte, s shape, _, _, _, k int) {
				n, sum, squares = n+1, sum+float64(got), squares+float64(got)*float64(got)
			})
			// Noise has a variance of 5461; the average of the smallest cell
			// here, of 30 pixels of chroma, has one of 182.
			if mean := sum / n; math.Abs(mean-127.5) > 15 || squares/n-mean*mean > 250 {
				t.Errorf("%s: mean %.1f, variance %.1f", f, mean, squares/n-mean*mean)
			}
		}
	}
}

// What is left of a region is its grid of averages, whatever else was in it:
// two pictures with the same averages become the same.
func TestBlurKeepsOnlyAverages(t *testing.T) {
	const side = 256 // 8 by 8 cells of 32 pixels
	for _, pixel := range pixelFormats {
		f := media.VideoFormat{Pixel: pixel, Width: side, Height: side}
		// In each cell half the pixels are white: as fine stripes in one
		// picture, as one half of the cell in the other.
		cell := func(on func(x, y int) bool) func(x, y int) rgb {
			return func(x, y int) rgb {
				if on(x%32, y%32) {
					return rgb{float64(x / 32 * 36), float64(y / 32 * 36), 200}
				}
				return black
			}
		}
		a := through(t, Blur(), paint(f, 0, cell(func(x, _ int) bool { return x/2%2 == 0 })))
		b := through(t, Blur(), paint(f, 3, cell(func(_, y int) bool { return y >= 16 })))
		same(t, "same averages", a, b)
	}
}

// Averages are right, and pass smoothly from one cell to the next.
func TestBlurValues(t *testing.T) {
	f := media.VideoFormat{Pixel: media.RGB24, Width: 256, Height: 64}
	out := through(t, Blur(), paint(f, 0, func(x, _ int) rgb { return rgb{float64(x / 32 * 32), float64(255 - x/32*32), 77} }))
	for x := range 256 {
		v := min(max(float64(x)-15.5, 0), 224)
		near(t, out, x, 20, rgb{v, 255 - v, 77}, 1)
	}
}

func TestCells(t *testing.T) {
	for _, c := range [][4]int{
		{1, 1, 1, 1}, {15, 31, 1, 1}, {32, 16, 2, 1}, {128, 128, 8, 8}, {300, 20, 7, 1}, {1280, 720, 8, 4}, {16384, 16384, 8, 8}, {127, 129, 7, 7},
	} {
		if nx, ny := cells(c[0], c[1]); nx != c[2] || ny != c[3] {
			t.Errorf("%dx%d pixels: %dx%d cells, want %dx%d", c[0], c[1], nx, ny, c[2], c[3])
		}
	}
}

func TestCover(t *testing.T) {
	region := Region{.3, .3, .3, .3}
	everyFormat(func(f media.VideoFormat, padding int) {
		f.Color = media.BT709FullRange
		in := blank(f, padding, nil)
		out := through(t, Cover(region), in)
		k := blackOf(f)
		checkHidden(t, in, out, region.in(f), func(got byte, s shape, plane, x, y, b int) {
			if got != k.plane(plane, s)[b] {
				t.Fatalf("%s: plane %d at %d,%d: %d", f, plane, x, y, got)
			}
		})
	})
}

// With a region that cannot be, with formats that are not known, and with
// pictures that are not what they claim, there is black and an error, never what
// was to be hidden.
func TestHidingNeverFailsOpen(t *testing.T) {
	f := media.VideoFormat{Width: 40, Height: 30}
	bright := func(f media.VideoFormat) *media.Picture {
		p := media.NewPicture(f)
		for i := range p.Planes {
			for j := range p.Planes[i].Data {
				p.Planes[i].Data[j] = 200
			}
		}
		return p
	}
	unknown, short, sizeless := bright(f), bright(f), bright(f)
	unknown.Format.Pixel = 99
	short.Planes[1].Data = short.Planes[1].Data[:5]
	sizeless.Format.Width = -1
	nan := math.NaN()
	good := Region{0, 0, 1, 1}
	for i, c := range []struct {
		r    Region
		p    *media.Picture
		want error
	}{
		{Region{100, 100, 200, 200}, bright(f), ErrArgument},
		{Region{0, 0, 0, 1}, bright(f), ErrArgument},
		{Region{0, 0, 1, -1}, bright(f), ErrArgument},
		{Region{nan, 0, 1, 1}, bright(f), ErrArgument},
		{Region{0, 0, math.Inf(1), 1}, bright(f), ErrArgument},
		{Region{-1, 0, 1, 1}, bright(f), ErrArgument},
		{good, unknown, media.ErrFormat},
		{good, short, media.ErrLength},
		{good, sizeless, media.ErrFormat},
	} {
		for name, stage := range map[string]Stage{"blur": Blur(good, c.r), "cover": Cover(c.r, good)} {
			out, err := try(t, stage, c.p)
			if !errors.Is(err, c.want) {
				t.Errorf("%d: %s: %v, want %v", i, name, err, c.want)
			}
			allBlack(t, fmt.Sprint(i, name), out)
			chain := NewPipeline(stage).NewChain(pipeline.Stream{}, nil)
			c.p.Retain()
			chain.Process(media.Sample{Picture: c.p}, func(s media.Sample) { allBlack(t, name, s.Picture) })
			if chain.Failures() != 1 {
				t.Errorf("%d: %s: %d failures", i, name, chain.Failures())
			}
		}
	}
}

func allBlack(t *testing.T, what string, p *media.Picture) {
	t.Helper()
	if p == nil {
		t.Fatalf("%s: nothing came out", what)
	}
	all := p.AppendBytes(nil)
	luma := all[:p.Format.Width*p.Format.Height]
	if !bytes.Equal(luma, bytes.Repeat([]byte{16}, len(luma))) {
		t.Fatalf("%s: %s is not black", what, p.Format)
	}
}

func TestHidingSurvivesPanic(t *testing.T) {
	stage := hiding(nil, func() func(*media.Picture, image.Rectangle) {
		return func(*media.Picture, image.Rectangle) { panic("ouch") }
	})
	out, err := try(t, stage, blank(media.VideoFormat{Width: 6, Height: 6}, 0, nil))
	if !errors.Is(err, pipeline.ErrPanic) {
		t.Errorf("%v", err)
	}
	allBlack(t, "panic", out)
}
