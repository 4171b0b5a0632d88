package mp4

import "errors"

// Sentinel errors; what comes back wraps them.
var (
	// ErrClosed: the writer has been closed.
	ErrClosed = errors.New("mp4: writer is closed")
	// ErrConfig: an option or a track's description is impossible.
	ErrConfig = errors.New("mp4: invalid configuration")
	// ErrSample: a sample cannot be stored: time order, size, bit stream.
	ErrSample = errors.New("mp4: invalid sample")
	// ErrWrite: the disk has failed. What was written before is playable, and
	// Close makes of it what can be made.
	ErrWrite = errors.New("mp4: file cannot be written")
	// ErrFragmented: the index could not be written. The file is whole and
	// plays, in the shape it has while it is being written.
	ErrFragmented = errors.New("mp4: file is left without its final index")
	// ErrNotMP4: no structure of an MP4 file was found.
	ErrNotMP4 = errors.New("mp4: not an MP4 file")
	// ErrDamaged: the file's structure contradicts itself or ends early.
	ErrDamaged = errors.New("mp4: file is damaged")
)
