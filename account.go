package roomkit

import (
	"errors"
	"maps"
	"slices"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// account tells, of the results of a recording that follow on each other, what is
// new in them: as events, and to the kit's observer.
type account struct {
	rec    *recording
	tracks map[string]recorder.TrackResult // as they were told last
	err    error
	closed bool
}

func (a *account) update(r recorder.Result) {
	if a.closed {
		return
	}
	if r.Err != nil && (a.err == nil || a.err.Error() != r.Err.Error()) && !onlyNoMedia(r.Err) {
		a.err = r.Err
		a.rec.tell(RecordingError{EventInfo: a.rec.about(), Err: r.Err})
	}
	known := make(map[string]recorder.TrackResult, len(r.Tracks))
	for _, t := range r.Tracks {
		a.compare(a.tracks[t.ID], t)
		known[t.ID] = t
	}
	a.tracks = known
}

func (a *account) compare(before, now recorder.TrackResult) {
	if now.Err != nil && before.Err == nil && !errors.Is(a.err, now.Err) { // else it is told
		a.rec.tell(RecordingError{EventInfo: a.rec.about(), Track: now.ID, Err: now.Err})
	}
	for _, reason := range slices.Sorted(maps.Keys(now.Dropped)) {
		if n := now.Dropped[reason] - before.Dropped[reason]; n > 0 {
			a.rec.tell(SamplesLost{EventInfo: a.rec.about(), Track: now.ID, Reason: reason, Count: n, Total: now.Dropped[reason]})
		}
	}
	a.observe(before, now, false)
}

// observe tells the kit's observer what is new of a track.
func (a *account) observe(before, now recorder.TrackResult, last bool) {
	o := a.rec.room.kit.observer
	if o == nil {
		return
	}
	news := recorder.Observe(before, now)
	about := a.rec.about()
	news.Room, news.Recording, news.ID, news.Recorder = about.Room, about.Recording, about.ID, a.rec.recorder
	news.Last = last
	o.Observe(news)
}

// close tells the last news.
func (a *account) close(r recorder.Result) {
	a.update(r)
	for _, t := range r.Tracks {
		a.observe(t, t, true)
	}
	a.closed = true
}
