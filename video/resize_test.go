package video

import (
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// Pictures of any format are as large as they fit, where they belong, with
// black around them and nothing but black.
func TestResize(t *testing.T) {
	noLeak(t)
	for _, pixel := range pixelFormats {
		for _, color := range colors {
			if !isYUV(pixel) && color != media.BT601 {
				continue // it means nothing
			}
			for _, size := range [][2]int{{160, 90}, {101, 203}, {321, 151}} {
				in := media.VideoFormat{Pixel: pixel, Width: size[0], Height: size[1], Color: color, Rate: 12}
				p := paint(in, 7, quarters(in.Width, in.Height))
				for _, to := range [][2]int{{120, 90}, {301, 201}, {40, 40}} {
					out := through(t, Resize(to[0], to[1]), p)
					if want := (media.VideoFormat{Pixel: pixel, Width: to[0], Height: to[1], Color: color, Rate: 12}); out.Format != want {
						t.Fatalf("%+v, want %+v", out.Format, want)
					}
					framed(t, out, float64(in.Width)/float64(in.Height))
				}
			}
		}
	}
}

// framed checks the quarters of a picture of a shape, and what is around it.
func framed(t *testing.T, p *media.Picture, shape float64) {
	t.Helper()
	w, h := float64(p.Format.Width), float64(p.Format.Height)
	iw, ih := min(w, h*shape), min(h, w/shape)
	x0, y0 := (w-iw)/2, (h-ih)/2
	for _, c := range []struct {
		x, y float64
		want rgb
	}{{.25, .25, red}, {.75, .25, green}, {.25, .75, blue}, {.75, .75, grey}} {
		near(t, p, int(x0+c.x*iw), int(y0+c.y*ih), c.want, 6)
	}
	const rounding = 3 // to even places
	for y := range p.Format.Height {
		for x := range p.Format.Width {
			fx, fy := float64(x), float64(y)
			if fx < x0-rounding || fx > x0+iw+rounding || fy < y0-rounding || fy > y0+ih+rounding {
				near(t, p, x, y, black, 0)
			}
		}
	}
}

func TestResizeSides(t *testing.T) {
	for _, c := range []struct{ w, h, toW, toH, wantW, wantH int }{
		{1280, 720, 640, 0, 640, 360},
		{1280, 720, 0, 480, 854, 480},
		{1001, 701, 500, 0, 500, 350},
		{101, 51, 101, 0, 101, 51},
		{101, 51, 0, 51, 101, 51},
		{1000, 1, 10, 0, 10, 2},
		{1, 1000, 100, 0, 100, 16384},
	} {
		p := media.NewPicture(media.VideoFormat{Width: c.w, Height: c.h})
		out := through(t, Resize(c.toW, c.toH), p)
		if out.Format.Width != c.wantW || out.Format.Height != c.wantH {
			t.Errorf("%+v: %s", c, out.Format)
		}
		if same := c.w == c.wantW && c.h == c.wantH; same != (out == p) {
			t.Errorf("%+v: same picture %v", c, out == p)
		}
	}
}

// The inside of a frame is as large as it can be, in the middle, and even as far
// as the frame is.
func TestFit(t *testing.T) {
	sides := []int{1, 2, 3, 16, 17, 90, 101, 720}
	for _, w := range sides {
		for _, h := range sides {
			for _, fw := range sides {
				for _, fh := range sides {
					out := media.VideoFormat{Width: fw, Height: fh}
					r := fit(media.VideoFormat{Width: w, Height: h}, out)
					if r.Empty() || !r.In(bounds(out)) || r.Dx() != fw && r.Dy() != fh {
						t.Fatalf("%dx%d in %dx%d: %v", w, h, fw, fh, r)
					}
					if r.Min.X%2+r.Min.Y%2 != 0 || r.Max.X != fw && r.Max.X%2 != 0 || r.Max.Y != fh && r.Max.Y%2 != 0 {
						t.Fatalf("%dx%d in %dx%d: %v is not even", w, h, fw, fh, r)
					}
					if r.Min.X-(fw-r.Max.X) > 0 || fw-r.Max.X-r.Min.X > 3 || r.Min.Y-(fh-r.Max.Y) > 0 || fh-r.Max.Y-r.Min.Y > 3 {
						t.Fatalf("%dx%d in %dx%d: %v is not in the middle", w, h, fw, fh, r)
					}
				}
			}
		}
	}
}
