package ffmpeg

/*
#include <errno.h>
#include <stdlib.h>
#include "rk.h"
#cgo noescape rk_input_read
#cgo nocallback rk_input_read
*/
import "C"

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/roomkit-live/roomkit-go/media"
)

// InputOptions says how an input is opened.
type InputOptions struct {
	// Format is FFmpeg's name of a format or kind of device: pulse, alsa,
	// v4l2, x11grab, lavfi, avfoundation. Empty: found out from the data.
	Format string
	// Options are the format's own, such as video_size, framerate,
	// fragment_size. One it does not know is an error that names it.
	Options map[string]string
}

// A Stream is one of an input's streams.
type Stream struct {
	Index int
	Kind  media.Kind // audio, video, or unknown: subtitles, cover art, data
	Codec string     // FFmpeg's name, such as "h264"
	// Audio and Video are the format in which a decoder is going to hand the
	// stream on, as far as it can be known before the first packet.
	Audio media.AudioFormat
	Video media.VideoFormat
	// Start is the time of the first packet, [NoPTS] if unknown; Duration is
	// 0 if unknown.
	Start, Duration time.Duration
	Title, Language string
}

// An Input reads packets from a file, a network stream or a device.
type Input struct {
	c       *C.rk_input
	ctx     context.Context
	url     string
	release func() bool // ends the watch on ctx
	streams []Stream
	bases   [][2]int64
	wait    *waiter // for what may block, else nil

	start, duration time.Duration

	mu sync.Mutex // guards c against the watch on ctx
}

// OpenInput opens a file, URL or device. When ctx ends, the opening and all
// reading, also one under way, fail with its error. The error wraps
// fs.ErrNotExist if there is no such file, [ErrInvalidData] if it is no media,
// and [ErrUnsupported] if this FFmpeg lacks the format.
func OpenInput(ctx context.Context, url string, o InputOptions) (*Input, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	initOnce()
	format := C.CString(o.Format)
	defer C.free(unsafe.Pointer(format))
	in := &Input{c: C.rk_input_new(), ctx: ctx, url: url}
	if in.c == nil {
		return nil, newError("open "+url, -C.ENOMEM, "")
	}
	live.Add(1)
	isPath := C.rk_is_device(format) == 0 && !strings.Contains(url, "://")
	if mayBlock(url, o.Format, isPath) {
		in.wait = newWaiter()
	}
	if isPath && !strings.HasPrefix(url, "file:") {
		url = "file:" + url // or a path with a colon would be taken for a URL
	}
	in.release = context.AfterFunc(ctx, in.interrupt)
	if err := in.open(url, o); err != nil {
		in.Close()
		return nil, err
	}
	in.describe()
	return in, nil
}

// mayBlock reports whether a call may last for ever: into a driver, a name
// server or a pipe. Plain files, and lavfi which computes, do not.
func mayBlock(url, format string, isPath bool) bool {
	if !isPath {
		return format != "lavfi"
	}
	st, err := os.Stat(strings.TrimPrefix(url, "file:"))
	return err == nil && !st.Mode().IsRegular()
}

func (in *Input) interrupt() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.c != nil {
		C.rk_input_interrupt(in.c)
	}
}

func (in *Input) open(url string, o InputOptions) error {
	op := "open " + url
	c := in.c
	call := func() error {
		// All the call needs is its own, as it may outlive the caller.
		cformat, curl := C.CString(o.Format), C.CString(url)
		defer C.free(unsafe.Pointer(cformat))
		defer C.free(unsafe.Pointer(curl))
		d := dictionary(o.Options)
		defer func() { C.av_dict_free(&d) }()
		if err := opening(op, func() C.int { return C.rk_input_open(c, curl, cformat, &d) }); err != nil {
			return err
		}
		return leftOver(op, d)
	}
	var err error
	if in.wait == nil {
		err = call()
	} else if err = in.wait.open(in.ctx, call); err == errAbandoned {
		in.abandon(nil)
	}
	if err != nil && in.ctx.Err() != nil {
		return in.cancelled("open")
	}
	return err
}

func (in *Input) cancelled(op string) error {
	return fmt.Errorf("ffmpeg: %s %s: %w", op, in.url, in.ctx.Err())
}

// abandon leaves the C side to the call that is stuck in it. in looks closed
// from now on.
func (in *Input) abandon(p *C.AVPacket) {
	in.interrupt()
	in.mu.Lock()
	c := in.c
	in.c = nil
	in.mu.Unlock()
	in.wait.afterwards(func() {
		C.av_packet_free(&p)
		C.rk_input_free(c)
		live.Add(-1)
	})
}

func (in *Input) describe() {
	ctx := C.rk_input_context(in.c)
	in.start = toDuration(int64(ctx.start_time), 1, C.AV_TIME_BASE)
	if in.duration = toDuration(int64(ctx.duration), 1, C.AV_TIME_BASE); in.duration == NoPTS {
		in.duration = 0
	}
	for i := range int(ctx.nb_streams) {
		in.addStream(i)
	}
}

