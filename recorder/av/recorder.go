// Package av is the production recorder: it writes all media of a room into one
// file. What arrives encoded is copied where the container can hold it; the rest
// is encoded through FFmpeg's libraries, decoded before if it has to be.
//
// The path of media through it:
//
//	AddTrack ─► lane ─► trackEncoder ──────────────────► packet ─► muxer ─► fileWriter ─► file
//	                    videoLane  (decode,) convert, encode        hybridFile: mp4, mov
//	                    audioLane  (decode,) timeline.Audio, encode libavFile: mkv, webm, ts
//	                    videoCopy  access unit, keyframe?, order
//	                    audioCopy  frames, timeline.Coded
//
// Each track has a lane, which chooses by its first sample how to go on, and
// again when samples of another sort come (treatment.go). The lanes meet twice:
// at the [gate], which decides the recording's time zero, and in the muxer, the
// one goroutine that touches the file.
package av

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Recorder makes recordings of rooms. It is safe for concurrent use.
type Recorder struct {
	log *slog.Logger
	now func() time.Time // wall clock, for names and creation times
}

// An Option changes a [Recorder].
type Option func(*Recorder)

// WithLogger sets where the recorder says which encoders it chose and why.
// It is quiet by default.
func WithLogger(log *slog.Logger) Option { return func(r *Recorder) { r.log = log } }

// NewRecorder returns a recorder.
func NewRecorder(options ...Option) (*Recorder, error) {
	r := &Recorder{log: slog.New(slog.DiscardHandler), now: time.Now}
	for _, o := range options {
		o(r)
	}
	return r, nil
}

// Name implements [recorder.Recorder].
func (r *Recorder) Name() string { return "av" }

// Start implements [recorder.Recorder]. Errors: a [*recorder.ConfigError] for
// a combination of codecs and container that cannot be, or an encoder that
// does not open; an error of package os for a directory that cannot be made
// or written.
func (r *Recorder) Start(ctx context.Context, cfg recorder.Config) (recorder.Recording, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	plan, err := resolveCodecs(cfg, r.log)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Storage, 0o777); err != nil {
		return nil, fmt.Errorf("av: Storage %q cannot be created: %w", cfg.Storage, err)
	}
	file, err := reserveFile(cfg.Storage, cfg.Name, cfg.Format, r.now())
	if err != nil {
		return nil, fmt.Errorf("av: Storage %q cannot be written: %w", cfg.Storage, err)
	}
	return newRecording(cfg, plan, file, r.now(), r.log), nil
}

// LibraryVersions names the FFmpeg libraries that do the encoding, for bug
// reports.
func LibraryVersions() string { return ffmpeg.Version() }
