package av

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder/internal/outfile"
)

// partialSuffix marks a file that is still being written.
const partialSuffix = ".partial"

// outputFile is one file of a recording: written under a temporary name
// beside the final one, which it gets when it is complete.
type outputFile struct {
	id      string
	base    string // of the first part's name, with its directory: {name}_{id}_{timestamp}
	format  string
	number  int // of the part, from 1
	final   string
	partial string
	opened  *os.File
}

// reserveFile picks the recording's id and creates its empty temporary file,
// which proves that the directory can be written before any media is taken.
func reserveFile(dir, name, format string, now time.Time) (*outputFile, error) {
	for {
		id, err := outfile.NewID()
		if err != nil {
			return nil, err
		}
		base := outfile.Base(dir, name, id, now)
		f, err := createPartial(outputFile{id: id, base: base, format: format, number: 1})
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// next creates the temporary file of the part that follows on this one.
func (f *outputFile) next() (*outputFile, error) {
	return createPartial(outputFile{id: f.id, base: f.base, format: f.format, number: f.number + 1})
}

func createPartial(f outputFile) (*outputFile, error) {
	f.final = f.base + "." + f.format
	if f.number > 1 {
		f.final = fmt.Sprintf("%s_%03d.%s", f.base, f.number, f.format)
	}
	f.partial = f.final + partialSuffix
	var err error
	if f.opened, err = os.OpenFile(f.partial, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666); err != nil {
		return nil, err
	}
	// What a power loss leaves of the file must have a name.
	if err := outfile.Sync(filepath.Dir(f.partial)); err != nil {
		return nil, errors.Join(err, f.discard())
	}
	return &f, nil
}

// close closes the file, which may be closed.
func (f *outputFile) close() error {
	if f.opened == nil {
		return nil
	}
	err := f.opened.Close()
	f.opened = nil
	return err
}

// publish gives the closed file its final name, unless that exists.
func (f *outputFile) publish() error {
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
	return outfile.Sync(filepath.Dir(f.final))
}

// discard closes and removes the temporary file.
func (f *outputFile) discard() error { return errors.Join(f.close(), os.Remove(f.partial)) }
