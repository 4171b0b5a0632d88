package judge

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/Eyevinn/mp4ff/mp4"
)

// MP4FF lists a file's samples with the parser of Eyevinn/mp4ff.
func MP4FF(t testing.TB, path string) Tables {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return ListSamples(data)
}

// ListSamples is [MP4FF] of a file in memory. What cannot be parsed, and all
// that lies behind it, is left out and becomes a warning.
func ListSamples(data []byte) Tables {
	l := lister{size: int64(len(data)), trex: map[uint32]*mp4.TrexBox{}}
	for at := 0; at < len(data); {
		box, err := mp4.DecodeBox(uint64(at), bytes.NewReader(data[at:]))
		if err != nil {
			l.warn("at %d of %d bytes: %v", at, len(data), err)
			break
		}
		switch b := box.(type) {
		case *mp4.MoovBox:
			l.movie(b)
		case *mp4.MoofBox:
			l.fragment(b)
		}
		at += int(box.Size())
	}
	if l.out.Timescale == 0 {
		l.warn("no moov")
	}
	return l.out
}

// lister gathers the tables of one file.
type lister struct {
	out  Tables
	size int64
	trex map[uint32]*mp4.TrexBox
}

func (l *lister) warn(format string, args ...any) {
	l.out.Warnings = append(l.out.Warnings, fmt.Sprintf(format, args...))
}

func (l *lister) movie(m *mp4.MoovBox) {
	if l.out.Timescale != 0 {
		l.warn("a second moov")
		return
	}
	l.out.Timescale, l.out.Duration = m.Mvhd.Timescale, m.Mvhd.Duration
	if m.Mvex != nil {
		for _, x := range m.Mvex.Trexs {
			l.trex[x.TrackID] = x
		}
	}
	for _, trak := range m.Traks {
		l.out.Tracks = append(l.out.Tracks, l.track(trak))
	}
}

func (l *lister) track(trak *mp4.TrakBox) Table {
	tr := Table{ID: trak.Tkhd.TrackID, Timescale: trak.Mdia.Mdhd.Timescale}
	for _, entry := range trak.Mdia.Minf.Stbl.Stsd.Children {
		tr.Entries = append(tr.Entries, entry.Type())
	}
	if trak.Edts != nil {
		for _, list := range trak.Edts.Elst {
			for _, e := range list.Entries {
				tr.Edits = append(tr.Edits, Edit{e.SegmentDuration, e.MediaTime})
			}
		}
	}
	l.indexed(&tr, trak.Mdia.Minf.Stbl)
	return tr
}

// indexed lists the samples of a finished file: ISO/IEC 14496-12, section 8.6
// and 8.7.
func (l *lister) indexed(tr *Table, s *mp4.StblBox) {
	if s.Stts == nil || s.Stsz == nil || s.Stsc == nil {
		l.warn("track %d lacks a table", tr.ID)
		return
	}
	n, dts := s.Stsz.GetNrSamples(), int64(0)
	timed := uint32(0)
	for i, count := range s.Stts.SampleCount {
		for range count {
			sample := Sample{DTS: dts, CTS: dts, Duration: int64(s.Stts.SampleTimeDelta[i]), Sync: true}
			dts += sample.Duration
			if timed++; timed > n {
				l.warn("track %d: times of more than %d samples", tr.ID, n)
				return
			}
			if s.Ctts != nil {
				sample.CTS += int64(s.Ctts.GetCompositionTimeOffset(timed))
			}
			if s.Stss != nil {
				sample.Sync = s.Stss.IsSyncSample(timed)
			}
			sample.Size = int64(s.Stsz.GetSampleSize(int(timed)))
			tr.Samples = append(tr.Samples, sample)
		}
	}
	if timed != n {
		l.warn("track %d: times of %d samples, sizes of %d", tr.ID, timed, n)
	}
	l.place(tr, s)
}

