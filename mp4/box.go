package mp4

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// A boxBuffer builds boxes. What is large, the tables of samples, is not built
// but written when the buffer is: the buffer knows only its size.
type boxBuffer struct {
	buf    []byte
	tables []table
	extra  int64 // bytes of all tables so far
}

// table is content that is written at a place of a boxBuffer.
type table struct {
	at    int // in buf
	size  int64
	write func(*bufio.Writer)
}

// mark is where a box begins.
type mark struct {
	at    int
	extra int64
}

// open begins a box; close ends it and fills in its size.
func (b *boxBuffer) open(typ string) mark {
	m := mark{len(b.buf), b.extra}
	b.u32(0)
	b.str(typ)
	return m
}

// openFull begins a box with version and flags (ISO/IEC 14496-12 4.2).
func (b *boxBuffer) openFull(typ string, version uint8, flags uint32) mark {
	m := b.open(typ)
	b.u32(uint32(version)<<24 | flags)
	return m
}

func (b *boxBuffer) close(m mark) {
	size := int64(len(b.buf)-m.at) + b.extra - m.extra
	binary.BigEndian.PutUint32(b.buf[m.at:], uint32(min(size, math.MaxUint32)))
}

func (b *boxBuffer) u8(v uint8)    { b.buf = append(b.buf, v) }
func (b *boxBuffer) u16(v uint16)  { b.buf = binary.BigEndian.AppendUint16(b.buf, v) }
func (b *boxBuffer) u32(v uint32)  { b.buf = binary.BigEndian.AppendUint32(b.buf, v) }
func (b *boxBuffer) u64(v uint64)  { b.buf = binary.BigEndian.AppendUint64(b.buf, v) }
func (b *boxBuffer) str(s string)  { b.buf = append(b.buf, s...) }
func (b *boxBuffer) raw(p []byte)  { b.buf = append(b.buf, p...) }
func (b *boxBuffer) zeros(n int)   { b.buf = append(b.buf, make([]byte, n)...) }
func (b *boxBuffer) cstr(s string) { b.str(s); b.u8(0) }

// time appends a time or duration in the width of the box's version.
func (b *boxBuffer) time(version uint8, v uint64) {
	if version == 1 {
		b.u64(v)
	} else {
		b.u32(uint32(v))
	}
}

// table adds content of a known size that write produces later.
func (b *boxBuffer) table(size int64, write func(*bufio.Writer)) {
	b.tables = append(b.tables, table{len(b.buf), size, write})
	b.extra += size
}

func (b *boxBuffer) size() int64 { return int64(len(b.buf)) + b.extra }

// writeTo writes everything. The error is the first of w.
func (b *boxBuffer) writeTo(w io.Writer) error {
	if b.size() > math.MaxUint32 {
		return fmt.Errorf("%w: the index would take %d bytes, more than a box can hold", ErrConfig, b.size())
	}
	out := bufio.NewWriterSize(w, 256<<10)
	at := 0
	for _, t := range b.tables {
		_, _ = out.Write(b.buf[at:t.at]) // errors stay in out until Flush
		t.write(out)
		at = t.at
	}
	_, _ = out.Write(b.buf[at:])
	return out.Flush()
}

// wide is the version of a box that must hold the given values: 1, with 64
// bits each, where one does not fit into 32.
func wide(values ...uint64) uint8 {
	for _, v := range values {
		if v > math.MaxUint32 {
			return 1
		}
	}
	return 0
}

func put32(w *bufio.Writer, v uint32) {
	_, _ = w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), v))
}

func put64(w *bufio.Writer, v uint64) {
	_, _ = w.Write(binary.BigEndian.AppendUint64(w.AvailableBuffer(), v))
}
