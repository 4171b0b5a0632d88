package file

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/roomkit-live/roomkit-go/media"
)

// windows reads a file in large pieces, each into a slab. Samples are parts of
// these: they are not copied. It is used by one goroutine.
type windows struct {
	file  *os.File
	slabs slabs
	// open are the pieces read last: streams lie side by side in a file, one a
	// second or so ahead of the other.
	open   [4]window
	oldest int
	large  media.EncodedPool
}

// A window is a piece of the file.
type window struct {
	slab *slab // nil if there is none yet
	off  int64
	size int // as far as the file goes
}

// has returns where in the window the bytes are.
func (w *window) has(off int64, size int) (int, bool) {
	at := off - w.off
	return int(at), w.slab != nil && at >= 0 && at+int64(size) <= int64(w.size)
}

// lend returns a payload of so many bytes of the file.
func (w *windows) lend(pool *media.EncodedPool, f *media.EncodedFormat, off int64, size int) (*media.Encoded, error) {
	if size >= slabSize/2 {
		e := w.large.Get(f, size)
		if _, err := w.read(e.Data, off, size); err != nil {
			e.Release()
			return nil, err
		}
		return e, nil
	}
	at, win, err := w.find(off, size)
	if err != nil {
		return nil, err
	}
	win.slab.refs.Add(1)
	return pool.LendEncoded(f, win.slab.data[at:at+size:at+size], win.slab), nil
}

// find returns the window with the bytes, reading it if there is none.
func (w *windows) find(off int64, size int) (at int, win *window, err error) {
	for i := range w.open {
		if at, ok := w.open[i].has(off, size); ok {
			return at, &w.open[i], nil
		}
	}
	win = &w.open[w.oldest]
	w.oldest = (w.oldest + 1) % len(w.open)
	win.close()
	win.slab, win.off = w.slabs.take(), off
	win.size, err = w.read(win.slab.data, off, size)
	return 0, win, err
}

// read fills p as far as the file goes, which must be the given size at least.
func (w *windows) read(p []byte, off int64, size int) (int, error) {
	n, err := w.file.ReadAt(p, off)
	switch {
	case n >= size:
		return n, nil
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("ends at byte %d: %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	return 0, err
}

func (w *window) close() {
	if w.slab != nil {
		w.slab.Free()
	}
	*w = window{}
}

// close lets the file go; samples keep their data.
func (w *windows) close() {
	for i := range w.open {
		w.open[i].close()
	}
	_ = w.file.Close() // it was only read
}