// place gives the samples their offsets and descriptions, chunk by chunk.
func (l *lister) place(tr *Table, s *mp4.StblBox) {
	var chunks []uint64
	if s.Co64 != nil {
		chunks = s.Co64.ChunkOffset
	} else if s.Stco != nil {
		for _, o := range s.Stco.ChunkOffset {
			chunks = append(chunks, uint64(o))
		}
	}
	next := 0
	for i, chunk := range chunks {
		count, offset := s.Stsc.GetChunk(uint32(i+1)).NrSamples, int64(chunk)
		for range count {
			if next == len(tr.Samples) {
				l.warn("track %d: chunks hold more than %d samples", tr.ID, next)
				return
			}
			sample := &tr.Samples[next]
			sample.Offset, sample.Description = offset, description(s.Stsc, uint32(i+1))
			offset += sample.Size
			next++
		}
		if offset > l.size {
			l.warn("track %d: chunk %d ends at %d in a file of %d bytes", tr.ID, i+1, offset, l.size)
		}
	}
	if next != len(tr.Samples) {
		l.warn("track %d: chunks hold %d of %d samples", tr.ID, next, len(tr.Samples))
	}
}

// description returns the sample description of a chunk. That of mp4ff itself
// takes the chunk's number for the number of the run of chunks it lies in.
func description(stsc *mp4.StscBox, chunk uint32) int {
	if len(stsc.SampleDescriptionID) == 0 {
		return int(stsc.GetSampleDescriptionID(1))
	}
	last := 0
	for i, e := range stsc.Entries {
		if e.FirstChunk <= chunk {
			last = i
		}
	}
	return int(stsc.SampleDescriptionID[last])
}

// fragment lists the samples of one movie fragment: section 8.8.
func (l *lister) fragment(m *mp4.MoofBox) {
	l.out.Fragments++
	for _, traf := range m.Trafs {
		found := false
		for i := range l.out.Tracks {
			if tr := &l.out.Tracks[i]; tr.ID == traf.Tfhd.TrackID {
				l.run(tr, m, traf)
				found = true
			}
		}
		if !found {
			l.warn("fragment %d is of track %d, which the moov lacks", l.out.Fragments, traf.Tfhd.TrackID)
		}
	}
}

func (l *lister) run(tr *Table, m *mp4.MoofBox, traf *mp4.TrafBox) {
	h, entry := traf.Tfhd, 1
	trex := l.trex[tr.ID]
	if trex != nil {
		entry = int(trex.DefaultSampleDescriptionIndex)
	}
	if h.HasSampleDescriptionIndex() {
		entry = int(h.SampleDescriptionIndex)
	}
	if !h.DefaultBaseIfMoof() || traf.Tfdt == nil {
		l.warn("fragment %d of track %d has no tfdt, or its data is not counted from the moof", l.out.Fragments, tr.ID)
		return
	}
	dts := int64(traf.Tfdt.BaseMediaDecodeTime())
	// A gap is allowed, where a silence was not known to last; what overlaps is not.
	if n := len(tr.Samples); n > 0 && tr.Samples[n-1].DTS+tr.Samples[n-1].Duration > dts {
		l.warn("fragment %d of track %d begins at %d, the one before ends at %d", l.out.Fragments, tr.ID,
			dts, tr.Samples[n-1].DTS+tr.Samples[n-1].Duration)
	}
	for _, trun := range traf.Truns {
		trun.AddSampleDefaultValues(h, trex)
		offset := int64(m.StartPos) + int64(trun.DataOffset)
		for _, s := range trun.Samples {
			tr.Samples = append(tr.Samples, Sample{
				DTS: dts, CTS: dts + int64(s.CompositionTimeOffset), Duration: int64(s.Dur), Size: int64(s.Size),
				Sync: s.Flags&mp4.NonSyncSampleFlags == 0, Offset: offset, Description: entry,
			})
			offset += int64(s.Size)
			dts += int64(s.Dur)
		}
	}
}
