//go:build !linux

package mp4

import (
	"errors"
	"fmt"
)

// allocate sets disk space aside for the first size bytes of a file without
// changing its size. The error wraps [errors.ErrUnsupported] where that cannot
// be done.
func allocate(f File, size int64) error {
	if a, ok := f.(Allocator); ok {
		return a.Allocate(0, size)
	}
	return fmt.Errorf("mp4: disk space is reserved on Linux only: %w", errors.ErrUnsupported)
}
