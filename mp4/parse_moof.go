package mp4

import "fmt"

// A fragmentWalk goes through the samples of fragments in the order of the
// file. It keeps what one fragment leaves to the next: where each track's
// decode time has got to.
type fragmentWalk struct {
	m     *Movie
	clock map[uint32]int64
	// visit gets each sample; false ends the walk.
	visit func(f *Fragment, t *TrackInfo, s SampleInfo) bool
	// odd, where set, is told what is wrong.
	odd func(off int64, format string, args ...any)
	// claimed is how many bytes the samples so far have that take no room in
	// their run. A forged file could have any number of them.
	claimed int64
	stopped bool
	unknown map[uint32]bool
}

func (m *Movie) walkFragments(odd func(int64, string, ...any), visit func(*Fragment, *TrackInfo, SampleInfo) bool) {
	w := fragmentWalk{m: m, clock: map[uint32]int64{}, visit: visit, odd: odd, unknown: map[uint32]bool{}}
	if odd == nil {
		w.odd = func(int64, string, ...any) {}
	}
	for _, t := range m.Tracks {
		w.clock[t.ID] = t.indexEnd
	}
	for i := range m.Fragments {
		if w.fragment(&m.Fragments[i]); w.stopped || m.src.failed != nil {
			return
		}
	}
}

// fragment walks one moof (8.8.4).
func (w *fragmentWalk) fragment(f *Fragment) {
	p, err := w.m.src.load(box{kind: "moof", off: f.Offset, head: 8, size: f.Size})
	if err != nil {
		w.odd(f.Offset, "a fragment cannot be read: %v", err)
		return
	}
	dataEnd := f.Offset // behind the samples of the track before
	for kind, body := range boxesIn(p) {
		switch kind {
		case "mfhd":
			h := fields{p: body}
			h.full()
			f.Sequence = h.u32()
		case "traf":
			if dataEnd = w.traf(f, body, dataEnd); w.stopped {
				return
			}
		}
	}
}

// Flags of tfhd and trun (8.8.7, 8.8.8) and of samples (8.8.3) that the writer
// has no use for.
const (
	tfhdBaseOffset = 0x1
	trunFirstFlags = 0x4
	trunRecord     = trunDuration | trunSize | trunFlags | trunOffset // what samples may have of their own
)

// A traf is one track's part of a fragment while it is walked.
type traf struct {
	f        *Fragment
	track    *TrackInfo
	defaults trackDefaults
	base     int64 // of data offsets
	data     int64 // where the next run's bytes are if it does not say
	clock    int64
	first    bool
}

// traf walks a traf box and returns where its last sample ends.
func (w *fragmentWalk) traf(f *Fragment, p []byte, dataEnd int64) int64 {
	head, ok := childOf(p, "tfhd")
	if !ok {
		w.odd(f.Offset, "a part of the fragment names no track")
		return dataEnd
	}
	t, ok := w.tfhd(f, head, dataEnd)
	if !ok {
		return dataEnd
	}
	if d, ok := childOf(p, "tfdt"); ok {
		w.tfdt(t, d)
	}
	for kind, body := range boxesIn(p) {
		if kind == "trun" {
			if w.trun(t, body); w.stopped {
				return t.data
			}
		}
	}
	w.clock[t.track.ID] = t.clock
	return t.data
}

func (w *fragmentWalk) tfhd(f *Fragment, p []byte, dataEnd int64) (*traf, bool) {
	h := fields{p: p}
	_, flags := h.full()
	id := h.u32()
	track := w.m.track(id)
	if track == nil {
		if !w.unknown[id] {
			w.unknown[id] = true
			w.odd(f.Offset, "a fragment has samples of a track %d that the index does not know", id)
		}
		return nil, false
	}
	t := &traf{f: f, track: track, defaults: track.defaults, base: dataEnd, clock: w.clock[id], first: true}
	if flags&tfhdBaseIsMoof != 0 {
		t.base = f.Offset
	}
	if flags&tfhdBaseOffset != 0 {
		t.base = int64(min(h.u64(), maxTicks))
	}
	for _, field := range []struct {
		flag  uint32
		value *uint32
	}{{tfhdEntry, &t.defaults.entry}, {tfhdDuration, &t.defaults.length}, {tfhdSize, &t.defaults.size}, {tfhdFlags, &t.defaults.flag}} {
		if flags&field.flag != 0 {
			*field.value = h.u32()
		}
	}
	t.data = t.base
	if h.short {
		w.odd(f.Offset, "the fragment's header of track %d is too short", id)
		return nil, false
	}
	return t, true
}

