package ffmpeg

/*
#include "rk.h"
#cgo noescape rk_input_index
#cgo nocallback rk_input_index
*/
import "C"

import (
	"time"
	"unsafe"
)

// An IndexEntry says where a packet lies in a file. It is laid out as
// rk_index_entry.
type IndexEntry struct {
	Pos int64 // in bytes
	// Time is when it is to be decoded, in the time base of the stream.
	Time  int64
	Size  int32
	flags int32
}

// IsKey reports whether decoding can start here.
func (e IndexEntry) IsKey() bool { return e.flags&C.AVINDEX_KEYFRAME != 0 }

// Index copies entries of a stream's index, those from the given number on, and
// returns how many. Which formats have one, whether it is whole, and what its
// times are, is up to the format: in "mov" they are those of all packets.
func (in *Input) Index(stream, from int, into []IndexEntry) int {
	if in.c == nil || stream < 0 || stream >= len(in.streams) || from < 0 || len(into) == 0 {
		return 0
	}
	first := (*C.rk_index_entry)(unsafe.Pointer(unsafe.SliceData(into)))
	return int(C.rk_input_index(in.c, C.int(stream), C.int(from), first, C.int(len(into))))
}

// Format returns FFmpeg's names for the input's format, separated by commas,
// such as "mov,mp4,m4a,3gp,3g2,mj2".
func (in *Input) Format() string {
	if in.c == nil {
		return ""
	}
	return C.GoString(C.rk_input_context(in.c).iformat.name)
}

// TicksToTime converts a time in the time base of a stream, which must be one of
// Streams. What does not fit is [NoPTS].
func (in *Input) TicksToTime(stream int, ticks int64) time.Duration {
	return toDuration(ticks, in.bases[stream][0], in.bases[stream][1])
}
