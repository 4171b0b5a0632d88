package mp4

import (
	"fmt"
	"io"
	"slices"
)

// A salvage is what Repair found of a file, and what it makes of it.
type salvage struct {
	m      *Movie
	l      *landmarks
	tracks []*salvaged
	whole  bool // an ordinary, finished file that lacks nothing
}

// A salvaged is one track.
type salvaged struct {
	t      *TrackInfo
	result *RepairedTrack
	index  index

	chunk               struct{ at, end, samples int64 }
	entry               int
	highest             int64        // offset of a chunk
	lowest              int64        // offset of a sample
	reach               int64        // behind the last byte of any
	firstShown, lastEnd int64        // presentation times
	waiting             []SampleInfo // behind a hole, for a sync sample
	hole                bool
	nalWidth            int // of the lengths in its samples, 0 if they have none
}

// findAll finds all of a file that can be used.
func findAll(r io.ReaderAt, size int64) (*salvage, error) {
	src := &source{r: r, size: size}
	s, err := find(src, false)
	if err != nil {
		return nil, err
	}
	if s.m == nil || !s.whole {
		// The switch has been flipped, but the final index is not to be had or
		// misses something: all that was there before is inside the mdat.
		if inside, err := find(src, true); err == nil && inside.m != nil && inside.kept() > s.kept() {
			s = inside
		}
	}
	switch {
	case src.failed != nil:
		return nil, fmt.Errorf("mp4: %w", src.failed)
	case s.m == nil && !s.l.isMP4:
		return nil, fmt.Errorf("%w: %d bytes without any of its boxes", ErrNotMP4, size)
	case s.m == nil:
		return nil, fmt.Errorf("%w beyond repair: nowhere in it is a description of its tracks (moov)", ErrDamaged)
	case s.kept() == 0:
		return nil, fmt.Errorf("%w beyond repair: no sample of it is whole", ErrDamaged)
	}
	return s, nil
}

// find looks at the top level of a file, or at what its first mdat swallowed.
func find(src *source, inside bool) (*salvage, error) {
	scratch := &Movie{src: src}
	scan := &scanner{m: scratch, deep: true}
	scan.readLayout()
	s := &salvage{l: &scan.l}
	if inside && !scan.l.layout.switched {
		return s, nil
	}
	start := int64(0)
	if inside {
		start = scan.l.layout.mdat.body()
	}
	scan.walk(start)
	if src.failed != nil {
		return nil, fmt.Errorf("mp4: %w", src.failed)
	}
	if inside { // the final index describes all that is inside once more
		scan.l.indexes = slices.DeleteFunc(scan.l.indexes, func(p indexPlace) bool { return p.box.off >= scan.firstFragment() && p.box.kind == "moov" })
	}
	s.m = s.mergeIndexes(scratch)
	if s.m != nil {
		s.m.Trouble, s.m.Brand = scratch.Trouble, scratch.Brand
		if !s.m.isComplete() {
			s.m.Fragments = scan.l.fragments
		}
		s.gather()
	}
	return s, nil
}

func (s *scanner) firstFragment() int64 {
	if len(s.l.fragments) == 0 {
		return s.m.src.size
	}
	return s.l.fragments[0].Offset
}

// mergeIndexes reads all the moovs there are. The first that is in force leads;
// from others come the tracks and sample entries it lacks.
func (s *salvage) mergeIndexes(scratch *Movie) *Movie {
	var all []*Movie
	for _, p := range s.l.indexes {
		m := &Movie{src: scratch.src}
		if m.parseMoov(p.box, p.skip) != nil || m.Timescale == 0 {
			continue
		}
		if p.box.kind == "moov" && (len(all) == 0 || all[0].index.kind != "moov") {
			all = slices.Insert(all, 0, m)
		} else {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil
	}
	lead := all[0]
	scratch.Trouble = append(scratch.Trouble, lead.Trouble...)
	for _, other := range all[1:] {
		lead.adopt(other)
	}
	return lead
}

// isComplete: the index has samples and says nothing of fragments. If there
// are any, it is the final one of a file whose switch was not thrown yet.
func (m *Movie) isComplete() bool {
	samples := false
	for _, t := range m.Tracks {
		if t.defaults.present {
			return false
		}
		samples = samples || t.sizes.count > 0 || t.fixedCount > 0
	}
	return samples
}

func (t *TrackInfo) forgetSamples() {
	t.sizes, t.fixedCount, t.fixedSize = fileTable{}, 0, 0
}

// adopt takes what m lacks from another version of its index.
func (m *Movie) adopt(other *Movie) {
	for _, t := range other.Tracks {
		mine := m.track(t.ID)
		switch {
		case mine == nil:
			m.trouble(t.place.off, "track %d is described in a part of the file that is not in force", t.ID)
			t.movie = m
			t.forgetSamples() // which a final index has once more
			m.Tracks = append(m.Tracks, t)
		case len(t.Entries) > len(mine.Entries) && t.Kind == mine.Kind && t.Timescale == mine.Timescale:
			mine.Entries, mine.parts.stsd = t.Entries, t.parts.stsd
		}
	}
	if len(m.Chapters) == 0 {
		m.Chapters = other.Chapters
	}
}

func (s *salvage) kept() (n int64) {
	for _, t := range s.tracks {
		n += t.index.samples
	}
	return n
}
