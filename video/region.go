package video

import (
	"fmt"
	"image"
	"math"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Region is a rectangle of a picture, in fractions of its width and height,
// so that it stays where it was when a picture has another size: {0, 0, 0.5, 1}
// is the left half. What reaches beyond the picture is cut off.
type Region struct{ X, Y, Width, Height float64 }

// validate refuses what names no part of a picture, such as a place in pixels.
func (r Region) validate() error {
	for _, v := range [...]float64{r.X, r.Y, r.Width, r.Height} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: region %+v (allowed: finite numbers)", ErrArgument, r)
		}
	}
	if r.Width <= 0 || r.Height <= 0 || r.X >= 1 || r.Y >= 1 || r.X+r.Width <= 0 || r.Y+r.Height <= 0 {
		return fmt.Errorf("%w: region %+v (allowed: fractions of a picture, some of it between 0 and 1)", ErrArgument, r)
	}
	return nil
}

func validate(regions []Region) error {
	for _, r := range regions {
		if err := r.validate(); err != nil {
			return err
		}
	}
	return nil
}

// in returns the pixels of a picture that a valid region touches, at least one,
// and with them whole pixels of halved chroma.
func (r Region) in(f media.VideoFormat) image.Rectangle {
	step := 1
	if isYUV(f.Pixel) {
		step = 2
	}
	x0, x1 := span(r.X, r.X+r.Width, f.Width, step)
	y0, y1 := span(r.Y, r.Y+r.Height, f.Height, step)
	return image.Rect(x0, y0, x1, y1)
}

// span turns fractions of a side into pixels, rounded outward to multiples of
// step. What a number like 0.1 is off by makes no pixel.
func span(from, to float64, side, step int) (int, int) {
	const rounding = 1e-9
	full := float64(side)
	a := int(min(max(math.Floor(from*full+rounding), 0), full-1))
	b := int(min(max(math.Ceil(to*full-rounding), float64(a+1)), full))
	return a / step * step, min((b+step-1)/step*step, side)
}
