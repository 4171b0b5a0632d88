package mp4

import (
	"fmt"
	"iter"
)

// A SampleInfo says where a sample is in the file and when it is presented.
type SampleInfo struct {
	Offset, Size int64
	// DTS and PTS are in ticks of the track; the track's edits are not applied.
	DTS, PTS int64
	// Duration is in ticks, as the file says it.
	Duration int64
	// Sync: decoding can begin here.
	Sync bool
	// Entry is the index of its description in [TrackInfo.Entries].
	Entry int
}

// Samples walks the samples of a track in decoding order, out of the index and
// then out of the fragments. What lies outside the file, and a table that ends
// early, comes with an error that wraps [ErrDamaged]; samples that are whole
// may follow.
func (t *TrackInfo) Samples() iter.Seq2[SampleInfo, error] {
	return func(yield func(SampleInfo, error) bool) {
		size, going := t.movie.src.size, true
		t.indexed(func(s SampleInfo, err error) bool {
			if err == nil {
				err = s.check(size)
			}
			going = yield(s, err)
			return going
		})
		if !going || len(t.movie.Fragments) == 0 {
			return
		}
		t.movie.walkFragments(nil, func(_ *Fragment, of *TrackInfo, s SampleInfo) bool {
			if of == t {
				going = yield(s, s.check(size))
			}
			return going
		})
		if err := t.movie.src.failed; err != nil && going {
			yield(SampleInfo{}, fmt.Errorf("mp4: %w", err))
		}
	}
}

// An indexWalk steps through the tables of stbl (8.6, 8.7) side by side.
type indexWalk struct {
	t                                     *TrackInfo
	durations, offsets, runs, sizes, sync tableReader
	chunks                                tableReader

	durationLeft, offsetLeft int64
	duration, offset         int64
	nextSync                 int64 // number of the next sync sample, 0: none
	nextRun, perChunk        int64
	entry                    int64
	following                [2]int64 // of the next run
	number                   int64
	dts                      int64
}

// indexed walks the samples of the index.
func (t *TrackInfo) indexed(yield func(SampleInfo, error) bool) {
	total := max(t.sizes.count, t.fixedCount)
	if total == 0 {
		return
	}
	w := newIndexWalk(t)
	for w.number < total {
		at, ok := w.chunk()
		if !ok {
			yield(SampleInfo{}, fmt.Errorf("%w: track %d has %d samples, of which the index places %d", ErrDamaged, t.ID, total, w.number))
			return
		}
		for range w.perChunk {
			if w.number >= total {
				return
			}
			s, err := w.sample(at)
			if !yield(s, err) || err != nil {
				return
			}
			at += s.Size
		}
	}
}

func newIndexWalk(t *TrackInfo) *indexWalk {
	w := &indexWalk{t: t,
		durations: tableReader{fileTable: t.durations}, offsets: tableReader{fileTable: t.offsets},
		runs: tableReader{fileTable: t.chunkRuns}, sizes: tableReader{fileTable: t.sizes},
		sync: tableReader{fileTable: t.syncs}, chunks: tableReader{fileTable: t.chunks}}
	w.readRun()
	w.readSync()
	return w
}

// readRun reads ahead one run of stsc: it holds until the next one begins.
func (w *indexWalk) readRun() {
	w.nextRun = 1 << 62
	if f := w.runs.record(); f != nil {
		w.nextRun = int64(f.u32())
		w.following = [2]int64{int64(f.u32()), int64(f.u32())}
	}
}

func (w *indexWalk) readSync() {
	w.nextSync = 0
	if f := w.sync.record(); f != nil {
		w.nextSync = int64(f.u32())
	}
}

// chunk goes to the next chunk and returns where it begins. Chunks without
// samples, of which a forged file may have many, are passed over.
func (w *indexWalk) chunk() (int64, bool) {
	for {
		f := w.chunks.record()
		if f == nil {
			return 0, false
		}
		for w.nextRun <= w.chunks.next {
			w.perChunk, w.entry = w.following[0], w.following[1]
			w.readRun()
		}
		if w.perChunk == 0 {
			continue
		}
		if w.t.chunks.width == 8 {
			return int64(min(f.u64(), maxTicks)), true
		}
		return int64(f.u32()), true
	}
}

func (w *indexWalk) sample(at int64) (SampleInfo, error) {
	w.number++
	s := SampleInfo{Offset: at, Size: int64(w.t.fixedSize), DTS: w.dts, Entry: max(int(w.entry), 1) - 1}
	if w.t.fixedSize == 0 {
		f := w.sizes.record()
		if f == nil {
			return s, fmt.Errorf("%w: the sizes of track %d end at sample %d", ErrDamaged, w.t.ID, w.number)
		}
		s.Size = int64(f.u32())
	}
	for w.durationLeft == 0 {
		f := w.durations.record()
		if f == nil {
			return s, fmt.Errorf("%w: the times of track %d end at sample %d", ErrDamaged, w.t.ID, w.number)
		}
		// A delta is unsigned, but there are writers that go back a little.
		w.durationLeft, w.duration = int64(f.u32()), max(int64(int32(f.u32())), 0)
	}
	w.durationLeft--
	s.Duration = w.duration
	w.dts += s.Duration
	s.PTS = s.DTS + w.composition()
	s.Sync = w.isSync()
	return s, nil
}

// composition returns PTS - DTS; see fragmentWalk.sample for the sign.
func (w *indexWalk) composition() int64 {
	for w.offsetLeft == 0 {
		f := w.offsets.record()
		if f == nil {
			return 0
		}
		w.offsetLeft, w.offset = int64(f.u32()), int64(int32(f.u32()))
	}
	w.offsetLeft--
	return w.offset
}

// isSync: without a list of sync samples, all are.
func (w *indexWalk) isSync() bool {
	if w.t.syncs.width == 0 || w.t.isAudio() {
		return true
	}
	for w.nextSync != 0 && w.nextSync < w.number {
		w.readSync()
	}
	return w.nextSync == w.number
}
