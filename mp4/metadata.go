package mp4

import (
	"time"
	"unicode/utf8"
)

// A Chapter is a named point of the timeline, where something begins.
type Chapter struct {
	Start time.Duration
	Title string
}

// udta builds the movie's user data:
//
//	udta
//	├── meta                 iTunes metadata list, which players show
//	│   ├── hdlr
//	│   └── ilst ── ©nam, ©too
//	├── ©nam, ©swr           instead of meta in QuickTime
//	└── chpl                 chapters as Nero and most players have them
func (v *movie) udta(b *boxBuffer) {
	if v.title == "" && v.tool == "" && len(v.chapters) == 0 {
		return
	}
	m := b.open("udta")
	switch {
	case v.quickTime:
		b.userText("\xa9nam", v.title)
		b.userText("\xa9swr", v.tool)
	case v.title != "" || v.tool != "":
		v.meta(b)
	}
	v.chpl(b)
	b.close(m)
}

func (v *movie) meta(b *boxBuffer) {
	m := b.openFull("meta", 0, 0)
	hdlr := b.openFull("hdlr", 0, 0)
	b.zeros(4)
	b.str("mdirappl")
	b.zeros(9)
	b.close(hdlr)
	ilst := b.open("ilst")
	b.listText("\xa9nam", v.title)
	b.listText("\xa9too", v.tool)
	b.close(ilst)
	b.close(m)
}

// listText appends an item of the metadata list.
func (b *boxBuffer) listText(typ, text string) {
	if text == "" {
		return
	}
	m := b.open(typ)
	data := b.open("data")
	b.u32(1) // UTF-8
	b.u32(0) // locale
	b.str(text)
	b.close(data)
	b.close(m)
}

// userText appends text as QuickTime has it: its length, language, characters.
func (b *boxBuffer) userText(typ, text string) {
	if text == "" {
		return
	}
	text = clip(text, 0xffff)
	m := b.open(typ)
	b.u16(uint16(len(text)))
	b.u16(packLanguage(""))
	b.str(text)
	b.close(m)
}

// chpl appends the list of chapters: at most 255 titles of at most 255 bytes,
// times in units of 100 ns. It has no specification; this is what Nero wrote
// and FFmpeg and others read.
func (v *movie) chpl(b *boxBuffer) {
	chapters := v.chapters[:min(len(v.chapters), 255)]
	if len(chapters) == 0 {
		return
	}
	m := b.openFull("chpl", 1, 0)
	b.zeros(4)
	b.u8(uint8(len(chapters)))
	for _, c := range chapters {
		b.u64(uint64(c.Start / 100))
		title := clip(c.Title, 255)
		b.u8(uint8(len(title)))
		b.str(title)
	}
	b.close(m)
}

// clip shortens a text to a number of bytes, at the end of a character.
func clip(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
