package mp4

import (
	"errors"
	"slices"
	"time"
)

var errNoRoom = errors.New("mp4: no room in the slot")

// cut makes a fragment of what is pending. Of each track but the given one,
// and of all when none is given, nothing is held back; of the others the last
// sample is, whose duration the next one tells, unless it is old: a picture
// that stands for a minute shall not be in memory only for so long.
func (w *Writer) cut(whole *Track) {
	f := w.newFragment()
	for _, t := range w.tracks {
		p := t.cur
		if p == nil {
			continue
		}
		t.cur = nil
		if whole != nil && t != whole && t.isFresh() {
			rest := w.newPiece(t)
			p.cutLast(rest)
			t.cur = rest
		}
		if len(p.samples) > 0 {
			p.estimateLast()
			f.pieces = append(f.pieces, p)
		} else {
			w.recyclePiece(p)
		}
	}
	w.countPending()
	w.announce(f)
	w.send(w.splitSecret(f))
	w.send(f)
}

// send queues a fragment to be written.
func (w *Writer) send(f *fragment) {
	if len(f.pieces) == 0 {
		w.recycle(f)
		return
	}
	w.sequence++
	f.build(w.sequence)
	w.disk.put(diskOp{frag: f})
}

// isFresh reports whether the track's last sample may wait for the next one.
func (t *Track) isFresh() bool {
	at := rescale(t.last.dts, t.c.Timescale, uint32(time.Second))
	return t.w.newest-at < int64(t.w.o.Fragment)
}

func (w *Writer) countPending() {
	w.pending = 0
	for _, t := range w.tracks {
		if t.cur != nil {
			w.pending += len(t.cur.data)
		}
	}
}

// announce sees to it that the moov on the disk knows the fragment's tracks
// and how their samples are coded.
func (w *Writer) announce(f *fragment) {
	known := true
	for _, p := range f.pieces {
		if p.track.placed < int(p.entry) {
			known = false
			p.track.placed = len(p.track.boxes)
		}
	}
	if known {
		return
	}
	v := w.unfinished()
	if !w.slots.begun {
		header := w.slots.header(v, w.o.SlotBytes, w.o.FastStart)
		w.disk.put(diskOp{data: header, front: w.slots.mediaAt()})
		w.inSlot()
		return
	}
	ops, err := w.slots.replace(v)
	if err != nil {
		w.journal = journal(v)
		return
	}
	w.disk.put(ops...)
	w.inSlot()
}

// inSlot notes that the moov on the disk knows all tracks that have samples.
func (w *Writer) inSlot() {
	for _, t := range w.tracks {
		t.inSlot = t.placed
	}
}

// splitSecret takes the tracks that no slot had room for out of a fragment:
// readers that meet a track they do not know refuse the file. Their fragment
// stays hidden until the final index has them, and repair finds it.
func (w *Writer) splitSecret(f *fragment) *fragment {
	s := w.newFragment()
	s.secret, s.prefix, w.journal = true, w.journal, nil
	f.pieces = slices.DeleteFunc(f.pieces, func(p *piece) bool {
		secret := p.track.inSlot < int(p.entry)
		if secret {
			s.pieces = append(s.pieces, p)
		}
		return secret
	})
	return s
}

// newPiece returns an empty piece with the room of an old one.
func (w *Writer) newPiece(t *Track) *piece {
	p := new(piece)
	if n := len(t.free); n > 0 {
		p, t.free = t.free[n-1], t.free[:n-1]
	}
	p.track, p.entry = t, t.entry
	return p
}

func (w *Writer) newFragment() *fragment {
	if n := len(w.spare); n > 0 {
		f := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return f
	}
	return new(fragment)
}

// recycle takes a fragment back that is done with, and its pieces.
func (w *Writer) recycle(f *fragment) {
	for _, p := range f.pieces {
		w.recyclePiece(p)
	}
	if len(w.spare) < spareFragments {
		f.pieces, f.prefix, f.secret, f.size = f.pieces[:0], nil, false, 0
		w.spare = append(w.spare, f)
	}
}

// spareFragments is how many fragments with their buffers are kept to be used
// again: a few, of which a batch for the disk is made where they are small.
const spareFragments = 8

// sparePieces is how many pieces a track keeps to be used again: as many as are
// on their way when the disk is not late. They stay with the track, or those of
// a voice would become as large as those of a camera.
const sparePieces = 8

func (w *Writer) recyclePiece(p *piece) {
	t := p.track
	if len(t.free) < sparePieces {
		p.track, p.samples, p.data = nil, p.samples[:0], p.data[:0]
		t.free = append(t.free, p)
	}
}

// unfinished describes the file as it is while being written: tracks whose
// samples are in fragments.
func (w *Writer) unfinished() *movie {
	v := w.movie()
	v.fragmented, v.chapters = true, nil // the titles' track has them; a slot has no room for two lists
	for _, t := range w.tracks {
		if t.placed > 0 {
			v.tracks = append(v.tracks, t.describeFragmented())
		}
	}
	return v
}

func (w *Writer) movie() *movie {
	v := &movie{quickTime: w.o.QuickTime, title: w.o.Title, tool: w.o.Tool, created: w.o.Created, chapters: w.chapters}
	if w.titles != nil && w.titles.any {
		v.chapterID = w.titles.id
	}
	return v
}

func (t *Track) movieTrack() *movieTrack {
	return &movieTrack{
		id: t.id, handler: t.c.Codec.handler(), entries: t.boxes, width: t.shown[0], height: t.shown[1],
		timescale: t.c.Timescale, name: t.c.Name, language: t.c.Language, disabled: t.c.Disabled, group: t.c.Group,
	}
}

// describeFragmented describes the track of an unfinished file. Its media's
// timeline begins with its first sample, also where it joined late: told only
// by a late tfdt, players would take the time before it for part of the track.
func (t *Track) describeFragmented() *movieTrack {
	v := t.movieTrack()
	v.edits = edits(t.shownFrom, t.shownFrom-t.base, t.c.Timescale, 0)
	return v
}

// describeFinished describes the track with all its samples.
func (t *Track) describeFinished() *movieTrack {
	v := t.movieTrack()
	x := &t.index
	v.index, v.length = x, x.end()-x.begin
	// Of the presentation. Where pictures are out of order and at irregular
	// times, or the last group is incomplete, the last one shown is later than
	// the sum of the durations says.
	end := max(x.end()+t.firstPTS-x.begin, x.latest+max(x.length, 1))
	v.shown = uint64(rescaleUp(max(end, t.shownFrom+1), t.c.Timescale, movieTimescale))
	v.edits = edits(t.shownFrom, t.shownFrom-t.base, t.c.Timescale, v.shown)
	return v
}

// edits returns the edit list of a track that is seen or heard from the given
// time on, at which its media has come to mediaTime; end is that of the
// presentation in movieTimescale, 0 if not known yet. Nothing to map needs no
// list.
func edits(from, mediaTime int64, timescale uint32, end uint64) []edit {
	if from == 0 && mediaTime == 0 {
		return nil
	}
	empty := uint64(rescale(from, timescale, movieTimescale))
	var list []edit
	if empty > 0 {
		list = append(list, edit{duration: empty, mediaTime: -1})
	}
	return append(list, edit{duration: end - min(empty, end), mediaTime: mediaTime})
}

// rescaleUp is rescale rounded up, for lengths that must not cut anything off.
func rescaleUp(v int64, from, to uint32) int64 {
	f, t := int64(from), int64(to)
	return v/f*t + (v%f*t+f-1)/f
}
