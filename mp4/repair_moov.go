package mp4

import (
	"encoding/binary"
	"math"
)

// moov builds the final index: the original one with its tables replaced, so
// that names, languages, metadata and whatever else it says are kept.
func (s *salvage) moov(b *boxBuffer, shift int64) error {
	plans := map[uint32]*trackPlan{}
	var length int64
	for _, v := range s.tracks {
		if v.index.samples > 0 {
			p := s.plan(v)
			plans[v.t.ID] = p
			length = max(length, p.shown)
		}
	}
	m := b.open("moov")
	skip := int64(0)
	if s.m.index.kind == "uuid" {
		skip = 16
	}
	for c, err := range s.m.src.children(s.m.index, skip) {
		if err != nil {
			break // what parseMoov could use lies before
		}
		if err := s.moovChild(b, c, length); err != nil {
			return err
		}
	}
	for _, v := range s.tracks {
		if p := plans[v.t.ID]; p != nil {
			if err := s.trak(b, p, shift); err != nil {
				return err
			}
		}
	}
	b.close(m)
	return nil
}

// moovChild copies what is neither a track nor padding nor about fragments.
func (s *salvage) moovChild(b *boxBuffer, c box, length int64) error {
	switch c.kind {
	case "trak", "mvex", "free", "skip":
		return nil
	}
	p, err := s.m.src.raw(c)
	if err != nil {
		return err
	}
	if c.kind == "mvhd" {
		p = withDuration(p, c.head, 4, length)
	}
	b.raw(p)
	return nil
}

// A trackPlan is how a track's media is laid on the timeline of the new file.
type trackPlan struct {
	*salvaged
	edits  []Edit
	shown  int64 // of all edits, in ticks of the movie
	length int64 // of the media
}

// plan finds the edit list. In an index, media time begins with 0 at the first
// sample; in fragments it begins where they say. The edits make up for it:
// they show nothing for as long as nothing was there.
func (s *salvage) plan(v *salvaged) *trackPlan {
	x := &v.index
	begin := x.begin
	p := &trackPlan{salvaged: v, length: x.end() - begin}
	fragmented := len(s.m.Fragments) > 0
	edits := v.t.Edits
	if len(edits) == 0 {
		if begin == 0 {
			p.shown = rescale(p.length, v.t.Timescale, s.m.Timescale)
			return p
		}
		edits = []Edit{{0, 0, 1}}
		fragmented = true
	}
	for i, e := range edits {
		last := i == len(edits)-1
		p.edit(e, begin, s.m.Timescale, fragmented && last)
	}
	return p
}

// edit adds one of the original edits. The last one of a fragmented file shows
// the media to its end.
func (p *trackPlan) edit(e Edit, begin int64, scale uint32, toEnd bool) {
	if e.MediaTime < 0 {
		p.show(e)
		return
	}
	own := p.t.Timescale
	start := e.MediaTime - begin
	if start < 0 { // nothing there yet, up to the first picture
		lead := p.firstShown - begin
		wait := rescale(lead-start, own, scale)
		if !toEnd && e.Duration > 0 {
			wait = min(wait, e.Duration)
			e.Duration -= wait
			if e.Duration == 0 {
				p.show(Edit{wait, -1, 1})
				return
			}
		}
		p.show(Edit{wait, -1, 1})
		start = lead
	}
	e.MediaTime = start
	if left := rescale(max(p.end()-start, 0), own, scale); toEnd || e.Duration == 0 || (e.Duration > left && e.Rate != 0) {
		e.Duration = max(left, 1) // without any edit, all of the priming would be heard
	}
	p.show(e)
}

func (p *trackPlan) show(e Edit) {
	if e.Duration > 0 {
		p.edits = append(p.edits, e)
		p.shown += e.Duration
	}
}

// end is where the last picture ends, in media time from the first sample.
// Reordered pictures are shown later than they are decoded.
func (p *trackPlan) end() int64 { return max(p.lastEnd-p.index.begin, 0) }

