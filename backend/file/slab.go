package file

import (
	"sync"
	"sync/atomic"
)

// A slab is memory in which the data of packets lies side by side until the
// last of them is given back. To copy a packet of a few kilobytes into memory
// that is still in the processor's cache costs less than to let C free it in
// another thread, and to allocate the next one between those that are on their
// way.
type slab struct {
	home *slabs
	data []byte
	used int
	refs atomic.Int32 // packets in it, and one while more may come
}

const (
	slabSize = 256 << 10
	// largeData is from how many bytes on data is not copied.
	largeData = slabSize / 8
)

// slabs copies data. It is used by one goroutine; slabs come back from any.
type slabs struct {
	now  *slab
	free sync.Pool
}

// put copies data. The slab returned is to be freed once for it.
func (s *slabs) put(data []byte) ([]byte, *slab) {
	if s.now == nil || len(s.now.data)-s.now.used < len(data) {
		s.turn()
	}
	at := s.now.data[s.now.used:][:len(data):len(data)]
	copy(at, data)
	s.now.used += len(data)
	s.now.refs.Add(1)
	return at, s.now
}

// turn goes over to an empty slab.
func (s *slabs) turn() {
	if s.now != nil {
		s.now.Free()
	}
	s.now = s.take()
}

// take returns an empty slab with one reference.
func (s *slabs) take() *slab {
	b, _ := s.free.Get().(*slab)
	if b == nil {
		b = &slab{home: s, data: make([]byte, slabSize)}
	}
	b.used = 0
	b.refs.Store(1)
	return b
}

// Free implements [media.Owner].
func (s *slab) Free() {
	if s.refs.Add(-1) == 0 {
		s.home.free.Put(s)
	}
}
