package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/roomkit-live/roomkit-go/mp4"
)

type repairCommand struct {
	File      string `arg:"" placeholder:"FILE" help:"An interrupted or damaged MP4, or the .partial file of a recording."`
	Output    string `short:"o" default:"" placeholder:"FILE" help:"The new file; x.mp4 for x.mp4.partial where that is free, else x-repaired.mp4."`
	InPlace   bool   `help:"Finish the file itself, without a copy; only for files that roomkit began."`
	FastStart bool   `help:"Put the index in front, so that the file plays while it is downloaded. Rewrites whole files too."`
	JSON      bool   `name:"json" help:"Print the report as JSON on standard output, and nothing else there."`
}

// Help adds what the flags alone do not teach.
func (repairCommand) Help() string {
	return `Makes an ordinary MP4 of a file that was not finished, or whose index or middle
is damaged: by roomkit or by any program that writes fragmented MP4. All samples
that are whole are kept, what is not is listed. The original is never changed
unless --in-place says so, and nothing is ever overwritten.

Examples:

  roomkit repair recordings/room.mp4.partial
  roomkit repair --in-place recordings/room.mp4.partial
  roomkit repair --fast-start --output web.mp4 talk.mp4

Exit codes: 0 done or nothing to repair, 1 failed, 2 wrong use.`
}

// Run repairs a file.
func (c *repairCommand) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, io.Discard)
	defer stop()
	var report mp4.RepairReport
	var err error
	if c.InPlace {
		report, err = c.inPlace()
	} else {
		progress := newCopyProgress(std.err)
		report, err = mp4.RepairPath(ctx, c.File, c.Output, mp4.RepairOptions{FastStart: c.FastStart, Progress: progress.show})
		progress.stop()
	}
	if err != nil {
		if errors.Is(err, mp4.ErrNotHybrid) {
			return fmt.Errorf("%w; without --in-place it is repaired into a new one", err)
		}
		return err
	}
	return c.report(std, report)
}

func (c *repairCommand) check() error {
	switch {
	case c.InPlace && c.Output != "":
		return usagef("--in-place and --output exclude each other (allowed: one of them)")
	case c.InPlace && c.FastStart:
		return usagef("--fast-start needs a new file (allowed: without --in-place)")
	}
	return nil
}

func (c *repairCommand) inPlace() (mp4.RepairReport, error) {
	f, err := os.OpenFile(c.File, os.O_RDWR, 0)
	if err != nil {
		return mp4.RepairReport{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return mp4.RepairReport{}, errors.Join(err, f.Close())
	}
	report, err := mp4.RepairInPlace(f, info.Size())
	if err = errors.Join(err, f.Close()); err != nil {
		return report, fmt.Errorf("%s: %w", c.File, err)
	}
	report.Output = c.File
	return report, nil
}

// report prints the outcome.
func (c *repairCommand) report(std streams, r mp4.RepairReport) error {
	if c.JSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(repairOutcome(r))
	}
	if r.Whole && !c.FastStart {
		fmt.Fprintf(std.err, "nothing to repair: %s is an ordinary, whole file\n", c.File)
		return nil
	}
	printRepair(std.err, r)
	_, err := fmt.Fprintln(std.out, r.Output)
	return err
}

func printRepair(w io.Writer, r mp4.RepairReport) {
	fmt.Fprintf(w, "%s of media, %s, %d tracks\n", r.Duration.Round(10*time.Millisecond), formatBytes(r.Size), len(r.Tracks))
	for _, t := range r.Tracks {
		fmt.Fprintf(w, "  %d %-6s %-6s %s: %d samples kept, %s", t.ID, t.Kind, t.Codec, t.Name, t.Samples, t.Duration.Round(time.Millisecond))
		for _, d := range t.Dropped {
			fmt.Fprintf(w, ", %d dropped (%d bytes): %s", d.Samples, d.Bytes, d.Why)
		}
		fmt.Fprintln(w)
	}
	for _, d := range r.Damage {
		fmt.Fprintf(w, "  damage at byte %d: %s\n", d.Offset, d.What)
	}
}

// repaired is what --json prints. Times are in seconds.
type repaired struct {
	Whole    bool               `json:"whole"`
	Output   string             `json:"output,omitempty"`
	Size     int64              `json:"size,omitempty"`
	Duration float64            `json:"duration"`
	Tracks   []repairedTrack    `json:"tracks"`
	Damage   []inspectedTrouble `json:"damage"`
}

type repairedTrack struct {
	ID       uint32          `json:"id"`
	Kind     string          `json:"kind"`
	Codec    string          `json:"codec"`
	Name     string          `json:"name,omitempty"`
	Samples  int64           `json:"samples"`
	Bytes    int64           `json:"bytes"`
	Duration float64         `json:"duration"`
	Dropped  []repairDropped `json:"dropped"`
}

type repairDropped struct {
	Samples int64  `json:"samples"`
	Bytes   int64  `json:"bytes"`
	Why     string `json:"why"`
}

func repairOutcome(r mp4.RepairReport) repaired {
	out := repaired{Whole: r.Whole, Output: r.Output, Size: r.Size, Duration: r.Duration.Seconds(), Tracks: []repairedTrack{}, Damage: troubleOf(r.Damage)}
	for _, t := range r.Tracks {
		track := repairedTrack{t.ID, t.Kind, t.Codec, t.Name, t.Samples, t.Bytes, t.Duration.Seconds(), []repairDropped{}}
		for _, d := range t.Dropped {
			track.Dropped = append(track.Dropped, repairDropped(d))
		}
		out.Tracks = append(out.Tracks, track)
	}
	return out
}

// copyProgress shows how far a long copy is: as one live line on a terminal,
// as a line now and then elsewhere.
type copyProgress struct {
	out  io.Writer
	bar  *progressbar.ProgressBar // nil where there is no terminal
	last time.Time
}

func newCopyProgress(out io.Writer) *copyProgress {
	p := &copyProgress{out: out, last: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(1, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(20),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(liveInterval))
	}
	return p
}

func (p *copyProgress) show(done, total int64) {
	if p.bar != nil {
		p.bar.ChangeMax64(total)
		_ = p.bar.Set64(done)
		return
	}
	if time.Since(p.last) >= quietInterval {
		p.last = time.Now()
		fmt.Fprintf(p.out, "%s of %s\n", formatBytes(done), formatBytes(total))
	}
}

// stop takes the line away.
func (p *copyProgress) stop() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
