package ffmpeg

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// Every format and parity of the sides, made smaller and larger, has the
// colours where they were, and nothing outside of the pictures is touched.
func TestScale(t *testing.T) {
	noLeak(t)
	s := NewScaler()
	defer s.Close()
	sizes := [][2]int{{64, 48}, {63, 47}, {1, 1}, {2, 2}, {3, 5}, {130, 34}, {16, 200}, {1, 40}, {200, 1}}
	for _, pixel := range pixelFormats {
		for _, from := range sizes {
			at := quarters(from[0], from[1])
			src, _ := fenced(t, media.VideoFormat{Pixel: pixel, Width: from[0], Height: from[1]}, 13)
			copyRows(src, paint(src.Format, 0, at))
			for _, to := range sizes {
				dst, _ := fenced(t, media.VideoFormat{Pixel: pixel, Width: to[0], Height: to[1]}, 5)
				if err := s.Scale(dst, src); err != nil {
					t.Fatal(err)
				}
				if min(from[0], from[1], to[0], to[1]) < 16 {
					continue // the quarters run into each other
				}
				want := paint(dst.Format, 0, quarters(to[0], to[1]))
				what := fmt.Sprintf("%s to %s", src.Format, dst.Format)
				for _, p := range [][2]int{{0, 0}, {to[0] - 1, 0}, {0, to[1] - 1}, {to[0] - 1, to[1] - 1}, {to[0] / 8, to[1] * 7 / 8}} {
					samePixel(t, what, dst, want, p[0], p[1])
				}
			}
		}
	}
}

// copyRows copies a picture into one with other strides.
func copyRows(dst, src *media.Picture) {
	for i := range src.Planes {
		d, s := &dst.Planes[i], &src.Planes[i]
		if s.Stride == 0 {
			continue
		}
		for y := range len(s.Data) / s.Stride {
			copy(d.Data[y*d.Stride:], s.Data[y*s.Stride:][:s.Stride])
		}
	}
}

func samePixel(t *testing.T, what string, got, want *media.Picture, x, y int) {
	t.Helper()
	for i := range want.Planes {
		g, w := &got.Planes[i], &want.Planes[i]
		if w.Stride == 0 {
			continue
		}
		unit := w.Stride / want.Format.Width
		px, py := x, y
		if i > 0 {
			unit, px, py = w.Stride/((want.Format.Width+1)/2), x/2, y/2
		}
		for k := range min(unit, 3) { // without alpha
			a, b := g.Data[py*g.Stride+px*unit+k], w.Data[py*w.Stride+px*unit+k]
			if math.Abs(float64(a)-float64(b)) > 1 {
				t.Fatalf("%s: plane %d at %d,%d has %d, want %d", what, i, x, y, a, b)
			}
		}
	}
}

// Each pixel of a picture counts: fine stripes become grey, in every format.
func TestScaleAverages(t *testing.T) {
	noLeak(t)
	s := NewScaler()
	defer s.Close()
	for _, pixel := range pixelFormats {
		src := paint(media.VideoFormat{Pixel: pixel, Width: 700, Height: 500}, 0, func(x, y int) rgb {
			v := float64(255 * ((x + y) % 2))
			return rgb{v, v, v}
		})
		dst := media.NewPicture(media.VideoFormat{Pixel: pixel, Width: 100, Height: 71})
		if err := s.Scale(dst, src); err != nil {
			t.Fatal(err)
		}
		for i, v := range dst.Planes[0].Data {
			alpha := dst.Format.Bytes() == 4*100*71 && i%4 == 3
			if math.Abs(float64(v)-127) > 12 && !alpha {
				t.Fatalf("%s: byte %d has %d", pixel, i, v)
			}
		}
	}
}

func TestScaleRefusesNonsense(t *testing.T) {
	noLeak(t)
	s := NewScaler()
	f := media.VideoFormat{Width: 4, Height: 4}
	short, huge, good := media.NewPicture(f), media.NewPicture(f), media.NewPicture(f)
	short.Planes[2].Data = short.Planes[2].Data[:1]
	huge.Format.Height, huge.Planes[0].Stride = 1, 1<<32
	for _, c := range []struct {
		dst, src *media.Picture
		want     error
	}{
		{good, short, media.ErrLength},
		{short, good, media.ErrLength},
		{good, huge, media.ErrLength},
		{good, media.NewPicture(media.VideoFormat{Pixel: media.NV12, Width: 4, Height: 4}), media.ErrFormat},
		{good, &media.Picture{}, media.ErrFormat},
	} {
		if err := s.Scale(c.dst, c.src); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	s.Close()
	s.Close()
	if err := s.Scale(good, good); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestScaleDoesNotAllocate(t *testing.T) {
	s := NewScaler()
	defer s.Close()
	for _, pixel := range pixelFormats {
		src := media.NewPicture(media.VideoFormat{Pixel: pixel, Width: 64, Height: 48})
		dst := media.NewPicture(media.VideoFormat{Pixel: pixel, Width: 32, Height: 20})
		if n := testing.AllocsPerRun(20, func() { _ = s.Scale(dst, src) }); n != 0 {
			t.Errorf("%s: %v allocations", pixel, n)
		}
	}
}
