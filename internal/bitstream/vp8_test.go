package bitstream_test

import (
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/media"
)

// A boolEncoder writes what RFC 6386, section 7.3, describes, for values that
// are as likely 0 as 1.
type boolEncoder struct {
	out          []byte
	bound, value uint32
	bits         int
}

func (e *boolEncoder) put(v uint32, bits int) {
	for i := bits - 1; i >= 0; i-- {
		e.bit(v>>i&1 == 1)
	}
}

func (e *boolEncoder) bit(set bool) {
	split := 1 + (e.bound-1)*128>>8
	if set {
		e.value += split
		e.bound -= split
	} else {
		e.bound = split
	}
	for e.bound < 128 {
		e.bound <<= 1
		if e.value&(1<<31) != 0 { // carry
			at := len(e.out) - 1
			for ; e.out[at] == 255; at-- {
				e.out[at] = 0
			}
			e.out[at]++
		}
		e.value <<= 1
		if e.bits--; e.bits == 0 {
			e.out = append(e.out, byte(e.value>>24))
			e.value &= 1<<24 - 1
			e.bits = 8
		}
	}
}

// vp8Frame is a frame with such fields at the beginning of its first partition.
func vp8Frame(key bool, fields ...[2]uint32) []byte {
	e := boolEncoder{bound: 255, bits: 24}
	for _, f := range fields {
		e.put(f[0], int(f[1]))
	}
	e.put(0, 32)
	frame := []byte{1 | 0x10 | byte(len(e.out)<<5), byte(len(e.out) >> 3), byte(len(e.out) >> 11)}
	if key {
		frame[0] &^= 1
		frame = append(frame, 0x9D, 1, 0x2A, 16, 0, 16, 0)
	}
	return append(frame, e.out...)
}

func TestVP8Discardable(t *testing.T) {
	type f = [2]uint32
	none := []f{{0, 1}}
	noFilter := []f{{0, 1}}
	// Of an interframe: segmentation, filter, adjustments, partitions and
	// quantizers with one delta, references, entropy, last.
	frame := func(segments, adjust []f, refs, signs, entropy, last uint32) []byte {
		fields := append([]f{}, segments...)
		fields = append(fields, f{1, 1}, f{33, 6}, f{5, 3})
		fields = append(fields, adjust...)
		fields = append(fields, f{2, 2}, f{90, 7}, f{0, 1}, f{1, 1}, f{7, 4}, f{1, 1}, f{0, 3})
		return vp8Frame(false, append(fields, f{refs >> 4, 2}, f{refs & 15, 4}, f{signs, 2}, f{entropy, 1}, f{last, 1})...)
	}
	deltas := func(v uint32) []f { // one of a reference frame, one of a mode
		return []f{{1, 1}, {1, 1}, {0, 1}, {1, 1}, {v, 6}, {1, 1}, {0, 5}, {1, 1}, {3, 6}, {0, 1}}
	}
	v := newVideo(t, &media.EncodedFormat{Codec: media.VP8})
	read := func(name string, data []byte, want bitstream.Picture) {
		t.Helper()
		want.HasPicture, want.FirstSlice = true, true
		if got, err := v.Read(data); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	keeps, drops := bitstream.Picture{}, bitstream.Picture{Discardable: true}
	key := vp8Frame(true, append([]f{{0, 2}, {0, 1}, {1, 1}, {33, 6}, {5, 3}}, deltas(9)...)...)
	read("key", key, bitstream.Picture{Key: true, Changed: true})
	read("keeps nothing", frame(none, noFilter, 0, 3, 0, 0), drops)
	read("last", frame(none, noFilter, 0, 0, 0, 1), keeps)
	read("probabilities", frame(none, noFilter, 0, 0, 1, 0), keeps)
	read("golden", frame(none, noFilter, 0x20, 0, 0, 0), keeps)
	read("alternate", frame(none, noFilter, 0x10, 0, 0, 0), keeps)
	read("golden copied", frame(none, noFilter, 0x04, 0, 0, 0), keeps)
	read("alternate copied", frame(none, noFilter, 0x02, 0, 0, 0), keeps)
	read("the same deltas", frame(none, deltas(9), 0, 0, 0, 0), drops)
	read("deltas enabled only", frame(none, []f{{1, 1}, {0, 1}}, 0, 0, 0, 0), drops)
	read("other deltas", frame(none, deltas(8), 0, 0, 0, 0), keeps)
	read("these again", frame(none, deltas(8), 0, 0, 0, 0), drops)
	read("segments in force", frame([]f{{1, 1}, {0, 2}}, noFilter, 0, 0, 0, 0), drops)
	read("places of segments", frame([]f{{1, 1}, {2, 2}, {1, 1}, {77, 8}, {0, 2}}, noFilter, 0, 0, 0, 0), keeps)
	read("values of segments", frame([]f{{1, 1}, {1, 2}, {1, 1}, {1, 1}, {5, 7}, {0, 1}, {0, 6}, {1, 1}, {9, 6}, {1, 1}}, noFilter, 0, 0, 0, 0), keeps)
	read("key again", key, bitstream.Picture{Key: true})
	read("deltas of the key", frame(none, deltas(9), 0, 0, 0, 0), drops)
	key[0] &^= 0x10
	read("hidden", key, bitstream.Picture{Key: true, Hidden: true})
}
