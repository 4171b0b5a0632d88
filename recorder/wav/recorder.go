// Package wav is the recorder that writes the voice of one session into WAV
// files: what the participant says and what is played to them, told apart by
// the samples' direction. It is for hearing what a voice pipeline gave out.
//
// The path of audio through it:
//
//	WriteSample ─► stream ──────────────────► backlog ─► writer ─► file, file …
//	(a track)      (a direction of it:        (runs of   (adds each run to
//	                decode, timeline.Audio)    frames)    what the file has)
//
// Position is capture time. Each direction of each track has a timeline of its
// own and gives out at once what is decided, so that none waits for another:
// a WAV file can be rewritten anywhere, and the writer adds what comes later
// to what is in the file already. All share one time zero (origin.go).
//
// # What a crash costs
//
// The header is valid at all times and never claims more than was written before
// it, every 100 ms. So a file plays with no repair step whatever happens: a
// process that is killed loses what came in the last tenths of a second, a power
// loss what came since the last sync. That is why files have their final names
// from the start. Of what a power loss took the header may have reached the disk
// and claim up to a sync's interval more than is there; players stop where the
// file ends. The first second is special: until time zero is decided nothing is
// written.
package wav

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/outfile"
)

// Recorder makes recordings of sessions. It is safe for concurrent use, and may
// run recordings of many sessions at once: one for each.
type Recorder struct {
	options  Options
	now      func() time.Time       // wall clock, for names and creation times
	newID    func() (string, error) // of a recording
	create   func(path string) (disk, error)
	mostRIFF int64
}

// NewRecorder returns a recorder. The error is a [*recorder.ConfigError] for
// the first wrong option.
func NewRecorder(o Options) (*Recorder, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Recorder{options: o, now: time.Now, newID: outfile.NewID, create: createFile, mostRIFF: mostRIFF}, nil
}

// Records implements [recorder.Selective]: voices only.
func (r *Recorder) Records(k media.Kind) bool { return k == media.KindAudio }

// Name implements [recorder.Recorder].
func (r *Recorder) Name() string { return "wav" }

// Start implements [recorder.Recorder]. Of the configuration it uses Storage,
// Name and Title. Nothing is written before there is audio, but that it can be
// is tried. Errors: a [*recorder.ConfigError]; one of package os for a
// directory that cannot be made or written.
func (r *Recorder) Start(ctx context.Context, cfg recorder.Config) (recorder.Recording, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Storage, 0o777); err != nil {
		return nil, fmt.Errorf("wav: Storage %q cannot be created: %w", cfg.Storage, err)
	}
	if err := tryWriting(cfg.Storage); err != nil {
		return nil, fmt.Errorf("wav: Storage %q cannot be written: %w", cfg.Storage, err)
	}
	now := r.now()
	for {
		id, err := r.newID()
		if err != nil {
			return nil, fmt.Errorf("wav: no id for the recording: %w", err)
		}
		rec := newRecording(r, cfg, id, now)
		if free, err := rec.areNamesFree(); err != nil {
			return nil, fmt.Errorf("wav: Storage %q cannot be read: %w", cfg.Storage, err)
		} else if free {
			return rec, nil
		}
	}
}

// tryWriting makes a file in a directory and removes it.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".roomkit-*")
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Remove(f.Name())
}

// createFile makes a file that must not exist.
func createFile(path string) (disk, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	return systemFile{f}, nil
}

// systemFile is a file of the system. Until it is closed, that takes what is
// written into it even if it has been removed.
type systemFile struct{ *os.File }

// Close closes the file, and tells if nobody can find it.
func (f systemFile) Close() error {
	_, err := os.Lstat(f.Name())
	return errors.Join(err, f.File.Close())
}

// isFree reports whether there is nothing under a name.
func isFree(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}
