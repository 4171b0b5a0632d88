package mp4

import (
	"encoding/binary"
	"iter"
	"slices"
)

// packed is a long list of numbers in little memory: varints in blocks that
// are never moved, since moving a day's index would take twice its memory.
type packed struct {
	blocks [][]byte
}

const (
	firstBlock = 256      // a short recording's tracks shall not cost pages
	largeBlock = 64 << 10 // blocks double in size up to this
)

func (p *packed) append(v uint64) {
	last := len(p.blocks) - 1
	if last < 0 || cap(p.blocks[last])-len(p.blocks[last]) < binary.MaxVarintLen64 {
		size := firstBlock
		if last >= 0 {
			size = min(2*cap(p.blocks[last]), largeBlock)
		}
		p.blocks = append(p.blocks, make([]byte, 0, size))
		last++
	}
	p.blocks[last] = binary.AppendUvarint(p.blocks[last], v)
}

func (p *packed) appendSigned(v int64) { p.append(zigzag(v)) }

// values gives the numbers in order.
func (p *packed) values() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, b := range p.blocks {
			for len(b) > 0 {
				v, n := binary.Uvarint(b)
				b = b[n:]
				if !yield(v) {
					return
				}
			}
		}
	}
}

// memory returns the bytes held.
func (p *packed) memory() (n int64) {
	for _, b := range p.blocks {
		n += int64(cap(b))
	}
	return n
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// runs is a list of numbers of which the same often follow one another.
type runs struct {
	done  packed // pairs of count and value
	count uint64 // of the run that may go on
	value int64
	n     int // runs, with the one that may go on
}

func (r *runs) append(value int64, count uint64) {
	if count == 0 {
		return
	}
	if r.n > 0 && r.value == value {
		r.count += count
		return
	}
	if r.n > 0 {
		r.done.append(r.count)
		r.done.appendSigned(r.value)
	}
	r.count, r.value = count, value
	r.n++
}

// each gives the runs in order.
func (r *runs) each() iter.Seq2[uint64, int64] {
	return func(yield func(uint64, int64) bool) {
		if r.n == 0 {
			return
		}
		var count uint64
		for v := range r.done.values() {
			if count == 0 {
				count = v
				continue
			}
			if !yield(count, unzigzag(v)) {
				return
			}
			count = 0
		}
		yield(r.count, r.value)
	}
}

// with returns the runs with one more value, which they share no end with.
func (r *runs) with(value int64) *runs {
	all := *r
	all.done.blocks = slices.Clone(r.done.blocks)
	if last := len(all.done.blocks) - 1; last >= 0 { // its room is the original's
		all.done.blocks[last] = slices.Clip(all.done.blocks[last])
	}
	all.append(value, 1)
	return &all
}
