package trouble

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
)

// An Image is what a disk may hold after a power loss.
type Image struct {
	// What says what got lost.
	What string
	Data []byte
	// Durable is what the last complete Sync before the loss left, the same
	// slice for all images between two of them.
	Durable []byte
}

const (
	sector = 512
	// smallWrite is the longest write that is also torn at every byte: the
	// changes that switch a file from one shape to another, for which an
	// atomic sector shall not be needed.
	smallWrite = 16
	// exhaustive is the largest number of sectors between two syncs of which
	// every subset is tried.
	exhaustive = 7
)

// PowerLoss enumerates what the disk may hold if power is lost at any moment:
// all that was written before a completed Sync, and of each later write every
// sector or not, in any order, in a file of any of the sizes it has had since.
// Where a file has grown and data is missing there are zeros.
//
// Since what is not written yet looks the same as what got lost, the moment
// before each Sync stands for all moments since the one before. Where there
// are too many sectors for every subset, some telling ones are tried and
// samples of the others drawn from the seed.
func (d *Disk) PowerLoss(seed uint64, samples int) iter.Seq[Image] {
	d.mu.Lock()
	log := slices.Clone(d.log)
	d.mu.Unlock()
	return func(yield func(Image) bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var durable []byte
		for n := 0; len(log) > 0; n++ {
			end := slices.IndexFunc(log, func(c change) bool { return c.op == OpSync })
			if end < 0 {
				end = len(log)
			}
			w := newWindow(n, durable, log[:end])
			if !w.images(rng, samples, yield) {
				return
			}
			durable = w.after
			log = log[min(end+1, len(log)):]
		}
	}
}

// window is what happens between two syncs.
type window struct {
	n              int
	durable, after []byte
	pieces         []change // what may get lost each by itself: sectors of writes
	writes         [][2]int // which pieces each write consists of
	sizes          []int64  // that the file has had, the last one first
}

func newWindow(n int, durable []byte, changes []change) *window {
	w := &window{n: n, durable: durable, after: slices.Clone(durable), sizes: []int64{int64(len(durable))}}
	for _, c := range changes {
		if c.op == OpTruncate {
			w.after = resize(w.after, c.off)
		} else {
			w.after = overwrite(w.after, c.data, c.off)
			first := len(w.pieces)
			w.split(c)
			w.writes = append(w.writes, [2]int{first, len(w.pieces)})
		}
		if size := int64(len(w.after)); !slices.Contains(w.sizes, size) {
			w.sizes = append(w.sizes, size)
		}
	}
	last := slices.Index(w.sizes, int64(len(w.after)))
	w.sizes[0], w.sizes[last] = w.sizes[last], w.sizes[0]
	return w
}

// split makes pieces of a write that lie in one sector each.
func (w *window) split(c change) {
	for data, off := c.data, c.off; len(data) > 0; {
		n := min(int64(len(data)), sector-off%sector)
		w.pieces = append(w.pieces, change{OpWrite, c.n, off, data[:n]})
		data, off = data[n:], off+n
	}
}

func (w *window) images(rng *rand.Rand, samples int, yield func(Image) bool) bool {
	if len(w.pieces) <= exhaustive {
		for set := range 1 << len(w.pieces) {
			keep := func(i int) bool { return set>>i&1 == 1 }
			for _, size := range w.sizes {
				if !yield(w.image(fmt.Sprintf("pieces %b", set), size, w.keep(keep))) {
					return false
				}
			}
		}
	} else if !w.telling(yield) || !w.sampled(rng, samples, yield) {
		return false
	}
	return w.torn(yield)
}

// telling tries the orders that systems are known to write in: as told, up to
// some write and some sector of it; one write early; one late.
func (w *window) telling(yield func(Image) bool) bool {
	size := w.sizes[0]
	for i, span := range w.writes {
		middle := (span[0] + span[1]) / 2
		sets := map[string]func(int) bool{
			"up to":                func(p int) bool { return p < span[1] },
			"up to the half of":    func(p int) bool { return p < middle },
			"all but":              func(p int) bool { return p < span[0] || p >= span[1] },
			"nothing but":          func(p int) bool { return p >= span[0] && p < span[1] },
			"all but the end of":   func(p int) bool { return p != span[1]-1 },
			"all but the begin of": func(p int) bool { return p != span[0] },
		}
		for _, name := range slices.Sorted(maps.Keys(sets)) {
			if !yield(w.image(fmt.Sprintf("%s write %d", name, i), size, w.keep(sets[name]))) {
				return false
			}
		}
	}
	return yield(w.image("nothing but the size", size, nil))
}

func (w *window) sampled(rng *rand.Rand, samples int, yield func(Image) bool) bool {
	for i := range samples {
		// From nearly all lost to nearly all there.
		share := rng.Float64()
		keep := w.keep(func(int) bool { return rng.Float64() < share })
		size := w.sizes[rng.IntN(len(w.sizes))]
		if !yield(w.image(fmt.Sprintf("sample %d with %.2f of it", i, share), size, keep)) {
			return false
		}
	}
	return true
}

// torn tears small writes at each byte, from either end, with all the others
// there or none of them.
func (w *window) torn(yield func(Image) bool) bool {
	for i, p := range w.pieces {
		if len(p.data) > smallWrite {
			continue
		}
		for cut := 1; cut < len(p.data); cut++ {
			parts := []change{
				{OpWrite, p.n, p.off, p.data[:cut]},
				{OpWrite, p.n, p.off + int64(cut), p.data[cut:]},
			}
			for n, part := range parts {
				others := append(w.keep(func(j int) bool { return j != i }), part)
				what := fmt.Sprintf("piece %d torn at byte %d, part %d", i, cut, n)
				if !yield(w.image(what, w.sizes[0], others)) || !yield(w.image(what+" alone", w.sizes[0], []change{part})) {
					return false
				}
			}
		}
	}
	return true
}

func (w *window) keep(keep func(i int) bool) (out []change) {
	for i, p := range w.pieces {
		if keep(i) {
			out = append(out, p)
		}
	}
	return out
}

func (w *window) image(what string, size int64, pieces []change) Image {
	data := slices.Clone(w.durable)
	for _, p := range pieces {
		data = overwrite(data, p.data, p.off)
	}
	return Image{
		What:    fmt.Sprintf("after sync %d: %s, size %d", w.n, what, size),
		Data:    resize(data, size),
		Durable: w.durable,
	}
}
