package av

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Recording is one running file of one room. It implements
// [recorder.Recording] and [recorder.Reporter] and is safe for concurrent use.
type Recording struct {
	cfg     recorder.Config
	plan    plan
	file    outputFile
	started time.Time
	log     *slog.Logger
	gate    *gate

	mu       sync.Mutex
	muxer    *muxer // nil until the first track: a recording without tracks opens no container
	lanes    []*lane
	stopping bool
	stopped  chan struct{} // closed when result is valid
	result   recorder.Result
}

func newRecording(cfg recorder.Config, p plan, file outputFile, now time.Time, log *slog.Logger) *Recording {
	return &Recording{cfg: cfg, plan: p, file: file, started: now, log: log.With("recording", file.id),
		gate: newGate(cfg.StartPolicy), stopped: make(chan struct{})}
}

// ID implements [recorder.Recording]: twelve lower-case hex characters.
func (r *Recording) ID() string { return r.file.id }

// AddTrack implements [recorder.Recording]. Where the track declares its
// format the encoder is opened here, which may take a hardware encoder half a
// second. Errors: [recorder.ErrStopped], [recorder.ErrTrackExists],
// [recorder.ErrLateTrack] once the container's tracks are fixed, a
// [*recorder.ConfigError] for raw media with only "copy" configured.
func (r *Recording) AddTrack(t recorder.Track) (recorder.TrackWriter, error) {
	l, err := r.addLane(t)
	if err != nil {
		return nil, err
	}
	if err := l.announce(t); err != nil {
		r.removeLane(l)
		return nil, err
	}
	return l, nil
}

// addLane enters a track. Its encoder is opened without the recording's lock:
// neither Stop nor Report has to wait for that.
func (r *Recording) addLane(t recorder.Track) (*lane, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil, recorder.ErrStopped
	}
	for _, l := range r.lanes {
		if l.id == t.ID {
			return nil, fmt.Errorf("%w: %q", recorder.ErrTrackExists, t.ID)
		}
	}
	if err := r.openMuxer(); err != nil {
		return nil, err
	}
	if r.muxer.isFixed() {
		return nil, recorder.ErrLateTrack
	}
	l := &lane{id: t.ID, gate: r.gate, muxer: r.muxer, kind: t.Kind, ledger: newLedger(t)}
	var err error
	if l.encoder, err = r.newEncoder(t, l.ledger); err != nil {
		return nil, err
	}
	r.lanes = append(r.lanes, l)
	r.gate.expect()
	return l, nil
}

func (r *Recording) removeLane(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopping { // else it is being finished with the others
		r.lanes = slices.DeleteFunc(r.lanes, func(other *lane) bool { return other == l })
	}
}

// openMuxer opens the container with the first track.
func (r *Recording) openMuxer() error {
	if r.muxer != nil {
		return nil
	}
	metadata := map[string]string{
		"creation_time": r.started.UTC().Format("2006-01-02T15:04:05.000000Z"),
		"title":         r.cfg.Title,
	}
	file, err := ffmpeg.CreateMuxer(r.file.partial, r.plan.container.muxer, metadata, muxerOptions(r.plan.container.muxer))
	if err != nil {
		return fmt.Errorf("av: file cannot be opened: %w", err)
	}
	r.muxer = newMuxer(file, r.plan.container.editLists, r.gate, r.cfg.StartTimeout)
	return nil
}

func muxerOptions(muxer string) map[string]string {
	if muxer == "mp4" || muxer == "mov" {
		return map[string]string{"movie_timescale": fmt.Sprint(videoTimescale)} // edit lists to 11 µs
	}
	// These formats are readable as far as they are written, so nothing is to
	// be kept in memory for long: neither for a track that is silent, nor in
	// the file's buffer, nor in Matroska's clusters.
	options := map[string]string{"max_interleave_delta": "1000000", "flush_packets": "1"} // µs
	if muxer != "mpegts" {
		options["cluster_time_limit"] = "1000" // ms
	}
	return options
}