// trak copies the original box around new tables.
func (s *salvage) trak(b *boxBuffer, p *trackPlan, shift int64) error {
	m := b.open("trak")
	defer b.close(m)
	return s.copyBox(b, p.t.place, func(c box) (bool, error) {
		switch c.kind {
		case "tkhd":
			raw, err := s.m.src.raw(c)
			b.raw(withDuration(raw, c.head, 8, p.shown))
			writeEdits(b, p.edits)
			return true, err
		case "edts":
			return true, nil
		case "mdia":
			return true, s.mdia(b, p, c, shift)
		}
		return false, nil
	})
}

// copyBox copies the children of a box, except for those that replace deals
// with.
func (s *salvage) copyBox(b *boxBuffer, parent box, replace func(box) (bool, error)) error {
	for c, err := range s.m.src.children(parent, 0) {
		if err != nil {
			return err
		}
		done, err := replace(c)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		p, err := s.m.src.raw(c)
		if err != nil {
			return err
		}
		b.raw(p)
	}
	return nil
}

func (s *salvage) mdia(b *boxBuffer, p *trackPlan, mdia box, shift int64) error {
	m := b.open("mdia")
	defer b.close(m)
	return s.copyBox(b, mdia, func(c box) (bool, error) {
		switch c.kind {
		case "mdhd":
			raw, err := s.m.src.raw(c)
			b.raw(withDuration(raw, c.head, 4, p.length))
			return true, err
		case "minf":
			minf := b.open("minf")
			defer b.close(minf)
			return true, s.copyBox(b, c, func(c box) (bool, error) {
				if c.kind != "stbl" {
					return false, nil
				}
				return true, s.stbl(b, p, shift)
			})
		}
		return false, nil
	})
}

func (s *salvage) stbl(b *boxBuffer, p *trackPlan, shift int64) error {
	stsd, err := s.m.src.raw(p.t.parts.stsd)
	if err != nil {
		return err
	}
	m := b.open("stbl")
	b.raw(stsd)
	p.index.tables(b, shift)
	b.close(m)
	return nil
}

// writeEdits appends edts (8.6.5).
func writeEdits(b *boxBuffer, edits []Edit) {
	if len(edits) == 0 {
		return
	}
	version := uint8(0)
	for _, e := range edits {
		if e.Duration > math.MaxUint32 || e.MediaTime > math.MaxInt32 {
			version = 1
		}
	}
	m := b.open("edts")
	elst := openTable(b, "elst", version, int64(len(edits)))
	for _, e := range edits {
		b.time(version, uint64(e.Duration))
		b.time(version, uint64(e.MediaTime))
		b.u32(uint32(int32(e.Rate * 65536)))
	}
	b.close(elst)
	b.close(m)
}

// withDuration returns a copy of mvhd, tkhd or mdhd with another duration,
// which lies between bytes behind the two times. Version 1 has 64 bits for it,
// and for the times.
func withDuration(p []byte, head int64, between int, duration int64) []byte {
	f := fields{p: p[head:]}
	version, flags := f.full()
	created, modified := f.sized(version), f.sized(version)
	fixed := f.take(between)
	f.sized(version)
	if f.short {
		return p
	}
	if duration > math.MaxUint32 {
		version = 1
	}
	var b boxBuffer
	m := b.openFull(string(p[4:8]), version, flags)
	b.time(version, created)
	b.time(version, modified)
	b.raw(fixed)
	b.time(version, uint64(duration))
	b.raw(f.p)
	b.close(m)
	return b.buf
}

// largeHead is the header of an mdat of any size.
func largeHead(size int64) []byte {
	p := append(make([]byte, 0, switchSize), 0, 0, 0, 1, 'm', 'd', 'a', 't')
	return binary.BigEndian.AppendUint64(p, uint64(size))
}
