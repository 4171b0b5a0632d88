package av

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Recording is one running file of one room. It implements
// [recorder.Recording], [recorder.Reporter] and [recorder.Pauser] and is safe for concurrent use.
type Recording struct {
	cfg     recorder.Config
	plan    plan
	file    *outputFile // the first one
	started time.Time
	log     *slog.Logger
	gate    *gate
	pauses  *pauses

	mu       sync.Mutex
	muxer    *muxer // nil until the first track: a recording without tracks opens no container
	lanes    []*lane
	stopping bool
	stopped  chan struct{} // closed when result is valid
	result   recorder.Result
}

func newRecording(cfg recorder.Config, p plan, file *outputFile, now time.Time, log *slog.Logger) *Recording {
	return &Recording{cfg: cfg, plan: p, file: file, started: now, log: log.With("recording", file.id),
		gate: newGate(cfg.StartPolicy), pauses: &pauses{}, stopped: make(chan struct{})}
}

// ID implements [recorder.Recording]: twelve lower-case hex characters.
func (r *Recording) ID() string { return r.file.id }

// AddTrack implements [recorder.Recording]. Where the track declares its
// format the encoder is opened here, which may take a hardware encoder half a
// second; that of a track which goes on is opened with its first sample.
// Errors: [recorder.ErrStopped], [recorder.ErrTrackExists],
// [recorder.ErrLateTrack] where the container fixes its tracks and has, a
// [*recorder.ConfigError] for raw media with only "copy" configured.
func (r *Recording) AddTrack(t recorder.Track) (recorder.TrackWriter, error) {
	l, known, err := r.addLane(t)
	if err == nil && known {
		err = l.reopen(t)
	}
	if err != nil {
		return nil, err
	}
	if known {
		return l, nil
	}
	if err := l.announce(t); err != nil {
		r.removeLane(l)
		return nil, err
	}
	return l, nil
}

// addLane enters a track, or finds the one with its ID. The encoder is opened
// without the recording's lock: neither Stop nor Report has to wait for that.
func (r *Recording) addLane(t recorder.Track) (l *lane, known bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return nil, false, recorder.ErrStopped
	}
	if i := slices.IndexFunc(r.lanes, func(l *lane) bool { return l.id == t.ID }); i >= 0 {
		return r.lanes[i], true, nil
	}
	if err := r.openMuxer(); err != nil {
		return nil, false, err
	}
	if r.muxer.isFixed() {
		return nil, false, recorder.ErrLateTrack
	}
	l = r.newLane(t)
	r.lanes = append(r.lanes, l)
	r.gate.expect()
	return l, false, nil
}

func (r *Recording) newLane(t recorder.Track) *lane {
	l := &lane{id: t.ID, gate: r.gate, pauses: r.pauses, muxer: r.muxer, kind: t.Kind, ledger: newLedger(t)}
	l.out = &output{muxer: r.muxer, ledger: l.ledger, name: t.Title(), language: t.Language,
		keyframes: keyframeRequests{send: t.RequestKeyFrame, ledger: l.ledger}}
	l.choose = func(f *media.EncodedFormat) (trackEncoder, error) { return r.newEncoder(t, f, l.out) }
	return l
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
	writer, err := r.createWriter(r.file)
	if err != nil {
		return fmt.Errorf("av: file cannot be opened: %w", err)
	}
	r.muxer = &muxer{gate: r.gate, open: r.plan.container.isHybrid(), holdOff: r.cfg.StartTimeout,
		rotate: r.cfg.Rotate, create: r.createWriter}
	r.muxer.start(&part{file: r.file, writer: writer})
	return nil
}

func (r *Recording) createWriter(f *outputFile) (fileWriter, error) {
	if r.plan.container.isHybrid() {
		return newHybridFile(f, mp4.Options{
			FastStart: frontSpace(r.cfg.File.FastStart), SyncInterval: r.cfg.File.SyncInterval, Reserve: r.cfg.File.IndexReserve, Direct: r.cfg.File.Direct,
			QuickTime: f.format == "mov", Title: r.cfg.Title, Tool: "RoomKit", Created: r.started.UTC(),
		})
	}
	return newLibavFile(f, r.plan.container.muxer, map[string]string{
		"creation_time": r.started.UTC().Format("2006-01-02T15:04:05.000000Z"),
		"title":         r.cfg.Title,
	})
}

