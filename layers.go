package roomkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A layer records each session of a channel on its own, for debugging: the
// voice, or the pictures. It is a recording like those of rooms, of one session's
// tracks, and shares nothing with them.
type layer struct {
	binding recorder.Binding
	picture bool
}

// layerPatience is how long, in real time, a session that joins waits for a
// recorder of its own to start: it shall have everything from the first sample
// on, but a recorder that hangs must not keep anybody out.
const layerPatience = time.Second

func newLayer(b recorder.Binding, picture bool) *layer { return &layer{b, picture} }

func (l *layer) records(k media.Kind) bool { return k.IsPicture() == l.picture }

func (l *layer) String() string {
	if l.picture {
		return "video"
	}
	return "voice"
}

// what is what the layer records.
func (l *layer) what() string {
	if l.picture {
		return "pictures"
	}
	return "audio"
}

// bindingFor names the recording and its files after a session.
func (l *layer) bindingFor(s *Session) recorder.Binding {
	b := l.binding
	if b.Config.Name == "" {
		b.Config.Name = recorder.FileName(l.String() + "_" + s.participant)
	}
	if b.Config.Title == "" {
		b.Config.Title = s.participant
	}
	b = b.WithDefaults()
	b.Name += "/" + s.id
	return b
}

func (c *channel) validateLayers() error {
	names := map[string]bool{}
	for _, l := range c.layers {
		if l.binding.Disabled {
			continue
		}
		b := l.binding.WithDefaults()
		if err := b.Validate(); err != nil {
			return fmt.Errorf("roomkit: channel %q, %s recorder: %w", c.id, l, err)
		}
		if !slices.ContainsFunc(c.kinds, l.records) {
			return fmt.Errorf("%w: channel %q has a %s recorder but carries nothing for it (allowed on channels that carry %s)", ErrInvalid, c.id, l, l.what())
		}
		if !slices.ContainsFunc(c.kinds, func(k media.Kind) bool { return l.records(k) && b.Records(k) }) {
			return fmt.Errorf("%w: channel %q has %q as its %s recorder, which does not record %s", ErrInvalid, c.id, recorder.NameOf(b.Recorder), l, l.what())
		}
		if names[b.Name] {
			return fmt.Errorf("%w: %q on channel %q (Binding.Name must be unique among the recorders of a channel)", ErrRecordingExists, b.Name, c.id)
		}
		names[b.Name] = true
	}
	return nil
}

// startLayers starts the session's own recordings before its backend connects. A
// start that takes long, or longer than ctx, goes on without us, until the session
// ends.
func (s *Session) startLayers(ctx context.Context) {
	var starts []chan struct{}
	for _, l := range s.channel.layers {
		if l.binding.Disabled {
			continue
		}
		rec := s.room.newRecording(l.bindingFor(s))
		rec.layer, rec.session = l, s
		s.room.mu.Lock()
		s.layers = append(s.layers, rec)
		s.room.mu.Unlock()
		started := make(chan struct{})
		starts = append(starts, started)
		go func() {
			defer close(started)
			if err := s.room.start(s.starts, []*recording{rec}); err != nil {
				s.log.Error("a session is not recorded on its own", "recording", rec.binding.Name, "error", err)
			}
		}()
	}
	timer := time.NewTimer(layerPatience)
	defer timer.Stop()
	for _, started := range starts {
		select {
		case <-started:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// endLayers ends the session's own recordings, when its tracks have ended.
func (s *Session) endLayers(ctx context.Context) {
	r := s.room
	r.mu.Lock()
	s.layersOver = true
	reason := StopSessionEnded
	if r.closing != "" {
		reason = r.closing
	}
	recs := slices.DeleteFunc(slices.Clone(s.layers), func(rec *recording) bool { return rec.feed == nil })
	r.mu.Unlock()
	s.stopStarts()
	for _, result := range endAll(ctx, recs, reason) {
		if result.Err != nil && !errors.Is(result.Err, recorder.ErrNoMedia) {
			s.log.Error("recording of a session", "recording", result.Binding, "error", result.Err)
		}
	}
	r.remove(recs)
}

// Recordings returns the results so far of the session's own recordings, in the
// order of the channel's options; they are final when Leave or CloseRoom has
// returned, unless that was in a hurry. See [WithVoiceRecorder] and [WithVideoRecorder].
func (s *Session) Recordings() []recorder.Result {
	s.room.mu.Lock()
	recs := slices.DeleteFunc(slices.Clone(s.layers), func(rec *recording) bool { return rec.feed == nil })
	s.room.mu.Unlock()
	results := make([]recorder.Result, len(recs))
	for i, rec := range recs {
		results[i] = rec.feed.Report()
	}
	return results
}
