package ffmpeg

/*
#include <stdlib.h>
#include "rk.h"
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// CodecParams describes an encoded stream: all that a muxer or a decoder has
// to know before the first packet.
type CodecParams struct{ c *C.rk_params }

// ParamsConfig describes a stream that did not come out of this package.
type ParamsConfig struct {
	Codec     string // FFmpeg's name of the codec (h264, vp8, opus) or of an encoder
	ExtraData []byte // codec configuration as FFmpeg has it: Annex B or avcC, AudioSpecificConfig, OpusHead; copied
	// TimeBaseDen: the packets' times count in units of one such part of a
	// second.
	TimeBaseDen int

	Width, Height int         // pictures
	Color         media.Color // unknown: as the stream itself says
	FrameRate     float64     // nominal, 0 if unknown
	Reordered     int         // pictures that a decoder holds back to put them in order, 0 if the stream says

	Rate, Channels int // audio
	FrameSize      int // frames in a packet, 0 if unknown or varying
	InitialPadding int // frames to drop at the start (Opus pre-skip, AAC priming)
}

// NewCodecParams describes a stream. The caller closes the result.
func NewCodecParams(cfg ParamsConfig) (*CodecParams, error) {
	op := "describe codec " + cfg.Codec
	if cfg.TimeBaseDen <= 0 || cfg.TimeBaseDen > math.MaxInt32 || len(cfg.ExtraData) > 1<<24 {
		return nil, newError(op, -C.EINVAL, "")
	}
	p := ownParams(C.rk_params_new())
	if p == nil {
		return nil, newError(op, -C.ENOMEM, "")
	}
	name := C.CString(cfg.Codec)
	defer C.free(unsafe.Pointer(name))
	code := C.rk_params_set(p.c, name, (*C.uint8_t)(unsafe.SliceData(cfg.ExtraData)), C.int(len(cfg.ExtraData)))
	if code < 0 {
		p.Close()
		return nil, newError(op, code, "")
	}
	p.c.time_base = C.AVRational{1, C.int(cfg.TimeBaseDen)}
	switch p.c.par.codec_type {
	case C.AVMEDIA_TYPE_VIDEO:
		C.rk_params_set_video(p.c, C.int(cfg.Width), C.int(cfg.Height), C.int(cfg.Color))
		p.c.par.video_delay = C.int(cfg.Reordered)
		p.c.frame_rate = C.av_d2q(C.double(cfg.FrameRate), 1_001_000)
	case C.AVMEDIA_TYPE_AUDIO:
		C.rk_params_set_audio(p.c, C.int(cfg.Rate), C.int(cfg.Channels), C.int(cfg.FrameSize), C.int(cfg.InitialPadding))
	}
	return p, nil
}

// ownParams takes over what C made, nil if that is nil.
func ownParams(c *C.rk_params) *CodecParams {
	if c == nil {
		return nil
	}
	live.Add(1)
	return &CodecParams{c: c}
}

// Close frees the parameters.
func (p *CodecParams) Close() {
	if p == nil || p.c == nil {
		return
	}
	C.rk_params_free(p.c)
	p.c = nil
	live.Add(-1)
}

// par returns the C structure, an empty one if p is closed.
func (p *CodecParams) par() *C.rk_params {
	if p == nil || p.c == nil {
		return nil
	}
	return p.c
}

// Codec returns FFmpeg's name of the codec, such as "h264".
func (p *CodecParams) Codec() string {
	if c := p.par(); c != nil {
		return C.GoString(C.avcodec_get_name(c.par.codec_id))
	}
	return ""
}

// ExtraData returns a copy of the codec's configuration: for H.264 and HEVC
// the parameter sets, for AAC the AudioSpecificConfig, for Opus the OpusHead.
func (p *CodecParams) ExtraData() []byte {
	c := p.par()
	if c == nil || c.par.extradata_size <= 0 {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(c.par.extradata), c.par.extradata_size)
}

// Width returns the width in pixels.
func (p *CodecParams) Width() int {
	if c := p.par(); c != nil {
		return int(c.par.width)
	}
	return 0
}

// Height returns the height in pixels.
func (p *CodecParams) Height() int {
	if c := p.par(); c != nil {
		return int(c.par.height)
	}
	return 0
}

// Rate returns the frames per second of audio.
func (p *CodecParams) Rate() int {
	if c := p.par(); c != nil {
		return int(c.par.sample_rate)
	}
	return 0
}

// Channels returns the number of audio channels.
func (p *CodecParams) Channels() int {
	if c := p.par(); c != nil {
		return int(c.par.ch_layout.nb_channels)
	}
	return 0
}

// InitialPadding returns how many frames of audio a decoder gives out before
// the first one that was encoded.
func (p *CodecParams) InitialPadding() int {
	if c := p.par(); c != nil {
		return int(c.par.initial_padding)
	}
	return 0
}

// TimeBase returns the unit in which the packets' times count, in seconds.
func (p *CodecParams) TimeBase() (num, den int) {
	if c := p.par(); c != nil {
		return int(c.time_base.num), int(c.time_base.den)
	}
	return 0, 1
}

// String returns for example "h264 640x480" or "aac 16000 Hz, 1 channel(s)".
func (p *CodecParams) String() string {
	if p.Width() > 0 {
		return fmt.Sprintf("%s %dx%d", p.Codec(), p.Width(), p.Height())
	}
	return fmt.Sprintf("%s %d Hz, %d channel(s)", p.Codec(), p.Rate(), p.Channels())
}
