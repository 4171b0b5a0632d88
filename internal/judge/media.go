package judge

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Tool returns the path of a program, or skips the test where it is not
// installed.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// Make runs the ffmpeg program with the given arguments to make a file in a
// directory of the test, and returns its path. It skips the test without the
// program.
func Make(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	args = append([]string{"-v", "error", "-nostdin", "-y"}, append(args, path)...)
	out, err := exec.Command(Tool(t, "ffmpeg"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, out)
	}
	return path
}

// SharedMedia returns the path of a file of shared/media beside the module or
// one of the directories it lies in, or skips the test: such files are not
// part of the module.
func SharedMedia(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		path := filepath.Join(dir, "shared", "media", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	t.Skipf("no shared/media/%s here", name)
	return ""
}
