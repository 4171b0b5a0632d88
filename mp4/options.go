package mp4

import "time"

// A File is what a [Writer] writes to; *os.File is one.
type File interface {
	WriteAt(p []byte, off int64) (int, error)
	// Sync makes everything written so far durable.
	Sync() error
	Truncate(size int64) error
}

// An Allocator is a [File] that can set disk space aside without changing its
// size, as fallocate(2) does; for *os.File the writer does it itself where the
// system can.
type Allocator interface {
	Allocate(off, length int64) error
}

// Options of a [Writer]. The zero value of a field means its default.
type Options struct {
	// QuickTime writes the QuickTime brand, for .mov.
	QuickTime bool
	// Title and Tool are the file's metadata, Created its creation time
	// (default: none, which is stored as zero).
	Title, Tool string
	Created     time.Time

	// Fragment is the longest piece of media in memory, and so what a crash
	// costs at most; default 500 ms. FragmentBytes cuts earlier; default 4 MiB.
	Fragment      time.Duration
	FragmentBytes int
	// SlotBytes is the size of each of the two places for the moov of the
	// unfinished file; default 16 KiB, enough for twenty tracks. A first moov
	// that needs more gets twice what it needs.
	SlotBytes int
	// FastStart is space kept at the file's front for the index of the
	// finished file, so that it can be played while it is downloaded. An index
	// that outgrows it goes to the end. Default 0: at the end.
	FastStart int64

	// SyncInterval is how often, in real time, what is written is made durable:
	// default 250 ms, negative never before the end, a nanosecond at each
	// fragment. Readers see a fragment when it is durable, or where that is
	// never, when it is written. A crash costs this and Fragment at most; a
	// power loss once more SyncInterval, since what shows a fragment is itself
	// durable only with the next sync, or nothing more after Repair. What the
	// shape of the file depends on is always made durable in its order.
	SyncInterval time.Duration
	// Reserve is the disk space held ready beyond what the index needs by now,
	// so that a full disk can still be finished; default 1 MiB, negative none.
	Reserve int64
	// BufferBytes bounds the fragments that wait for the disk; default 64 MiB.
	// While it is full, [Track.Write] waits.
	BufferBytes int64
	// Direct lets Write do the disk's work itself when it is behind, which
	// takes half the CPU time; but a disk that stalls then holds Write up,
	// whatever its context says. It is for sources that can wait, such as a
	// file that is copied.
	Direct bool
	// Written, where set, is called for each track of each fragment that the
	// system has taken, one at a time, in the order of writing. It is called
	// by whoever writes: it must not wait for the writer, as Write, Close and
	// Abort do.
	Written func(Written)
}

// Written tells of samples of one track that have been handed to the system.
type Written struct {
	Track   *Track
	Samples int
	Bytes   int64
	// Through is the decode time of the last of them.
	Through int64
}

func (o Options) withDefaults() Options {
	setDefault(&o.Fragment, 500*time.Millisecond)
	setDefault(&o.FragmentBytes, 4<<20)
	setDefault(&o.SlotBytes, 16<<10)
	setDefault(&o.SyncInterval, 250*time.Millisecond)
	setDefault(&o.Reserve, 1<<20)
	setDefault(&o.BufferBytes, 64<<20)
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
