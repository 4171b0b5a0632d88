package mp4

import (
	"encoding/binary"
	"fmt"
)

// slots are the front of the file: the switch and the two places for the moov
// of the unfinished file. Each slot is one box that always fills it, padded
// inside, so that a change of its four bytes of type is all that shows or
// hides it.
type slots struct {
	ftyp   []byte
	size   int64 // of a slot
	active int   // the slot whose type is moov
	begun  bool
	extra  int64 // bytes behind the slots that are kept for the final index
}

const (
	switchSize  = 16 // a box header with a 64-bit size
	mdatLargest = 16 // header of an mdat with a 64-bit size
)

// journalUUID marks a box with the payload of a moov that no slot could hold.
const journalUUID = "RoomKit-moov-v1\x00"

func (s *slots) switchAt() int64      { return int64(len(s.ftyp)) }
func (s *slots) slotAt(n int) int64   { return s.switchAt() + switchSize + int64(n)*s.size }
func (s *slots) reserveAt() int64     { return s.slotAt(2) }
func (s *slots) mediaAt() int64       { return s.reserveAt() + s.extra }
func (s *slots) fits(moov int64) bool { return moov == s.size || moov+8 <= s.size }

// header returns the file's front with the first moov in slot A.
func (s *slots) header(v *movie, slotBytes int, fastStart int64) []byte {
	s.ftyp = ftyp(v.quickTime)
	var moov boxBuffer
	v.moov(&moov)
	s.size = int64(slotBytes)
	if !s.fits(moov.size()) {
		s.size = 2 * moov.size()
	}
	if fastStart > 0 {
		s.extra = 8 + fastStart + mdatLargest
	}
	b := boxBuffer{buf: s.ftyp[:len(s.ftyp):len(s.ftyp)]}
	b.u32(switchSize)
	b.str("free")
	b.u64(0)
	s.pad(&b, moov.buf, "moov")
	b.u32(uint32(s.size))
	b.str("free")
	b.zeros(int(s.size) - 8)
	if s.extra > 0 { // its payload is not written before it is the index; hold has room for it
		b.u32(uint32(s.extra))
		b.str("free")
	}
	s.begun = true
	return b.buf
}

// pad appends a slot's box with the moov's content.
func (s *slots) pad(b *boxBuffer, moov []byte, typ string) {
	at := len(b.buf)
	b.raw(moov)
	if rest := int(s.size) - len(moov); rest > 0 {
		b.u32(uint32(rest))
		b.str("free")
		b.zeros(rest - 8)
	}
	binary.BigEndian.PutUint32(b.buf[at:], uint32(s.size))
	copy(b.buf[at+4:], typ)
}

// replace returns the writes that make v the moov of the unfinished file, each
// of which has to be on the disk before the next is made. Whatever the instant
// of a crash, there is a slot whose type is moov, and where there are two, the
// newer one says more but nothing else.
func (s *slots) replace(v *movie) ([]diskOp, error) {
	var moov boxBuffer
	v.moov(&moov)
	if !s.fits(moov.size()) {
		return nil, fmt.Errorf("%w: moov of %d bytes in a slot of %d", errNoRoom, moov.size(), s.size)
	}
	old, other := s.active, 1-s.active
	var b boxBuffer
	s.pad(&b, moov.buf, "free")
	s.active = other
	return []diskOp{
		{at: s.slotAt(other), data: b.buf},
		{at: s.slotAt(other) + 4, data: []byte("moov")},
		{at: s.slotAt(old) + 4, data: []byte("free")},
	}, nil
}

// journal returns a box that keeps v for repair where no slot can hold it.
func journal(v *movie) []byte {
	var moov, b boxBuffer
	v.moov(&moov)
	m := b.open("uuid")
	b.str(journalUUID)
	b.raw(moov.buf[8:])
	b.close(m)
	return b.buf
}
