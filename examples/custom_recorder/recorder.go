package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// rawRecorder keeps each track's raw bytes apart: in a file in
// Config.Storage, or, if url is set, in a streamed PUT. Everything else, such as
// queues, time-outs and counting losses, is the kit's.
type rawRecorder struct{ url string }

func (r *rawRecorder) Name() string { return "raw" }

func (r *rawRecorder) Start(_ context.Context, cfg recorder.Config) (recorder.Recording, error) {
	id := time.Now().UTC().Format("20060102T150405.000000")
	if r.url != "" {
		return &rawRecording{id: id, where: r.url + "/" + id}, nil
	}
	return &rawRecording{id: id, where: filepath.Join(cfg.Storage, id)}, nil
}

type rawRecording struct {
	id, where string // where is a directory or a URL
	mu        sync.Mutex
	tracks    []*rawTrack
	stopped   bool
}

func (r *rawRecording) ID() string { return r.id }

func (r *rawRecording) AddTrack(t recorder.Track) (recorder.TrackWriter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	track, isNew := r.track(t)
	track.visits++
	out, err := create(r.where, fileName(t, track.visits))
	if err != nil {
		return nil, err
	}
	track.out = out
	track.close = sync.OnceValue(out.Close) // by Close or by Stop, whichever is first
	if isNew {
		r.tracks = append(r.tracks, track)
	}
	return track, nil
}

// track finds the track of somebody who returns, or makes one.
func (r *rawRecording) track(t recorder.Track) (track *rawTrack, isNew bool) {
	for _, track := range r.tracks {
		if track.result.ID == t.ID {
			return track, false
		}
	}
	return &rawTrack{result: recorder.TrackResult{Track: t, Codec: "raw"}}, true
}

func (r *rawRecording) Stop(context.Context) (recorder.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := recorder.Result{ID: r.id, Path: r.where, Format: "raw"}
	for _, t := range r.tracks {
		result.Err = errors.Join(result.Err, t.close())
		result.Tracks = append(result.Tracks, t.result)
		result.Size += t.result.Bytes
		result.Duration = max(result.Duration, t.result.Last)
	}
	if r.stopped {
		return result, recorder.ErrStopped
	}
	r.stopped = true
	return result, result.Err
}

type rawTrack struct {
	out    io.WriteCloser
	visits int // each has a file of its own
	first  time.Duration
	close  func() error
	buf    []byte
	result recorder.TrackResult
}

func (t *rawTrack) WriteSample(s media.Sample) error {
	t.buf = t.buf[:0]
	if s.PCM != nil {
		t.buf, t.result.Format = append(t.buf, s.PCM.Data...), s.PCM.Format.String()
	} else {
		t.buf, t.result.Format = s.Picture.AppendBytes(t.buf), s.Picture.Format.String()
	}
	n, err := t.out.Write(t.buf)
	t.result.Bytes += int64(n)
	if err != nil {
		return err
	}
	if t.result.SamplesWritten++; t.result.SamplesWritten == 1 {
		t.first = s.Time
	}
	t.result.Last = s.Time - t.first
	return nil
}

func (t *rawTrack) Close() error { return t.close() }
