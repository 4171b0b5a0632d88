package mp4

import (
	"bytes"
	"errors"
)

// landmarks are what a walk over a file's top level finds.
type landmarks struct {
	isMP4     bool
	layout    layout
	indexes   []indexPlace // the best first
	fragments []Fragment
	end       int64 // behind the last thing that makes sense
}

// indexPlace is where a moov is: at the top level, or hidden as content of
// another box from skip bytes on.
type indexPlace struct {
	box  box
	skip int64
}

// layout is what the front of a file says of its producer.
type layout struct {
	ftyp box
	// hybrid: behind ftyp lie a free box of 16 bytes, the switch, and two
	// slots. switched: the switch has become an mdat with 64 bits of size, and
	// the slots lie in it.
	hybrid, switched bool
	mdat             box // the switch as a box
}

// topLevel are the boxes at the top level of a file (ISO/IEC 14496-12 table 1
// and QuickTime).
var topLevel = map[string]bool{"ftyp": true, "styp": true, "moov": true, "moof": true, "mdat": true, "free": true, "skip": true,
	"wide": true, "uuid": true, "sidx": true, "ssix": true, "mfra": true, "meta": true, "pdin": true, "prft": true, "emsg": true,
	"pnot": true, "udta": true, "PICT": true, "junk": true, "bloc": true, "imda": true, "mere": true}

// A scanner walks the top level of a file. A deep one, which Repair uses, goes
// on behind damage and finds what is hidden.
type scanner struct {
	m    *Movie
	deep bool
	l    landmarks
	hole bool // something is missing in front of what comes next
}

func scanFile(m *Movie, deep bool) (*landmarks, error) {
	s := &scanner{m: m, deep: deep}
	s.readLayout()
	s.walk(0)
	if m.src.failed != nil {
		return nil, m.firstError(nil)
	}
	return &s.l, nil
}

// readLayout looks at the front of the file.
func (s *scanner) readLayout() {
	src := s.m.src
	first, err := src.box(0, src.size)
	if err != nil || first.kind != "ftyp" {
		return
	}
	s.l.layout.ftyp = first
	if p, err := src.read(first.body(), min(4, first.size-first.head)); err == nil {
		s.m.Brand = printable(string(p))
	}
	s.readSwitch(first.end())
}

// readSwitch looks for the switch and the slots behind it. A crash may leave
// the switch half thrown: its size and type may be old or new, and of the
// type any byte.
func (s *scanner) readSwitch(off int64) {
	place := box{kind: "mdat", off: off, head: switchSize}
	p, err := s.m.src.read(off, switchSize)
	if err != nil || !s.slotsAt(place.body()) {
		return
	}
	f := fields{p: p}
	size := f.u32()
	f.skip(4)
	large := f.u64()
	switch {
	case size == switchSize:
		s.l.layout.hybrid = true
		place.size = switchSize
	case size == 1 && large >= switchSize && large <= 1<<62:
		s.l.layout.switched = true
		place.size = int64(large)
	}
	s.l.layout.mdat = place
}

// slotsAt tells whether two boxes of one size begin there, which are moov or
// free.
func (s *scanner) slotsAt(off int64) bool {
	isSlot := func(b box) bool { return b.kind == "moov" || b.kind == "free" }
	a, err := s.m.src.box(off, s.m.src.size)
	if err != nil || !isSlot(a) {
		return false
	}
	b, err := s.m.src.box(a.end(), s.m.src.size)
	return err == nil && isSlot(b) && a.size == b.size
}

func (s *scanner) walk(off int64) {
	size := s.m.src.size
	for off < size && s.m.src.failed == nil {
		if at := s.l.layout.mdat; at.size > 0 && off == at.off && at.size <= size-off {
			s.l.isMP4 = true
			off = at.end()
			continue
		}
		b, err := s.m.src.box(off, size)
		if !topLevel[b.kind] || (err != nil && !errors.Is(err, errBeyond)) {
			off = s.broken(off)
			continue
		}
		s.l.isMP4 = true
		if err != nil || (b.open && s.deep) {
			off = s.torn(b)
			continue
		}
		s.note(b)
		off = b.end()
		s.l.end = off
	}
}

func (s *scanner) note(b box) {
	switch b.kind {
	case "moov":
		s.l.indexes = append(s.l.indexes, indexPlace{b, 0})
		if len(s.l.indexes) > 1 && !s.deep {
			s.m.trouble(b.off, "there is a second index (moov)")
		}
	case "moof":
		if s.deep && !s.plausibleMoof(b) {
			s.m.trouble(b.off, "a fragment's index makes no sense")
			s.hole = true
			return
		}
		s.noteFragment(b)
	case "free", "uuid":
		switch {
		case s.deep && s.isHiddenMoof(b):
			s.noteFragment(b)
		case s.deep:
			s.noteHidden(b)
		}
	}
}

func (s *scanner) noteFragment(b box) {
	s.l.fragments = append(s.l.fragments, Fragment{Offset: b.off, Size: b.size, data: s.m.src.size, holes: s.hole})
	s.hole = false
}

// isHiddenMoof reports whether a free box is the moof of a fragment that was
// not shown yet: it was not durable, or there was no room to announce its
// tracks.
func (s *scanner) isHiddenMoof(b box) bool {
	return b.kind == "free" && b.size <= smallBox && s.plausibleMoof(b)
}

