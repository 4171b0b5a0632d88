package ffmpeg

// #include "rk.h"
import "C"

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Frame is a picture in YUV 4:2:0 in C memory, drawn by a [Converter] and
// read by a [VideoEncoder], again and again. Encoders that hold on to a picture
// hold its buffer, not the frame: the next Convert draws into another one.
type Frame struct {
	c             *C.rk_frame
	width, height int
	color         media.Color
}

// NewVideoFrame makes a frame, whose sides must be even. Unknown colour is
// resolved as [media.VideoFormat.ResolvedColor] does. The picture in it is
// undefined at first.
func NewVideoFrame(width, height int, color media.Color) (*Frame, error) {
	vf := media.VideoFormat{Width: width, Height: height, Color: color}
	if err := evenSize(vf); err != nil {
		return nil, err
	}
	f := &Frame{width: width, height: height, color: vf.ResolvedColor()}
	err := opening("allocate frame", func() C.int {
		return C.rk_frame_new(&f.c, C.int(width), C.int(height), C.int(f.color))
	})
	if err != nil {
		return nil, err
	}
	live.Add(1)
	return f, nil
}

func evenSize(f media.VideoFormat) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Width%2 != 0 || f.Height%2 != 0 {
		return fmt.Errorf("%w: encoded picture of %dx%d, the sides must be even", media.ErrFormat, f.Width, f.Height)
	}
	return nil
}

// Size returns the width and the height in pixels.
func (f *Frame) Size() (width, height int) { return f.width, f.height }

// Color returns the colour coding pictures in the frame have.
func (f *Frame) Color() media.Color { return f.color }

// Close frees the frame.
func (f *Frame) Close() {
	if f.c == nil {
		return
	}
	C.rk_frame_free(f.c)
	f.c = nil
	live.Add(-1)
}
