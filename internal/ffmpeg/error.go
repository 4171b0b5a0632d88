package ffmpeg

/*
#include <errno.h>
#include "rk.h"
*/
import "C"

import (
	"errors"
	"io"
	"syscall"
)

var (
	// ErrAgain: a decoder needs more input before it has output.
	ErrAgain = errors.New("ffmpeg: more input needed")
	// ErrClosed: the object has been closed.
	ErrClosed = errors.New("ffmpeg: object is closed")
	// ErrInvalidData: the data is damaged or not what it claims to be.
	ErrInvalidData = errors.New("ffmpeg: invalid data")
	// ErrUnsupported: this build of FFmpeg has no such encoder, decoder,
	// format or device.
	ErrUnsupported = errors.New("ffmpeg: not supported by this FFmpeg")
)

// An Error is a failure of FFmpeg. It matches with errors.Is the system error
// it stands for (syscall.ENOSPC, fs.ErrNotExist and so on), io.EOF,
// [ErrInvalidData] or [ErrUnsupported], where it is one of them.
type Error struct {
	Op   string // what was tried, such as "open encoder h264_nvenc"
	Code int    // FFmpeg's code, negative
	Text string // FFmpeg's words, with the reason it logged
}

func newError(op string, code C.int, said string) *Error {
	var buf [128]C.char
	C.av_strerror(code, &buf[0], C.size_t(len(buf)))
	text := C.GoString(&buf[0])
	if said != "" {
		text += " (" + said + ")"
	}
	return &Error{Op: op, Code: int(code), Text: text}
}

// Error implements error.
func (e *Error) Error() string { return "ffmpeg: " + e.Op + ": " + e.Text }

// Unwrap returns the error this one stands for, or nil.
func (e *Error) Unwrap() error {
	switch C.int(e.Code) {
	case C.AVERROR_EOF:
		return io.EOF
	case C.AVERROR_INVALIDDATA:
		return ErrInvalidData
	case C.AVERROR_ENCODER_NOT_FOUND, C.AVERROR_DECODER_NOT_FOUND, C.AVERROR_MUXER_NOT_FOUND,
		C.AVERROR_DEMUXER_NOT_FOUND, C.AVERROR_PROTOCOL_NOT_FOUND:
		return ErrUnsupported
	}
	// FFmpeg's own codes are four characters, far below the system's.
	const lastErrno = 4095
	if e.Code < 0 && e.Code >= -lastErrno {
		return syscall.Errno(-e.Code)
	}
	return nil
}
