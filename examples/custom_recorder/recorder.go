package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// rawRecorder keeps each track's bytes as they come, apart: in a file in
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
	track.out, track.request = out, t.RequestKeyFrame // of who sends it now
	track.close = sync.OnceValue(out.Close)           // by Close or by Stop, whichever is first
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
	out     io.WriteCloser
	visits  int // each has a file of its own
	first   time.Duration
	close   func() error
	request func() // nil where no keyframe can be asked for
	buf     []byte
	result  recorder.TrackResult
}

func (t *rawTrack) WriteSample(s media.Sample) error {
	t.buf = t.buf[:0]
	switch {
	case s.PCM != nil:
		t.buf, t.result.Format = append(t.buf, s.PCM.Data...), s.PCM.Format.String()
	case s.Picture != nil:
		t.buf, t.result.Format = s.Picture.AppendBytes(t.buf), s.Picture.Format.String()
	default:
		t.buf, t.result.Format = appendEncoded(t.buf, s), s.Encoded.Format.String()
		t.heal(s)
	}
	n, err := t.out.Write(t.buf)
	t.result.Bytes += int64(n)
	if err != nil {
		return err
	}
	if t.result.SamplesWritten++; t.result.SamplesWritten == 1 {
		t.first = s.Time
	}
	t.result.Last = max(t.result.Last, s.Time-t.first) // encoded pictures come in decoding order
	return nil
}

// appendEncoded writes an encoded sample with what its bytes alone do not tell:
// its time in nanoseconds and its length. Packets of Opus, for one, have no
// bounds of their own.
func appendEncoded(b []byte, s media.Sample) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(s.Time))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Encoded.Data)))
	return append(b, s.Encoded.Data...)
}

// heal asks for a keyframe when what this picture refers to may be missing.
func (t *rawTrack) heal(s media.Sample) {
	lost := s.Missed > 0 || s.Encoded.Lost > 0
	if lost && s.IsPicture() && t.request != nil {
		t.request()
		t.result.KeyframeRequests++
	}
}

func (t *rawTrack) Close() error { return t.close() }
