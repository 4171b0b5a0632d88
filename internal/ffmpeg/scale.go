package ffmpeg

/*
#include "rk.h"
#cgo noescape rk_scale_plane
#cgo nocallback rk_scale_plane
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Scaler scales pictures in the format they have. It keeps what it needs in
// between, so use one for each stream of pictures.
type Scaler struct{ c *C.rk_scaler }

// NewScaler makes a scaler.
func NewScaler() *Scaler {
	s := &Scaler{c: C.rk_scaler_new()}
	if s.c != nil {
		live.Add(1)
	}
	return s
}

// Scale fills dst with src, whatever the shapes of both, and borrows them for
// the call. Their pixel formats must be the same; colour codings are taken to
// be. Alpha becomes opaque. What makes a picture smaller averages its pixels,
// what makes it larger is bilinear (libyuv).
//
// The error wraps [media.ErrFormat] or [media.ErrLength] if one of them cannot
// be what it claims to be.
func (s *Scaler) Scale(dst, src *media.Picture) error {
	if s.c == nil {
		return ErrClosed
	}
	if err := scalable(dst, src); err != nil {
		return err
	}
	switch src.Format.Pixel {
	case media.I420:
		return s.planes(dst, src, 1, 1, 1)
	case media.NV12:
		return s.planes(dst, src, 1, 2)
	case media.RGB24, media.BGR24:
		return s.planes(dst, src, 3)
	}
	return s.planes(dst, src, 4)
}

func scalable(dst, src *media.Picture) error {
	if dst.Format.Pixel != src.Format.Pixel {
		return fmt.Errorf("%w: scaling %s to %s, the pixel formats must be the same", media.ErrFormat, src.Format, dst.Format)
	}
	for _, p := range [...]*media.Picture{src, dst} {
		if err := p.Validate(); err != nil {
			return err
		}
		for i := range p.Planes {
			if p.Planes[i].Stride > math.MaxInt32 {
				return fmt.Errorf("%w: stride of %d bytes", media.ErrLength, p.Planes[i].Stride)
			}
		}
	}
	return nil
}

// planes scales as many planes as there are units, which are the bytes of
// their pixels. All but the first have half the size, rounded up.
func (s *Scaler) planes(dst, src *media.Picture, units ...C.int) error {
	w, h, dw, dh := src.Format.Width, src.Format.Height, dst.Format.Width, dst.Format.Height
	for i, unit := range units {
		if i == 1 {
			w, h, dw, dh = (w+1)/2, (h+1)/2, (dw+1)/2, (dh+1)/2
		}
		from, to := &src.Planes[i], &dst.Planes[i]
		code := C.rk_scale_plane(s.c, unit,
			(*C.uint8_t)(unsafe.SliceData(from.Data)), C.int(from.Stride), C.int(w), C.int(h),
			(*C.uint8_t)(unsafe.SliceData(to.Data)), C.int(to.Stride), C.int(dw), C.int(dh))
		if code < 0 {
			return newError("scale picture", code, "")
		}
	}
	return nil
}

// Close frees the scaler.
func (s *Scaler) Close() {
	if s.c == nil {
		return
	}
	C.rk_scaler_free(s.c)
	s.c = nil
	live.Add(-1)
}
