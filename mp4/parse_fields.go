package mp4

import (
	"encoding/binary"
	"iter"
)

// fields takes big-endian values off the front of a box's body. Behind the end
// there are zeros, and short tells so.
type fields struct {
	p     []byte
	short bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.p) {
		f.short, f.p = true, nil
		return make([]byte, min(max(n, 0), 16))
	}
	p := f.p[:n]
	f.p = f.p[n:]
	return p
}

func (f *fields) skip(n int) {
	if n < 0 || n > len(f.p) {
		f.short, f.p = true, nil
		return
	}
	f.p = f.p[n:]
}

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

// full takes the version and flags of a full box.
func (f *fields) full() (version uint8, flags uint32) {
	v := f.u32()
	return uint8(v >> 24), v & 0xffffff
}

// sized takes 64 bits in version 1 and 32 bits otherwise.
func (f *fields) sized(version uint8) uint64 {
	if version == 1 {
		return f.u64()
	}
	return uint64(f.u32())
}

// boxesIn walks boxes in memory and ends where they break; whole tells whether
// they filled p.
func boxesIn(p []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(p) >= 8 {
			kind, head, size, err := parseHead(p[:min(16, len(p))], int64(len(p)))
			if err != nil || !yield(kind, p[head:size]) {
				return
			}
			p = p[size:]
		}
	}
}

// childOf returns the body of the first box of a kind.
func childOf(p []byte, kind string) ([]byte, bool) {
	for k, body := range boxesIn(p) {
		if k == kind {
			return body, true
		}
	}
	return nil, false
}
