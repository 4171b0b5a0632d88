package mp4

import (
	"fmt"
	"time"
)

// maxTracks bounds the tracks of a file; each costs a scan of all fragments.
const maxTracks = 1024

// parseMoov reads a moov box, or another whose body from skip bytes on is that
// of one. What is odd goes to Trouble; the error tells that there is no track.
func (m *Movie) parseMoov(b box, skip int64) error {
	m.index = b
	var pending []trackDefaults
	for c, err := range m.src.children(b, skip) {
		if err != nil {
			m.trouble(c.off, "the index is broken: %v", err)
			break
		}
		switch c.kind {
		case "mvhd":
			m.parseMvhd(c)
		case "trak":
			m.addTrack(c)
		case "mvex":
			pending = m.parseMvex(c)
		case "udta", "meta":
			m.parseMetadata(c)
		}
	}
	if len(m.Tracks) == 0 {
		return fmt.Errorf("%w: its index at byte %d has no usable track", ErrDamaged, b.off)
	}
	for _, d := range pending {
		if t := m.track(d.id); t != nil {
			t.defaults = d
		}
	}
	return nil
}

func (m *Movie) track(id uint32) *TrackInfo {
	for _, t := range m.Tracks {
		if t.ID == id {
			return t
		}
	}
	return nil
}

func (m *Movie) addTrack(c box) {
	if len(m.Tracks) >= maxTracks {
		m.trouble(c.off, "there are more than %d tracks; the rest are left out", maxTracks)
		return
	}
	t, err := m.parseTrak(c)
	switch {
	case err != nil:
		m.trouble(c.off, "a track cannot be used: %v", err)
	case m.track(t.ID) != nil:
		m.trouble(c.off, "there is a second track %d, which is left out", t.ID)
	default:
		m.Tracks = append(m.Tracks, t)
	}
}

func (m *Movie) parseMvhd(c box) {
	p, err := m.src.load(c)
	f := fields{p: p}
	version, _ := f.full()
	created := f.sized(version)
	f.sized(version) // modified
	m.Timescale = f.u32()
	if err != nil || f.short {
		m.trouble(c.off, "the movie's header is too short")
	}
	m.Created = fileTime(created)
}

// fileTime converts seconds since 1904; 0 and what is far off are unknown.
func fileTime(seconds uint64) time.Time {
	if seconds == 0 || seconds > 1<<36 {
		return time.Time{}
	}
	return time.Unix(macEpoch.Unix()+int64(seconds), 0).UTC()
}

// trackDefaults is what trex says (8.8.3).
type trackDefaults struct {
	present                   bool
	id                        uint32
	entry, length, size, flag uint32
}

func (m *Movie) parseMvex(c box) (all []trackDefaults) {
	for e, err := range m.src.children(c, 0) {
		if err != nil || len(all) >= maxTracks {
			break
		}
		if e.kind != "trex" {
			continue
		}
		p, err := m.src.load(e)
		f := fields{p: p}
		f.full()
		d := trackDefaults{true, f.u32(), f.u32(), f.u32(), f.u32(), f.u32()}
		if err == nil && !f.short {
			all = append(all, d)
		}
	}
	return all
}
