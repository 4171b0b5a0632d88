package mp4

// A fileTable is a list of equal records somewhere in the file, read through a
// window: a day of samples has tables of hundreds of megabytes.
type fileTable struct {
	src   *source
	off   int64
	count int64
	width int64
}

// tableIn reads the head of a table box: version and flags, then the number of
// records after skip bytes. whole is false where the box has not room for that
// many; the table then has those that fit.
func tableIn(s *source, b box, skip, width int64) (t fileTable, version uint8, whole bool) {
	head := 8 + skip
	p, err := s.read(b.body(), min(head, b.size-b.head))
	f := fields{p: p}
	version, _ = f.full()
	f.skip(int(skip))
	count := int64(f.u32())
	if err != nil || f.short {
		return fileTable{src: s}, version, false
	}
	fits := (b.size - b.head - head) / width
	return fileTable{src: s, off: b.body() + head, count: min(count, fits), width: width}, version, count <= fits
}

const windowBytes = 16 << 10

// A tableReader walks a table.
type tableReader struct {
	fileTable
	next    int64
	window  []byte // what is left of buffer
	buffer  []byte
	current fields // the latest record, here so that it need not be allocated
}

// record returns the next record, or nil behind the last one. It holds until
// the next call.
func (t *tableReader) record() *fields {
	if len(t.window) == 0 && !t.read() {
		return nil
	}
	t.current = fields{p: t.window[:t.width]}
	t.window = t.window[t.width:]
	t.next++
	return &t.current
}

// read fills the window and reports whether there was anything left.
func (t *tableReader) read() bool {
	n := min(t.count-t.next, windowBytes/max(t.width, 1))
	if n <= 0 {
		return false
	}
	if t.buffer == nil {
		t.buffer = make([]byte, n*t.width) // no later window is larger
	}
	t.window = t.buffer[:n*t.width]
	if err := t.src.fill(t.window, t.off+t.next*t.width); err != nil {
		t.window, t.count = nil, t.next
		return false
	}
	return true
}
