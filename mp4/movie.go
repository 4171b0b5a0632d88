package mp4

import (
	"strings"
	"time"
)

// movieTimescale is the unit of durations and edits of the whole movie. That
// of video: edits are exact for it, and for audio to 6 µs, less than a sample.
const movieTimescale = 90_000

// macEpoch is what times in MP4 count from (ISO/IEC 14496-12 8.2.2).
var macEpoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)

// A movie is what a moov box describes, of a file that is being written as of
// a finished one.
type movie struct {
	quickTime   bool
	title, tool string
	created     time.Time
	tracks      []*movieTrack
	chapters    []Chapter
	chapterID   uint32 // of the track with the chapters' titles, 0 if none
	fragmented  bool
	shift       int64 // how far media lies behind where the indexes say
}

// A movieTrack is one track as moov describes it.
type movieTrack struct {
	id             uint32
	handler        string
	entries        [][]byte // sample entries, whole boxes
	width, height  int
	timescale      uint32
	name, language string
	disabled       bool
	group          uint16
	edits          []edit
	length         int64  // of the media, in its timescale
	shown          uint64 // of the edits together, in movieTimescale
	index          *index // nil where the samples are in fragments
}

// An edit maps a stretch of the presentation to the media (ISO/IEC 14496-12
// 8.6.6).
type edit struct {
	duration  uint64 // in movieTimescale; 0 in a fragmented file: to the end
	mediaTime int64  // in the track's timescale; -1: nothing
}

// rescale converts ticks of one timescale into another's, to the nearest.
// Whole seconds are converted apart, so that no product overflows.
func rescale(v int64, from, to uint32) int64 {
	if v < 0 {
		return -rescale(-v, from, to)
	}
	f, t := int64(from), int64(to)
	return v/f*t + (v%f*t+f/2)/f
}

func ftyp(quickTime bool) []byte {
	var b boxBuffer
	m := b.open("ftyp")
	if quickTime {
		b.str("qt  ")
		b.u32(0x200)
		b.str("qt  ")
	} else {
		b.str("isom")
		b.u32(0x200)
		for _, brand := range []string{"isom", "iso6", "mp41"} { // iso6: tfdt, default-base-is-moof
			b.str(brand)
		}
	}
	b.close(m)
	return b.buf
}

// moov builds the box:
//
//	moov
//	├── mvhd
//	├── trak …
//	├── mvex ── trex …     while fragmented
//	└── udta ── meta       title, tool, chapters
func (v *movie) moov(b *boxBuffer) {
	m := b.open("moov")
	v.mvhd(b)
	for _, t := range v.tracks {
		v.trak(b, t)
	}
	if v.fragmented {
		v.mvex(b)
	}
	v.udta(b)
	b.close(m)
}

func (v *movie) mvhd(b *boxBuffer) {
	var length uint64
	next := uint32(1)
	for _, t := range v.tracks {
		length, next = max(length, t.shown), max(next, t.id+1)
	}
	created := v.seconds()
	version := wide(length, created)
	m := b.openFull("mvhd", version, 0)
	b.time(version, created)
	b.time(version, created) // modified
	b.u32(movieTimescale)
	b.time(version, length)
	b.u32(0x10000) // rate 1.0
	b.u16(0x100)   // volume 1.0
	b.zeros(10)
	b.identity()
	b.zeros(24)
	b.u32(next)
	b.close(m)
}

// seconds is the creation time as boxes have it, 0 if unknown.
func (v *movie) seconds() uint64 {
	if v.created.Before(macEpoch) {
		return 0
	}
	return uint64(v.created.Unix() - macEpoch.Unix())
}

// identity appends the matrix that changes nothing.
func (b *boxBuffer) identity() {
	for _, v := range [9]uint32{0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000} {
		b.u32(v)
	}
}

// trak builds the box:
//
//	trak
//	├── tkhd
//	├── edts ── elst
//	├── tref ── chap
//	├── mdia
//	│   ├── mdhd
//	│   ├── hdlr
//	│   └── minf
//	│       ├── vmhd | smhd | gmhd
//	│       ├── dinf ── dref ── url
//	│       └── stbl ── stsd …
//	└── udta ── name
func (v *movie) trak(b *boxBuffer, t *movieTrack) {
	m := b.open("trak")
	v.tkhd(b, t)
	t.edts(b)
	if v.chapterID != 0 && t.id != v.chapterID {
		tref, chap := b.open("tref"), b.open("chap")
		b.u32(v.chapterID)
		b.close(chap)
		b.close(tref)
	}
	mdia := b.open("mdia")
	v.mdhd(b, t)
	v.hdlr(b, "mhlr", t.handler, t.handlerName())
	t.minf(b, v.shift)
	b.close(mdia)
	if t.name != "" {
		udta, name := b.open("udta"), b.open("name")
		b.str(t.name)
		b.close(name)
		b.close(udta)
	}
	b.close(m)
}

// Flags of tkhd (ISO/IEC 14496-12 8.3.2).
const (
	trackEnabled = 1
	trackInMovie = 2
)

