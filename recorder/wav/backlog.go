package wav

// A run is frames of one stream, one behind the other, that wait for the disk.
type run struct {
	stream *stream // nil while nobody uses the run
	at     int64   // position of the first
	frames []float32
	isOpen bool // more may be added
}

func (r *run) end() int64 { return r.at + int64(len(r.frames)/r.stream.channels) }

// backlog is what the writer has not written yet. It is kept under the
// recording's lock.
type backlog struct {
	runs    []*run
	spare   []*run // the slice that take gave out last
	free    []*run
	waiting int // values, those at the writer included
}

const (
	// mostRun bounds a run, in values, and so what growing one copies.
	mostRun = 64 << 10
	// mostWaiting bounds the backlog, in values of four bytes: from 4 MiB on
	// WriteSample waits for the disk, and the feed's queue before it fills and
	// counts. That is half a minute of a voice at 32 kHz.
	mostWaiting = 1 << 20
	mostFree    = 8
)

// add takes frames, which are copied.
func (b *backlog) add(s *stream, at int64, frames []float32) {
	r := s.tail
	if r == nil || r.stream != s || !r.isOpen || r.end() != at || len(r.frames) >= mostRun {
		r = b.newRun()
		r.stream, r.at, r.isOpen = s, at, true
		b.runs = append(b.runs, r)
		s.tail = r
	}
	r.frames = append(r.frames, frames...)
	b.waiting += len(frames)
}

func (b *backlog) newRun() *run {
	if n := len(b.free); n > 0 {
		r := b.free[n-1]
		b.free = b.free[:n-1]
		return r
	}
	return &run{}
}

// take gives all runs out. They are given back with done.
func (b *backlog) take() []*run {
	runs := b.runs
	for _, r := range runs {
		r.isOpen = false
	}
	b.runs, b.spare = b.spare[:0], runs
	return runs
}

// done takes runs back that take has given out.
func (b *backlog) done(runs []*run) {
	for i, r := range runs {
		b.waiting -= len(r.frames)
		r.stream = nil
		if len(b.free) < mostFree && cap(r.frames) <= 2*mostRun {
			r.frames = r.frames[:0]
			b.free = append(b.free, r)
		}
		runs[i] = nil
	}
}
