package ffmpeg

/*
#include "rk.h"
#cgo noescape av_packet_unref
#cgo nocallback av_packet_unref
#cgo noescape rk_packet_fill
#cgo nocallback rk_packet_fill
#cgo noescape av_packet_get_side_data
#cgo nocallback av_packet_get_side_data
*/
import "C"

import (
	"math"
	"math/bits"
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

// packets keeps freed packets, with the data they had. Memory that C allocates
// in one thread and frees in another is slow to use again: so it is freed by
// those who are about to allocate some. The bounds are what a reader is ahead;
// after a burst more would never be wanted again.
var packets struct {
	sync.Mutex
	free  [256]*Packet
	n     int
	bytes int // of data kept
}

// keptBytes bounds the data of freed packets.
const keptBytes = 4 << 20

// NewPacket returns an empty packet, for [Input.Read] and [Packet.SetData], or
// nil if memory has run out, which those report.
func NewPacket() *Packet {
	packets.Lock()
	var p *Packet
	if packets.n > 0 {
		packets.n--
		p = packets.free[packets.n]
		packets.bytes -= int(p.c.size)
	}
	packets.Unlock()
	if p == nil {
		if p = (&Packet{c: C.av_packet_alloc()}); p.c == nil {
			return nil
		}
	} else if p.c.buf != nil {
		C.av_packet_unref(p.c)
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
	live.Add(-1)
	if size := int(p.c.size); packets.n < len(packets.free) && packets.bytes+size <= keptBytes {
		packets.free[packets.n] = p
		packets.n++
		packets.bytes += size
		packets.Unlock()
		return
	}
	packets.Unlock()
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

// IsDiscard reports whether what comes out of the packet is not to be shown or
// heard: an edit list or an encoder's delay leaves it out.
func (p *Packet) IsDiscard() bool { return p.c.flags&C.AV_PKT_FLAG_DISCARD != 0 }

// IsCorrupt reports whether a part of the packet is missing or damaged.
func (p *Packet) IsCorrupt() bool { return p.c.flags&C.AV_PKT_FLAG_CORRUPT != 0 }

// NewExtraData returns a copy of the codec's configuration if this packet is
// the first of another one, else nil.
func (p *Packet) NewExtraData() []byte {
	if p.c.side_data_elems == 0 {
		return nil
	}
	var size C.size_t
	data := C.av_packet_get_side_data(p.c, C.AV_PKT_DATA_NEW_EXTRADATA, &size)
	if data == nil {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(data), C.int(size))
}

// Time returns the presentation time of a packet that an encoder or an input
// made, or [NoPTS].
func (p *Packet) Time() time.Duration { return toDuration(p.PTS(), p.num, p.den) }

// DecodingTime returns the decoding time in the same way.
func (p *Packet) DecodingTime() time.Duration { return toDuration(p.DTS(), p.num, p.den) }

// Length returns how long a packet lasts that an encoder or an input made, 0 if
// that is unknown.
func (p *Packet) Length() time.Duration { return max(toDuration(p.Duration(), p.num, p.den), 0) }

// toDuration converts a time in units of num/den seconds, rounding to the
// nearest nanosecond, halves away from zero. It is written here because a call
// into C costs several times as much, and every packet has three times. What
// does not fit is [NoPTS].
func toDuration(t, num, den int64) time.Duration {
	if t == noPTS || num <= 0 || den <= 0 {
		return NoPTS
	}
	// num has 31 bits, so its product with 10^9 fits.
	high, low := bits.Mul64(uint64(max(t, -t)), uint64(num)*uint64(time.Second))
	low, carry := bits.Add64(low, uint64(den)/2, 0)
	if high += carry; high >= uint64(den) {
		return NoPTS
	}
	ns, _ := bits.Div64(high, low, uint64(den))
	switch {
	case ns > math.MaxInt64:
		return NoPTS
	case t < 0:
		return -time.Duration(ns)
	}
	return time.Duration(ns)
}
