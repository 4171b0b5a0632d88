package diskspace

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// df's word counts, give or take what other programs write meanwhile.
func TestFree(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command("df", "--output=avail", "-B1", dir).Output()
	if err != nil {
		t.Skip("df of another system:", err)
	}
	want, err := strconv.ParseInt(strings.Fields(string(out))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "not", "there", "yet")} {
		got, err := Free(path)
		if err != nil || got < want*9/10 || got > want*11/10 {
			t.Errorf("%s: %d free (%v), df says %d", path, got, err, want)
		}
	}
}
