// Package ffmpeg is a thin layer over FFmpeg's C libraries and libyuv: it
// converts, encodes, decodes, resamples, reads and writes files, and captures
// from devices. It is the only package of the module that uses cgo, and is
// written so that the same source serves FFmpeg 5.1 and everything later.
//
// # Rules for all types
//
// An object is used by one goroutine at a time; different objects are
// independent. Objects hold C memory that the garbage collector does not see:
// Close them. Close may be called twice, and the other methods of a closed
// object return [ErrClosed] or zero. C never keeps a pointer to Go memory.
//
// Converting, scaling, encoding, writing, reading and resampling allocate no
// Go memory once they run.
package ffmpeg

/*
#cgo pkg-config: libavformat libavcodec libavutil libswscale libswresample libavdevice
// Deprecations differ between FFmpeg's versions; an error in one of them
// would be one for a user we cannot help.
#cgo CFLAGS: -O2 -Wall -Werror -Wno-deprecated-declarations
#cgo LDFLAGS: -lyuv -ldl

#include <stdlib.h>
#include <libavdevice/avdevice.h>
#include <libavutil/log.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
#include "rk.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

var initOnce = sync.OnceFunc(func() { C.rk_init() })

// Version names the versions of the libraries in use, like
// "libavcodec 59.37.100, libavformat 59.27.100, …".
func Version() string {
	v := func(name string, n C.uint) string {
		return fmt.Sprintf("%s %d.%d.%d", name, n>>16, n>>8&0xff, n&0xff)
	}
	return v("libavcodec", C.avcodec_version()) + ", " +
		v("libavformat", C.avformat_version()) + ", " +
		v("libavutil", C.avutil_version()) + ", " +
		v("libavdevice", C.avdevice_version()) + ", " +
		v("libswscale", C.swscale_version()) + ", " +
		v("libswresample", C.swresample_version())
}

// A LogLevel says how much of FFmpeg's own chatter is printed to standard
// error.
type LogLevel int

// The log levels.
const (
	LogQuiet   LogLevel = C.AV_LOG_QUIET // nothing; the default
	LogError   LogLevel = C.AV_LOG_ERROR
	LogWarning LogLevel = C.AV_LOG_WARNING
	LogInfo    LogLevel = C.AV_LOG_INFO
	LogDebug   LogLevel = C.AV_LOG_DEBUG
)

// SetLogLevel sets what FFmpeg prints, for the whole process. Errors carry
// FFmpeg's reason whatever the level.
func SetLogLevel(l LogLevel) {
	initOnce()
	C.rk_log_level(C.int(l))
}

// live counts objects that hold C memory.
var live atomic.Int64

// LiveObjects returns how many objects of this package have not been closed or
// freed, so that tests can show that nothing leaks.
func LiveObjects() int64 { return live.Load() }

// opening runs a call that creates something and makes its failure an error
// with what FFmpeg logged meanwhile.
func opening(op string, call func() C.int) error {
	initOnce()
	runtime.LockOSThread() // what is logged is kept by thread
	defer runtime.UnlockOSThread()
	C.rk_log_begin()
	code := call()
	said := C.rk_log_end()
	if code >= 0 {
		return nil
	}
	return newError(op, code, C.GoString(said))
}

// dictionary makes FFmpeg's dictionary of a map. The caller frees it.
func dictionary(m map[string]string) *C.AVDictionary {
	var d *C.AVDictionary
	for k, v := range m {
		ck, cv := C.CString(k), C.CString(v)
		C.av_dict_set(&d, ck, cv, 0)
		C.free(unsafe.Pointer(ck))
		C.free(unsafe.Pointer(cv))
	}
	return d
}

// leftOver returns an error that names an option nobody took: a typing error
// that would otherwise go unseen.
func leftOver(op string, d *C.AVDictionary) error {
	empty := C.CString("")
	defer C.free(unsafe.Pointer(empty))
	e := C.av_dict_get(d, empty, nil, C.AV_DICT_IGNORE_SUFFIX)
	if e == nil {
		return nil
	}
	return unknownOption(op, C.GoString(e.key))
}

func unknownOption(op, name string) error {
	return &Error{Op: op, Code: int(C.AVERROR_OPTION_NOT_FOUND), Text: fmt.Sprintf("unknown option %q", name)}
}
