package trouble

import (
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
)

// An Op is something that is done to a [Disk].
type Op int

// What is done to a disk.
const (
	OpWrite Op = iota
	OpSync
	OpTruncate
	OpAllocate
)

func (o Op) String() string { return [...]string{"write", "sync", "truncate", "allocate"}[o] }

// A Call is one operation: the Nth of all, counted from 0.
type Call struct {
	Op  Op
	N   int
	Off int64
	Len int64 // of a truncation the new size
}

// A Fault decides how a call ends: with err, if that is set, and of a write
// after the first take bytes.
type Fault func(c Call) (take int64, err error)

// A Disk is a file in memory, on a disk that fails, waits, or loses power on
// command. It is safe for concurrent use.
type Disk struct {
	mu    sync.Mutex
	fault Fault
	data  []byte
	calls []Call
	log   []change
	held  chan struct{} // closed when the disk goes on
}

// change is a write or truncation that has been done, or the mark of a sync.
type change struct {
	op   Op
	n    int   // number of the call
	off  int64 // of a truncation the new size
	data []byte
}

// NewDisk returns an empty disk; fault may be nil.
func NewDisk(fault Fault) *Disk { return &Disk{fault: fault} }

// Hold makes all operations wait until Release.
func (d *Disk) Hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		d.held = make(chan struct{})
	}
}

// Release ends Hold.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held != nil {
		close(d.held)
		d.held = nil
	}
}

// begin waits for Release, notes the call, and asks for its fate. It returns
// with the lock held.
func (d *Disk) begin(op Op, off, length int64) (take int64, err error) {
	d.mu.Lock()
	for d.held != nil {
		held := d.held
		d.mu.Unlock()
		<-held
		d.mu.Lock()
	}
	c := Call{op, len(d.calls), off, length}
	d.calls = append(d.calls, c)
	if d.fault == nil {
		return length, nil
	}
	take, err = d.fault(c)
	return min(take, length), err
}

// WriteAt writes p, or as much of it as the fault lets through: like write(2),
// it may take less without an error.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.begin(OpWrite, off, int64(len(p)))
	defer d.mu.Unlock()
	if n > 0 {
		d.log = append(d.log, change{OpWrite, len(d.calls) - 1, off, slices.Clone(p[:n])})
		d.data = overwrite(d.data, p[:n], off)
	}
	return int(n), err
}

// ReadAt reads what was written, and zeros where nothing was before the end. It
// always works, and is no call that a fault is asked about.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	if off < int64(len(d.data)) {
		n = copy(p, d.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Sync makes what was written durable.
func (d *Disk) Sync() error {
	_, err := d.begin(OpSync, 0, 0)
	defer d.mu.Unlock()
	if err == nil {
		d.log = append(d.log, change{op: OpSync, n: len(d.calls) - 1})
	}
	return err
}

// Truncate sets the file's size.
func (d *Disk) Truncate(size int64) error {
	_, err := d.begin(OpTruncate, 0, size)
	defer d.mu.Unlock()
	if err == nil {
		d.log = append(d.log, change{OpTruncate, len(d.calls) - 1, size, nil})
		d.data = resize(d.data, size)
	}
	return err
}

// Allocate succeeds and does nothing unless the fault says otherwise.
func (d *Disk) Allocate(off, length int64) error {
	_, err := d.begin(OpAllocate, off, length)
	defer d.mu.Unlock()
	return err
}

// Bytes returns a copy of what the file holds.
func (d *Disk) Bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.data)
}

// Size returns the file's size.
func (d *Disk) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int64(len(d.data))
}

// Calls returns what has been done.
func (d *Disk) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

func overwrite(data, p []byte, off int64) []byte {
	if end := off + int64(len(p)); end > int64(len(data)) {
		data = resize(data, end)
	}
	copy(data[off:], p)
	return data
}

func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size:size] // what grows back is zeros
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

// FailOnce fails the nth operation, a write after take bytes.
func FailOnce(n int, take int64, err error) Fault {
	return func(c Call) (int64, error) {
		if c.N == n {
			return take, err
		}
		return c.Len, nil
	}
}

// FailFrom fails the nth operation and all later ones: a disk that has been
// pulled out. Of the first write it takes the given bytes.
func FailFrom(n int, take int64, err error) Fault {
	return func(c Call) (int64, error) {
		switch {
		case c.N < n:
			return c.Len, nil
		case c.N > n:
			return 0, err
		}
		return take, err
	}
}

// FailNth fails the nth operation of one kind, counted from 0.
func FailNth(op Op, n int, err error) Fault {
	return func(c Call) (int64, error) {
		if c.Op != op {
			return c.Len, nil
		}
		if n--; n == -1 {
			return 0, err
		}
		return c.Len, nil
	}
}

// Capacity is a disk with room for so many bytes. Overwriting and truncating
// work on a full one, and what Allocate promised is kept. Where allocates is
// false it cannot allocate.
func Capacity(size int64, allocates bool) Fault {
	return func(c Call) (int64, error) {
		switch {
		case c.Op == OpAllocate && !allocates:
			return 0, errors.ErrUnsupported
		case c.Op != OpSync && c.Op != OpTruncate && c.Off+c.Len > size:
			return max(0, size-c.Off), syscall.ENOSPC
		}
		return c.Len, nil
	}
}

// ShortWrites lets no write take more than so many bytes.
func ShortWrites(most int64) Fault {
	return func(c Call) (int64, error) {
		if c.Op == OpWrite {
			return min(most, c.Len), nil
		}
		return c.Len, nil
	}
}
