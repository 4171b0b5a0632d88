//go:build linux || darwin

package diskspace

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

func free(path string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, fmt.Errorf("disk space of %s: %w", path, err)
	}
	blocks, size := uint64(s.Bavail), uint64(s.Bsize)
	if size > 0 && blocks > math.MaxInt64/size { // file systems without an end
		return math.MaxInt64, nil
	}
	return int64(blocks * size), nil
}
