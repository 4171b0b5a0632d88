package mp4

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// run is the goroutine of the disk.
func (w *Writer) run() {
	defer close(w.disk.done)
	for !w.disk.isOver() {
		<-w.disk.wake
		w.disk.turn.Lock()
		w.work()
		w.disk.turn.Unlock()
	}
	w.disk.turn.Lock() // who lends a hand may have the last of it
	defer w.disk.turn.Unlock()
	w.outcome = w.disk.err()
	switch {
	case w.abort:
		w.outcome = errors.Join(ErrClosed, w.outcome)
	case w.begun:
		w.outcome = errors.Join(w.outcome, w.finish())
	}
}

// help does what is queued if that is much and nobody is at it: on the same
// thread, with the data still in its processor's cache, writing takes half the
// time.
func (w *Writer) help() {
	if w.o.Direct && w.disk.isBehind() && w.disk.turn.TryLock() {
		w.work()
		w.disk.turn.Unlock()
	}
}

// work does what is queued, and commits it if that is due. It is called by
// whoever has the turn.
func (w *Writer) work() {
	for op, ok := w.disk.next(); ok; op, ok = w.disk.next() {
		if w.disk.err() == nil {
			w.disk.fail(w.do(op))
		}
		w.disk.finished(op.frag)
		if op.frag != nil {
			w.mu.Lock()
			w.recycle(op.frag)
			w.mu.Unlock()
		}
	}
	if !w.awaitsCommit() {
		return
	}
	if rest := w.policy.rest(); rest > 0 {
		w.disk.soon.Reset(rest)
	} else {
		w.disk.fail(w.commit())
	}
}

// awaitsCommit reports whether something was written that has to be committed.
// After an error that is left to finish: here it would be tried without end.
func (w *Writer) awaitsCommit() bool { return len(w.untold) > 0 && w.disk.err() == nil }

func (w *Writer) do(op diskOp) error {
	switch {
	case op.frag != nil:
		return w.writeFragment(op.frag)
	case op.front > 0:
		return w.writeFront(op)
	}
	if err := writeAll(w.disk.file, op.data, op.at); err != nil {
		return err
	}
	return w.disk.file.Sync()
}

// writeFront writes what stands before the first fragment.
func (w *Writer) writeFront(op diskOp) error {
	if err := w.hold(op.front); err != nil {
		return err
	}
	if err := writeAll(w.disk.file, op.data, 0); err != nil {
		return err
	}
	w.begun, w.end = true, op.front
	w.size.Store(w.end)
	return nil
}

// writeFragment appends a fragment and takes its samples into the index.
//
// Its moof is typed free until all of it is on the disk: FFmpeg does not open a
// file at all that ends within a moof, and Chromium stops with an error at
// samples that are not there.
func (w *Writer) writeFragment(f *fragment) error {
	if err := w.hold(w.end + f.size); err != nil {
		return err
	}
	copy(f.head[4:], "free")
	at := w.end
	for data := range f.contents() {
		if err := writeAll(w.disk.file, data, at); err != nil {
			return err
		}
		at += int64(len(data))
	}
	if !f.secret {
		w.hidden = append(w.hidden, w.end+int64(len(f.prefix))+4)
	}
	w.record(f)
	switch w.policy.rest() {
	case 0:
		return w.commit()
	case -1:
		return w.show()
	}
	return nil
}

// commit makes what has been written durable, and only then shows it. Where
// that fails it is shown all the same: it may well be there.
func (w *Writer) commit() error {
	w.policy.last = time.Now()
	return errors.Join(w.disk.file.Sync(), w.show())
}

// show shows fragments to readers and tells of them.
func (w *Writer) show() error {
	for len(w.hidden) > 0 {
		if err := writeAll(w.disk.file, []byte("moof"), w.hidden[0]); err != nil {
			return err
		}
		w.hidden = w.hidden[1:]
	}
	if w.o.Written != nil {
		for _, told := range w.untold {
			w.o.Written(told)
		}
	}
	w.hidden, w.untold = nil, w.untold[:0]
	return nil
}

// record notes what a fragment has added to the file.
func (w *Writer) record(f *fragment) {
	at := w.end + int64(len(f.prefix)+len(f.head))
	for _, p := range f.pieces {
		x := &p.track.index
		x.addChunk(at, p.count(), p.entry)
		for _, s := range p.samples {
			x.add(s)
		}
		at += int64(len(p.data))
		last := p.samples[len(p.samples)-1]
		w.untold = append(w.untold, Written{Track: p.track, Samples: len(p.samples), Bytes: int64(len(p.data)), Through: last.dts})
	}
	w.end += f.size
	w.size.Store(w.end)
}