// tfdt sets the decode time (8.8.12).
func (w *fragmentWalk) tfdt(t *traf, p []byte) {
	h := fields{p: p}
	version, _ := h.full()
	at := h.sized(version)
	if h.short || at > maxTicks {
		w.odd(t.f.Offset, "the fragment's time of track %d is impossible", t.track.ID)
		return
	}
	if int64(at) < t.clock {
		w.odd(t.f.Offset, "track %d goes back by %v", t.track.ID, ticksToTime(t.clock-int64(at), t.track.Timescale))
	}
	t.clock = int64(at)
}

// trun walks one run of samples.
func (w *fragmentWalk) trun(t *traf, p []byte) {
	r := fields{p: p}
	_, flags := r.full()
	count := int64(r.u32())
	if flags&trunDataOffset != 0 {
		t.data = t.base + int64(int32(r.u32()))
	}
	firstFlags := t.defaults.flag
	if flags&trunFirstFlags != 0 {
		firstFlags = r.u32()
	}
	if fits := w.fit(t, flags, len(r.p)); r.short || count > fits {
		w.odd(t.f.Offset, "a run of track %d says it has %d samples, of which there is room for %d", t.track.ID, count, fits)
		count = min(count, fits)
	}
	if flags&trunRecord == 0 {
		w.claimed += count * int64(t.defaults.size)
	}
	for n := range count {
		d := t.defaults
		if n == 0 {
			d.flag = firstFlags
		}
		if !w.sample(t, &r, d, flags) {
			return
		}
	}
}

// forgiven is how much more than twice the file such samples may have: of one
// that is cut short, it shall be said how much is missing.
const forgiven = 1 << 20

// fit returns how many samples a run can have: as many as it has records, or
// where there are none, as the file has bytes for.
func (w *fragmentWalk) fit(t *traf, flags uint32, room int) int64 {
	width := 0
	for _, flag := range []uint32{trunDuration, trunSize, trunFlags, trunOffset} {
		if flags&flag != 0 {
			width += 4
		}
	}
	switch {
	case width > 0:
		return int64(room / width)
	case t.defaults.size > 0:
		return max(0, forgiven+2*w.m.src.size-w.claimed) / int64(t.defaults.size)
	}
	return 1
}

func (w *fragmentWalk) sample(t *traf, r *fields, d trackDefaults, flags uint32) bool {
	if flags&trunDuration != 0 {
		d.length = r.u32()
	}
	if flags&trunSize != 0 {
		d.size = r.u32()
	}
	if flags&trunFlags != 0 {
		d.flag = r.u32()
	}
	offset := int64(0)
	if flags&trunOffset != 0 {
		// Signed in both versions: half of 2^32 is a day of ticks, and there
		// are writers that mean negative ones by version 0.
		offset = int64(int32(r.u32()))
	}
	s := SampleInfo{Offset: t.data, Size: int64(d.size), DTS: t.clock, PTS: t.clock + offset, Duration: int64(d.length),
		Sync: t.track.isAudio() || d.flag&sampleIsNotSync == 0, Entry: max(int(d.entry), 1) - 1}
	t.data += s.Size
	t.clock += s.Duration
	if t.clock > maxTicks {
		w.odd(t.f.Offset, "the times of track %d are impossible", t.track.ID)
		return false
	}
	if !w.visit(t.f, t.track, s) {
		w.stopped = true
	}
	return !w.stopped
}

// check tells whether a sample's bytes are in the file.
func (s SampleInfo) check(size int64) error {
	if s.Offset < 0 || s.Offset > size-s.Size {
		return fmt.Errorf("%w: sample at byte %d of %d bytes lies outside the file", ErrDamaged, s.Offset, s.Size)
	}
	return nil
}
