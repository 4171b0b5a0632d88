package main

import (
	"os"
	"testing"
	"time"
)

// The example makes a file, with or without devices.
func TestRecord(t *testing.T) {
	path, err := record(t.Context(), 2*time.Second, 15, t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < 10_000 {
		t.Errorf("file %q: %v, %v", path, info, err)
	}
}
