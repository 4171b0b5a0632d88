package main

import (
	"os"
	"testing"
	"time"
)

// The example makes a file.
func TestRecord(t *testing.T) {
	path, err := record(t.Context(), 1500*time.Millisecond, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() < 10_000 {
		t.Errorf("file %q: %v, %v", path, info, err)
	}
}

// A recorder that cannot start keeps nobody out, and is an error all the same.
func TestRecordNowhere(t *testing.T) {
	if got, err := record(t.Context(), time.Second, "/proc/nowhere"); err == nil {
		t.Errorf("recorded %v", got)
	}
}
