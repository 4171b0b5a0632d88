package ffmpeg

/*
#include <errno.h>
#include <stdlib.h>
#include "rk.h"
#cgo noescape rk_encoder_send_video
#cgo nocallback rk_encoder_send_video
#cgo noescape rk_encoder_send_picture
#cgo nocallback rk_encoder_send_picture
#cgo noescape rk_encoder_send_audio
#cgo nocallback rk_encoder_send_audio
#cgo noescape rk_encoder_receive
#cgo nocallback rk_encoder_receive
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// VideoTimeBase is the number of units a second has in the times of a
// [VideoEncoder].
const VideoTimeBase = 90_000

// HasEncoder reports whether this build of FFmpeg knows the encoder. That it
// knows a hardware encoder does not mean that there is such hardware.
func HasEncoder(name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.rk_has_encoder(c) != 0
}

// encoder is what both kinds of encoder have in common.
type encoder struct {
	c    *C.rk_encoder
	name string
	den  int64
}

// Params describes the encoded stream. The caller closes the result, which
// outlives the encoder.
func (e *encoder) Params() *CodecParams {
	if e.c == nil {
		return nil
	}
	return ownParams(C.rk_params_of_context(C.rk_encoder_context(e.c)))
}

// Close frees the encoder and drops what was not flushed.
func (e *encoder) Close() {
	if e.c == nil {
		return
	}
	C.rk_encoder_free(e.c)
	e.c = nil
	live.Add(-1)
}

// Flush ends the stream and emits what the encoder still held. The encoder
// takes nothing more afterwards.
func (e *encoder) Flush(emit func(*Packet) error) error {
	if e.c == nil {
		return ErrClosed
	}
	code := C.rk_encoder_flush(e.c)
	if code < 0 && code != C.AVERROR_EOF { // EOF: it has been flushed before
		return e.fail(code)
	}
	return e.drain(emit)
}

// drain emits all packets that are ready.
func (e *encoder) drain(emit func(*Packet) error) error {
	for {
		p := NewPacket()
		if p == nil {
			return e.fail(-C.ENOMEM)
		}
		code := C.rk_encoder_receive(e.c, p.c)
		if code < 0 {
			p.Free()
			if code == -C.EAGAIN || code == C.AVERROR_EOF {
				return nil
			}
			return e.fail(code)
		}
		p.num, p.den = 1, e.den
		if err := emit(p); err != nil {
			return err
		}
	}
}

func (e *encoder) fail(code C.int) error { return newError("encode with "+e.name, code, "") }

// VideoEncoderConfig says how pictures are encoded.
type VideoEncoderConfig struct {
	Codec         string // FFmpeg's name of the encoder: libx264, libx265, h264_nvenc, hevc_nvenc …
	Width, Height int    // even
	// FrameRate is the nominal number of pictures per second, by which the
	// encoder spends bits and states a level; 0 means 30. The times of the
	// pictures may be any.
	FrameRate  float64
	Color      media.Color       // stated in the stream; unknown is resolved by the height
	BitRate    int64             // bits per second, 0 for the encoder's default
	GOP        int               // most pictures from one keyframe to the next, 0 for the encoder's default
	Threads    int               // 0 for as many as the encoder likes
	MaxBFrames int               // 0 for none: packets come out in the order of presentation
	Options    map[string]string // the encoder's own options, such as preset, crf, tune, x264-params
}

// A VideoEncoder encodes pictures. Its times count in 1/90000 s, and its
// parameter sets are in [CodecParams.ExtraData], not in the packets.
type VideoEncoder struct {
	encoder
	format media.VideoFormat // of pictures that can be taken as they are
	copies bool
}

// NewVideoEncoder opens an encoder. An option it does not know is an error
// that names it. If this FFmpeg lacks the encoder the error wraps
// [ErrUnsupported]; if the hardware for it is missing the error has FFmpeg's
// reason in its text.
func NewVideoEncoder(cfg VideoEncoderConfig) (*VideoEncoder, error) {
	vf := media.VideoFormat{Width: cfg.Width, Height: cfg.Height, Color: cfg.Color, Rate: cfg.FrameRate}
	if err := evenSize(vf); err != nil {
		return nil, err
	}
	fps := cfg.FrameRate
	if fps == 0 {
		fps = 30
	}
	e := &VideoEncoder{
		encoder: encoder{name: cfg.Codec, den: VideoTimeBase},
		format:  media.VideoFormat{Pixel: media.I420, Width: cfg.Width, Height: cfg.Height, Color: vf.ResolvedColor()},
	}
	err := e.open(cfg.Options, func(name *C.char, options **C.AVDictionary) C.int {
		return C.rk_video_encoder_open(&e.c, name, C.int(cfg.Width), C.int(cfg.Height), C.double(fps),
			C.int(vf.ResolvedColor()), C.int64_t(cfg.BitRate), C.int(cfg.GOP), C.int(cfg.Threads),
			C.int(cfg.MaxBFrames), options)
	})
	if err != nil {
		return nil, err
	}
	name := C.CString(cfg.Codec)
	defer C.free(unsafe.Pointer(name))
	e.copies = C.rk_encoder_copies(name) != 0
	return e, nil
}

func (e *encoder) open(options map[string]string, call func(*C.char, **C.AVDictionary) C.int) error {
	op := "open encoder " + e.name
	name := C.CString(e.name)
	defer C.free(unsafe.Pointer(name))
	d := dictionary(options)
	defer func() { C.av_dict_free(&d) }()
	if err := opening(op, func() C.int { return call(name, &d) }); err != nil {
		return err
	}
	live.Add(1)
	if err := leftOver(op, d); err != nil {
		e.Close()
		return err
	}
	return nil
}

// Encode encodes the picture in f, whose size must be the encoder's, shown at
// pts (in 1/90000 s, later than the one before), as a keyframe if key is true.
// It emits the packets that are ready, which may belong to earlier pictures or
// be none. emit owns the packet it is given; its error is returned at once,
// and the packets it kept from being emitted come with the next call.
func (e *VideoEncoder) Encode(f *Frame, pts int64, key bool, emit func(*Packet) error) error {
	if e.c == nil || f.c == nil {
		return ErrClosed
	}
	forced := C.int(0)
	if key {
		forced = 1
	}
	code := C.rk_encoder_send_video(e.c, f.c, C.int64_t(pts), forced)
	if code == -C.EAGAIN { // packets are left from a call whose emit failed
		if err := e.drain(emit); err != nil {
			return err
		}
		code = C.rk_encoder_send_video(e.c, f.c, C.int64_t(pts), forced)
	}
	if code < 0 {
		return e.fail(code)
	}
	return e.drain(emit)
}

// Takes reports whether [VideoEncoder.EncodePicture] can encode the picture,
// which must be valid: it has the encoder's size, format and colour coding, and
// the encoder keeps none it is given.
func (e *VideoEncoder) Takes(p *media.Picture) bool {
	f := p.Format
	f.Color, f.Rate = f.ResolvedColor(), 0
	if !e.copies || f != e.format {
		return false
	}
	for i := range p.Planes {
		if p.Planes[i].Stride > math.MaxInt32 {
			return false
		}
	}
	return true
}

// EncodePicture is [VideoEncoder.Encode] of a picture that it Takes, straight
// from the picture's own memory, which it borrows for the call.
func (e *VideoEncoder) EncodePicture(p *media.Picture, pts int64, key bool, emit func(*Packet) error) error {
	if e.c == nil {
		return ErrClosed
	}
	if err := p.Validate(); err != nil {
		return err
	}
	if !e.Takes(p) {
		return fmt.Errorf("%w: picture of %s for an encoder of %s", media.ErrFormat, p.Format, e.format)
	}
	forced := C.int(0)
	if key {
		forced = 1
	}
	code := e.sendPicture(p, pts, forced)
	if code == -C.EAGAIN {
		if err := e.drain(emit); err != nil {
			return err
		}
		code = e.sendPicture(p, pts, forced)
	}
	if code == 1 { // it kept the picture after all: it goes before the memory does
		e.Close()
		return newError("encode with "+e.name, -C.EINVAL, "the encoder kept a picture that was only lent to it")
	}
	if code < 0 {
		return e.fail(code)
	}
	return e.drain(emit)
}

func (e *VideoEncoder) sendPicture(p *media.Picture, pts int64, key C.int) C.int {
	l := &p.Planes
	return C.rk_encoder_send_picture(e.c,
		(*C.uint8_t)(unsafe.SliceData(l[0].Data)), C.int(l[0].Stride),
		(*C.uint8_t)(unsafe.SliceData(l[1].Data)), C.int(l[1].Stride),
		(*C.uint8_t)(unsafe.SliceData(l[2].Data)), C.int(l[2].Stride), C.int64_t(pts), key)
}

// AudioEncoderConfig says how audio is encoded.
type AudioEncoderConfig struct {
	Codec    string            // FFmpeg's name of the encoder: aac, libopus …
	Rate     int               // frames per second
	Channels int               // 1 or 2
	BitRate  int64             // bits per second, 0 for the encoder's default
	Options  map[string]string // the encoder's own options
}

// An AudioEncoder encodes audio. Its times count in 1/Rate s.
type AudioEncoder struct {
	encoder
	channels, frameSize, padding int
}

// NewAudioEncoder opens an encoder. Its errors are those of
// [NewVideoEncoder].
func NewAudioEncoder(cfg AudioEncoderConfig) (*AudioEncoder, error) {
	if err := (media.AudioFormat{Rate: cfg.Rate, Channels: cfg.Channels}).Validate(); err != nil {
		return nil, err
	}
	e := &AudioEncoder{encoder: encoder{name: cfg.Codec, den: int64(cfg.Rate)}, channels: cfg.Channels}
	err := e.open(cfg.Options, func(name *C.char, options **C.AVDictionary) C.int {
		return C.rk_audio_encoder_open(&e.c, name, C.int(cfg.Rate), C.int(cfg.Channels), C.int64_t(cfg.BitRate), options)
	})
	if err != nil {
		return nil, err
	}
	ctx := C.rk_encoder_context(e.c)
	e.frameSize, e.padding = int(ctx.frame_size), int(ctx.initial_padding)
	return e, nil
}

// FrameSize returns how many frames Encode takes at once, 0 for any number.
func (e *AudioEncoder) FrameSize() int { return e.frameSize }

// InitialPadding returns how many frames the encoder puts before the first
// one it is given. The first packet's time is earlier by as much.
func (e *AudioEncoder) InitialPadding() int { return e.padding }

// Encode encodes samples, interleaved with full scale ±1, that begin at pts
// (in 1/Rate s). There must be FrameSize frames, and only the last call may
// bring fewer. The rest is as for [VideoEncoder.Encode].
func (e *AudioEncoder) Encode(samples []float32, pts int64, emit func(*Packet) error) error {
	if e.c == nil {
		return ErrClosed
	}
	frames := len(samples) / e.channels
	if frames == 0 || frames*e.channels != len(samples) || (e.frameSize > 0 && frames > e.frameSize) {
		return fmt.Errorf("%w: %d values in %d channels for an encoder that takes %d frames",
			media.ErrLength, len(samples), e.channels, e.frameSize)
	}
	data := (*C.float)(unsafe.SliceData(samples))
	code := C.rk_encoder_send_audio(e.c, data, C.int(frames), C.int64_t(pts))
	if code == -C.EAGAIN {
		if err := e.drain(emit); err != nil {
			return err
		}
		code = C.rk_encoder_send_audio(e.c, data, C.int(frames), C.int64_t(pts))
	}
	if code < 0 {
		return e.fail(code)
	}
	return e.drain(emit)
}
