// Package diskspace tells how much room is left where files are written.
package diskspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Free returns how many bytes an ordinary user can still write to the file
// system that a path is on, or will be on once it is created. The error wraps
// [errors.ErrUnsupported] where the system does not tell.
func Free(path string) (int64, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	for {
		_, err := os.Stat(path)
		parent := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || parent == path {
			return free(path)
		}
		path = parent
	}
}