// addStream describes stream i. Some formats bring streams up while they are
// being read.
func (in *Input) addStream(i int) {
	st := C.rk_input_stream(in.c, C.int(i))
	base := [2]int64{int64(st.time_base.num), int64(st.time_base.den)}
	in.bases = append(in.bases, base)
	var o C.rk_output
	C.rk_params_output(st.codecpar, &o)
	s := Stream{
		Index:    i,
		Codec:    C.GoString(C.avcodec_get_name(st.codecpar.codec_id)),
		Start:    toDuration(int64(st.start_time), base[0], base[1]),
		Duration: toDuration(int64(st.duration), base[0], base[1]),
		Title:    tag(st.metadata, "title"),
		Language: tag(st.metadata, "language"),
	}
	if s.Duration == NoPTS {
		s.Duration = 0
	}
	if s.Title == "" {
		s.Title = givenName(tag(st.metadata, "handler_name"))
	}
	switch {
	case st.codecpar.codec_type == C.AVMEDIA_TYPE_AUDIO:
		s.Kind = media.KindAudio
		s.Audio = media.AudioFormat{Rate: int(o.rate), Channels: int(o.channels), Sample: media.SampleFormat(o.sample)}
	case st.codecpar.codec_type == C.AVMEDIA_TYPE_VIDEO && st.disposition&C.AV_DISPOSITION_ATTACHED_PIC == 0:
		s.Kind = media.KindVideo
		s.Video = media.VideoFormat{Pixel: media.PixelFormat(o.pixel), Width: int(o.width), Height: int(o.height), Color: media.Color(o.color)}
		if r := st.avg_frame_rate; r.num > 0 && r.den > 0 {
			s.Video.Rate = float64(r.num) / float64(r.den)
		}
	}
	in.streams = append(in.streams, s)
}

// givenName drops what writers put into a field that must not be empty.
func givenName(handler string) string {
	switch handler {
	case "VideoHandler", "SoundHandler", "DataHandler":
		return ""
	}
	return handler
}

func tag(d *C.AVDictionary, key string) string {
	c := C.CString(key)
	defer C.free(unsafe.Pointer(c))
	if e := C.av_dict_get(d, c, nil, 0); e != nil {
		return C.GoString(e.value)
	}
	return ""
}

// Streams returns the streams. The slice must not be changed.
func (in *Input) Streams() []Stream { return in.streams }

// Duration returns how long the whole is, 0 if unknown.
func (in *Input) Duration() time.Duration { return in.duration }

// StartTime returns the time of the first packet of any stream, [NoPTS] if
// unknown.
func (in *Input) StartTime() time.Duration { return in.start }

// Params describes a stream, for a [Muxer] or a [Decoder]. The caller closes
// the result. It is nil for a stream that is not there.
func (in *Input) Params(stream int) *CodecParams {
	if in.c == nil || stream < 0 || stream >= len(in.streams) {
		return nil
	}
	return ownParams(C.rk_params_of_stream(C.rk_input_stream(in.c, C.int(stream))))
}

// NewDecoder opens a decoder for a stream. It outlives the input.
func (in *Input) NewDecoder(stream int, o DecoderOptions) (*Decoder, error) {
	p := in.Params(stream)
	defer p.Close()
	if p == nil {
		return nil, newError("open decoder", -C.EINVAL, fmt.Sprintf("no stream %d", stream))
	}
	return NewDecoder(p, o)
}

// pollInterval is how long to wait for a device that has nothing yet. It
// delays media, whose times the device has taken already, and no more.
const pollInterval = 2 * time.Millisecond

// Read reads the next packet of any stream into p, dropping what p held, and
// returns the stream's number. The error is io.EOF at the end. A stream that
// came up late is in Streams as soon as its first packet is read.
func (in *Input) Read(p *Packet) (stream int, err error) {
	if in.c == nil || p == nil || !p.used {
		return 0, ErrClosed
	}
	for {
		code := in.read(p)
		switch {
		case code == -C.EAGAIN && in.ctx.Err() == nil:
			time.Sleep(pollInterval)
			continue
		case code < 0 && in.ctx.Err() != nil:
			return 0, in.cancelled("read")
		case code < 0:
			return 0, newError("read "+in.url, code, "")
		}
		stream = int(p.c.stream_index)
		for len(in.streams) <= stream {
			in.addStream(len(in.streams))
		}
		p.num, p.den = in.bases[stream][0], in.bases[stream][1]
		return stream, nil
	}
}

func (in *Input) read(p *Packet) C.int {
	if in.wait == nil {
		return C.rk_input_read(in.c, p.c)
	}
	code, ok := in.wait.read(in.ctx, in.c, p.c)
	if !ok {
		stuck := p.c
		p.c = C.av_packet_alloc()
		if p.c == nil {
			p.used = false
			live.Add(-1)
		}
		in.abandon(stuck)
		return C.AVERROR_EXIT
	}
	return code
}

// Close closes the input.
func (in *Input) Close() {
	in.release()
	if in.wait != nil {
		in.wait.stop()
	}
	in.mu.Lock()
	c := in.c
	in.c = nil
	in.mu.Unlock()
	if c != nil {
		C.rk_input_free(c)
		live.Add(-1)
	}
}
