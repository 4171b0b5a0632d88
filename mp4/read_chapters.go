package mp4

import "unicode/utf16"

// maxChapters bounds what is read of a chapter track.
const maxChapters = 10_000

// findChapters reads the chapters from the text track that others refer to for
// them (QuickTime File Format, chapter lists). They replace Nero's list, which
// has room for 255.
func (m *Movie) findChapters() {
	for _, t := range m.Tracks {
		for _, id := range t.chapters {
			c := m.track(id)
			if c == nil || c.Kind != "text" || c.chapterTrack {
				continue
			}
			c.chapterTrack = true
			if list := m.chapterTitles(c); len(list) >= len(m.Chapters) {
				m.Chapters = list
			}
		}
	}
}

func (m *Movie) chapterTitles(c *TrackInfo) (list []Chapter) {
	for s, err := range c.Samples() {
		if err != nil || len(list) >= maxChapters {
			break
		}
		p, err := m.src.read(s.Offset, min(s.Size, 2+1024))
		if err != nil {
			break
		}
		f := fields{p: p}
		n := int(f.u16()) // bytes of UTF-8, or UTF-16 behind a byte order mark
		start, _ := c.spans(s.PTS, s.PTS+s.Duration)
		list = append(list, Chapter{start, textSample(f.p[:min(n, len(f.p))])})
	}
	return list
}

func textSample(p []byte) string {
	if len(p) < 2 || p[0] != 0xfe || p[1] != 0xff {
		return printable(string(p))
	}
	units := make([]uint16, 0, len(p)/2)
	for f := (fields{p: p[2:]}); len(f.p) >= 2; {
		units = append(units, f.u16())
	}
	return printable(string(utf16.Decode(units)))
}
