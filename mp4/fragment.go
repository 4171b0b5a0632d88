package mp4

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A fragment is what all tracks have had since the cut before it, on its way
// to the disk.
type fragment struct {
	pieces []*piece
	prefix []byte // a box in front of moof, see journal
	secret bool   // of tracks that the moov on the disk does not know
	head   []byte // moof, and the header of mdat
	size   int64  // in the file
}

// A piece is one track's part of a fragment: one traf with one trun, and one
// chunk of the finished file.
type piece struct {
	track   *Track
	entry   uint32 // number of the sample entry
	samples []indexSample
	data    []byte
}

// contents gives all bytes of the fragment as they stand in the file.
func (f *fragment) contents() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !yield(f.prefix) || !yield(f.head) {
			return
		}
		for _, p := range f.pieces {
			if !yield(p.data) {
				return
			}
		}
	}
}

// span returns the time from the piece's first sample to the given one.
func (p *piece) span(dts int64) int64 { return dts - p.samples[0].dts }

// cutLast moves the last sample into a piece of its own.
func (p *piece) cutLast(to *piece) {
	n := len(p.samples) - 1
	s := p.samples[n]
	from := len(p.data) - int(s.size*s.count)
	to.track, to.entry = p.track, p.entry
	to.samples = append(to.samples[:0], s)
	to.data = append(to.data[:0], p.data[from:]...)
	p.samples, p.data = p.samples[:n], p.data[:from]
}

// estimateLast gives the last sample a duration where nobody has told: that of
// the one before it.
func (p *piece) estimateLast() {
	n := len(p.samples) - 1
	if n > 0 && p.samples[n].duration == 0 {
		p.samples[n].duration = p.samples[n-1].duration
	}
}

// count returns the number of samples as tables count them.
func (p *piece) count() (n int) {
	for _, s := range p.samples {
		n += int(s.count)
	}
	return n
}

// Flags of tfhd and trun (ISO/IEC 14496-12 8.8.7, 8.8.8).
const (
	tfhdEntry           = 0x02
	tfhdDuration        = 0x08
	tfhdSize            = 0x10
	tfhdFlags           = 0x20
	tfhdBaseIsMoof      = 0x020000
	trunDataOffset      = 0x01
	trunDuration        = 0x100
	trunSize            = 0x200
	trunFlags           = 0x400
	trunOffset          = 0x800
	sampleIsSync        = 0x02000000 // depends on no other
	sampleIsNotSync     = 0x01010000 // depends on others, no sync sample
	mdatHeader          = 8
	movieFragmentHeader = 8 + 16 // moof and mfhd
)

// build fills in head and size:
//
//	moof
//	├── mfhd           sequence number
//	└── traf …         one per track
//	    ├── tfhd       what all samples have in common
//	    ├── tfdt       decode time of the first
//	    └── trun       duration, size, flags, offset of each
//	mdat               the pieces one after the other
func (f *fragment) build(sequence uint32) {
	var payload, total int64
	for _, p := range f.pieces {
		payload += int64(len(p.data))
	}
	b := boxBuffer{buf: f.head[:0]}
	moof := b.open("moof")
	mfhd := b.openFull("mfhd", 0, 0)
	b.u32(sequence)
	b.close(mfhd)
	for _, p := range f.pieces {
		p.traf(&b, total)
		total += int64(len(p.data))
	}
	b.close(moof)
	f.placeData(b.buf)
	b.u32(uint32(mdatHeader + payload))
	b.str("mdat")
	f.head = b.buf
	f.size = int64(len(f.prefix)+len(f.head)) + payload
}

// traf appends a piece's box, with its data's offset counted from the payload
// of mdat until placeData knows where that is.
func (p *piece) traf(b *boxBuffer, at int64) {
	c := p.common()
	traf := b.open("traf")
	tfhd := b.openFull("tfhd", 0, tfhdBaseIsMoof|c.tfhd)
	b.u32(p.track.id)
	if c.tfhd&tfhdEntry != 0 {
		b.u32(p.entry)
	}
	if c.tfhd&tfhdDuration != 0 {
		b.u32(uint32(c.first.duration))
	}
	if c.tfhd&tfhdSize != 0 {
		b.u32(uint32(c.first.size))
	}
	if c.tfhd&tfhdFlags != 0 {
		b.u32(c.first.flags())
	}
	b.close(tfhd)
	tfdt := b.openFull("tfdt", 1, 0)
	b.u64(uint64(p.samples[0].dts - p.track.base))
	b.close(tfdt)
	p.trun(b, c.trun, at)
	b.close(traf)
}

func (p *piece) trun(b *boxBuffer, flags uint32, at int64) {
	trun := b.openFull("trun", 1, trunDataOffset|flags) // version 1: offsets may be negative
	b.u32(uint32(p.count()))
	b.u32(uint32(at))
	for i := range p.samples {
		s := &p.samples[i]
		for range s.count {
			if flags&trunDuration != 0 {
				b.u32(uint32(s.duration))
			}
			if flags&trunSize != 0 {
				b.u32(uint32(s.size))
			}
			if flags&trunFlags != 0 {
				b.u32(s.flags())
			}
			if flags&trunOffset != 0 {
				b.u32(uint32(int32(s.offset)))
			}
		}
	}
	b.close(trun)
}

// common is which values are the same for all samples of a piece and need not
// be repeated, and which flags say so.
type common struct {
	tfhd, trun uint32
	first      *indexSample
}

func (p *piece) common() common {
	c := common{first: &p.samples[0]}
	differ := func(of func(*indexSample) int64) bool {
		want := of(c.first)
		return slices.ContainsFunc(p.samples, func(s indexSample) bool { return of(&s) != want })
	}
	choose := func(differ bool, trun, tfhd uint32) {
		if differ {
			c.trun |= trun
		} else {
			c.tfhd |= tfhd
		}
	}
	choose(differ(func(s *indexSample) int64 { return s.duration }), trunDuration, tfhdDuration)
	choose(differ(func(s *indexSample) int64 { return s.size }), trunSize, tfhdSize)
	choose(differ(func(s *indexSample) int64 { return int64(s.flags()) }), trunFlags, tfhdFlags)
	if slices.ContainsFunc(p.samples, func(s indexSample) bool { return s.offset != 0 }) {
		c.trun |= trunOffset
	}
	if p.entry != 1 {
		c.tfhd |= tfhdEntry
	}
	return c
}

func (s *indexSample) flags() uint32 {
	if s.sync {
		return sampleIsSync
	}
	return sampleIsNotSync
}

// placeData adds to each trun's data offset, which counts from the beginning
// of moof, what lies between that and the payload of mdat.
func (f *fragment) placeData(moof []byte) {
	distance := uint32(len(moof) + mdatHeader)
	for traf := moof[movieFragmentHeader:]; len(traf) > 0; {
		size := binary.BigEndian.Uint32(traf)
		boxes := traf[8:size]
		for {
			n := binary.BigEndian.Uint32(boxes)
			if string(boxes[4:8]) == "trun" {
				at := boxes[16:] // behind size, type, version and flags, count
				binary.BigEndian.PutUint32(at, binary.BigEndian.Uint32(at)+distance)
				break
			}
			boxes = boxes[n:]
		}
		traf = traf[size:]
	}
}
