package video

import (
	"fmt"
	"image"
	"math"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// Crop keeps a part of the picture: width by height pixels, the upper left one
// of which is at (x, y). Of what lies outside of the picture there is nothing;
// if nothing is left, [ErrOutside] is the failure.
//
// In I420 and NV12, where chroma is halved, an odd x or y is lowered by one: the
// part moves, its size stays. Pictures that are wholly inside pass as they are.
// A width or height below 1 fails with [ErrArgument].
//
// As with all stages, what cannot be cropped passes whole: to hide something,
// use [Cover] or [Blur].
func Crop(x, y, width, height int) Stage {
	if width < 1 || height < 1 {
		return refuse(fmt.Errorf("%w: Crop(%d, %d, %d, %d) (allowed: width and height of 1 and more)", ErrArgument, x, y, width, height))
	}
	r := image.Rectangle{Min: image.Pt(x, y), Max: image.Pt(end(x, width), end(y, height))}
	return func(pipeline.Stream) pipeline.Processor { return &crop{part: r} }
}

// end is at+size, or as far as can be counted.
func end(at, size int) int {
	if at > math.MaxInt-size {
		return math.MaxInt
	}
	return at + size
}

type crop struct {
	part image.Rectangle
	pool media.PicturePool
}

func (c *crop) Process(s media.Sample, emit func(media.Sample)) error {
	f := s.Picture.Format
	r := c.part.Intersect(bounds(f))
	switch r {
	case bounds(f):
		emit(s)
		return nil
	case image.Rectangle{}:
		return fmt.Errorf("%w: cropping to %v, the picture has %dx%d pixels", ErrOutside, c.part, f.Width, f.Height)
	}
	if isYUV(f.Pixel) {
		r = r.Sub(image.Pt(r.Min.X&1, r.Min.Y&1))
	}
	var w media.Picture
	window(&w, s.Picture, r)
	f = tagged(f)
	f.Width, f.Height = r.Dx(), r.Dy()
	out := c.pool.Get(f)
	copyPixels(out, &w)
	s.Picture = out
	emit(s)
	return nil
}
