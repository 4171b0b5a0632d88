package mp4

import (
	"bufio"
	"math"
)

// An index is what the final sample tables of one track are written from.
//
// It takes 2 bytes per packet of AAC or Opus and 5 to 6 per picture of a
// camera with irregular frame times (2 to 3 for the size, 3 for the duration),
// so a day of 8 cameras at 30 pictures per second takes about 120 MiB.
type index struct {
	samples int64
	bytes   int64
	begin   int64 // decode time of the first sample
	last    int64 // decode time of the last sample
	length  int64 // duration of the last sample, where nothing follows

	durations runs // of all samples but the last
	offsets   runs // PTS - DTS
	sizes     runs // while few differ
	each      packed
	varied    bool  // sizes are in each
	early     int64 // smallest PTS - DTS
	latest    int64 // largest PTS
	reordered bool  // some PTS - DTS is not zero

	syncs    packed // distances between the numbers of sync samples
	syncN    int64
	lastSync int64

	chunks   packed // distance from the chunk before, zigzag; samples
	chunkN   int64
	position int64 // of the latest chunk
	content  runs  // of chunks: samples and sample entry, see perChunk
}

// indexSample is one sample, or several of the same length, size and duration
// that follow one another without a gap, as frames of PCM do.
type indexSample struct {
	dts, offset int64 // offset: PTS - DTS
	duration    int64 // of each
	size        int64 // of each
	count       int64
	sync        bool
}

// addChunk begins a chunk: samples that lie one behind the other in the file.
func (x *index) addChunk(position int64, samples int, entry uint32) {
	x.chunks.appendSigned(position - x.position)
	x.position = position
	x.chunkN++
	x.content.append(perChunk(samples, entry), 1)
}

// perChunk packs what stsc says of a chunk into one number.
func perChunk(samples int, entry uint32) int64 { return int64(samples)<<16 | int64(entry&0xffff) }

// add adds the next sample. Its predecessor lasts until it begins.
func (x *index) add(s indexSample) {
	if x.samples == 0 {
		x.begin, x.early, x.latest = s.dts, s.offset, s.dts+s.offset
	} else {
		x.durations.append(s.dts-x.last, 1)
	}
	x.durations.append(s.duration, uint64(s.count-1))
	x.last, x.length = s.dts+(s.count-1)*s.duration, s.duration
	x.latest = max(x.latest, x.last+s.offset)
	x.offsets.append(s.offset, uint64(s.count))
	x.early = min(x.early, s.offset)
	x.reordered = x.reordered || s.offset != 0
	x.addSize(s.size, s.count)
	if s.sync {
		x.addSyncs(s.count)
	}
	x.samples += s.count
	x.bytes += s.size * s.count
}

// addSyncs notes that the next samples are sync samples. As long as all are,
// it only counts them.
func (x *index) addSyncs(count int64) {
	if x.syncN == x.samples {
		x.syncN += count
		x.lastSync = x.syncN
		return
	}
	if len(x.syncs.blocks) == 0 {
		for range x.syncN {
			x.syncs.append(1)
		}
	}
	for n := range count {
		at := x.samples + n + 1
		x.syncs.append(uint64(at - x.lastSync))
		x.lastSync = at
	}
	x.syncN += count
}

func (x *index) isAllSync() bool { return x.syncN == x.samples }

// maxSizeRuns is from where on sizes are kept one by one: a run takes more
// room than a size, unless it is long.
const maxSizeRuns = 8

func (x *index) addSize(size, count int64) {
	if !x.varied {
		x.sizes.append(size, uint64(count))
		if x.sizes.n <= maxSizeRuns {
			return
		}
		x.varied = true
		for n, v := range x.sizes.each() {
			for range n {
				x.each.append(uint64(v))
			}
		}
		x.sizes = runs{}
		return
	}
	for range count {
		x.each.append(uint64(size))
	}
}

// end returns the decode time behind the last sample.
func (x *index) end() int64 { return x.last + x.length }

// memory returns the bytes the index holds.
func (x *index) memory() (n int64) {
	for _, p := range []*packed{&x.durations.done, &x.offsets.done, &x.sizes.done, &x.each, &x.syncs, &x.chunks, &x.content.done} {
		n += p.memory()
	}
	return n
}

