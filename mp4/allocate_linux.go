package mp4

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// allocate sets disk space aside for the first size bytes of a file without
// changing its size. The error wraps [errors.ErrUnsupported] where that cannot
// be done.
func allocate(f File, size int64) error {
	if a, ok := f.(Allocator); ok {
		return a.Allocate(0, size)
	}
	file, ok := f.(*os.File)
	if !ok {
		return fmt.Errorf("mp4: %T: %w", f, errors.ErrUnsupported)
	}
	const keepSize = 1 // FALLOC_FL_KEEP_SIZE
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for failed = syscall.EINTR; errors.Is(failed, syscall.EINTR); {
			failed = syscall.Fallocate(int(fd), keepSize, 0, size)
		}
	})
	return errors.Join(err, failed)
}
