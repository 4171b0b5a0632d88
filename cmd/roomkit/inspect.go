package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/roomkit-live/roomkit-go/mp4"
)

type inspectCommand struct {
	File      string `arg:"" placeholder:"FILE" help:"An MP4 or QuickTime file, of whatever origin, finished or not."`
	Fragments bool   `help:"List the fragments of a file that is not finished."`
	Verbose   bool   `short:"v" help:"List edits, all gaps and fragments."`
	JSON      bool   `name:"json" help:"Print everything as JSON on standard output."`
}

// Help says what the words of the output mean.
func (inspectCommand) Help() string {
	return `The shape of a file is one of

  finished     an ordinary MP4, whose index has all samples
  fragmented   a file of pieces that each have their own index
  recording    begun by roomkit, and written to within the last seconds
  interrupted  begun by roomkit, and not finished: "roomkit repair" does it

A track that is off is not played unless chosen. START is when its first sample
is presented, GAPS how many times samples are missing, by the look of it.

Examples:

  roomkit inspect recordings/room.mp4
  roomkit inspect --json talk.mov | jq '.tracks[].codec'

Exit codes: 0 done, 1 not a file that can be read, 2 wrong use.`
}

// recentWrite is how long ago the last write to a file may be that is taken
// for one being recorded: it gets a fragment every half second.
const recentWrite = 5 * time.Second

// Run inspects a file.
func (c *inspectCommand) Run(std streams) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	m, err := mp4.Read(f, info.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	report := inspection(c.File, m, info)
	if c.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(report)
	}
	return c.print(std.out, report)
}

// shapeOf names what a file is.
func shapeOf(m *mp4.Movie, info os.FileInfo) string {
	switch {
	case m.Finished:
		return "finished"
	case m.Hybrid && time.Since(info.ModTime()) < recentWrite:
		return "recording"
	case m.Hybrid:
		return "interrupted"
	}
	return "fragmented"
}

func (c *inspectCommand) print(w io.Writer, r inspected) error {
	fmt.Fprintf(w, "%s: %s, %s, %s, brand %q\n", r.File, r.Shape, clock(r.Duration), formatBytes(r.Size), r.Brand)
	for _, line := range []struct{ what, text string }{{"title", r.Title}, {"tool", r.Tool}, {"created", r.Created}} {
		if line.text != "" {
			fmt.Fprintf(w, "%-8s %s\n", line.what, line.text)
		}
	}
	fmt.Fprintln(w)
	if err := printTracks(w, r.Tracks); err != nil {
		return err
	}
	for _, t := range r.Tracks {
		c.printGaps(w, t)
		if c.Verbose {
			printEdits(w, t)
		}
	}
	if len(r.Chapters) > 0 {
		fmt.Fprintln(w, "\nchapters")
		for _, chapter := range r.Chapters {
			fmt.Fprintf(w, "  %s  %s\n", clock(chapter.Start), chapter.Title)
		}
	}
	c.printFragments(w, r)
	for _, t := range r.Trouble {
		fmt.Fprintf(w, "trouble at byte %d: %s\n", t.Offset, t.What)
	}
	if r.Shape == "interrupted" {
		fmt.Fprintf(w, "roomkit repair %q makes an ordinary file of it\n", r.File)
	}
	return nil
}

func printTracks(w io.Writer, tracks []inspectedTrack) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "TRACK\tKIND\tCODEC\tFORMAT\tSAMPLES\tSTART\tDURATION\tBITRATE\tGAPS\tLANG\tON\tNAME")
	for _, t := range tracks {
		on := "on"
		if t.Disabled {
			on = "off"
		}
		if t.Group != 0 {
			on += fmt.Sprintf(" (group %d)", t.Group)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%s\t%s\t%.0f kb/s\t%d\t%s\t%s\t%s\n", t.ID, t.Kind, t.CodecName, formatOf(t),
			t.Samples, clock(t.Start), clock(t.Duration), float64(t.BitRate)/1000, len(t.Gaps), t.Language, on, t.Name)
	}
	return table.Flush()
}