// tables appends the boxes of stbl behind stsd (ISO/IEC 14496-12 8.6, 8.7).
// Chunks are shift bytes behind where they were added.
func (x *index) tables(b *boxBuffer, shift int64) {
	x.writeStts(b)
	if x.reordered {
		x.writeCtts(b)
	}
	if !x.isAllSync() {
		x.writeStss(b)
	}
	x.writeStsc(b)
	x.writeStsz(b)
	x.writeChunkOffsets(b, shift)
}

func openTable(b *boxBuffer, typ string, version uint8, entries int64) mark {
	m := b.openFull(typ, version, 0)
	b.u32(uint32(entries))
	return m
}

func (x *index) writeStts(b *boxBuffer) {
	all := &x.durations
	if x.samples > 0 { // else the last sample has no duration yet
		all = all.with(x.length)
	}
	m := openTable(b, "stts", 0, int64(all.n))
	b.table(8*int64(all.n), func(w *bufio.Writer) {
		for count, v := range all.each() {
			put32(w, uint32(count))
			put32(w, uint32(v))
		}
	})
	b.close(m)
}

func (x *index) writeCtts(b *boxBuffer) {
	version := uint8(0)
	if x.early < 0 {
		version = 1
	}
	m := openTable(b, "ctts", version, int64(x.offsets.n))
	b.table(8*int64(x.offsets.n), func(w *bufio.Writer) {
		for count, v := range x.offsets.each() {
			put32(w, uint32(count))
			put32(w, uint32(int32(v)))
		}
	})
	b.close(m)
}

func (x *index) writeStss(b *boxBuffer) {
	m := openTable(b, "stss", 0, x.syncN)
	b.table(4*x.syncN, func(w *bufio.Writer) {
		at := uint64(0)
		if len(x.syncs.blocks) == 0 { // the first syncN samples
			for at = range uint64(x.syncN) {
				put32(w, uint32(at+1))
			}
			return
		}
		for d := range x.syncs.values() {
			at += d
			put32(w, uint32(at))
		}
	})
	b.close(m)
}

func (x *index) writeStsc(b *boxBuffer) {
	m := openTable(b, "stsc", 0, int64(x.content.n))
	b.table(12*int64(x.content.n), func(w *bufio.Writer) {
		first := uint64(1)
		for count, v := range x.content.each() {
			put32(w, uint32(first))
			put32(w, uint32(v>>16))
			put32(w, uint32(v&0xffff))
			first += count
		}
	})
	b.close(m)
}

func (x *index) writeStsz(b *boxBuffer) {
	m := b.openFull("stsz", 0, 0)
	if !x.varied && x.sizes.n == 1 && x.sizes.value > 0 { // 0 would say that there is a table
		b.u32(uint32(x.sizes.value))
		b.u32(uint32(x.samples))
		b.close(m)
		return
	}
	b.u32(0)
	b.u32(uint32(x.samples))
	b.table(4*x.samples, func(w *bufio.Writer) {
		for v := range x.each.values() {
			put32(w, uint32(v))
		}
		for n, v := range x.sizes.each() {
			for range n {
				put32(w, uint32(v))
			}
		}
	})
	b.close(m)
}

func (x *index) writeChunkOffsets(b *boxBuffer, shift int64) {
	put, typ, width := func(w *bufio.Writer, at int64) { put32(w, uint32(at)) }, "stco", int64(4)
	if x.position+shift > math.MaxUint32 { // chunks are added in the file's order
		put, typ, width = func(w *bufio.Writer, at int64) { put64(w, uint64(at)) }, "co64", 8
	}
	m := openTable(b, typ, 0, x.chunkN)
	b.table(width*x.chunkN, func(w *bufio.Writer) {
		at := shift
		for d := range x.chunks.values() {
			at += unzigzag(d)
			put(w, at)
		}
	})
	b.close(m)
}

// encodedBytes returns about what tables takes.
func (x *index) encodedBytes() int64 {
	n := 8*int64(x.durations.n) + 12*int64(x.content.n) + 8*x.chunkN + 128
	if x.reordered {
		n += 8 * int64(x.offsets.n)
	}
	if !x.isAllSync() {
		n += 4 * x.syncN
	}
	if x.varied || x.sizes.n > 1 {
		n += 4 * x.samples
	}
	return n
}
