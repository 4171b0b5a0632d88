package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/roomkit-live/roomkit-go/backend/device"
	"github.com/roomkit-live/roomkit-go/media"
)

type devicesCommand struct {
	JSON bool `name:"json" help:"Print the list as JSON."`
}

// Help says what to do with the list.
func (devicesCommand) Help() string {
	return `The first column is what to write as a SOURCE, for example:

  roomkit record --participant me=mic,webcam`
}

// Run lists devices.
func (c *devicesCommand) Run(ctx context.Context, std streams) error {
	devices, err := device.List(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		if devices == nil {
			devices = []device.Info{} // [] and not null
		}
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		return enc.Encode(devices)
	}
	if len(devices) == 0 {
		fmt.Fprintln(std.err, "no microphone, webcam or screen found; try: roomkit record --participant demo=test")
		return nil
	}
	table := tabwriter.NewWriter(std.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "SOURCE\tNAME\t")
	for _, d := range devices {
		fmt.Fprintf(table, "%s\t%s\t%s\n", sourceOf(d), d.Description, map[bool]string{true: "default"}[d.Default])
	}
	return table.Flush()
}

// sourceOf is what to write as a SOURCE for a device.
func sourceOf(d device.Info) source {
	kinds := map[media.Kind]sourceKind{media.KindAudio: sourceMic, media.KindVideo: sourceWebcam, media.KindScreen: sourceScreen}
	return source{kinds[d.Kind], d.Device}
}
