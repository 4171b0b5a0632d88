package ffmpeg

/*
#include <errno.h>
#include "rk.h"
#cgo noescape rk_decoder_send
#cgo nocallback rk_decoder_send
#cgo noescape rk_decoder_receive
#cgo nocallback rk_decoder_receive
#cgo noescape rk_decoder_picture
#cgo nocallback rk_decoder_picture
#cgo noescape rk_decoder_pcm
#cgo nocallback rk_decoder_pcm
*/
import "C"

import (
	"fmt"
	"io"
	"time"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// DecoderOptions tunes a decoder.
type DecoderOptions struct {
	// Threads is how many threads decode, 0 for as many as FFmpeg likes.
	// Each may hold back one picture.
	Threads int
	// MaxPixels is the largest picture that is decoded, 0 for no bound but
	// FFmpeg's own: a few bytes can claim a picture of a gigabyte.
	MaxPixels int64
}

// A Decoder decodes one stream: Send a packet, then Receive until [ErrAgain].
type Decoder struct {
	c        *C.rk_decoder
	name     string
	num, den int64
	kind     media.Kind
}

// NewDecoder opens a decoder for a stream. p is borrowed for the call.
func NewDecoder(p *CodecParams, o DecoderOptions) (*Decoder, error) {
	c := p.par()
	if c == nil {
		return nil, ErrClosed
	}
	d := &Decoder{name: p.Codec(), num: int64(c.time_base.num), den: int64(c.time_base.den)}
	switch c.par.codec_type {
	case C.AVMEDIA_TYPE_VIDEO:
		d.kind = media.KindVideo
	case C.AVMEDIA_TYPE_AUDIO:
		d.kind = media.KindAudio
	default:
		return nil, newError("open decoder "+d.name, C.AVERROR_DECODER_NOT_FOUND, "neither audio nor pictures")
	}
	err := opening("open decoder "+d.name, func() C.int {
		return C.rk_decoder_open(&d.c, c, C.int(o.Threads), C.int64_t(o.MaxPixels))
	})
	if err != nil {
		return nil, err
	}
	live.Add(1)
	return d, nil
}

// Send gives the decoder a packet, which stays the caller's; nil ends the
// stream. Damaged data is an error that wraps [ErrInvalidData], after which
// decoding may go on. [ErrAgain] means that Receive has to be called first.
func (d *Decoder) Send(p *Packet) error {
	if d.c == nil {
		return ErrClosed
	}
	var c *C.AVPacket
	if p != nil {
		if c = p.c; !p.used || len(p.Data()) == 0 {
			return nil // empty: to FFmpeg it would be the end
		}
	}
	switch code := C.rk_decoder_send(d.c, c); {
	case code >= 0, p == nil && code == C.AVERROR_EOF:
		return nil
	default:
		return d.fail(code)
	}
}

func (d *Decoder) fail(code C.int) error {
	switch code {
	case -C.EAGAIN:
		return ErrAgain
	case C.AVERROR_EOF:
		return io.EOF
	}
	return newError("decode "+d.name, code, "")
}

func (d *Decoder) receive(kind media.Kind, o *C.rk_output) (time.Duration, error) {
	if d.c == nil {
		return NoPTS, ErrClosed
	}
	if d.kind != kind {
		return NoPTS, fmt.Errorf("%w: %s is a codec of %s", media.ErrFormat, d.name, d.kind)
	}
	if code := C.rk_decoder_receive(d.c, o); code < 0 {
		return NoPTS, d.fail(code)
	}
	return toDuration(int64(o.pts), d.num, d.den), nil
}

// ReceivePicture returns the next picture, of which the caller holds the one
// reference, and its presentation time or [NoPTS]. The picture is in the
// stream's own format where [media.PixelFormat] has it and else converted to
// I420, in the stream's colour coding. The format may change from picture to
// picture. The error is [ErrAgain] if another packet is needed, and io.EOF
// after the last picture. Rotation and non-square pixels are not applied.
func (d *Decoder) ReceivePicture(pool *media.PicturePool) (*media.Picture, time.Duration, error) {
	var o C.rk_output
	pts, err := d.receive(media.KindVideo, &o)
	if err != nil {
		return nil, NoPTS, err
	}
	f := media.VideoFormat{Pixel: media.PixelFormat(o.pixel), Width: int(o.width), Height: int(o.height), Color: media.Color(o.color)}
	if err := f.Validate(); err != nil {
		return nil, NoPTS, err
	}
	pic := pool.Get(f)
	p := &pic.Planes
	code := C.rk_decoder_picture(d.c,
		(*C.uint8_t)(unsafe.SliceData(p[0].Data)), C.int(p[0].Stride),
		(*C.uint8_t)(unsafe.SliceData(p[1].Data)), C.int(p[1].Stride),
		(*C.uint8_t)(unsafe.SliceData(p[2].Data)), C.int(p[2].Stride))
	if code < 0 {
		pic.Release()
		return nil, NoPTS, d.fail(code)
	}
	return pic, pts, nil
}

// ReceivePCM returns the next piece of audio, of which the caller holds the
// one reference, and its presentation time or [NoPTS]. It has the stream's
// rate; it is s16 if the codec's samples are, else f32; more than two channels
// are mixed down to stereo. The errors are those of ReceivePicture.
func (d *Decoder) ReceivePCM(pool *media.PCMPool) (*media.PCM, time.Duration, error) {
	var o C.rk_output
	pts, err := d.receive(media.KindAudio, &o)
	if err != nil {
		return nil, NoPTS, err
	}
	f := media.AudioFormat{Rate: int(o.rate), Channels: int(o.channels), Sample: media.SampleFormat(o.sample)}
	if err := f.Validate(); err != nil {
		return nil, NoPTS, err
	}
	pcm := pool.Get(f, int(o.frames))
	if code := C.rk_decoder_pcm(d.c, (*C.uint8_t)(unsafe.SliceData(pcm.Data))); code < 0 {
		pcm.Release()
		return nil, NoPTS, d.fail(code)
	}
	return pcm, pts, nil
}

// Reset forgets what was decoded so far and what is inside, for a stream that
// goes on elsewhere, or after its end.
func (d *Decoder) Reset() {
	if d.c != nil {
		C.rk_decoder_reset(d.c)
	}
}

// Close frees the decoder.
func (d *Decoder) Close() {
	if d.c == nil {
		return
	}
	C.rk_decoder_free(d.c)
	d.c = nil
	live.Add(-1)
}
