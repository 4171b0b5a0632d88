package mp4

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// gather fills the index of each track with the samples that are whole.
func (s *salvage) gather() {
	byTrack := map[*TrackInfo]*salvaged{}
	s.whole = len(s.m.Fragments) == 0 && !s.m.fragmentsAnnounced()
	for _, t := range s.m.Tracks {
		v := &salvaged{t: t, nalWidth: t.nalWidth(), result: &RepairedTrack{ID: t.ID, Kind: t.Kind, Codec: t.Codec, Name: t.Name}}
		byTrack[t] = v
		s.tracks = append(s.tracks, v)
		s.gatherIndexed(v)
	}
	s.m.walkFragments(s.m.trouble, func(f *Fragment, t *TrackInfo, sample SampleInfo) bool {
		byTrack[t].take(f, sample)
		return true
	})
	for _, v := range s.tracks {
		v.finish()
		s.whole = s.whole && len(v.result.Dropped) == 0
	}
}

// gatherIndexed takes the samples of the index itself.
func (s *salvage) gatherIndexed(v *salvaged) {
	t := v.t
	whole := &Fragment{data: s.m.src.size}
	t.indexed(func(sample SampleInfo, err error) bool {
		if err != nil {
			s.m.trouble(t.place.off, "%v", err)
			s.whole = false
			return false
		}
		t.indexEnd = sample.DTS + sample.Duration
		v.take(whole, sample)
		return true
	})
}

// Why samples are dropped.
const (
	dropBeyond    = "the file ends before them"
	dropGarbled   = "their content is damaged"
	dropReference = "they need pictures that are lost"
	dropEntry     = "their description is missing"
)

// take keeps a sample, or says why not.
func (v *salvaged) take(f *Fragment, s SampleInfo) {
	if f.holes {
		v.hole = true
	}
	switch why := v.refuse(f, s); {
	case why != "":
		v.result.drop(s, why)
		v.hole = true
	case v.t.isVideo() && v.hole && !s.Sync && v.index.samples+int64(len(v.waiting)) > 0:
		v.waiting = append(v.waiting, s)
	default:
		if v.hole && s.Sync {
			for _, w := range v.waiting {
				v.result.drop(w, dropReference)
			}
			v.waiting = nil
		}
		v.hole = false
		v.keep(s)
	}
}

func (v *salvaged) refuse(f *Fragment, s SampleInfo) string {
	switch {
	case f.lost != "":
		return f.lost
	case s.check(f.data) != nil:
		return dropBeyond
	case s.Entry >= len(v.t.Entries):
		return dropEntry
	case f.suspect && !v.plausible(s):
		return dropGarbled
	}
	return ""
}

// zerosAtEnd is how many zeros at the end of a packet are taken for a block
// that the disk never got.
const zerosAtEnd = 32

// plausible looks into a sample next to damage.
func (v *salvaged) plausible(s SampleInfo) bool {
	if s.Size > smallBox || v.t.Kind == "text" || strings.HasPrefix(v.t.CodecName, "PCM") {
		return true
	}
	p, err := v.t.movie.src.read(s.Offset, s.Size)
	if err != nil {
		return false
	}
	if v.nalWidth > 0 {
		return plausibleNALs(p, v.nalWidth)
	}
	return strings.Trim(string(p[max(0, len(p)-zerosAtEnd):]), "\x00") != ""
}

// plausibleNALs: NAL units fill the sample exactly (ISO/IEC 14496-15 4.3.2),
// begin with a bit that is never set, and have no start code or more zeros in
// them (H.264 and H.265 7.4.1).
func plausibleNALs(p []byte, width int) bool {
	for len(p) > 0 {
		if len(p) < width {
			return false
		}
		var length [4]byte
		copy(length[4-width:], p[:width])
		n := int64(binary.BigEndian.Uint32(length[:]))
		p = p[width:]
		if n == 0 || n > int64(len(p)) || p[0]&0x80 != 0 {
			return false
		}
		for _, never := range [][]byte{{0, 0, 0}, {0, 0, 1}, {0, 0, 2}} {
			if bytes.Contains(p[:n], never) {
				return false
			}
		}
		p = p[n:]
	}
	return true
}

// nalWidth returns how many bytes the length of a NAL unit has.
func (t *TrackInfo) nalWidth() int {
	config, at := "", 0
	switch t.Codec {
	case "avc1", "avc3":
		config, at = "avcC", 4
	case "hvc1", "hev1":
		config, at = "hvcC", 21
	default:
		return 0
	}
	const visualEntry = 8 + 78 // what lies in front of the boxes of the entry
	if len(t.Entries[0]) < visualEntry {
		return 0
	}
	c, ok := childOf(t.Entries[0][visualEntry:], config)
	if !ok || len(c) <= at {
		return 0
	}
	return int(c[at]&3) + 1
}

// keep adds a sample to the index.
func (v *salvaged) keep(s SampleInfo) {
	x := &v.index
	dts := s.DTS
	if x.samples > 0 {
		// Times go on; a step has 32 bits.
		dts = min(max(dts, x.last), x.last+math.MaxInt32)
	}
	if v.chunk.samples > 0 && (v.chunk.end != s.Offset || v.entry != s.Entry || v.chunk.samples >= math.MaxInt32) {
		v.endChunk()
	}
	if v.chunk.samples == 0 {
		v.chunk.at, v.entry = s.Offset, s.Entry
	}
	v.chunk.samples++
	v.chunk.end = s.Offset + s.Size
	offset := min(max(s.PTS-dts, math.MinInt32), math.MaxInt32)
	x.add(indexSample{dts: dts, offset: offset, duration: s.Duration, size: s.Size, count: 1, sync: s.Sync})
	if v.result.Samples == 0 {
		v.lowest, v.firstShown = s.Offset, s.PTS
	}
	v.lowest, v.reach = min(v.lowest, s.Offset), max(v.reach, s.Offset+s.Size)
	v.firstShown = min(v.firstShown, s.PTS)
	v.lastEnd = max(v.lastEnd, s.PTS+s.Duration)
	v.result.Samples++
	v.result.Bytes += s.Size
}

func (v *salvaged) endChunk() {
	if v.chunk.samples == 0 {
		return
	}
	v.index.addChunk(v.chunk.at, int(v.chunk.samples), uint32(v.entry+1))
	v.highest = max(v.highest, v.chunk.at)
	v.chunk.samples = 0
}

func (v *salvaged) finish() {
	// No sync sample came behind the last hole: a stream that has none but the
	// first can only be shown as it is.
	for _, w := range v.waiting {
		v.keep(w)
	}
	v.waiting = nil
	v.endChunk()
	v.index.position = max(v.index.position, v.highest) // decides whether offsets need 64 bits
	if v.index.samples > 0 {
		v.result.Duration = ticksToTime(v.index.end()-v.index.begin, v.t.Timescale)
	}
}

// A RepairedTrack is what was made of a track.
type RepairedTrack struct {
	ID uint32
	// Kind, Codec and Name are as in [TrackInfo].
	Kind, Codec, Name string
	// Samples and Bytes have been kept, Duration is that of the media.
	Samples, Bytes int64
	Duration       time.Duration
	Dropped        []Dropped
}

// Dropped counts samples that could not be kept for one reason.
type Dropped struct {
	Samples, Bytes int64
	Why            string
}

func (t *RepairedTrack) drop(s SampleInfo, why string) {
	for i := range t.Dropped {
		if d := &t.Dropped[i]; d.Why == why {
			d.Samples++
			d.Bytes += s.Size
			return
		}
	}
	t.Dropped = append(t.Dropped, Dropped{1, s.Size, why})
}
