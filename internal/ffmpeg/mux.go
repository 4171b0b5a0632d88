package ffmpeg

/*
#include <errno.h>
#include <stdlib.h>
#include "rk.h"
#cgo noescape rk_muxer_write
#cgo nocallback rk_muxer_write
*/
import "C"

import (
	"unsafe"
)

// A Muxer writes encoded streams into a file: [CreateMuxer], AddStream for
// each, WriteHeader, Write, Finish.
type Muxer struct {
	c      *C.rk_muxer
	path   string
	header bool
	size   int64
}

// StreamOptions says how players list a stream.
type StreamOptions struct {
	Name     string // title
	Language string // ISO 639-2, such as "eng"
	Default  bool   // played unless the viewer chooses another
}

// CreateMuxer creates or truncates the file at path. The format is FFmpeg's
// short name: mp4, mov, matroska, webm, mpegts. The options are the format's
// own. The error is a system error, such as fs.ErrNotExist, if the file could
// not be created.
func CreateMuxer(path, format string, metadata, options map[string]string) (*Muxer, error) {
	// With its scheme, or a path with a colon would be taken for a URL.
	url, cformat := C.CString("file:"+path), C.CString(format)
	defer C.free(unsafe.Pointer(url))
	defer C.free(unsafe.Pointer(cformat))
	md, opts := dictionary(metadata), dictionary(options)
	defer func() {
		C.av_dict_free(&md)
		C.av_dict_free(&opts)
	}()
	m := &Muxer{path: path}
	err := opening("create "+format+" file "+path, func() C.int {
		return C.rk_muxer_open(&m.c, url, cformat, &md, &opts)
	})
	if err != nil {
		return nil, err
	}
	live.Add(1)
	return m, nil
}

// AddStream adds a stream and returns its number. p is borrowed for the call.
func (m *Muxer) AddStream(p *CodecParams, o StreamOptions) (int, error) {
	if m.c == nil || p.par() == nil {
		return 0, ErrClosed
	}
	if m.header {
		return 0, newError("add stream to "+m.path, -C.EINVAL, "the header is written")
	}
	name, language := C.CString(o.Name), C.CString(o.Language)
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(language))
	isDefault := C.int(0)
	if o.Default {
		isDefault = 1
	}
	n := C.rk_muxer_add(m.c, p.c, name, language, isDefault)
	if n < 0 {
		return 0, newError("add stream to "+m.path, n, "")
	}
	return int(n), nil
}

// WriteHeader begins the file. An option the format does not know is an error
// that names it.
func (m *Muxer) WriteHeader() error {
	if m.c == nil {
		return ErrClosed
	}
	op := "write header of " + m.path
	if m.header {
		return newError(op, -C.EINVAL, "it is written")
	}
	var unused [64]C.char
	err := opening(op, func() C.int { return C.rk_muxer_header(m.c, &unused[0], C.size_t(len(unused))) })
	if unused[0] != 0 {
		return unknownOption(op, C.GoString(&unused[0]))
	}
	if err != nil {
		return err
	}
	m.header = true
	return nil
}

// Write writes a packet of a stream, whose times count in the time base of the
// stream's parameters, and frees it in every case. Streams may be written in
// any order: packets are held until they can be interleaved. An I/O error may
// show up in a later call, as writes are buffered.
func (m *Muxer) Write(stream int, p *Packet) error {
	defer p.Free()
	if m.c == nil || p == nil || !p.used {
		return ErrClosed
	}
	if !m.header {
		return newError("write to "+m.path, -C.EINVAL, "no header yet")
	}
	if code := C.rk_muxer_write(m.c, C.int(stream), p.c); code < 0 {
		return newError("write to "+m.path, code, "")
	}
	return nil
}

// Finish completes and closes the file. It reports every I/O error that no
// earlier call reported, so that a full disk is never silent; the file is
// closed in any case.
func (m *Muxer) Finish() error {
	if m.c == nil {
		return ErrClosed
	}
	defer m.Close()
	op := "finish " + m.path
	if !m.header {
		return newError(op, -C.EINVAL, "no header yet")
	}
	return opening(op, func() C.int { return C.rk_muxer_finish(m.c) })
}

// Close abandons the file as it is, unless Finish has completed it.
func (m *Muxer) Close() {
	if m.c == nil {
		return
	}
	m.size = m.Size()
	C.rk_muxer_free(m.c)
	m.c = nil
	live.Add(-1)
}

// Size returns the bytes written so far. After Finish it is the file's size.
func (m *Muxer) Size() int64 {
	if m.c == nil {
		return m.size
	}
	return int64(C.rk_muxer_size(m.c))
}

// FormatSupports reports whether a file of the format can hold the codec, or
// what the encoder of that name makes.
func FormatSupports(format, codecName string) bool {
	f, c := C.CString(format), C.CString(codecName)
	defer C.free(unsafe.Pointer(f))
	defer C.free(unsafe.Pointer(c))
	return C.rk_format_supports(f, c) != 0
}
