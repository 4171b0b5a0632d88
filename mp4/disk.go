package mp4

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// disk is what waits to be done to the file. A goroutine does it one after the
// other, so a slow disk holds nobody up as long as there is room for what
// waits. After the first error nothing more is done.
type disk struct {
	file  File
	limit int64 // of waiting
	// direct: whoever brings more works on it, see Writer.help.
	direct bool

	mu      sync.Mutex
	queue   []diskOp
	waiting int64 // bytes of fragments
	closed  bool
	failed  error
	wake    chan struct{} // there is something in the queue, or it is closed
	soon    *time.Timer   // wakes after a moment
	room    chan struct{} // closed and replaced when something was done, or nothing will be
	done    chan struct{}

	turn sync.Mutex // held by whoever works on the file
}

// diskOp is one piece of work: a fragment to be appended, or the front of the
// file to be written, or a change of it that must be durable before the next
// work is begun.
type diskOp struct {
	frag  *fragment
	front int64 // size of the front, which data begins
	at    int64
	data  []byte
}

func newDisk(f File, limit int64, direct bool) *disk {
	d := &disk{file: f, limit: limit, direct: direct, wake: make(chan struct{}, 1), room: make(chan struct{}), done: make(chan struct{})}
	d.soon = time.AfterFunc(time.Hour, d.signal)
	return d
}

const (
	// moment is how long work may wait for more: to wake a goroutine for each
	// of several fragments costs as much as to write them.
	moment = 10 * time.Millisecond
	// batch is from how many bytes on it does not wait.
	batch = 1 << 20
)

// put queues work. It does not wait.
func (d *disk) put(ops ...diskOp) {
	d.mu.Lock()
	d.queue = append(d.queue, ops...)
	for i := range ops {
		if ops[i].frag != nil {
			d.waiting += ops[i].frag.size
		}
	}
	behind := d.isLate()
	d.mu.Unlock()
	if behind && !d.direct {
		d.signal()
	} else {
		d.soon.Reset(moment)
	}
}

// isBehind reports whether more waits than a live source brings in a moment.
func (d *disk) isBehind() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isLate()
}

func (d *disk) isLate() bool { return d.waiting >= batch || len(d.queue) >= spareFragments }

func (d *disk) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// awaitRoom waits until what is queued is within the limit, or nothing more is
// taken anyway.
func (d *disk) awaitRoom(ctx context.Context) error {
	for {
		d.mu.Lock()
		full, room := d.waiting > d.limit && d.failed == nil && !d.closed, d.room
		d.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("mp4: more than %d bytes wait for the disk: %w", d.limit, ctx.Err())
		}
	}
}

// close lets the goroutine end when its queue is empty, which it is at once
// where the rest is not wanted any more.
func (d *disk) close(drop bool) {
	d.mu.Lock()
	d.closed = true
	d.soon.Stop()
	if drop {
		d.queue = nil
	}
	d.tellWaiters()
	d.mu.Unlock()
	d.signal()
}

// awaitEnd waits until the goroutine has ended.
func (d *disk) awaitEnd(ctx context.Context) error {
	select {
	case <-d.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mp4: file is not finished yet: %w", ctx.Err())
	}
}

// next takes the next work out, if there is any.
func (d *disk) next() (op diskOp, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		return diskOp{}, false
	}
	op = d.queue[0]
	d.queue[0] = diskOp{}
	if d.queue = d.queue[1:]; len(d.queue) == 0 {
		d.queue = nil
	}
	return op, true
}

// isOver reports whether there is and will be nothing more to do.
func (d *disk) isOver() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed && len(d.queue) == 0
}

// finished tells that work is done; f may be nil.
func (d *disk) finished(f *fragment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f != nil {
		d.waiting -= f.size
	}
	d.tellWaiters()
}

// fail notes the first error.
func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed == nil && err != nil {
		d.failed = fmt.Errorf("%w: %w", ErrWrite, err)
	}
}

// tellWaiters has those who wait for room look again.
func (d *disk) tellWaiters() {
	close(d.room)
	d.room = make(chan struct{})
}

// err returns why nothing is written any more, nil if all is well.
func (d *disk) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failed
}

// writeBytes is the most that is written with one call: Go's scheduler gives a
// thread up that is in the system for longer than 20 µs, and has to find it
// another, which costs a tenth of all CPU time.
const writeBytes = 64 << 10

// writeAll writes all of p.
func writeAll(f File, p []byte, at int64) error {
	for len(p) > 0 {
		part := p[:min(len(p), writeBytes)]
		n, err := f.WriteAt(part, at)
		if err != nil {
			return err
		}
		if n <= 0 || n > len(part) {
			return fmt.Errorf("mp4: a write of %d bytes at %d wrote %d", len(p), at, n)
		}
		p, at = p[n:], at+int64(n)
	}
	return nil
}

// diskWriter writes to a file from some place on.
type diskWriter struct {
	f  File
	at int64
}

func (w *diskWriter) Write(p []byte) (int, error) {
	if err := writeAll(w.f, p, w.at); err != nil {
		return 0, err
	}
	w.at += int64(len(p))
	return len(p), nil
}

// syncPolicy says when fragments are made durable. It goes by real time, since
// that is what power is lost in.
type syncPolicy struct {
	interval time.Duration
	last     time.Time
}

// rest returns how long it takes until the next sync is due; 0 if it is now,
// negative if none ever is.
func (s *syncPolicy) rest() time.Duration {
	if s.interval < 0 {
		return -1
	}
	return max(s.interval-time.Since(s.last), 0)
}
