package mp4

import (
	"errors"
	"fmt"
	"strings"
)

// parseTrak reads a trak box (8.3). A track without an identity, a timescale
// or a sample entry is an error.
func (m *Movie) parseTrak(c box) (*TrackInfo, error) {
	t := &TrackInfo{movie: m, place: c, Kind: "other", Language: "und"}
	for b, err := range m.src.children(c, 0) {
		if err != nil {
			return nil, err
		}
		switch b.kind {
		case "tkhd":
			t.parseTkhd(b)
		case "edts":
			t.parseEdts(b)
		case "mdia":
			t.parts.mdia = b
			t.parseMdia(b)
		case "udta":
			t.parseName(b)
		case "tref":
			t.parseTref(b)
		}
	}
	switch {
	case t.ID == 0:
		return nil, errors.New("it has no number")
	case t.Timescale == 0:
		return nil, fmt.Errorf("track %d has no timescale", t.ID)
	case len(t.Entries) == 0:
		return nil, fmt.Errorf("track %d has no sample entry", t.ID)
	}
	return t, nil
}

func (t *TrackInfo) load(b box) *fields {
	p, err := t.movie.src.load(b)
	return &fields{p: p, short: err != nil}
}

func (t *TrackInfo) parseTkhd(b box) {
	f := t.load(b)
	version, flags := f.full()
	f.sized(version)
	f.sized(version)
	id := f.u32()
	f.skip(4)
	f.sized(version)
	f.skip(8 + 2)
	group := f.u16()
	if f.short {
		return
	}
	t.ID, t.Group, t.Disabled = id, group, flags&trackEnabled == 0
}

const maxEdits = 1 << 16

func (t *TrackInfo) parseEdts(b box) {
	for c, err := range t.movie.src.children(b, 0) {
		if err != nil || c.kind != "elst" {
			continue
		}
		f := t.load(c)
		version, _ := f.full()
		count := f.u32()
		for range min(count, maxEdits) {
			e := Edit{Duration: int64(f.sized(version))}
			if version == 1 {
				e.MediaTime = int64(f.u64())
			} else {
				e.MediaTime = int64(int32(f.u32()))
			}
			e.Rate = float64(int32(f.u32())) / 65536
			if f.short || e.Duration < 0 || e.Duration > maxTicks || e.MediaTime < -1 || e.MediaTime > maxTicks {
				t.movie.trouble(c.off, "the edit list of track %d is damaged; it is used up to edit %d", t.ID, len(t.Edits))
				return
			}
			t.Edits = append(t.Edits, e)
		}
	}
}

// maxTicks bounds all times, so that sums of them do not overflow.
const maxTicks = 1 << 60

func (t *TrackInfo) parseMdia(b box) {
	for c, err := range t.movie.src.children(b, 0) {
		if err != nil {
			return
		}
		switch c.kind {
		case "mdhd":
			f := t.load(c)
			version, _ := f.full()
			f.sized(version)
			f.sized(version)
			t.Timescale = f.u32()
			f.sized(version)
			t.Language = language(f.u16())
		case "hdlr":
			t.parseHdlr(c)
		case "minf":
			t.parts.minf = c
			t.parseMinf(c)
		}
	}
}

// macLanguages are QuickTime's language codes from 0 on.
const macLanguages = "eng fra deu ita nld swe spa dan por nor heb jpn ara fin ell isl mlt tur hrv zho urd hin tha kor"

// language unpacks three letters of five bits each. What is below 0x400 is a
// QuickTime language code.
func language(packed uint16) string {
	if packed < 0x400 {
		if at := int(packed) * 4; at < len(macLanguages) {
			return macLanguages[at:][:3]
		}
		return "und"
	}
	code := string([]byte{byte(packed>>10&31) + 0x60, byte(packed>>5&31) + 0x60, byte(packed&31) + 0x60})
	if !isLanguage(code) {
		return "und"
	}
	return code
}