// formatOf is for example "640x480 30/s" or "48000 Hz stereo".
func formatOf(t inspectedTrack) string {
	switch {
	case t.Kind == "video":
		rate := ""
		if t.Duration > 0 {
			rate = fmt.Sprintf(" %.4g/s", float64(t.Samples)/t.Duration)
		}
		return fmt.Sprintf("%dx%d%s", t.Width, t.Height, rate)
	case t.Kind == "audio":
		channels := map[int]string{1: "mono", 2: "stereo"}[t.Channels]
		if channels == "" {
			channels = fmt.Sprintf("%d channels", t.Channels)
		}
		return fmt.Sprintf("%g Hz %s", t.Rate, channels)
	}
	return "-"
}

const fewGaps = 5

func (c *inspectCommand) printGaps(w io.Writer, t inspectedTrack) {
	if len(t.Gaps) == 0 {
		return
	}
	total := 0.0
	for _, g := range t.Gaps {
		total += g.Length
	}
	fmt.Fprintf(w, "\ngaps in track %d, %.3f s in all\n", t.ID, total)
	for i, g := range t.Gaps {
		if i == fewGaps && !c.Verbose {
			fmt.Fprintf(w, "  and %d more, see --verbose\n", len(t.Gaps)-i)
			return
		}
		fmt.Fprintf(w, "  %s  %.3f s\n", clock(g.Start), g.Length)
	}
}

func printEdits(w io.Writer, t inspectedTrack) {
	if len(t.Edits) == 0 {
		return
	}
	fmt.Fprintf(w, "\nedits of track %d\n", t.ID)
	for _, e := range t.Edits {
		length := clock(e.Duration)
		if e.Duration == 0 {
			length = "to the end"
		}
		what := fmt.Sprintf("media from %.6f s", e.Media)
		if e.Empty {
			what = "nothing"
		}
		if e.Rate != 1 {
			what += fmt.Sprintf(" at rate %g", e.Rate)
		}
		fmt.Fprintf(w, "  %s: %s\n", length, what)
	}
}

func (c *inspectCommand) printFragments(w io.Writer, r inspected) {
	if len(r.Fragments) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d fragments\n", len(r.Fragments))
	if !c.Fragments && !c.Verbose {
		return
	}
	for _, f := range r.Fragments {
		fmt.Fprintf(w, "  %6d  at byte %d, %d bytes of index, from %s\n", f.Sequence, f.Offset, f.Size, clock(f.Start))
	}
}

// clock formats seconds to the millisecond, for example 01:02.345.
func clock(seconds float64) string {
	text := ""
	if seconds < 0 {
		text, seconds = "-", -seconds
	}
	d := time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
	return fmt.Sprintf("%s%s.%03d", text, formatClock(d.Truncate(time.Second)), d%time.Second/time.Millisecond)
}

// An inspected file is what is printed of it. Times are in seconds.
type inspected struct {
	File      string              `json:"file"`
	Shape     string              `json:"shape"`
	Size      int64               `json:"size"`
	Brand     string              `json:"brand"`
	Title     string              `json:"title,omitempty"`
	Tool      string              `json:"tool,omitempty"`
	Created   string              `json:"created,omitempty"`
	Duration  float64             `json:"duration"`
	Tracks    []inspectedTrack    `json:"tracks"`
	Chapters  []inspectedChapter  `json:"chapters"`
	Fragments []inspectedFragment `json:"fragments"`
	Trouble   []inspectedTrouble  `json:"trouble"`
}

