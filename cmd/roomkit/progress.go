package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/recorder"
)

const (
	liveInterval  = 500 * time.Millisecond // on a terminal
	quietInterval = 10 * time.Second       // in a log
)

// progress shows time, size, and per track the rate and losses while a
// recording runs: as one live line on a terminal, as a line now and then
// elsewhere.
type progress struct {
	room   *roomkit.Room
	out    io.Writer
	bar    *progressbar.ProgressBar // nil where there is no terminal
	before map[string]int64         // samples of each track at the last line
	at     time.Duration            // media time then
	quit   chan struct{}
	done   chan struct{}
}

func newProgress(out io.Writer, room *roomkit.Room, total time.Duration) *progress {
	p := &progress{room: room, out: out, before: map[string]int64{}, quit: make(chan struct{}), done: make(chan struct{})}
	interval := quietInterval
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		interval = liveInterval
		limit := int64(-1)
		if total > 0 {
			limit = total.Milliseconds()
		}
		p.bar = progressbar.NewOptions64(limit, progressbar.OptionSetWriter(out), progressbar.OptionSetWidth(20),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionSetPredictTime(false),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetRenderBlankState(true))
	}
	go p.run(interval)
	return p
}

func (p *progress) run(interval time.Duration) {
	defer close(p.done)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			for _, r := range p.room.Recordings() {
				p.show(r)
			}
		case <-p.quit:
			return
		}
	}
}

func (p *progress) show(r recorder.Result) {
	line := p.line(r)
	if p.bar == nil {
		fmt.Fprintln(p.out, line)
		return
	}
	p.bar.Describe(line)
	if limit := p.bar.GetMax64(); limit > 0 {
		p.bar.Set64(min(r.Duration.Milliseconds(), limit-1))
	}
}

// line is for example "00:12 1.2 MB | host video 30/s | guest audio 50/s 3 lost".
func (p *progress) line(r recorder.Result) string {
	passed := (r.Duration - p.at).Seconds()
	p.at = r.Duration
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", formatClock(r.Duration), formatBytes(r.Size))
	for _, t := range r.Tracks {
		rate := 0.0
		if passed > 0 {
			rate = float64(t.SamplesIn-p.before[t.ID]) / passed
		}
		p.before[t.ID] = t.SamplesIn
		fmt.Fprintf(&b, " | %s %s %.0f/s", t.Participant, t.Kind, rate)
		if lost := t.Losses(); lost > 0 {
			fmt.Fprintf(&b, " %d lost", lost)
		}
	}
	return b.String()
}

// stop takes the line away.
func (p *progress) stop() {
	close(p.quit)
	<-p.done
	if p.bar != nil {
		p.bar.Clear()
	}
}

func formatClock(d time.Duration) string {
	s := int(d.Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

func formatBytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}
