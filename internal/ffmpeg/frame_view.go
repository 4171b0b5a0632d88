package ffmpeg

// #include "rk.h"
import "C"

import "unsafe"

// at returns the Y, U and V of one pixel. It is here for the tests, which may
// not use cgo.
func (f *Frame) at(x, y int) [3]byte {
	av := C.rk_frame_av(f.c)
	var v [3]byte
	for i := range v {
		if i == 1 {
			x, y = x/2, y/2
		}
		v[i] = *(*byte)(unsafe.Add(unsafe.Pointer(av.data[i]), y*int(av.linesize[i])+x))
	}
	return v
}
