package judge

import (
	"fmt"
	"slices"
	"testing"
)

// Tables is how a reader of MP4 lists the samples of a file, finished or
// still in fragments.
type Tables struct {
	// Timescale and Duration are those of the movie header.
	Timescale uint32 `json:"timescale"`
	Duration  uint64 `json:"duration"`
	// Fragments is the number of movie fragments.
	Fragments int     `json:"fragments"`
	Tracks    []Table `json:"tracks"`
	// Warnings is what the reader says against the file.
	Warnings []string `json:"warnings"`
}

// A Table is one track.
type Table struct {
	ID        uint32   `json:"id"`
	Timescale uint32   `json:"timescale"`
	Entries   []string `json:"entries"` // types of the sample entries, such as "avc1"
	Edits     []Edit   `json:"edits"`
	Samples   []Sample `json:"samples"`
}

// An Edit is an entry of an edit list: Duration in units of the movie's
// timescale, Media in the track's, -1 where nothing is shown.
type Edit struct {
	Duration uint64 `json:"duration"`
	Media    int64  `json:"media"`
}

// A Sample is where, when and how long one is, in ticks of its track before
// the edit list.
type Sample struct {
	DTS         int64 `json:"dts"`
	CTS         int64 `json:"cts"`
	Duration    int64 `json:"duration"`
	Size        int64 `json:"size"`
	Sync        bool  `json:"sync"`
	Offset      int64 `json:"offset"`
	Description int   `json:"description"` // sample entry, counted from 1
}

// Track returns the track of an ID, or ends the test.
func (f Tables) Track(t testing.TB, id uint32) Table {
	t.Helper()
	i := slices.IndexFunc(f.Tracks, func(tr Table) bool { return tr.ID == id })
	if i < 0 {
		t.Fatalf("no track %d among %d", id, len(f.Tracks))
	}
	return f.Tracks[i]
}

// SameTables fails the test unless two listings have the same tracks with the
// same samples: two readers of one file, or one reader of one file before and
// after it was finished. Edit lists are not compared, as they may say less
// while the end is not known.
func SameTables(t testing.TB, a, b Tables) {
	t.Helper()
	for _, d := range Differences(a, b) {
		t.Error(d)
	}
}

// Differences returns what SameTables reports, one line for the first
// difference of each track.
func Differences(a, b Tables) []string {
	if len(a.Tracks) != len(b.Tracks) {
		return []string{fmt.Sprintf("%d tracks and %d", len(a.Tracks), len(b.Tracks))}
	}
	var out []string
	for i, x := range a.Tracks {
		if d := x.difference(b.Tracks[i]); d != "" {
			out = append(out, fmt.Sprintf("track %d: %s", x.ID, d))
		}
	}
	return out
}

func (x Table) difference(y Table) string {
	switch {
	case x.ID != y.ID:
		return fmt.Sprintf("its ID is also %d", y.ID)
	case x.Timescale != y.Timescale:
		return fmt.Sprintf("timescale %d and %d", x.Timescale, y.Timescale)
	case !slices.Equal(x.Entries, y.Entries):
		return fmt.Sprintf("sample entries %q and %q", x.Entries, y.Entries)
	}
	for i := range min(len(x.Samples), len(y.Samples)) {
		if x.Samples[i] != y.Samples[i] {
			return fmt.Sprintf("sample %d of %d is %+v and %+v", i, len(x.Samples), x.Samples[i], y.Samples[i])
		}
	}
	if len(x.Samples) != len(y.Samples) {
		return fmt.Sprintf("%d samples and %d", len(x.Samples), len(y.Samples))
	}
	return ""
}

// FromZero returns the listing with the decode times of each track counted
// from its first sample: fragments of a track that joined late begin late, and
// a finished file leaves that to the edit list.
func (f Tables) FromZero() Tables {
	f.Tracks = slices.Clone(f.Tracks)
	for i := range f.Tracks {
		samples := slices.Clone(f.Tracks[i].Samples)
		f.Tracks[i].Samples = samples
		if len(samples) == 0 {
			continue
		}
		first := samples[0].DTS
		for j := range samples {
			samples[j].DTS -= first
			samples[j].CTS -= first
		}
	}
	return f
}

// Lasting returns the listing with each sample lasting until the next: where a
// fragment ends with a silence of unknown length, the sample before it is
// given an estimate.
func (f Tables) Lasting() Tables {
	f.Tracks = slices.Clone(f.Tracks)
	for i := range f.Tracks {
		samples := slices.Clone(f.Tracks[i].Samples)
		f.Tracks[i].Samples = samples
		for j := range samples[:max(0, len(samples)-1)] {
			samples[j].Duration = samples[j+1].DTS - samples[j].DTS
		}
	}
	return f
}