// newEncoder makes what the track is encoded with, not open yet.
func (r *Recording) newEncoder(t recorder.Track, l *ledger) (trackEncoder, error) {
	out := &output{muxer: r.muxer, ledger: l, title: ffmpeg.StreamOptions{
		Name: t.Title(), Language: t.Language,
	}}
	if t.Kind == media.KindAudio {
		if r.plan.audio == "" {
			return nil, &recorder.ConfigError{Field: "AudioCodec", Value: "copy",
				Allowed: "for raw audio of " + t.Participant + ": aac or libopus"}
		}
		return &audioLane{cfg: r.cfg, codec: r.plan.audio, out: out}, nil
	}
	if len(r.plan.video) == 0 {
		return nil, &recorder.ConfigError{Field: "VideoCodec", Value: "copy",
			Allowed: "for raw video of " + t.Participant + ": auto or an encoder"}
	}
	return &videoLane{
		cfg: r.cfg, encoders: r.plan.video, out: out, gate: r.gate, hides: r.plan.container.editLists,
		notify: func(encoder string, err error) {
			r.log.Warn("video encoder failed to open, trying the next", "encoder", encoder, "reason", err)
		},
	}, nil
}

// Stop implements [recorder.Recording]. When ctx ends first, it returns the
// result so far with the context's error, and the file is finished in the
// background. Without any media no file is left, and the error is
// [recorder.ErrNoMedia].
func (r *Recording) Stop(ctx context.Context) (recorder.Result, error) {
	r.mu.Lock()
	again := r.stopping
	r.stopping = true
	r.mu.Unlock()
	if !again {
		go r.finish()
	}
	select {
	case <-r.stopped:
	case <-ctx.Done():
		return r.Report(), fmt.Errorf("av: file is not finished yet: %w", ctx.Err())
	}
	if again {
		return r.result.Clone(), recorder.ErrStopped
	}
	return r.result.Clone(), r.result.Err
}

// finish ends the lanes, the muxer and the file, in this order.
func (r *Recording) finish() {
	defer close(r.stopped)
	var errs []error
	for _, l := range r.lanes {
		if err := l.Close(); err != nil {
			l.ledger.fault(err)
		}
	}
	err := r.finishFile()
	errs = append(errs, err)
	for _, l := range r.lanes {
		// Where the file has failed, every track says what it said.
		if fate := l.ledger.fate(); fate != nil && r.muxer.err() == nil {
			errs = append(errs, fmt.Errorf("av: track %q: %w", l.id, fate))
		}
	}
	r.result = r.Report()
	r.result.Err = errors.Join(errs...)
	if err == nil {
		r.result.Path = r.file.final
		r.result.Err = errors.Join(r.result.Err, writeManifest(r.file.final, r.result))
	}
}

// finishFile ends the muxer and gives the file its name, or removes it when
// nothing came.
func (r *Recording) finishFile() error {
	if r.muxer == nil {
		return errors.Join(recorder.ErrNoMedia, r.file.discard())
	}
	r.muxer.close()
	<-r.muxer.done
	for _, l := range r.lanes {
		l.ledger.settle()
	}
	if !r.hasMedia() && r.muxer.err() == nil {
		return errors.Join(recorder.ErrNoMedia, r.file.discard())
	}
	if r.muxer.finished != nil {
		return r.giveUp(r.muxer.finished)
	}
	if err := r.file.publish(); err != nil {
		return r.giveUp(err)
	}
	return nil
}

// giveUp counts what the failed file cannot show as lost.
func (r *Recording) giveUp(err error) error {
	for _, l := range r.lanes {
		l.ledger.void(err)
	}
	if _, gone := os.Stat(r.file.partial); gone != nil {
		return fmt.Errorf("%w; nothing is left of the file", err)
	}
	return fmt.Errorf("%w; what could be written is kept as %s", err, r.file.partial)
}

func (r *Recording) hasMedia() bool {
	for _, l := range r.lanes {
		if l.ledger.report(0).Bytes > 0 {
			return true
		}
	}
	return false
}

// Report implements [recorder.Reporter].
func (r *Recording) Report() recorder.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := recorder.Result{
		Recorder: "av", ID: r.file.id, Format: r.cfg.Format, Started: r.started, Size: r.size(),
	}
	origin := r.gate.estimate()
	for _, l := range r.lanes {
		t := l.ledger.report(origin)
		result.Tracks = append(result.Tracks, t)
		result.Duration = max(result.Duration, t.Last)
	}
	return result
}

// size returns the file's size; while it is being written, what it will be
// with the media that is on its way.
func (r *Recording) size() int64 {
	if info, err := os.Stat(r.file.final); err == nil {
		return info.Size()
	}
	size := int64(0)
	if info, err := os.Stat(r.file.partial); err == nil {
		size = info.Size()
	}
	if r.muxer != nil && !r.stopping {
		size = max(size, r.muxer.taken.Load())
	}
	return size
}
