package ffmpeg

/*
#include "rk.h"
#cgo noescape av_packet_unref
#cgo nocallback av_packet_unref
#cgo noescape rk_packet_fill
#cgo nocallback rk_packet_fill
*/
import "C"

import (
	"math"
	"sync"
	"time"
	"unsafe"
)

// NoPTS stands for an unknown time.
const NoPTS = time.Duration(math.MinInt64)

// noPTS is the same in a time base.
const noPTS = int64(C.AV_NOPTS_VALUE)

// A Packet is a piece of an encoded stream: one access unit, or one frame of
// encoded audio. Its times count in the time base of the stream it comes from.
//
// Who gets a packet owns it and frees it, or gives it to [Muxer.Write].
type Packet struct {
	c        *C.AVPacket
	num, den int64 // time base, 0/0 if unknown
	used     bool
}

// packets keeps freed packets. It is bounded, for after a burst they would
// never be wanted again.
var packets struct {
	sync.Mutex
	free [64]*Packet
	n    int
}

// NewPacket returns an empty packet, for [Input.Read] and [Packet.SetData], or
// nil if memory has run out, which those report.
func NewPacket() *Packet {
	packets.Lock()
	var p *Packet
	if packets.n > 0 {
		packets.n--
		p = packets.free[packets.n]
	}
	packets.Unlock()
	if p == nil {
		if p = (&Packet{c: C.av_packet_alloc()}); p.c == nil {
			return nil
		}
	}
	p.used, p.num, p.den = true, 0, 0
	live.Add(1)
	return p
}

// Free gives the packet back. It must not be used afterwards.
func (p *Packet) Free() {
	if p == nil {
		return
	}
	packets.Lock()
	if !p.used {
		packets.Unlock()
		return
	}
	p.used = false
	packets.Unlock()
	live.Add(-1)
	C.av_packet_unref(p.c)

	packets.Lock()
	defer packets.Unlock()
	if packets.n < len(packets.free) {
		packets.free[packets.n] = p
		packets.n++
		return
	}
	C.av_packet_free(&p.c)
}

// Data returns the payload: C memory, to be read only, valid until Free.
func (p *Packet) Data() []byte {
	if !p.used || p.c.data == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p.c.data), int(p.c.size))
}

// SetData makes the payload a copy of data and clears everything else.
func (p *Packet) SetData(data []byte, pts, dts, duration int64, key bool) error {
	if p == nil || !p.used {
		return ErrClosed
	}
	if len(data) > math.MaxInt32-64 {
		return newError("make packet", -C.EINVAL, "too long")
	}
	code := C.rk_packet_fill(p.c, (*C.uint8_t)(unsafe.SliceData(data)), C.int(len(data)))
	if code < 0 {
		return newError("make packet", code, "")
	}
	p.num, p.den = 0, 0
	p.SetPTS(pts)
	p.SetDTS(dts)
	p.SetDuration(duration)
	if key {
		p.c.flags |= C.AV_PKT_FLAG_KEY
	}
	return nil
}

// PTS returns the presentation time in the stream's time base.
func (p *Packet) PTS() int64 { return int64(p.c.pts) }

// DTS returns the decoding time in the stream's time base.
func (p *Packet) DTS() int64 { return int64(p.c.dts) }

// Duration returns the duration in the stream's time base, 0 if unknown.
func (p *Packet) Duration() int64 { return int64(p.c.duration) }

// SetPTS sets the presentation time.
func (p *Packet) SetPTS(t int64) { p.c.pts = C.int64_t(t) }

// SetDTS sets the decoding time.
func (p *Packet) SetDTS(t int64) { p.c.dts = C.int64_t(t) }

// SetDuration sets the duration.
func (p *Packet) SetDuration(d int64) { p.c.duration = C.int64_t(d) }

// IsKey reports whether decoding can start here.
func (p *Packet) IsKey() bool { return p.c.flags&C.AV_PKT_FLAG_KEY != 0 }

// Time returns the presentation time of a packet that an encoder or an input
// made, or [NoPTS].
func (p *Packet) Time() time.Duration { return toDuration(p.PTS(), p.num, p.den) }

// toDuration converts a time in units of num/den seconds, rounding to the
// nearest nanosecond.
func toDuration(t, num, den int64) time.Duration {
	if t == noPTS || den == 0 {
		return NoPTS
	}
	return time.Duration(C.av_rescale_q(C.int64_t(t), C.AVRational{C.int(num), C.int(den)}, C.AVRational{1, 1_000_000_000}))
}