// hold sets disk space aside for the file up to a size and for the index that
// it would need there, so that a disk that is full then can still be finished.
func (w *Writer) hold(size int64) error {
	if w.o.Reserve < 0 {
		return nil
	}
	need := size + w.o.Reserve + w.indexBytes()
	if need <= w.allocated {
		return nil
	}
	const ahead = 4 << 20 // one call for many fragments
	got := need + ahead
	err := allocate(w.disk.file, got)
	if err != nil {
		got = need
		err = allocate(w.disk.file, got)
	}
	switch {
	case err == nil:
		w.allocated = got
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO):
		return err
	default: // nothing can be reserved here
		w.o.Reserve = -1
	}
	return nil
}

// indexBytes is about what moov would take if the file ended now.
func (w *Writer) indexBytes() (n int64) {
	const headers = 2 << 10 // a track's boxes without its tables
	w.mu.Lock()
	tracks := w.tracks
	w.mu.Unlock()
	for _, t := range tracks {
		n += headers + t.index.encodedBytes()
	}
	return n
}

// finish makes a progressive file of the fragments.
//
//  1. moov, and the size of what is to be skipped, into places where no
//     reader looks yet
//  2. sync
//  3. the switch: from now on readers skip the fragments and find that moov
//  4. sync
//
// The bytes of the switch that change in step 3 may reach the disk in any
// order. The size's last byte alone makes a box of type free that skips as
// much; the type's alone make a box of 16 bytes that nobody knows.
func (w *Writer) finish() error {
	v := w.finished()
	if err := w.commit(); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrFragmented, err), w.disk.file.Truncate(w.end))
	}
	skipTo, size, err := w.writeIndex(v)
	if err == nil {
		err = w.skip(skipTo)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrFragmented, err), w.disk.file.Truncate(w.end))
	}
	w.size.Store(size)
	var b boxBuffer
	b.u32(1) // the size is in the 64 bits behind the type
	b.str("mdat")
	err = writeAll(w.disk.file, b.buf, w.slots.switchAt())
	if err == nil {
		err = w.disk.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFragmented, err)
	}
	return nil
}

// skip prepares the switch: how far it will skip.
func (w *Writer) skip(to int64) error {
	var b boxBuffer
	b.u64(uint64(to - w.slots.switchAt()))
	if err := writeAll(w.disk.file, b.buf, w.slots.switchAt()+8); err != nil {
		return err
	}
	return w.disk.file.Sync()
}

// finished describes the file with all samples in tables.
func (w *Writer) finished() *movie {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.movie()
	if w.titles != nil {
		w.titles.lastChapter(w.tracks)
	}
	for _, t := range w.tracks {
		if t.index.samples > 0 {
			v.tracks = append(v.tracks, t.describeFinished())
		}
	}
	return v
}

// lastChapter lets the last chapter last to the end of the other tracks.
func (t *Track) lastChapter(all []*Track) {
	for _, other := range all {
		if other != t && other.index.samples > 0 {
			end := rescale(other.index.end(), other.c.Timescale, t.c.Timescale)
			t.index.length = min(max(t.index.length, end-t.index.last), maxLength)
		}
	}
}

// writeIndex writes moov where a reader that skips from the switch to skipTo
// finds it, and cuts the file to its size.
func (w *Writer) writeIndex(v *movie) (skipTo, size int64, err error) {
	var moov boxBuffer
	v.moov(&moov)
	skipTo, size = w.end, w.end+moov.size()
	if fast, ok := w.fastStart(moov.size()); ok {
		skipTo, size = fast, w.end
		w.reveal(&moov, fast)
	}
	if err := moov.writeTo(&diskWriter{w.disk.file, skipTo}); err != nil {
		return 0, 0, err
	}
	return skipTo, size, w.disk.file.Truncate(size)
}

// fastStart returns where in the reserved space moov goes, if it fits.
func (w *Writer) fastStart(moov int64) (at int64, ok bool) {
	room := w.slots.extra - 8 - mdatLargest
	if w.slots.extra == 0 || moov > room || room-moov > 0 && room-moov < 8 {
		return 0, false
	}
	return w.slots.reserveAt() + 8, true
}

// reveal appends to a moov in the reserved space what follows it there: the
// space that is left, and the header of the mdat that takes in all fragments.
func (w *Writer) reveal(moov *boxBuffer, at int64) {
	if rest := w.slots.mediaAt() - mdatLargest - at - moov.size(); rest > 0 {
		moov.u32(uint32(rest))
		moov.str("free")
		moov.zeros(int(rest) - 8)
	}
	moov.u32(1)
	moov.str("mdat")
	moov.u64(uint64(w.end - w.slots.mediaAt() + mdatLargest))
}
