package main

import (
	"fmt"
	"runtime/debug"

	"github.com/roomkit-live/roomkit-go/recorder/av"
)

type versionCommand struct{}

// Run prints versions.
func (versionCommand) Run(std streams) error {
	version := "(built from source)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintf(std.out, "roomkit %s\n%s\n", version, av.LibraryVersions())
	return err
}
