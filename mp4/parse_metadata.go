package mp4

import (
	"strings"
	"time"
)

// parseMetadata reads the movie's udta or meta: title, tool, chapters.
func (m *Movie) parseMetadata(b box) {
	p, err := m.src.load(b)
	if err != nil {
		m.trouble(b.off, "the metadata cannot be read: %v", err)
		return
	}
	if b.kind == "meta" {
		m.parseMeta(p)
		return
	}
	for kind, body := range boxesIn(p) {
		switch kind {
		case "meta":
			m.parseMeta(body)
		case "chpl":
			m.Chapters = parseChpl(body)
		case "\xa9nam":
			setText(&m.Title, userText(body))
		case "\xa9swr", "\xa9too":
			setText(&m.Tool, userText(body))
		}
	}
}

// setText keeps what is there already.
func setText(dst *string, text string) {
	if *dst == "" {
		*dst = printable(text)
	}
}

// parseMeta reads iTunes metadata: meta is a full box, in QuickTime it is not.
func (m *Movie) parseMeta(p []byte) {
	list, ok := childOf(p, "ilst")
	if !ok && len(p) >= 4 {
		list, _ = childOf(p[4:], "ilst")
	}
	for kind, body := range boxesIn(list) {
		data, ok := childOf(body, "data")
		if !ok || len(data) < 8 {
			continue
		}
		switch kind {
		case "\xa9nam":
			setText(&m.Title, string(data[8:]))
		case "\xa9too":
			setText(&m.Tool, string(data[8:]))
		}
	}
}

// userText reads QuickTime's text: length, language, characters.
func userText(p []byte) string {
	f := fields{p: p}
	n := int(f.u16())
	f.skip(2)
	return string(f.p[:min(n, len(f.p))])
}

// parseChpl reads Nero's chapters: a count of one byte, in version 1 behind
// four reserved ones, and times in units of 100 ns.
func parseChpl(p []byte) (chapters []Chapter) {
	f := fields{p: p}
	if version, _ := f.full(); version > 0 {
		f.skip(4)
	}
	for range f.u8() {
		at := f.u64()
		title := f.p[min(1, len(f.p)):]
		n := int(f.u8())
		if f.short || n > len(title) || at > 1<<62/100 {
			return chapters
		}
		f.skip(n)
		chapters = append(chapters, Chapter{time.Duration(at) * 100, strings.ToValidUTF8(string(title[:n]), "")})
	}
	return chapters
}