func (v *movie) tkhd(b *boxBuffer, t *movieTrack) {
	flags := uint32(trackInMovie)
	if !t.disabled {
		flags |= trackEnabled
	}
	created := v.seconds()
	version := wide(t.shown, created)
	m := b.openFull("tkhd", version, flags)
	b.time(version, created)
	b.time(version, created)
	b.u32(t.id)
	b.zeros(4)
	b.time(version, t.shown)
	b.zeros(8)
	b.u16(0) // layer
	b.u16(t.group)
	volume := uint16(0)
	if t.handler == "soun" {
		volume = 0x100
	}
	b.u16(volume)
	b.zeros(2)
	b.identity()
	b.u32(uint32(t.width) << 16)
	b.u32(uint32(t.height) << 16)
	b.close(m)
}

func (t *movieTrack) edts(b *boxBuffer) {
	if len(t.edits) == 0 {
		return
	}
	version := uint8(0)
	for _, e := range t.edits {
		version = max(version, wide(e.duration, uint64(max(e.mediaTime, 0))<<1)) // the latter is signed
	}
	m := b.open("edts")
	elst := openTable(b, "elst", version, int64(len(t.edits)))
	for _, e := range t.edits {
		b.time(version, e.duration)
		b.time(version, uint64(e.mediaTime))
		b.u32(0x10000) // rate 1.0
	}
	b.close(elst)
	b.close(m)
}

func (v *movie) mdhd(b *boxBuffer, t *movieTrack) {
	created := v.seconds()
	version := wide(uint64(t.length), created)
	m := b.openFull("mdhd", version, 0)
	b.time(version, created)
	b.time(version, created)
	b.u32(t.timescale)
	b.time(version, uint64(t.length))
	b.u16(packLanguage(t.language))
	b.zeros(2)
	b.close(m)
}

// packLanguage packs three lower-case letters (ISO/IEC 14496-12 8.4.2); und
// where there are none.
func packLanguage(code string) uint16 {
	if !isLanguage(code) {
		code = "und"
	}
	return uint16(code[0]-0x60)<<10 | uint16(code[1]-0x60)<<5 | uint16(code[2]-0x60)
}

func isLanguage(code string) bool {
	return len(code) == 3 && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz") == ""
}

// hdlr appends a handler; component tells what of, in QuickTime only.
func (v *movie) hdlr(b *boxBuffer, component, handler, name string) {
	m := b.openFull("hdlr", 0, 0)
	if !v.quickTime {
		b.zeros(4)
		b.str(handler)
		b.zeros(12)
		b.cstr(name)
	} else {
		b.str(component)
		b.str(handler)
		b.zeros(12)
		name = clip(name, 255)
		b.u8(uint8(len(name))) // a Pascal string
		b.str(name)
	}
	b.close(m)
}

func (t *movieTrack) handlerName() string {
	if t.name != "" {
		return t.name
	}
	return map[string]string{"vide": "Video", "soun": "Audio", "text": "Chapters"}[t.handler]
}

func (t *movieTrack) minf(b *boxBuffer, shift int64) {
	m := b.open("minf")
	switch t.handler {
	case "vide":
		vmhd := b.openFull("vmhd", 0, 1)
		b.zeros(8)
		b.close(vmhd)
	case "soun":
		smhd := b.openFull("smhd", 0, 0)
		b.zeros(4)
		b.close(smhd)
	default:
		b.gmhd()
	}
	dinf := b.open("dinf")
	dref := openTable(b, "dref", 0, 1)
	url := b.openFull("url ", 0, 1) // the media is in this file
	b.close(url)
	b.close(dref)
	b.close(dinf)
	t.stbl(b, shift)
	b.close(m)
}

// gmhd is the media header of QuickTime's text tracks, as which chapters are
// found by players (QuickTime File Format, base media information header).
func (b *boxBuffer) gmhd() {
	m := b.open("gmhd")
	gmin := b.openFull("gmin", 0, 0)
	b.u16(0x40) // graphics mode: dither copy
	b.u16(0x8000)
	b.u16(0x8000)
	b.u16(0x8000)
	b.zeros(4)
	b.close(gmin)
	text := b.open("text")
	b.identity()
	b.close(text)
	b.close(m)
}

func (t *movieTrack) stbl(b *boxBuffer, shift int64) {
	m := b.open("stbl")
	stsd := openTable(b, "stsd", 0, int64(len(t.entries)))
	for _, e := range t.entries {
		b.raw(e)
	}
	b.close(stsd)
	x := t.index
	if x == nil {
		x = new(index)
	}
	x.tables(b, shift)
	b.close(m)
}

func (v *movie) mvex(b *boxBuffer) {
	m := b.open("mvex")
	for _, t := range v.tracks {
		trex := b.openFull("trex", 0, 0)
		b.u32(t.id)
		b.u32(1) // sample entry
		b.zeros(12)
		b.close(trex)
	}
	b.close(m)
}
