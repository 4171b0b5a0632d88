package video

import (
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// Each pixel is the one that was there, of the part that is in the picture.
func TestCrop(t *testing.T) {
	everyFormat(func(f media.VideoFormat, padding int) {
		p := blank(f, padding, nil)
		for _, c := range [][4]int{
			{0, 0, 1, 1}, {3, 5, 20, 11}, {4, 6, 21, 10}, {-7, -3, 30, 9}, {f.Width - 1, f.Height - 1, 50, 50},
			{math.MinInt, -2, math.MaxInt, 50}, {0, -1 << 62, 5, 1<<62 + 3}, {1, 1, math.MaxInt, math.MaxInt},
		} {
			x0, y0 := max(c[0], 0), max(c[1], 0)
			x1, y1 := min(end(c[0], c[2]), f.Width), min(end(c[1], c[3]), f.Height)
			if x0 >= x1 || y0 >= y1 {
				continue
			}
			out := through(t, Crop(c[0], c[1], c[2], c[3]), p)
			if out.Format.Width != x1-x0 || out.Format.Height != y1-y0 {
				t.Fatalf("%v of %s: %s", c, f, out.Format)
			}
			if isYUV(f.Pixel) {
				x0, y0 = x0&^1, y0&^1
			}
			for y := range out.Format.Height {
				for x := range out.Format.Width {
					if rgbAt(out, x, y) != rgbAt(p, x0+x, y0+y) {
						t.Fatalf("%v of %s: at %d,%d", c, f, x, y)
					}
				}
			}
		}
		if out := through(t, Crop(-1, -1, f.Width+5, f.Height+1), p); out != p {
			t.Errorf("%s: copied though nothing is cut off", f)
		}
	})
}

func TestCropOfCrop(t *testing.T) {
	for _, pixel := range pixelFormats {
		p := blank(media.VideoFormat{Pixel: pixel, Width: 101, Height: 77}, 3, nil)
		twice := through(t, Crop(4, 6, 21, 11), through(t, Crop(10, 12, 50, 41), p))
		same(t, "crop of crop", twice, through(t, Crop(14, 18, 21, 11), p))
	}
}
