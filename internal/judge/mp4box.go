package judge

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// MP4Box lists a file's samples with MP4Box.js, as a browser's player sees
// them. It takes the first decode time of a track from its first fragment and
// the others from the durations.
func MP4Box(t testing.TB, path string) Tables {
	t.Helper()
	var f Tables
	if err := json.Unmarshal(Run(t, "node", mp4boxScript(t), path), &f); err != nil {
		t.Fatalf("MP4Box.js on %s: %v", path, err)
	}
	return f
}

// mp4boxScript returns the path of the script, or skips the test where its
// module has not been installed beside it.
func mp4boxScript(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(moduleRoot(t), "internal", "judge", "testdata", "mp4box")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "mp4box")); err != nil {
		t.Skip("MP4Box.js is not installed")
	}
	return filepath.Join(dir, "tables.cjs")
}

// moduleRoot finds the directory of go.mod: tests run in their package's.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("the module's source is not here")
	return ""
}
