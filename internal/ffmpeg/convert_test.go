package ffmpeg

import (
	"errors"
	"fmt"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

var (
	pixelFormats = []media.PixelFormat{media.I420, media.NV12, media.RGB24, media.BGR24, media.RGBA, media.BGRA}
	colors       = []media.Color{media.BT601, media.BT709, media.BT601FullRange, media.BT709FullRange}
)

// quarters paints four colours, split at even places, so that chroma does not
// mix.
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
		return skin
	}
}

// Every format, coding, parity of the sides and stride, into frames of every
// coding, is what the definition says, without skew and up to the last column
// and row.
func TestConvertSameSize(t *testing.T) {
	noLeak(t)
	c := NewConverter()
	defer c.Close()
	sizes := [][2]int{{64, 48}, {63, 48}, {64, 47}, {61, 45}, {2, 2}, {1, 1}, {3, 5}, {130, 34}}
	for _, to := range colors {
		for _, size := range sizes {
			w, h := size[0], size[1]
			f := must(NewVideoFrame(w+w%2, h+h%2, to))(t)
			for _, pixel := range pixelFormats {
				for _, from := range colors {
					for _, padding := range []int{0, 13} {
						vf := media.VideoFormat{Pixel: pixel, Width: w, Height: h, Color: from}
						at := quarters(w, h)
						if err := c.Convert(f, paint(vf, padding, at)); err != nil {
							t.Fatal(err)
						}
						what := fmt.Sprintf("%s %s +%d → %s", vf, from, padding, to)
						for _, p := range [][2]int{{0, 0}, {w - 1, 0}, {0, h - 1}, {w - 1, h - 1}, {w / 8, h / 8}, {w * 7 / 8, h * 7 / 8}} {
							expect(t, f, p[0], p[1], at(p[0], p[1]).yuv(to), what)
						}
						// the column and the row that were added
						expect(t, f, w+w%2-1, h/8, at(w-1, h/8).yuv(to), what)
						expect(t, f, w/8, h+h%2-1, at(w/8, h-1).yuv(to), what)
						expect(t, f, w+w%2-1, h+h%2-1, at(w-1, h-1).yuv(to), what)
						if t.Failed() {
							t.FailNow()
						}
					}
				}
			}
			f.Close()
		}
	}
}

// A picture of another shape is centred, as large as it can be, and framed in
// black.
func TestConvertLetterbox(t *testing.T) {
	noLeak(t)
	c := NewConverter()
	defer c.Close()
	black := [3]float64{16, 128, 128}
	for _, to := range colors {
		if to == media.BT601FullRange || to == media.BT709FullRange {
			black[0] = 0
		}
		f := must(NewVideoFrame(160, 120, to))(t)
		for _, pixel := range pixelFormats {
			for _, size := range [][2]int{{320, 120}, {90, 240}, {81, 31}, {21, 55}, {1, 120}, {500, 3}} {
				w, h := size[0], size[1]
				vf := media.VideoFormat{Pixel: pixel, Width: w, Height: h, Color: media.BT601}
				at := quarters(w, h)
				p := paint(vf, 5, at)
				// What was in the frame before must not show.
				if err := c.Convert(f, paint(media.VideoFormat{Width: 160, Height: 120}, 0, func(int, int) rgb { return green })); err != nil {
					t.Fatal(err)
				}
				if err := c.Convert(f, p); err != nil {
					t.Fatal(err)
				}
				what := fmt.Sprintf("%s → 160x120 %s", vf, to)
				// The size by the definition, with two pixels of freedom for
				// the rounding to even.
				scale := min(160/float64(w), 120/float64(h))
				rw, rh := int(float64(w)*scale), int(float64(h)*scale)
				x0, y0 := (160-rw)/2, (120-rh)/2
				if x0 > 2 {
					expect(t, f, x0-3, 60, black, what)
					expect(t, f, x0+rw+2, 60, black, what)
					expect(t, f, 0, 0, black, what)
					expect(t, f, 159, 119, black, what)
				}
				if y0 > 2 {
					expect(t, f, 80, y0-3, black, what)
					expect(t, f, 80, y0+rh+2, black, what)
				}
				if w >= 4 && h >= 4 {
					expect(t, f, x0+rw/8, y0+rh/8, red.yuv(to), what)
					expect(t, f, x0+rw*7/8, y0+rh/8, green.yuv(to), what)
					expect(t, f, x0+rw/8, y0+rh*7/8, blue.yuv(to), what)
					expect(t, f, x0+rw*7/8, y0+rh*7/8, skin.yuv(to), what)
				}
				if t.Failed() {
					t.FailNow()
				}
			}
		}
		f.Close()
	}
}

func TestConvertRefusesNonsense(t *testing.T) {
	noLeak(t)
	if _, err := NewVideoFrame(3, 4, media.BT601); !errors.Is(err, media.ErrFormat) {
		t.Errorf("odd frame: %v", err)
	}
	c, f := NewConverter(), must(NewVideoFrame(4, 4, media.BT601))(t)
	p := media.NewPicture(media.VideoFormat{Width: 4, Height: 4})
	p.Planes[2].Data = p.Planes[2].Data[:1]
	if err := c.Convert(f, p); !errors.Is(err, media.ErrLength) {
		t.Errorf("short plane: %v", err)
	}
	f.Close()
	if err := c.Convert(f, media.NewPicture(p.Format)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed frame: %v", err)
	}
	f.Close()
	c.Close()
	c.Close()
}

func BenchmarkConvert(b *testing.B) {
	for _, pixel := range pixelFormats {
		for _, to := range []media.Color{media.BT601, media.BT709} {
			b.Run(fmt.Sprintf("%s-%s", pixel, to), func(b *testing.B) {
				c, f := NewConverter(), must(NewVideoFrame(1280, 720, to))(b)
				defer c.Close()
				defer f.Close()
				p := media.NewPicture(media.VideoFormat{Pixel: pixel, Width: 1280, Height: 720, Color: media.BT601})
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Convert(f, p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
