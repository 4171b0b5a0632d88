package trouble

import (
	"iter"
	"slices"
)

// A Moment is one byte more of what a process wrote before it was killed, or a
// truncation.
type Moment struct {
	Call Call
	// Done is how many bytes of the call are there, of Call.Len that were
	// asked for.
	Done int64
	// Byte is the latest, at Call.Off + Done - 1.
	Byte []byte
}

// Killed replays what was done to the disk byte by byte. A process that is
// killed leaves the file as it is after some moment: the system keeps what it
// has been given, in the order in which it was given, and of the last write
// perhaps only the beginning.
func (d *Disk) Killed() iter.Seq[Moment] {
	d.mu.Lock()
	log, calls := slices.Clone(d.log), slices.Clone(d.calls)
	d.mu.Unlock()
	return func(yield func(Moment) bool) {
		for _, c := range log {
			m := Moment{Call: calls[c.n]}
			if c.op == OpTruncate && !yield(m) {
				return
			}
			for i := range c.data {
				m.Done, m.Byte = int64(i+1), c.data[i:i+1]
				if !yield(m) {
					return
				}
			}
		}
	}
}
