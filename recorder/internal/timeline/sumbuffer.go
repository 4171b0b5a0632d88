package timeline

// sumBuffer adds up frames at their positions and gives them out in order.
// What it gives out has no holes: where nothing was laid is silence.
type sumBuffer struct {
	channels int
	begun    bool
	base     int64     // position of buf's first frame
	buf      []float32 // interleaved
	scratch  []float32
}

// begin sets the position of the first frame, unless it is set.
func (b *sumBuffer) begin(at int64) {
	if !b.begun {
		b.begun, b.base = true, at
	}
}

// frames is how many have been laid and not given out.
func (b *sumBuffer) frames() int64 { return int64(len(b.buf) / b.channels) }

// end is the position behind everything laid out.
func (b *sumBuffer) end() int64 { return b.base + b.frames() }

// lay adds frames at a position and returns how many had a place: what belongs
// before base was given out without them.
func (b *sumBuffer) lay(at int64, frames []float32) int64 {
	ch := int64(b.channels)
	n := int64(len(frames)) / ch
	if late := min(max(b.base-at, 0), n); late > 0 {
		at, n, frames = at+late, n-late, frames[late*ch:]
	}
	if n == 0 {
		return 0
	}
	from := (at - b.base) * ch
	b.grow(int(from + n*ch))
	place := b.buf[from : from+n*ch]
	for i, v := range frames {
		place[i] += v
	}
	return n
}

// grow extends buf with silence to n values, if it has fewer.
func (b *sumBuffer) grow(n int) {
	have := len(b.buf)
	if n <= have {
		return
	}
	if n > cap(b.buf) {
		b.buf = append(make([]float32, 0, n+n/2), b.buf...)
	}
	b.buf = b.buf[:n]
	clear(b.buf[have:])
}

// fill lays out n frames of silence behind everything.
func (b *sumBuffer) fill(n int64) { b.grow(len(b.buf) + int(n)*b.channels) }

// advance moves everything that is laid out, which must be silence.
func (b *sumBuffer) advance(n int64) { b.base += n }

// take gives out the first n frames, of which there must be so many. The slice
// is valid until the next call.
func (b *sumBuffer) take(n int) (frames []float32, pos int64) {
	b.scratch = append(b.scratch[:0], b.buf[:n*b.channels]...)
	for i, v := range b.scratch { // two voices may sum to more than full scale
		b.scratch[i] = clampUnit(v)
	}
	pos = b.base
	b.base += int64(n)
	b.buf = b.buf[:copy(b.buf, b.buf[n*b.channels:])]
	return b.scratch, pos
}

func clampUnit(v float32) float32 { return min(max(v, -1), 1) }