type inspectedTrack struct {
	ID        uint32          `json:"id"`
	Kind      string          `json:"kind"`
	Codec     string          `json:"codec"`
	CodecName string          `json:"codec_name"`
	Width     int             `json:"width,omitempty"`
	Height    int             `json:"height,omitempty"`
	Rate      float64         `json:"rate,omitempty"`
	Channels  int             `json:"channels,omitempty"`
	Timescale uint32          `json:"timescale"`
	Name      string          `json:"name,omitempty"`
	Language  string          `json:"language"`
	Disabled  bool            `json:"disabled"`
	Group     uint16          `json:"group"`
	Entries   int             `json:"sample_entries"`
	Samples   int64           `json:"samples"`
	Bytes     int64           `json:"bytes"`
	BitRate   int64           `json:"bit_rate"`
	Duration  float64         `json:"duration"`
	Start     float64         `json:"start"`
	End       float64         `json:"end"`
	Edits     []inspectedEdit `json:"edits"`
	Gaps      []inspectedGap  `json:"gaps"`
}

type inspectedEdit struct {
	Duration float64 `json:"duration"`
	Media    float64 `json:"media"`
	Empty    bool    `json:"empty"`
	Rate     float64 `json:"rate"`
}

type inspectedGap struct {
	Start  float64 `json:"start"`
	Length float64 `json:"length"`
}

type inspectedChapter struct {
	Start float64 `json:"start"`
	Title string  `json:"title"`
}

type inspectedFragment struct {
	Sequence uint32  `json:"sequence"`
	Offset   int64   `json:"offset"`
	Size     int64   `json:"size"`
	Start    float64 `json:"start"`
}

type inspectedTrouble struct {
	Offset int64  `json:"offset"`
	What   string `json:"what"`
}

func inspection(path string, m *mp4.Movie, info os.FileInfo) inspected {
	r := inspected{File: path, Shape: shapeOf(m, info), Size: info.Size(), Brand: strings.TrimSpace(m.Brand), Title: m.Title, Tool: m.Tool,
		Duration: m.Duration.Seconds(), Tracks: []inspectedTrack{}, Chapters: []inspectedChapter{}, Fragments: []inspectedFragment{}, Trouble: troubleOf(m.Trouble)}
	if !m.Created.IsZero() {
		r.Created = m.Created.Format(time.RFC3339)
	}
	for _, t := range m.Tracks {
		r.Tracks = append(r.Tracks, inspectTrack(m, t))
	}
	for _, c := range m.Chapters {
		r.Chapters = append(r.Chapters, inspectedChapter{c.Start.Seconds(), c.Title})
	}
	for _, f := range m.Fragments {
		r.Fragments = append(r.Fragments, inspectedFragment{f.Sequence, f.Offset, f.Size, f.Start.Seconds()})
	}
	return r
}

func troubleOf(all []mp4.Trouble) []inspectedTrouble {
	list := []inspectedTrouble{}
	for _, t := range all {
		list = append(list, inspectedTrouble(t))
	}
	return list
}

func inspectTrack(m *mp4.Movie, t *mp4.TrackInfo) inspectedTrack {
	r := inspectedTrack{ID: t.ID, Kind: t.Kind, Codec: t.Codec, CodecName: t.CodecName, Width: t.Width, Height: t.Height, Rate: t.Rate, Channels: t.Channels,
		Timescale: t.Timescale, Name: t.Name, Language: t.Language, Disabled: t.Disabled, Group: t.Group, Entries: len(t.Entries), Samples: t.SampleCount,
		Bytes: t.Bytes, Duration: t.MediaDuration.Seconds(), Start: t.Start.Seconds(), End: t.End.Seconds(), Edits: []inspectedEdit{}, Gaps: []inspectedGap{}}
	if r.Duration > 0 {
		r.BitRate = int64(float64(t.Bytes) * 8 / r.Duration)
	}
	for _, e := range t.Edits {
		edit := inspectedEdit{Empty: e.MediaTime < 0, Rate: e.Rate}
		if m.Timescale > 0 {
			edit.Duration = float64(e.Duration) / float64(m.Timescale)
		}
		if !edit.Empty {
			edit.Media = float64(e.MediaTime) / float64(t.Timescale)
		}
		r.Edits = append(r.Edits, edit)
	}
	for _, g := range t.Gaps {
		r.Gaps = append(r.Gaps, inspectedGap{g.Start.Seconds(), g.Length.Seconds()})
	}
	return r
}