// genericNames are what muxers call every track.
var genericNames = map[string]bool{"VideoHandler": true, "SoundHandler": true, "SubtitleHandler": true, "DataHandler": true,
	"Video": true, "Audio": true, "VideoMediaHandler": true, "SoundMediaHandler": true}

func (t *TrackInfo) parseHdlr(b box) {
	f := t.load(b)
	f.full()
	f.skip(4)
	handler := string(f.take(4))
	f.skip(12)
	if f.short {
		return
	}
	switch handler {
	case "vide", "auxv", "pict":
		t.Kind = "video"
	case "soun":
		t.Kind = "audio"
	case "text", "sbtl", "subt", "clcp":
		t.Kind = "text"
	}
	name := f.p
	if n := len(name); n > 0 && int(name[0]) == n-1 { // a Pascal string
		name = name[1:]
	}
	if text := strings.TrimRight(string(name), "\x00"); t.Name == "" && !genericNames[text] {
		t.Name = printable(text)
	}
}

// printable keeps what can be shown of text from a file.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, s)
}

func (t *TrackInfo) parseName(b box) {
	for c, err := range t.movie.src.children(b, 0) {
		if err != nil {
			return
		}
		if c.kind == "name" {
			if f := t.load(c); len(f.p) > 0 {
				t.Name = printable(strings.Trim(string(f.p), "\x00"))
			}
		}
	}
}

// parseTref notes which tracks have this one's chapters.
func (t *TrackInfo) parseTref(b box) {
	for c, err := range t.movie.src.children(b, 0) {
		if err != nil {
			return
		}
		if c.kind == "chap" {
			f := t.load(c)
			for len(f.p) >= 4 && len(t.chapters) < maxTracks {
				t.chapters = append(t.chapters, f.u32())
			}
		}
	}
}

func (t *TrackInfo) parseMinf(b box) {
	for c, err := range t.movie.src.children(b, 0) {
		if err != nil {
			return
		}
		if c.kind == "stbl" {
			t.parts.stbl = c
			t.parseStbl(c)
		}
	}
}

func (t *TrackInfo) parseStbl(b box) {
	for c, err := range t.movie.src.children(b, 0) {
		if err != nil {
			t.movie.trouble(c.off, "the sample table of track %d is broken: %v", t.ID, err)
			return
		}
		whole := true
		switch c.kind {
		case "stsd":
			t.parts.stsd = c
			t.parseStsd(c)
		case "stts":
			t.durations, _, whole = tableIn(t.movie.src, c, 0, 8)
		case "ctts":
			t.offsets, _, whole = tableIn(t.movie.src, c, 0, 8)
		case "stsc":
			t.chunkRuns, _, whole = tableIn(t.movie.src, c, 0, 12)
		case "stco":
			t.chunks, _, whole = tableIn(t.movie.src, c, 0, 4)
		case "co64":
			t.chunks, _, whole = tableIn(t.movie.src, c, 0, 8)
		case "stss":
			t.syncs, _, whole = tableIn(t.movie.src, c, 0, 4)
		case "stsz":
			whole = t.parseStsz(c)
		case "stz2":
			t.movie.trouble(c.off, "track %d has its sizes in stz2, which is not supported", t.ID)
		}
		if !whole {
			t.movie.trouble(c.off, "table %s of track %d is cut short", c.kind, t.ID)
		}
	}
}

// parseStsz reads the sizes of samples (8.7.3.2): one for all, or a table.
func (t *TrackInfo) parseStsz(c box) (whole bool) {
	p, err := t.movie.src.read(c.body(), min(12, c.size-c.head))
	f := fields{p: p}
	f.full()
	size, count := f.u32(), int64(f.u32())
	if err != nil || f.short {
		return false
	}
	if size == 0 {
		t.sizes, _, whole = tableIn(t.movie.src, c, 4, 4)
		return whole
	}
	// Each of them has to be somewhere in the file.
	fits := t.movie.src.size / int64(size)
	t.fixedSize, t.fixedCount = size, min(count, fits)
	return count <= fits
}
