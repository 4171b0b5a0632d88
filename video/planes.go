package video

import (
	"image"

	"github.com/roomkit-live/roomkit-go/media"
)

// A shape is how one plane of a pixel format lies in memory.
type shape struct {
	unit int // bytes of a pixel
	step int // how many of the picture's columns, and rows, share a pixel: 1 or 2
}

// shapes are the planes of each pixel format. What is done plane by plane with
// them serves all formats.
var shapes = [...][]shape{
	media.I420:  {{1, 1}, {1, 2}, {1, 2}},
	media.NV12:  {{1, 1}, {2, 2}},
	media.RGB24: {{3, 1}},
	media.BGR24: {{3, 1}},
	media.RGBA:  {{4, 1}},
	media.BGRA:  {{4, 1}},
}

// size returns the pixels of the plane in a picture: half of an odd side is
// rounded up.
func (s shape) size(f media.VideoFormat) (w, h int) {
	return (f.Width + s.step - 1) / s.step, (f.Height + s.step - 1) / s.step
}

// isYUV reports whether chroma is halved, so that rectangles begin at even
// places, and whether the colour coding matters.
func isYUV(f media.PixelFormat) bool { return f == media.I420 || f == media.NV12 }

// tagged says what the colour coding is, so that it stays what it was when the
// height, from which an unknown one is told, becomes another.
func tagged(f media.VideoFormat) media.VideoFormat {
	if isYUV(f.Pixel) {
		f.Color = f.ResolvedColor()
	}
	return f
}

func bounds(f media.VideoFormat) image.Rectangle { return image.Rect(0, 0, f.Width, f.Height) }

// window makes w the part of p inside r, which is not empty, lies within p and
// begins at an even place where chroma is halved. It shares p's memory without
// a reference of its own.
func window(w, p *media.Picture, r image.Rectangle) {
	w.Format = p.Format
	w.Format.Width, w.Format.Height = r.Dx(), r.Dy()
	w.Planes = [3]media.Plane{}
	for i, s := range shapes[p.Format.Pixel] {
		from := &p.Planes[i]
		at := r.Min.Y/s.step*from.Stride + r.Min.X/s.step*s.unit
		w.Planes[i] = media.Plane{Data: from.Data[at:], Stride: from.Stride}
	}
}

// copyPixels makes dst, which is as large and has the same pixel format, look
// like src.
func copyPixels(dst, src *media.Picture) {
	for i, s := range shapes[src.Format.Pixel] {
		d, f := &dst.Planes[i], &src.Planes[i]
		w, h := s.size(src.Format)
		row := w * s.unit
		if d.Stride == row && f.Stride == row {
			copy(d.Data[:row*h], f.Data)
			continue
		}
		for y := range h {
			copy(d.Data[y*d.Stride:][:row], f.Data[y*f.Stride:])
		}
	}
}

// copyOf returns a copy of a picture that only the caller has.
func copyOf(p *media.Picture, pool *media.PicturePool) *media.Picture {
	out := pool.Get(p.Format)
	copyPixels(out, p)
	return out
}

// fill paints the part of p inside r, which is as for window but may be empty.
func fill(p *media.Picture, r image.Rectangle, k ink) {
	if r.Empty() {
		return
	}
	var w media.Picture
	window(&w, p, r)
	for i, s := range shapes[p.Format.Pixel] {
		columns, rows := s.size(w.Format)
		first := w.Planes[i].Data[:columns*s.unit]
		for n := copy(first, k.plane(i, s)); n < len(first); n *= 2 {
			copy(first[n:], first[:n])
		}
		for y := 1; y < rows; y++ {
			copy(w.Planes[i].Data[y*w.Planes[i].Stride:], first)
		}
	}
}
