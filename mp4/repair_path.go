package mp4

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// RepairPath repairs the file at path into a new one at output, or where that
// is empty into one beside it: x.mp4 for x.mp4.partial where that is free, else
// x-repaired.mp4. The original is only read. Nothing is ever overwritten: a
// file that is there already is an error that wraps [fs.ErrExist]. While it is
// written, the new file has a name of its own that ends in .partial.
func RepairPath(ctx context.Context, path, output string, o RepairOptions) (RepairReport, error) {
	src, err := os.Open(path)
	if err != nil {
		return RepairReport{}, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return RepairReport{}, err
	}
	s, err := findAll(src, info.Size())
	if err != nil {
		return RepairReport{}, fmt.Errorf("%s: %w", path, err)
	}
	if s.whole && !o.FastStart {
		return s.summary(), nil
	}
	if output == "" {
		output = repairedName(path)
	}
	if _, err := os.Lstat(output); err == nil {
		return RepairReport{}, fmt.Errorf("%s: %w", output, fs.ErrExist)
	}
	return s.writePath(ctx, output, info.Mode().Perm(), o)
}

// repairedName is where the result goes when nobody says.
func repairedName(path string) string {
	if name, ok := strings.CutSuffix(path, ".partial"); ok && filepath.Ext(name) != "" {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		path = name
	}
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-repaired" + ext
}

func (s *salvage) writePath(ctx context.Context, output string, mode fs.FileMode, o RepairOptions) (report RepairReport, err error) {
	f, err := os.CreateTemp(filepath.Dir(output), filepath.Base(output)+".*.partial")
	if err != nil {
		return RepairReport{}, err
	}
	defer func() {
		_ = f.Close() // closed already unless something failed
		_ = os.Remove(f.Name())
	}()
	w := bufio.NewWriterSize(f, 256<<10)
	report, err = s.write(ctx, w, o)
	for _, step := range []func() error{
		w.Flush, f.Sync,
		func() error { return f.Chmod(mode) }, // a temporary file is its owner's only
		f.Close,
		func() error { return publish(f.Name(), output) },
	} {
		if err != nil {
			return report, err
		}
		err = step()
	}
	if err != nil {
		return report, err
	}
	report.Output = output
	return report, nil
}

// publish gives a file its name without ever replacing another: a link fails
// where something is, a rename does not. Where there are no links, a look
// before has to do.
func publish(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fmt.Errorf("%s: %w", to, fs.ErrExist)
	}
	return os.Rename(from, to)
}
