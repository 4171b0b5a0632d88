package ffmpeg

/*
#include <errno.h>
#include "rk.h"
#cgo noescape rk_resampler_convert
#cgo nocallback rk_resampler_convert
#cgo noescape rk_resampler_flush
#cgo nocallback rk_resampler_flush
#cgo noescape rk_resampler_bound
#cgo nocallback rk_resampler_bound
*/
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Resampler turns PCM of one format into interleaved float32, full scale ±1,
// at another rate and number of channels. Mono becomes stereo at full level,
// stereo mono as the average of both.
//
// It neither shifts nor loses anything: n frames and a Flush give
// n·outRate/inRate frames, to the nearest, and each lies where it was in time.
// Until the Flush the last few milliseconds are held back.
type Resampler struct {
	c           *C.rk_resampler
	in          media.AudioFormat
	outRate     int
	outChannels int
}

// NewResampler makes a resampler.
func NewResampler(in media.AudioFormat, outRate, outChannels int) (*Resampler, error) {
	out := media.AudioFormat{Rate: outRate, Channels: outChannels}
	for _, f := range []media.AudioFormat{in, out} {
		if err := f.Validate(); err != nil {
			return nil, err
		}
	}
	r := &Resampler{in: in, outRate: outRate, outChannels: outChannels}
	err := opening("open resampler", func() C.int {
		return C.rk_resampler_open(&r.c, C.int(in.Rate), C.int(in.Channels), C.int(in.Sample), C.int(outRate), C.int(outChannels))
	})
	if err != nil {
		return nil, err
	}
	live.Add(1)
	return r, nil
}

// chunk bounds what goes to C at once, in frames, so that no number overflows
// there.
const chunk = 1 << 16

// Convert appends to dst what pcm, a whole number of frames of the input
// format, turns into. It allocates only if dst has no room.
func (r *Resampler) Convert(dst []float32, pcm []byte) ([]float32, error) {
	if r.c == nil {
		return dst, ErrClosed
	}
	size := r.in.FrameBytes()
	if len(pcm)%size != 0 {
		return dst, fmt.Errorf("%w: %d bytes for frames of %d", media.ErrLength, len(pcm), size)
	}
	for len(pcm) > 0 {
		n := min(len(pcm)/size, chunk)
		dst = r.grow(dst, n)
		room := dst[len(dst):cap(dst)]
		got := C.rk_resampler_convert(r.c, (*C.uint8_t)(unsafe.SliceData(pcm)), C.int(n),
			(*C.float)(unsafe.SliceData(room)), r.frames(room))
		if got < 0 {
			return dst, newError("resample", got, "")
		}
		dst = dst[:len(dst)+int(got)*r.outChannels]
		pcm = pcm[n*size:]
	}
	return dst, nil
}

// Flush appends what was held back. Afterwards a new stream begins.
func (r *Resampler) Flush(dst []float32) ([]float32, error) {
	if r.c == nil {
		return dst, ErrClosed
	}
	dst = r.grow(dst, 0)
	room := dst[len(dst):cap(dst)]
	got := C.rk_resampler_flush(r.c, (*C.float)(unsafe.SliceData(room)), r.frames(room))
	if got < 0 {
		return dst, newError("resample", got, "")
	}
	return dst[:len(dst)+int(got)*r.outChannels], nil
}

// grow makes room for what n frames may turn into.
func (r *Resampler) grow(dst []float32, n int) []float32 {
	return slices.Grow(dst, int(C.rk_resampler_bound(r.c, C.int64_t(n)))*r.outChannels)
}

func (r *Resampler) frames(room []float32) C.int { return C.int(min(len(room)/r.outChannels, 1<<30)) }

// Close frees the resampler.
func (r *Resampler) Close() {
	if r.c == nil {
		return
	}
	C.rk_resampler_free(r.c)
	r.c = nil
	live.Add(-1)
}