// noteHidden keeps a moov that is hidden: in the other slot, or in a uuid box.
func (s *scanner) noteHidden(b box) {
	skip := int64(0)
	if b.kind == "uuid" {
		id, err := s.m.src.read(b.body(), min(16, b.size-b.head))
		if err != nil || string(id) != journalUUID {
			return
		}
		skip = 16
	}
	if c, err := s.m.src.box(b.body()+skip, b.end()); err == nil && c.kind == "mvhd" {
		s.l.indexes = append(s.l.indexes, indexPlace{b, skip})
	}
}

// torn deals with a box that ends beyond the file and returns where to go on.
func (s *scanner) torn(b box) int64 {
	size := s.m.src.size
	if b.open {
		s.m.trouble(b.off, "box %s does not tell its size", b.kind)
	} else {
		s.m.trouble(b.off, "box %s of %d bytes is cut short: the file ends %d bytes too early", b.kind, b.size, b.end()-size)
	}
	if b.kind != "mdat" && b.kind != "free" {
		s.l.end = b.off
	} else {
		s.l.end = size
	}
	if !s.deep {
		return size
	}
	// Its size may be what is damaged, with all the rest of the file behind it.
	next := s.find(b.off + 8)
	s.cutLast(next)
	if next < size {
		s.l.end = next
		s.hole = s.hole || b.kind != "mdat"
	}
	return next
}

// broken deals with a place that is no box and returns where to go on.
func (s *scanner) broken(off int64) int64 {
	size := s.m.src.size
	next := size
	if s.deep {
		next = s.find(off)
		// What was taken for the last fragment's media may have more in it: its
		// size is damaged, or a repair in place has cut it and was cut off.
		if n := len(s.l.fragments); n > 0 {
			last := s.l.fragments[n-1]
			next = min(next, s.find(last.Offset+last.Size))
		}
	}
	if off > 0 {
		s.m.trouble(off, "%d bytes make no sense", max(next-off, 0))
	}
	if n := len(s.l.fragments); n > 0 && off == s.l.fragments[n-1].Offset+s.l.fragments[n-1].Size {
		s.l.fragments[n-1].lost = "its media is damaged"
	}
	s.cutLast(next)
	s.hole = true
	return next
}

// cutLast notes that the bytes of the last fragment cannot reach beyond off,
// and that what lies before it may be damaged.
func (s *scanner) cutLast(off int64) {
	if n := len(s.l.fragments); n > 0 {
		last := &s.l.fragments[n-1]
		last.data, last.suspect = min(off, last.data), true
	}
}

const (
	searchBytes = 1 << 20
	signBytes   = 16 // from the beginning of a box to behind its sign, see nextSign
)

// find returns where the next fragment begins, or the index that ends the
// file, or else the end of the file.
func (s *scanner) find(from int64) int64 {
	src := s.m.src
	buf := make([]byte, min(searchBytes, max(src.size-from, 0)))
	for off := from; off < src.size-8; off += int64(len(buf)) - signBytes + 1 {
		p := buf[:min(int64(len(buf)), src.size-off)]
		if src.fill(p, off) != nil {
			return src.size
		}
		for i := 0; ; {
			n, inside := nextSign(p[i:])
			if n < 0 {
				break
			}
			i += n + 4
			if at := off + int64(i) - 4 - inside; at >= from && s.plausible(at) {
				return at
			}
		}
		if len(p) < len(buf) || len(p) < signBytes {
			break
		}
	}
	return src.size
}

// nextSign returns where the next sign of an index is, and how far inside its
// box: the type of moov, or of the box that moof begins with, which may itself
// be hidden as free.
func nextSign(p []byte) (at int, inside int64) {
	moov, mfhd := bytes.Index(p, []byte("moov")), bytes.Index(p, []byte("mfhd"))
	if mfhd < 0 || moov >= 0 && moov < mfhd {
		return moov, 4
	}
	return mfhd, 12
}

// plausible tells whether a whole moof begins here, or a moov that reaches to
// the end of the file: what a repair in place leaves that is interrupted.
func (s *scanner) plausible(off int64) bool {
	b, err := s.m.src.box(off, s.m.src.size)
	if b.kind == "moov" && (err == nil || errors.Is(err, errBeyond)) {
		if b.end() < s.m.src.size {
			return false
		}
		c, err := s.m.src.box(b.body(), s.m.src.size)
		return c.kind == "mvhd" && (err == nil || errors.Is(err, errBeyond)) || s.m.src.size-off < 16 // torn right here
	}
	return err == nil && (b.kind == "moof" || b.kind == "free") && b.size <= smallBox && s.plausibleMoof(b)
}

// plausibleMoof: mfhd first, then boxes that fill it exactly, with a traf.
func (s *scanner) plausibleMoof(b box) bool {
	trafs, n := 0, 0
	for c, err := range s.m.src.children(b, 0) {
		if err != nil || (n == 0 && (c.kind != "mfhd" || c.size != 16)) {
			return false
		}
		if c.kind == "traf" {
			h, err := s.m.src.box(c.body(), c.end())
			if err != nil || h.kind != "tfhd" {
				return false
			}
			trafs++
		}
		n++
	}
	return trafs > 0
}
