package roomkit

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// account tells, of the results of a recording that follow on each other, what is
// new in them: as events, and as observations for the kit's observer.
type account struct {
	rec    *recording
	tracks map[string]*told
	errs   map[string]bool // texts of errors that have been told
	err    error           // of the latest result
	news   []recorder.Observation
	closed bool
}

// told is what has been told of a track.
type told struct {
	recorder.TrackResult
	gone bool // the observer has been told that this was the last
}

// mostErrors bounds the errors of a recording that are told.
const mostErrors = 100

// update tells what is new and returns the observations. Of the tracks those in
// open have not ended.
func (a *account) update(r recorder.Result, open map[string]time.Duration) []recorder.Observation {
	if a.closed {
		return nil
	}
	a.fault("", r.Err)
	a.err = r.Err
	for _, t := range r.Tracks {
		before := a.tracks[t.ID]
		if before == nil {
			before = &told{}
			a.tracks[t.ID] = before
		}
		a.compare(before, t, !has(open, t.ID))
	}
	a.forget(r.Tracks)
	news := a.news
	a.news = nil
	return news
}

func has[T any](m map[string]T, key string) bool { _, ok := m[key]; return ok }

// fault tells of an error that was not told yet, by its words: a report joins
// errors anew each time.
func (a *account) fault(track string, err error) {
	if err == nil || onlyNoMedia(err) || a.errs[err.Error()] || len(a.errs) >= mostErrors {
		return
	}
	a.errs[err.Error()] = true
	a.rec.tell(RecordingError{EventInfo: a.rec.about(), Track: track, Err: err})
}

// compare tells what is new of a track. What has been counted stays counted: a
// report that a recorder had no time for knows less than the one before.
func (a *account) compare(before *told, now recorder.TrackResult, ended bool) {
	now = atLeast(now, before.TrackResult)
	if before.Err == nil && !errors.Is(a.err, now.Err) { // else it is part of what was told
		a.fault(now.ID, now.Err)
	}
	for _, reason := range slices.Sorted(maps.Keys(now.Dropped)) {
		if n := now.Dropped[reason] - before.Dropped[reason]; n > 0 && !asked(reason) {
			a.rec.tell(SamplesLost{EventInfo: a.rec.about(), Track: now.ID, Reason: reason, Count: n, Total: now.Dropped[reason]})
		}
	}
	if o := recorder.Observe(before.TrackResult, now); ended && !before.gone || !o.IsEmpty() || before.ID == "" {
		a.observe(o, ended)
		before.gone = ended
	}
	before.TrackResult = now
}

// asked reports whether samples are left out for a reason that somebody wanted.
func asked(reason recorder.DropReason) bool {
	return reason == recorder.DropPaused || reason == recorder.DropNotWanted
}

// atLeast returns a result whose counts are not below those of another.
func atLeast(now, before recorder.TrackResult) recorder.TrackResult {
	now.SamplesIn = max(now.SamplesIn, before.SamplesIn)
	now.SamplesWritten = max(now.SamplesWritten, before.SamplesWritten)
	now.LostOnTheWay = max(now.LostOnTheWay, before.LostOnTheWay)
	now.KeyframeRequests = max(now.KeyframeRequests, before.KeyframeRequests)
	now.Bytes = max(now.Bytes, before.Bytes)
	now.WriteTime = max(now.WriteTime, before.WriteTime)
	now.Dropped = maps.Clone(now.Dropped)
	for reason, n := range before.Dropped {
		now.Drop(reason, max(n-now.Dropped[reason], 0))
	}
	return now
}

// forget tells the observer of tracks that a result has no more: they were taken
// back before anything came.
func (a *account) forget(tracks []recorder.TrackResult) {
	for id, t := range a.tracks {
		if !slices.ContainsFunc(tracks, func(r recorder.TrackResult) bool { return r.ID == id }) {
			if !t.gone {
				a.observe(recorder.Observe(t.TrackResult, t.TrackResult), true)
			}
			delete(a.tracks, id)
		}
	}
}

func (a *account) observe(o recorder.Observation, last bool) {
	about := a.rec.about()
	o.Room, o.Recording, o.ID, o.Recorder = about.Room, about.Recording, about.ID, a.rec.recorderName
	o.Last = last
	a.news = append(a.news, o)
}

// close tells the last news.
func (a *account) close(r recorder.Result) []recorder.Observation {
	news := a.update(r, nil)
	a.closed = true
	return news
}
