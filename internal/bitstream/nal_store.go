package bitstream

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/roomkit-live/roomkit-go/media"
)

// maxSet is the largest parameter set: no container can store a longer one.
const maxSet = 65535

// A paramSet is a parameter set in force.
type paramSet struct {
	kind int // NAL unit type, in whose order they are stored
	id   uint32
	nal  []byte
	// seq is what an SPS says; refers is of a PPS the id of its SPS.
	seq    sequence
	refers uint32
}

// A sequence is what is needed of an SPS.
type sequence struct {
	width, height  int
	reorder        int // -1: not known
	frameNumBits   int // H.264
	separatePlanes bool
	subLayers      int // HEVC, at least 1
}

// A setStore holds the parameter sets of a stream, in the order of type and id.
// Ids are few (H.264 has 32 and 256), so is the memory.
type setStore struct {
	sets   []paramSet
	staged []paramSet // seen in the unit being read, in force when all of it is read
	// version counts changes.
	version int
}

// stage takes note of a parameter set, whose data it does not keep before
// commit. parse is called for one that is new.
func (s *setStore) stage(nal []byte, parse func(nal []byte) (paramSet, error)) error {
	// A NAL unit does not end in zeros nor contain a start code, whatever the
	// length before it says: as a byte stream it would be another one.
	if nal = bytes.TrimRight(nal, "\x00"); bytes.Contains(nal, []byte{0, 0, 1}) {
		return fmt.Errorf("%w: parameter set of %d bytes with a start code in it", media.ErrFormat, len(nal))
	}
	// What was staged may be about to replace the one that is known.
	if s.known(nal) && len(s.staged) == 0 {
		return nil
	}
	if len(nal) > maxSet {
		return fmt.Errorf("%w: parameter set of %d bytes (allowed: up to %d)", media.ErrLength, len(nal), maxSet)
	}
	set, err := parse(nal)
	if err != nil {
		return err
	}
	set.nal = nal
	s.staged = append(s.staged, set)
	return nil
}

func (s *setStore) known(nal []byte) bool {
	for i := range s.sets {
		if bytes.Equal(s.sets[i].nal, nal) {
			return true
		}
	}
	return false
}

// forget drops what was staged, which refers to the caller's data.
func (s *setStore) forget() {
	clear(s.staged)
	s.staged = s.staged[:0]
}

// commit puts what was staged in force.
func (s *setStore) commit() {
	for _, set := range s.staged {
		at, ok := slices.BinarySearchFunc(s.sets, set, func(a, b paramSet) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
		})
		if ok && bytes.Equal(s.sets[at].nal, set.nal) {
			continue
		}
		set.nal = bytes.Clone(set.nal)
		s.version++
		if ok {
			s.sets[at] = set
		} else {
			s.sets = slices.Insert(s.sets, at, set)
		}
	}
	s.forget()
}

// find returns a set, nil if there is none.
func (s *setStore) find(kind int, id uint32) *paramSet {
	for i := range s.sets {
		if s.sets[i].kind == kind && s.sets[i].id == id {
			return &s.sets[i]
		}
	}
	return nil
}

// first returns the set of a kind with the lowest id, nil if there is none.
func (s *setStore) first(kind int) *paramSet {
	for i := range s.sets {
		if s.sets[i].kind == kind {
			return &s.sets[i]
		}
	}
	return nil
}

// byteStream returns all sets with start codes.
func (s *setStore) byteStream() []byte {
	var b []byte
	for _, set := range s.sets {
		b = append(append(b, 0, 0, 0, 1), set.nal...)
	}
	return b
}

// A nalDescription keeps track of the description of H.264 and HEVC.
type nalDescription struct {
	setStore
	vpsType, spsType, ppsType int // vpsType 0: there are none
	// active is what the SPS of the last key says, ready whether there is one;
	// described is the version of the sets then.
	active    sequence
	ready     bool
	described int
}

// sequenceOf returns what the SPS says that a picture with this PPS id has; ok
// is false if a parameter set is missing.
func (d *nalDescription) sequenceOf(pps uint32) (s sequence, ok bool) {
	p := d.find(d.ppsType, pps)
	if p == nil || d.vpsType != 0 && d.first(d.vpsType) == nil {
		return sequence{}, false
	}
	sps := d.find(d.spsType, p.refers)
	if sps == nil {
		return sequence{}, false
	}
	return sps.seq, true
}

// activate takes note of a key with an SPS.
func (d *nalDescription) activate(s sequence) { d.active, d.ready = s, true }

// begin takes the configuration's parameter sets.
func (d *nalDescription) begin(codec media.Codec, config []byte, stage func([]byte) error) error {
	nals, _, err := ParameterSets(codec, config)
	if err != nil {
		return fmt.Errorf("configuration of %s: %w", codec, err)
	}
	for _, nal := range nals {
		if err := stage(nal); err != nil {
			return fmt.Errorf("configuration of %s: %w", codec, err)
		}
	}
	d.commit()
	if p := d.first(d.ppsType); p != nil {
		d.active, d.ready = d.sequenceOf(p.id)
	}
	return nil
}

func (d *nalDescription) describe(extra []byte) description {
	if !d.ready {
		return description{reorder: -1}
	}
	if extra == nil || d.described != d.version {
		extra, d.described = d.byteStream(), d.version
	}
	return description{ready: true, width: d.active.width, height: d.active.height, extra: extra, reorder: d.active.reorder}
}
