package outfile

import (
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id, err := NewID()
		if err != nil || !regexp.MustCompile("^[0-9a-f]{12}$").MatchString(id) || seen[id] {
			t.Fatalf("id %q, %v", id, err)
		}
		seen[id] = true
	}
	at := time.Date(2026, 1, 2, 0, 30, 5, 0, time.FixedZone("", 3600))
	if got, want := Base("dir", "room", "0123456789ab", at), filepath.Join("dir", "room_0123456789ab_20260101T233005"); got != want {
		t.Errorf("base %q, want %q", got, want)
	}
}

func TestSync(t *testing.T) {
	dir := t.TempDir()
	if err := Sync(dir); err != nil {
		t.Error(err)
	}
	if err := Sync(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}
