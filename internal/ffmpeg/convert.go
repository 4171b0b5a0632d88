package ffmpeg

/*
#include "rk.h"
#cgo noescape rk_convert
#cgo nocallback rk_convert
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// The C side uses media's numbers. These fail to compile when they differ.
const (
	_ = -uint(media.I420 ^ C.RK_I420)
	_ = -uint(media.NV12 ^ C.RK_NV12)
	_ = -uint(media.RGB24 ^ C.RK_RGB24)
	_ = -uint(media.BGR24 ^ C.RK_BGR24)
	_ = -uint(media.RGBA ^ C.RK_RGBA)
	_ = -uint(media.BGRA ^ C.RK_BGRA)
	_ = -uint(media.ColorUnknown ^ C.RK_COLOR_UNKNOWN)
	_ = -uint(media.BT601 ^ C.RK_BT601)
	_ = -uint(media.BT709 ^ C.RK_BT709)
	_ = -uint(media.BT601FullRange ^ C.RK_BT601_FULL)
	_ = -uint(media.BT709FullRange ^ C.RK_BT709_FULL)
	_ = -uint(media.S16 ^ C.RK_S16)
	_ = -uint(media.U8 ^ C.RK_U8)
	_ = -uint(media.S8 ^ C.RK_S8)
	_ = -uint(media.S32 ^ C.RK_S32)
	_ = -uint(media.F32 ^ C.RK_F32)
)

// A Converter draws pictures of any format and size into frames. It keeps what
// it needs in between, so use one for each stream of pictures.
type Converter struct{ c *C.rk_converter }

// NewConverter makes a converter.
func NewConverter() *Converter {
	c := &Converter{c: C.rk_converter_new()}
	if c.c != nil {
		live.Add(1)
	}
	return c
}

// Convert draws src, which it borrows for the call, into dst.
//
// A picture whose size is the frame's, or would be if odd sides were rounded
// up to even, is not scaled: its last column and row are repeated. One of
// another size is scaled as large as it fits, keeping its shape, with black
// around it. RGB into a BT.601 frame and YUV into a frame of its own coding
// take the quick way (libyuv); a change of colour coding costs several times
// as much (swscale).
//
// The error wraps [media.ErrFormat] or [media.ErrLength] if src cannot be what
// it claims to be.
func (c *Converter) Convert(dst *Frame, src *media.Picture) error {
	if c.c == nil || dst.c == nil {
		return ErrClosed
	}
	if err := src.Validate(); err != nil {
		return err
	}
	p := &src.Planes
	for i := range p {
		if p[i].Stride > math.MaxInt32 {
			return fmt.Errorf("%w: stride of %d bytes", media.ErrLength, p[i].Stride)
		}
	}
	f := src.Format
	code := C.rk_convert(c.c, dst.c, C.int(f.Pixel), C.int(f.ResolvedColor()), C.int(f.Width), C.int(f.Height),
		(*C.uint8_t)(unsafe.SliceData(p[0].Data)), C.int(p[0].Stride),
		(*C.uint8_t)(unsafe.SliceData(p[1].Data)), C.int(p[1].Stride),
		(*C.uint8_t)(unsafe.SliceData(p[2].Data)), C.int(p[2].Stride))
	if code < 0 {
		return newError("convert picture", code, "")
	}
	return nil
}

// Close frees the converter.
func (c *Converter) Close() {
	if c.c == nil {
		return
	}
	C.rk_converter_free(c.c)
	c.c = nil
	live.Add(-1)
}
