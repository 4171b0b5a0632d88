//go:build !linux && !darwin

package diskspace

import (
	"errors"
	"fmt"
)

func free(path string) (int64, error) {
	return 0, fmt.Errorf("disk space of %s: %w", path, errors.ErrUnsupported)
}
