package mp4

import (
	"bytes"
	"errors"
	"testing"
)

// The front of a file: brands, the switch, a moov that fills its slot with
// padding inside, the empty slot, and the space kept for the final index.
func TestFront(t *testing.T) {
	var s slots
	v := &movie{fragmented: true}
	front := s.header(v, 1024, 100)
	var moov boxBuffer
	v.moov(&moov)
	want := ftyp(false)
	want = append(want, golden(t, "00000010 66726565 0000000000000000")...)
	want = append(want, golden(t, "00000400 6d6f6f76")...)
	want = append(want, moov.buf[8:]...)
	rest := 1024 - len(moov.buf)
	want = append(want, 0, 0, byte(rest>>8), byte(rest))
	want = append(append(want, "free"...), make([]byte, rest-8)...)
	want = append(want, golden(t, "00000400 66726565")...)
	want = append(want, make([]byte, 1016)...)
	want = append(want, golden(t, "0000007c 66726565")...) // 8 + 100 + 16 for the header of mdat
	same(t, front, want)
	if s.switchAt() != 28 || s.mediaAt() != 28+16+2048+124 {
		t.Errorf("switch at %d, media at %d", s.switchAt(), s.mediaAt())
	}
}

// The slots change roles with each new moov: first what is hidden is written,
// then it is shown, then the old one is hidden.
func TestSlotsTakeTurns(t *testing.T) {
	var s slots
	v := &movie{fragmented: true}
	file := s.header(v, 1024, 0)
	for turn := range 4 {
		v.tracks = append(v.tracks, &movieTrack{id: uint32(turn + 1), handler: "soun"})
		ops, err := s.replace(v)
		if errors.Is(err, errNoRoom) && turn == 2 { // the third is one too many
			return
		}
		if err != nil || len(ops) != 3 {
			t.Fatalf("turn %d: %d writes, %v", turn, len(ops), err)
		}
		for i, op := range ops {
			before := bytes.Clone(file)
			copy(file[op.at:], op.data)
			if n := bytes.Count(file, []byte("\x00\x00\x04\x00moov")); n != []int{1, 2, 1}[i] {
				t.Errorf("turn %d, write %d: %d slots are shown", turn, i, n)
			}
			if active := file[s.slotAt(1-s.active) : s.slotAt(1-s.active)+1024]; i == 0 && !bytes.Equal(active, before[s.slotAt(1-s.active):s.slotAt(1-s.active)+1024]) {
				t.Errorf("turn %d: the slot in use is written to", turn)
			}
		}
	}
	t.Error("a slot of 1024 bytes has taken everything")
}

func TestSlotGrowsWithTheFirstMoov(t *testing.T) {
	var s slots
	v := &movie{tracks: []*movieTrack{{name: string(make([]byte, 3000))}}}
	front := s.header(v, 1024, 0)
	if s.size < 6000 || int64(len(front)) != s.mediaAt() {
		t.Errorf("slots of %d bytes, front of %d", s.size, len(front))
	}
}

// A moov that no slot can hold is kept where repair looks for it.
func TestJournal(t *testing.T) {
	v := &movie{fragmented: true}
	var moov boxBuffer
	v.moov(&moov)
	want := append([]byte{0, 0, 0, byte(len(moov.buf) + 16)}, "uuidRoomKit-moov-v1\x00"...)
	same(t, journal(v), append(want, moov.buf[8:]...))
}
