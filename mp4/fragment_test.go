package mp4

import (
	"testing"
)

// Two pictures, irregular and in another order than they are shown, and two
// packets of sound that are alike but for their sizes, of a track's second
// sample entry:
//
//	moof
//	├── mfhd   7
//	├── traf
//	│   ├── tfhd   track 1
//	│   ├── tfdt   90000
//	│   └── trun   data 0xd4 bytes behind moof, 3 bytes; each with duration, size, flags, offset
//	└── traf
//	    ├── tfhd   track 2, entry 2, duration 1024, sync
//	    ├── tfdt   48000
//	    └── trun   data 0xd7 bytes behind moof; each with its size
//	mdat
func TestFragmentBytes(t *testing.T) {
	picture, sound := &Track{id: 1, base: -3000}, &Track{id: 2}
	f := &fragment{pieces: []*piece{
		{track: picture, entry: 1, data: []byte("abc"), samples: []indexSample{
			{dts: 87000, offset: 3000, duration: 2999, size: 1, count: 1, sync: true},
			{dts: 89999, offset: -1, duration: 3001, size: 2, count: 1},
		}},
		{track: sound, entry: 2, data: []byte("defgh"), samples: []indexSample{
			{dts: 48000, duration: 1024, size: 2, count: 1, sync: true},
			{dts: 49024, duration: 1024, size: 3, count: 1, sync: true},
		}},
	}}
	f.build(7)
	want := golden(t, `
		000000cc 6d6f6f66
		00000010 6d666864 00000000 00000007
		00000060 74726166
		00000010 74666864 00020000 00000001
		00000014 74666474 01000000 0000000000015f90
		00000034 7472756e 01000f01 00000002 000000d4
		00000bb7 00000001 02000000 00000bb8
		00000bb9 00000002 01010000 ffffffff
		00000054 74726166
		0000001c 74666864 0002002a 00000002 00000002 00000400 02000000
		00000014 74666474 01000000 000000000000bb80
		0000001c 7472756e 01000201 00000002 000000d7 00000002 00000003
		00000010 6d646174`)
	same(t, f.head, want)
}

// A packet of PCM is as many samples as it has frames, which need no entry
// each.
func TestFragmentOfPCM(t *testing.T) {
	f := &fragment{pieces: []*piece{{track: &Track{id: 9}, entry: 1, data: make([]byte, 8), samples: []indexSample{
		{dts: 480, duration: 1, size: 2, count: 3, sync: true}, {dts: 483, duration: 1, size: 2, count: 1, sync: true},
	}}}, prefix: make([]byte, 5)}
	f.build(1)
	same(t, f.head, golden(t, `
		00000064 6d6f6f66
		00000010 6d666864 00000000 00000001
		0000004c 74726166
		0000001c 74666864 00020038 00000009 00000001 00000002 02000000
		00000014 74666474 01000000 00000000000001e0
		00000014 7472756e 01000001 00000004 0000006c
		00000010 6d646174`))
	if f.size != 5+0x6c+8 {
		t.Errorf("size %d", f.size)
	}
}
