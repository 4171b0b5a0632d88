package video

import (
	"fmt"
	"image"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// maxSide is the longest side of a picture; see [media.VideoFormat].
const maxSide = 16384

// Resize makes pictures of the given size in pixels. They are scaled as large
// as they fit, keeping their shape, with black around them where it is another.
// With 0 for one of the sides, that follows from the shape, rounded to an even
// number, and nothing is black: Resize(640, 0) is for "640 wide".
//
// Pictures that have the size pass as they are. The others keep their pixel
// format and colour coding, and say which one it is; alpha becomes opaque.
// Making them smaller averages pixels, making them larger is bilinear.
//
// Sides are at most 16384; others fail with [ErrArgument].
func Resize(width, height int) Stage {
	if width < 0 || height < 0 || width > maxSide || height > maxSide || width == 0 && height == 0 {
		return refuse(fmt.Errorf("%w: Resize(%d, %d) (allowed: 1 to %d, and 0 for one of the sides)", ErrArgument, width, height, maxSide))
	}
	return func(pipeline.Stream) pipeline.Processor { return &resize{width: width, height: height} }
}

type resize struct {
	width, height int
	scaler        *ffmpeg.Scaler // made for the first picture that needs it
	pool          media.PicturePool
}

func (r *resize) Process(s media.Sample, emit func(media.Sample)) error {
	f := tagged(s.Picture.Format)
	f.Width, f.Height = r.target(f.Width, f.Height)
	if f.Width == s.Picture.Format.Width && f.Height == s.Picture.Format.Height {
		emit(s)
		return nil
	}
	if r.scaler == nil {
		r.scaler = ffmpeg.NewScaler()
	}
	out := r.pool.Get(f)
	inside := fit(s.Picture.Format, f)
	var w media.Picture
	window(&w, out, inside)
	if err := r.scaler.Scale(&w, s.Picture); err != nil {
		out.Release()
		return fmt.Errorf("video: resizing: %w", err)
	}
	blacken(out, inside)
	s.Picture = out
	emit(s)
	return nil
}

// Close implements io.Closer.
func (r *resize) Close() error {
	if r.scaler != nil {
		r.scaler.Close()
	}
	return nil
}

// target returns the size of what a picture of w by h pixels becomes.
func (r *resize) target(w, h int) (int, int) {
	switch {
	case r.width == 0 && r.height == h, r.height == 0 && r.width == w:
		return w, h
	case r.width == 0:
		return even(r.height*w, h, maxSide), r.height
	case r.height == 0:
		return r.width, even(r.width*h, w, maxSide)
	}
	return r.width, r.height
}

// fit centres a picture in another, as large as it can be. All is even but
// what reaches the right or the lower edge, so that chroma lies where luma
// does.
func fit(in, out media.VideoFormat) image.Rectangle {
	w, h := out.Width, out.Height
	if in.Width*h > w*in.Height {
		h = even(w*in.Height, in.Width, h)
	} else {
		w = even(h*in.Width, in.Height, w)
	}
	x, y := (out.Width-w)/2&^1, (out.Height-h)/2&^1
	return image.Rect(x, y, x+w, y+h)
}

// even returns num/den as the nearest even number from 2 to most, or most
// itself.
func even(num, den, most int) int {
	return min(max(2*((num+den)/(2*den)), 2), most)
}

// blacken fills what lies around a part of a picture.
func blacken(p *media.Picture, inside image.Rectangle) {
	all, k := bounds(p.Format), blackOf(p.Format)
	fill(p, image.Rect(0, 0, all.Max.X, inside.Min.Y), k)
	fill(p, image.Rect(0, inside.Max.Y, all.Max.X, all.Max.Y), k)
	fill(p, image.Rect(0, inside.Min.Y, inside.Min.X, inside.Max.Y), k)
	fill(p, image.Rect(inside.Max.X, inside.Min.Y, all.Max.X, inside.Max.Y), k)
}
