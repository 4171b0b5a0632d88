package mp4

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// A source is a file to be read. Nothing it says about itself is trusted: no
// more is allocated than it has bytes, whatever its boxes claim.
type source struct {
	r    io.ReaderAt
	size int64
	// failed is the first error of r itself, which is none of the file's
	// structure: it makes everything found so far worthless.
	failed error
}

// smallBox bounds what is read of a box in one piece. Sample tables, which may
// be larger, are read through a window.
const smallBox = 64 << 20

func (s *source) read(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > s.size || n > s.size-off {
		return nil, fmt.Errorf("%w: bytes %d to %d lie outside the file of %d", ErrDamaged, off, off+n, s.size)
	}
	p := make([]byte, n)
	return p, s.fill(p, off)
}

// fill reads p whole.
func (s *source) fill(p []byte, off int64) error {
	n, err := s.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it ends at byte %d", ErrDamaged, off+int64(n))
	}
	if s.failed == nil {
		s.failed = err
	}
	return err
}

// A box is where one lies, ISO/IEC 14496-12 section 4.2.
type box struct {
	kind string
	off  int64 // of its header
	head int64 // the header's length
	size int64 // header included
	open bool  // has no size: it reaches to the end of the file
}

func (b box) body() int64 { return b.off + b.head }
func (b box) end() int64  { return b.off + b.size }

// box reads the header of the box at off, which has to end by limit. Where the
// header makes sense except for that, the box is returned with errBeyond.
func (s *source) box(off, limit int64) (box, error) {
	var p [16]byte
	n := min(16, limit-off)
	if n < 8 {
		return box{}, fmt.Errorf("%w: %d bytes at %d are no box", ErrDamaged, max(n, 0), off)
	}
	if err := s.fill(p[:n], off); err != nil {
		return box{}, err
	}
	kind, head, size, err := parseHead(p[:n], limit-off)
	b := box{kind: kind, off: off, head: head, size: size, open: [4]byte(p[:4]) == [4]byte{}}
	if err != nil {
		return b, fmt.Errorf("%w at byte %d", err, off)
	}
	return b, nil
}

// errBeyond: a box is larger than what it lies in.
var errBeyond = fmt.Errorf("%w: box ends beyond what it lies in", ErrDamaged)

// parseHead reads a box's header. An mdat of size 0 reaches to the end of the
// file, which is what room is then.
func parseHead(p []byte, room int64) (kind string, head, size int64, err error) {
	f := fields{p: p}
	size, head = int64(f.u32()), 8
	kind = string(f.take(4))
	switch size {
	case 0:
		if kind == "mdat" {
			size = room
		}
	case 1:
		large := f.u64()
		if large > 1<<62 {
			return kind, 16, 0, fmt.Errorf("%w: box %q of %d bytes", ErrDamaged, kind, large)
		}
		size, head = int64(large), 16
	}
	if f.short || size < head {
		return kind, head, size, fmt.Errorf("%w: box %q of %d bytes", ErrDamaged, kind, size)
	}
	if size > room {
		return kind, head, size, errBeyond
	}
	return kind, head, size, nil
}

// children walks what lies in a box behind skip bytes of its body. It ends
// with an error where the structure breaks.
func (s *source) children(parent box, skip int64) iter.Seq2[box, error] {
	return func(yield func(box, error) bool) {
		for off := parent.body() + skip; off < parent.end(); {
			// QuickTime ends some containers with four zero bytes.
			if parent.end()-off == 4 {
				return
			}
			b, err := s.box(off, parent.end())
			if !yield(b, err) || err != nil {
				return
			}
			off = b.end()
		}
	}
}

// load reads a box's body into memory.
func (s *source) load(b box) ([]byte, error) {
	n := b.size - b.head
	if n > smallBox {
		return nil, fmt.Errorf("%w: box %q of %d bytes at %d is larger than any that makes sense (%d)", ErrDamaged, b.kind, b.size, b.off, smallBox)
	}
	return s.read(b.body(), n)
}

// raw reads a box with its header.
func (s *source) raw(b box) ([]byte, error) {
	if b.size > smallBox {
		return nil, fmt.Errorf("%w: box %q of %d bytes at %d is larger than any that makes sense (%d)", ErrDamaged, b.kind, b.size, b.off, smallBox)
	}
	return s.read(b.off, b.size)
}
