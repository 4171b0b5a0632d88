package av

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// partialSuffix marks a file that is still being written.
const partialSuffix = ".partial"

// outputFile is the file of one recording: written under a temporary name
// beside the final one, which it gets when it is complete.
type outputFile struct {
	id      string
	final   string // room_{id}_{timestamp}.{format}
	partial string
}

// reserveFile picks the recording's id and creates its empty temporary file,
// which proves that the directory can be written before any media is taken.
func reserveFile(dir, format string, now time.Time) (outputFile, error) {
	var random [6]byte
	for {
		if _, err := rand.Read(random[:]); err != nil {
			return outputFile{}, err
		}
		id := hex.EncodeToString(random[:])
		final := filepath.Join(dir, fmt.Sprintf("room_%s_%s.%s", id, now.UTC().Format("20060102T150405"), format))
		f := outputFile{id: id, final: final, partial: final + partialSuffix}
		file, err := os.OpenFile(f.partial, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return outputFile{}, err
		}
		return f, file.Close()
	}
}

// publish makes the complete file durable and gives it its final name, unless
// that exists.
func (f outputFile) publish() error {
	if err := syncPath(f.partial); err != nil {
		return err
	}
	// A hard link refuses to replace an existing file, which rename does not.
	switch err := os.Link(f.partial, f.final); {
	case err == nil:
		if err := os.Remove(f.partial); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrExist):
		return err
	default: // a file system without hard links
		if _, err := os.Lstat(f.final); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", f.final, fs.ErrExist)
		}
		if err := os.Rename(f.partial, f.final); err != nil {
			return err
		}
	}
	return syncPath(filepath.Dir(f.final))
}

// discard removes the temporary file.
func (f outputFile) discard() error { return os.Remove(f.partial) }

func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) { // some file systems cannot sync a directory
		err = nil
	}
	return errors.Join(err, file.Close())
}