// newEncoder makes what the track is encoded or copied with, not open yet; see
// [chooser].
func (r *Recording) newEncoder(t recorder.Track, f *media.EncodedFormat, out *output) (trackEncoder, error) {
	if f != nil && f.Codec.IsPicture() != t.Kind.IsPicture() {
		return nil, errWrongKind
	}
	if f != nil {
		what, err := treat(f.Codec, r.cfg, r.plan.container)
		if err != nil {
			return nil, err
		}
		if what == copied {
			return r.newCopier(f, out)
		}
	}
	if t.Kind == media.KindAudio {
		if r.plan.audio == "" {
			return nil, &recorder.ConfigError{Field: "AudioCodec", Value: "copy",
				Allowed: "for raw audio of " + t.Participant + ": aac or libopus"}
		}
		return &audioLane{cfg: r.cfg, codec: r.plan.audio, container: r.plan.container, out: out}, nil
	}
	if len(r.plan.video) == 0 {
		return nil, &recorder.ConfigError{Field: "VideoCodec", Value: "copy",
			Allowed: "for raw video of " + t.Participant + ": auto or an encoder"}
	}
	return &videoLane{
		cfg: r.cfg, encoders: r.plan.video, container: r.plan.container, out: out, gate: r.gate,
		notify: func(encoder string, err error) {
			r.log.Warn("video encoder failed to open, trying the next", "encoder", encoder, "reason", err)
		},
	}, nil
}

func (r *Recording) newCopier(f *media.EncodedFormat, out *output) (trackEncoder, error) {
	if f.Codec == media.Opus || f.Codec == media.AAC {
		return &audioCopy{codec: f.Codec, out: out, hides: r.plan.container.isHybrid()}, nil
	}
	return &videoCopy{cfg: r.cfg, codec: f.Codec, out: out, hides: r.plan.container.isHybrid()}, nil
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
		if !r.isStopped() { // else it is by now, however short the time was
			return r.Report(), fmt.Errorf("av: file is not finished yet: %w", ctx.Err())
		}
	}
	if again {
		return r.result.Clone(), recorder.ErrStopped
	}
	return r.result.Clone(), r.result.Err
}

func (r *Recording) isStopped() bool {
	select {
	case <-r.stopped:
		return true
	default:
		return false
	}
}

// finish ends the lanes, the muxer and the files, in this order.
func (r *Recording) finish() {
	defer close(r.stopped)
	for _, l := range r.lanes {
		if err := l.finish(); err != nil {
			l.ledger.fault(err)
		}
	}
	err := r.finishFiles()
	if r.muxer != nil && r.muxer.err() == nil { // else every track says what the file said
		for _, l := range r.lanes {
			if fate := l.ledger.fate(); fate != nil {
				err = errors.Join(err, fmt.Errorf("av: track %q: %w", l.id, fate))
			}
		}
	}
	r.result = r.Report()
	r.result.Err = err
	if len(r.result.Parts) == 0 {
		return
	}
	r.result.Path = r.result.Parts[0].Path
	if unlisted := writeManifest(r.result.Path, r.result); unlisted != nil && err == nil {
		r.result.Err = unlisted // a disk that failed before would say the same again
	}
}

// finishFiles ends the muxer and settles the accounts. Without media the error
// is [recorder.ErrNoMedia].
func (r *Recording) finishFiles() error {
	if r.muxer == nil {
		return errors.Join(recorder.ErrNoMedia, r.file.discard())
	}
	r.muxer.close()
	<-r.muxer.done
	err := r.muxer.result()
	for _, l := range r.lanes {
		l.settle(err)
	}
	if err == nil && !r.hasMedia() {
		return recorder.ErrNoMedia
	}
	return err
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
	result.Parts = r.parts(origin)
	if start, ok := r.gate.start(); ok {
		result.Pauses = r.pauses.report(start)
	}
	for _, l := range r.lanes {
		t := l.ledger.report(origin)
		result.Tracks = append(result.Tracks, t)
		result.Duration = max(result.Duration, t.Last)
	}
	return result
}

// Pause implements [recorder.Pauser]. Audio is cut to the sample. Where audio
// from behind the given time has been taken already, what follows on a cut
// pause is as much late, until resampling has made up for that.
func (r *Recording) Pause(at time.Duration, mode recorder.PauseMode) error {
	if err := mode.Validate(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return recorder.ErrStopped
	}
	return r.pauses.begin(at, mode)
}

// Resume implements [recorder.Pauser].
func (r *Recording) Resume(at time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return recorder.ErrStopped
	}
	return r.pauses.end(at)
}

// parts returns the finished files.
func (r *Recording) parts(origin time.Duration) []recorder.Part {
	if r.muxer == nil {
		return nil
	}
	parts := r.muxer.published()
	for i := range parts {
		parts[i].Start -= origin
	}
	return parts
}

// size returns the size of all files; while they are being written, what it
// will be with the media that is on its way.
func (r *Recording) size() int64 {
	if r.muxer == nil {
		return 0
	}
	size := r.muxer.onDisk()
	if !r.stopping {
		size = max(size, r.muxer.taken.Load())
	}
	return size
}
