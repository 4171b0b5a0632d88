package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// machine says in one line what the numbers were measured on.
func machine(ctx context.Context) string {
	version := "FFmpeg's command not found"
	if out, err := exec.CommandContext(ctx, "ffmpeg", "-version").Output(); err == nil {
		line, _, _ := strings.Cut(string(out), "\n")
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "ffmpeg version "), " Copyright")
		version = "FFmpeg " + line
	}
	return fmt.Sprintf("Machine: %s, %d cores, %s/%s, %s, %s (%s).", cpuModel(), runtime.NumCPU(),
		runtime.GOOS, runtime.GOARCH, runtime.Version(), version, av.LibraryVersions())
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
