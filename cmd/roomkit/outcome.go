package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// outcome is what became of a recording, and of those of single sources.
type outcome struct {
	room     recorder.Result
	reason   roomkit.StopReason
	sessions []sourceOutcome
}

// sourceOutcome is what became of a recording of one source.
type sourceOutcome struct {
	recorder.Result
	reason roomkit.StopReason
}

// MarshalJSON writes the result with the reason for its end.
func (o sourceOutcome) MarshalJSON() ([]byte, error) {
	return extended(o.Result, struct {
		Reason roomkit.StopReason `json:"reason,omitempty"`
	}{o.reason})
}

// extended writes a result with further fields.
func extended(r recorder.Result, fields any) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	more, err := json.Marshal(fields)
	if err != nil || len(more) == len("{}") {
		return text, err
	}
	return append(append(text[:len(text)-1], ','), more[1:]...), nil
}

// report prints the outcome.
func (o outcome) report(std streams, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(o)
	}
	if o.cutShort() {
		fmt.Fprintf(std.err, "stopped: %s\n", o.reason)
	}
	printSummary(std.err, o.room)
	for _, r := range o.sessions {
		if r.Err != nil {
			fmt.Fprintf(std.err, "  %s: %v\n", r.Binding, r.Err)
		}
	}
	parts := o.room.Parts
	for _, r := range o.sessions {
		parts = append(parts, r.Parts...)
	}
	for _, p := range parts {
		if _, err := fmt.Fprintln(std.out, p.Path); err != nil {
			return err
		}
	}
	return nil
}

// cutShort says that the recording ended before anybody asked for it.
func (o outcome) cutShort() bool {
	switch o.reason {
	case roomkit.StopRoomClosed, roomkit.StopShutdown, "":
		return false
	}
	return true
}

// MarshalJSON writes the result of the room, with the reason for its end and the
// results of single sources, if there are any.
func (o outcome) MarshalJSON() ([]byte, error) {
	return extended(o.room, struct {
		Reason   roomkit.StopReason `json:"reason,omitempty"`
		Sessions []sourceOutcome    `json:"sessions,omitempty"`
	}{o.reason, o.sessions})
}

func printSummary(w io.Writer, r recorder.Result) {
	fmt.Fprintf(w, "%s of media, %s, %d tracks\n", r.Duration.Round(10*time.Millisecond), formatBytes(r.Size), len(r.Tracks))
	for _, t := range r.Tracks {
		fmt.Fprintf(w, "  %-6s %-24s %-6s %-14s %s to %s, %d samples", t.Kind, t.Title(), t.Codec, t.Format,
			t.First.Round(time.Millisecond), t.Last.Round(time.Millisecond), t.SamplesIn)
		for _, reason := range slices.Sorted(maps.Keys(t.Dropped)) {
			fmt.Fprintf(w, ", %d lost (%s)", t.Dropped[reason], reason)
		}
		if t.Err != nil {
			fmt.Fprintf(w, ": %v", t.Err)
		}
		fmt.Fprintln(w)
	}
}
