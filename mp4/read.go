package mp4

import (
	"fmt"
	"io"
	"time"
)

// A Movie is what [Read] found in a file. It refers to the file, which has to
// stay open for [TrackInfo.Samples]. It is for one goroutine at a time.
type Movie struct {
	// Brand is the file's major brand, "qt  " for QuickTime; empty without one.
	Brand string
	// Created is in UTC, zero if unknown.
	Created time.Time
	// Title and Tool are what the metadata says of the whole file.
	Title, Tool string
	// Timescale is the number of ticks per second of [Edit.Duration].
	Timescale uint32
	// Duration is where the last track ends.
	Duration time.Duration
	// Finished: all samples are in the index of moov, none in fragments.
	Finished bool
	// Hybrid: the file has the switch of this package's [Writer] and was not
	// finished: it is being written, or was interrupted.
	Hybrid bool
	Tracks []*TrackInfo
	// Fragments are the pieces of a fragmented file, in its order.
	Fragments []Fragment
	Chapters  []Chapter
	// Trouble is what is odd about the file, in the order it was found.
	Trouble []Trouble

	src   *source
	index box // the moov that was used
	// tablesBroken: the index contradicts itself.
	tablesBroken bool
}

// A Fragment is one moof of a file.
type Fragment struct {
	Offset, Size int64 // of the moof alone
	Sequence     uint32
	// Start is the earliest decode time in it, with tracks' edits disregarded.
	Start time.Duration

	// data is where the bytes of its samples end. lost tells why they cannot
	// be trusted, empty if they can.
	data    int64
	lost    string
	suspect bool // what lies behind it is damaged, and so may its media be
	holes   bool // something is missing in front of it
}

// Trouble is something odd about a file.
type Trouble struct {
	Offset int64 // where in the file
	What   string
}

func (t Trouble) String() string { return fmt.Sprintf("byte %d: %s", t.Offset, t.What) }

// maxTrouble bounds what is noted of a file that is nothing but odd.
const maxTrouble = 1000

func (m *Movie) trouble(off int64, format string, args ...any) {
	if len(m.Trouble) < maxTrouble {
		m.Trouble = append(m.Trouble, Trouble{off, fmt.Sprintf(format, args...)})
	}
}

// Read reads the structure of an MP4 or QuickTime file of size bytes,
// progressive or fragmented, finished or not, of whatever origin. It reads the
// index and the headers of fragments, never the media.
//
// The error wraps [ErrNotMP4] where there is no such file, [ErrDamaged] where
// no description of tracks is to be found, in which case [Repair] may still
// find one, or it is r's. All lesser damage is in [Movie.Trouble].
func Read(r io.ReaderAt, size int64) (*Movie, error) {
	m := &Movie{src: &source{r: r, size: size}}
	l, err := scanFile(m, false)
	if err != nil {
		return nil, err
	}
	if err := m.useIndex(l); err != nil {
		return nil, m.firstError(err)
	}
	if err := m.measure(); err != nil {
		return nil, m.firstError(err)
	}
	m.Hybrid = l.layout.hybrid && !m.Finished
	return m, nil
}

// firstError prefers the file's own failure to what followed from it.
func (m *Movie) firstError(err error) error {
	if m.src.failed != nil {
		return fmt.Errorf("mp4: %w", m.src.failed)
	}
	return err
}

// useIndex reads the moov that players use: the first whole one.
func (m *Movie) useIndex(l *landmarks) error {
	if len(l.indexes) == 0 {
		if !l.isMP4 {
			return fmt.Errorf("%w: %d bytes without any of its boxes", ErrNotMP4, m.src.size)
		}
		return fmt.Errorf("%w: it has no index (moov), and so no description of its tracks", ErrDamaged)
	}
	m.Fragments = l.fragments
	if err := m.parseMoov(l.indexes[0].box, 0); err != nil {
		return err
	}
	m.Finished = len(m.Fragments) == 0 && !m.fragmentsAnnounced()
	return nil
}

// fragmentsAnnounced tells whether moov says that fragments may follow, and has
// no samples of its own.
func (m *Movie) fragmentsAnnounced() bool {
	announced := false
	for _, t := range m.Tracks {
		if t.sizes.count > 0 || t.fixedCount > 0 {
			return false
		}
		announced = announced || t.defaults.present
	}
	return announced
}
