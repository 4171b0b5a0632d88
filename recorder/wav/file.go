package wav

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder/internal/outfile"
)

// disk is what a file needs of the one that the system opened.
type disk interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// file is one file of a recording. It comes to be with the first audio that
// goes into it. But for channels it belongs to the writer's goroutine.
//
// Whatever order audio comes in, and however late: it is added to what the file
// has at its place. What is behind the end of the file needs no reading, and
// what no audio was ever given for is a hole, which reads as silence and takes
// no disk.
type file struct {
	path   string
	takes  func(media.Direction) bool
	stereo bool // the left channel is inbound, the right one outbound
	sample SampleFormat
	create func(path string) (disk, error)
	// channels is how many the file has; 0 until the first audio for it. It is
	// set under the recording's lock before any of that reaches the writer.
	channels int

	disk   disk // nil before the first audio
	header *header
	end    int64 // frames, behind the last one written
	claims int64 // frames that the header on disk tells of
	dirty  bool  // something is not synced
	bytes  []byte
	values []float32
}

// chunk bounds how much is read and written at once, in values.
const chunk = 16 << 10

// open makes the file, with a header. Its name is made to last behind that: what
// is found after a power loss is a file that is valid.
func (f *file) open(h *header) error {
	d, err := f.create(f.path)
	if err != nil {
		return fmt.Errorf("wav: file cannot be created: %w", err)
	}
	f.disk, f.header, f.dirty = d, h, true
	if err := f.write(h.data, 0); err != nil {
		return err
	}
	if err := outfile.Sync(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("wav: directory cannot be synced: %w", err)
	}
	return nil
}

// mix adds frames of a direction at a position counted from the file's zero.
func (f *file) mix(dir media.Direction, at int64, frames []float32, channels int) error {
	for len(frames) > 0 {
		n := min(len(frames)/channels, chunk/2)
		if err := f.mixChunk(dir, at, frames[:n*channels], channels); err != nil {
			return err
		}
		at += int64(n)
		frames = frames[n*channels:]
	}
	return nil
}

func (f *file) mixChunk(dir media.Direction, at int64, frames []float32, channels int) error {
	f.values = f.spread(f.values[:0], dir, frames, channels)
	size := len(f.values) * f.sample.bytes()
	if cap(f.bytes) < size {
		f.bytes = make([]byte, size)
	}
	b := f.bytes[:size]
	clear(b)
	n, frame := int64(len(frames)/channels), int64(f.header.frameBytes)
	if there := min(max(f.end-at, 0), n); there > 0 {
		if _, err := f.disk.ReadAt(b[:there*frame], f.place(at)); err != nil {
			return fmt.Errorf("wav: %s cannot be read: %w", f.path, err)
		}
	}
	f.sample.add(b, f.values)
	if err := f.write(b, f.place(at)); err != nil {
		return err
	}
	f.end, f.dirty = max(f.end, at+n), true
	return nil
}

// place returns where a frame is in the file.
func (f *file) place(at int64) int64 {
	return int64(len(f.header.data)) + at*int64(f.header.frameBytes)
}

// spread appends frames with as many channels as the file has: mono goes to
// both at full level, stereo to one as the average. A stereo file gets silence
// in the channel of the other direction, which adds nothing to it.
func (f *file) spread(dst []float32, dir media.Direction, frames []float32, channels int) []float32 {
	if channels == f.channels && !f.stereo {
		return append(dst, frames...)
	}
	for i := 0; i < len(frames); i += channels {
		left, right := frames[i], frames[i+channels-1]
		switch {
		case f.stereo && dir == media.Inbound:
			dst = append(dst, (left+right)/2, 0)
		case f.stereo:
			dst = append(dst, 0, (left+right)/2)
		case f.channels == 1:
			dst = append(dst, (left+right)/2)
		default:
			dst = append(dst, left, right)
		}
	}
	return dst
}

// write writes all of b. Like write(2), a disk may take less without an error.
func (f *file) write(b []byte, at int64) error {
	for len(b) > 0 {
		n, err := f.disk.WriteAt(b, at)
		if err == nil && n == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return fmt.Errorf("wav: %s cannot be written: %w", f.path, err)
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// sync makes what was written durable.
func (f *file) sync() error {
	if f.disk == nil || !f.dirty {
		return nil
	}
	if err := f.disk.Sync(); err != nil {
		return fmt.Errorf("wav: %s cannot be synced: %w", f.path, err)
	}
	f.dirty = false
	return nil
}

// claim tells in the header of what has been written. While the file grows that
// is an even number of bytes, so that there is no pad to be told of.
func (f *file) claim() error {
	if f.disk == nil {
		return nil
	}
	frames := f.end - f.end*int64(f.header.frameBytes)&1
	if frames == f.claims {
		return nil
	}
	return f.claimAll(frames)
}

func (f *file) claimAll(frames int64) error {
	f.header.claim(frames)
	if err := f.write(f.header.data, 0); err != nil {
		return err
	}
	f.claims, f.dirty = frames, true
	return nil
}

// finish completes the file, if there is one, and closes it.
func (f *file) finish() error {
	if f.disk == nil {
		return nil
	}
	err := f.complete()
	if err != nil {
		err = errors.Join(err, f.abandon())
	} else if err = f.disk.Close(); err != nil {
		err = fmt.Errorf("wav: %s cannot be closed: %w", f.path, err)
	}
	f.disk = nil
	return err
}

func (f *file) complete() error {
	if f.end*int64(f.header.frameBytes)&1 == 1 {
		if err := f.write([]byte{0}, f.place(f.end)); err != nil {
			return err
		}
	}
	if err := f.sync(); err != nil { // or the header could be there before its audio
		return err
	}
	if f.end != f.claims {
		if err := f.claimAll(f.end); err != nil {
			return err
		}
	}
	return f.sync()
}

// abandon closes a file that could not be written further. It keeps what its
// header tells of; what was written behind that goes.
func (f *file) abandon() error {
	if f.disk == nil {
		return nil
	}
	f.end = f.claims
	f.header.claim(f.claims) // it may be what could not be written
	err := errors.Join(f.write(f.header.data, 0), f.disk.Truncate(f.place(f.claims)), f.disk.Sync(), f.disk.Close())
	f.disk = nil
	return err
}

// size is that of the file in bytes, 0 where there is none.
func (f *file) size() int64 {
	if f.header == nil {
		return 0
	}
	n := f.place(f.end)
	return n + f.end*int64(f.header.frameBytes)&1
}
