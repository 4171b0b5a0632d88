package roomkit

import (
	"time"
)

// silence notices when no media comes, of one track or of all, and when it comes
// again.
type silence struct {
	rec    *recording
	after  time.Duration // how long it takes; negative never
	begun  time.Duration // of the recording
	all    quiet
	tracks map[string]*quiet // by ID; those that have not ended
	closed bool
}

// quiet is whether media is missing.
type quiet struct {
	from  time.Duration // when the track was added
	seen  bool          // a look has found it: what that does not find again has ended
	told  bool
	since time.Duration // capture time of what came last before it was told
}

// look tells what is new, and returns when something may be at the earliest.
func (s *silence) look(now, latest time.Duration, delivered bool, tracks map[string]time.Duration) (next time.Duration) {
	if s.after < 0 || s.closed || s.rec.layer != nil && len(s.tracks) == 0 { // a session may have nothing for a layer
		return never
	}
	if !delivered {
		latest = s.begun
	}
	next = s.judge(&s.all, "", now, max(latest, s.begun))
	open := map[string]*quiet{}
	for id, at := range tracks {
		q := s.tracks[id]
		if q == nil {
			continue // just being added
		}
		open[id], q.seen = q, true
		if s.all.told && !q.told { // said already, of all
			continue
		}
		next = min(next, s.judge(q, id, now, max(at, q.from)))
	}
	for id, q := range s.tracks {
		if q.seen && open[id] == nil { // not one that was added since the tracks were listed
			delete(s.tracks, id)
		}
	}
	return next
}

// close ends it: nothing is told any more.
func (s *silence) close() { s.closed = true }

// expect begins to watch a track.
func (s *silence) expect(id string, now time.Duration) { s.tracks[id] = &quiet{from: now} }

// judge compares a time without media with what is allowed.
func (s *silence) judge(q *quiet, track string, now, latest time.Duration) (next time.Duration) {
	switch missing := latest+s.after <= now; {
	case missing && !q.told:
		q.told, q.since = true, latest
		s.rec.tell(MediaStalled{EventInfo: s.rec.about(), Track: track, Since: latest})
	case !missing && q.told:
		q.told = false
		s.rec.tell(MediaRecovered{EventInfo: s.rec.about(), Track: track, Silent: latest - q.since})
	}
	if q.told {
		return never
	}
	return latest + s.after
}
