// Package trouble makes what tests break recordings with, such as a disk that
// is too small, and checks that nothing is left behind afterwards.
package trouble

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
)

// SmallDisk mounts an empty file system of the given size, such as "2m", and
// returns its directory. The test is skipped where mounting is not permitted.
func SmallDisk(t testing.TB, size string) string {
	t.Helper()
	return mount(t, "-t", "tmpfs", "-o", "size="+size, "tmpfs")
}

// ReadOnly mounts a directory in which nothing can be written, not even by
// root, whom permissions do not hold. The test is skipped where mounting is
// not permitted.
func ReadOnly(t testing.TB) string {
	t.Helper()
	return mount(t, "-t", "tmpfs", "-o", "ro", "tmpfs")
}

// BreakingDisk mounts an empty ext4 file system of the given bytes and returns
// its directory, and what makes it read-only at once, open files included: what
// Linux does when a disk fails. The test is skipped where mounting is not
// permitted.
func BreakingDisk(t testing.TB, size int64) (dir string, breakIt func()) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", "-m", "0", image).CombinedOutput(); err != nil {
		t.Skipf("no ext4 here: %v: %s", err, out)
	}
	dir = mount(t, "-o", "loop", image)
	return dir, func() {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,abort", dir).CombinedOutput(); err != nil {
			t.Fatalf("remount: %v: %s", err, out)
		}
	}
}

func mount(t testing.TB, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Skipf("mounting is not permitted: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
			// Something is still open there; the mount must not outlive the test.
			_ = exec.Command("umount", "-l", dir).Run()
		}
	})
	return dir
}

// NothingLeft checks at the end of the test that every goroutine, descriptor
// and C object that the test brought into being is gone. Call it first: the
// end of the test runs backwards.
func NothingLeft(t testing.TB) {
	t.Helper()
	warmUp()
	goroutines, files, objects := goleak.IgnoreCurrent(), openFiles(), ffmpeg.LiveObjects()
	t.Cleanup(func() {
		if err := goleak.Find(goroutines); err != nil {
			t.Errorf("goroutines are left: %v", err)
		}
		// What a goroutine does last may come after it can be seen to end.
		var left string
		for range 100 {
			if left = difference(files, objects); left == "" {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error(left)
	})
}

func difference(files map[string]string, objects int64) string {
	if n := ffmpeg.LiveObjects() - objects; n != 0 {
		return fmt.Sprintf("%d C objects are left", n)
	}
	for fd, target := range openFiles() {
		if files[fd] != target {
			return fmt.Sprintf("descriptor %s is left open on %s", fd, target)
		}
	}
	return ""
}

// warmUp makes the runtime open what it keeps for polling.
func warmUp() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// openFiles lists the process's descriptors, none where there is no /proc.
func openFiles() map[string]string {
	const dir = "/proc/self/fd"
	entries, _ := os.ReadDir(dir)
	files := map[string]string{}
	for _, e := range entries {
		// That of the listing itself is closed by now.
		if target, err := os.Readlink(dir + "/" + e.Name()); err == nil {
			files[e.Name()] = target
		}
	}
	return files
}
