package main

import (
	"os"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// The example makes the files that it was asked for, of about the length.
func TestRecord(t *testing.T) {
	for channels, files := range map[wav.Channels]int{wav.Stereo: 1, wav.All: 4} {
		paths, err := record(t.Context(), 1500*time.Millisecond, t.TempDir(), channels)
		if err != nil || len(paths) != files {
			t.Fatalf("%s: %v, %v", channels, paths, err)
		}
		for _, path := range paths {
			if info, err := os.Stat(path); err != nil || info.Size() < 20_000 {
				t.Errorf("file %q: %v, %v", path, info, err)
			}
		}
	}
}

// A recorder that cannot start keeps nobody out, and is an error all the same.
func TestRecordNowhere(t *testing.T) {
	if got, err := record(t.Context(), time.Second, "/proc/nowhere", wav.Stereo); err == nil {
		t.Errorf("recorded %v", got)
	}
}
