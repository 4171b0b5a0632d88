package mp4

import (
	"errors"
	"fmt"
	"io"
)

// ErrNotHybrid: a file cannot be repaired in place, since it is not one that
// this package's [Writer] has begun.
var ErrNotHybrid = errors.New("mp4: the file has no room for a repair in place")

// A RepairFile is what [RepairInPlace] works on; *os.File is one.
type RepairFile interface {
	File
	io.ReaderAt
}

// RepairInPlace finishes an interrupted file of this package's [Writer] where
// it lies, without copying it. What is torn at its end is cut off. After a
// crash at any moment of it, the file is as good as before or finished, and
// can be repaired again.
//
// The error wraps [ErrNotHybrid] for files of other producers.
func RepairInPlace(f RepairFile, size int64) (RepairReport, error) {
	s, err := findAll(f, size)
	if err != nil {
		return RepairReport{}, err
	}
	report := s.summary()
	if s.whole {
		return report, nil
	}
	if !s.l.layout.hybrid && !s.l.layout.switched {
		return RepairReport{}, fmt.Errorf("%w: there is no switch behind its ftyp", ErrNotHybrid)
	}
	report.Size, err = s.finishInPlace(f)
	if err != nil {
		return report, fmt.Errorf("mp4: repair: %w", err)
	}
	return report, nil
}

// finishInPlace does what the writer's end does, in the same order: the index
// is durable before the switch is thrown.
func (s *salvage) finishInPlace(f RepairFile) (size int64, err error) {
	_, end := s.extent()
	at := s.l.layout.ftyp.size
	var b boxBuffer
	if err := s.moov(&b, 0); err != nil { // reads from the file
		return 0, err
	}
	out := &appender{f: f, at: end}
	head := largeHead(end - at)
	for _, step := range []func() error{
		func() error { return f.Truncate(end) },
		func() error { return b.writeTo(out) },
		f.Sync,
		func() error { _, err := f.WriteAt(head[8:], at+8); return err },
		f.Sync,
		func() error { _, err := f.WriteAt(head[:8], at); return err },
		f.Sync,
	} {
		if err := step(); err != nil {
			return out.at, err
		}
	}
	return out.at, nil
}

// An appender writes on from a place.
type appender struct {
	f  File
	at int64
}

func (a *appender) Write(p []byte) (int, error) {
	n, err := a.f.WriteAt(p, a.at)
	a.at += int64(n)
	return n, err
}
