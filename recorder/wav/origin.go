package wav

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

const (
	// leadIn is how much earlier than the first audio that came other audio may
	// have been captured and still have a place: tracks are delivered side by
	// side, in no order.
	leadIn = time.Minute
	// enough is how much audio there has to be, in capture time, until time
	// zero is decided. Both directions of a track come as they are captured and
	// played, so only scheduling separates them.
	enough = 200 * time.Millisecond
	// patience is the same where a track has not delivered, or the place of a
	// first packet is open. On a virtual clock one track may run ahead of
	// another by what the feed's queue holds of a source that waits, 64 pieces
	// of usually 20 ms.
	patience = 3 * time.Second
	// soonest is the real time after which a disk gets what there is.
	soonest = time.Second
)

// origin decides the time zero of a recording's files: the earliest audio of
// any track. Streams count from an instant that certainly lies before all of
// them, zero; what is written moves when the origin is known.
//
//	zero ◄── leadIn ──► first audio that came … origin … audio
//
// It is decided by capture times, so that it is the same however fast the
// machine is, unless nothing comes for so long in real time that a crash would
// cost too much. Audio from before it that comes later has no place. It is kept
// under the recording's lock.
type origin struct {
	begun            bool
	since            time.Time     // real time of the first audio
	zero             time.Duration // on the capture clock
	rate             int           // of the files
	earliest, latest time.Duration // captured so far, from zero

	isSet bool
	at    int64 // frames from zero
}

// begin counts from the first audio that came.
func (o *origin) begin(at time.Duration, f media.AudioFormat, rate int) {
	o.begun, o.since, o.zero = true, time.Now(), at-leadIn
	o.rate = rate
	if rate == 0 {
		o.rate = min(max(f.Rate, lowestRate), highestRate)
	}
	o.earliest, o.latest = leadIn, leadIn
}

// see takes note of audio.
func (o *origin) see(from, to time.Duration) {
	o.earliest, o.latest = min(o.earliest, from), max(o.latest, to)
}

// isDue reports whether the origin can be decided by the audio there is.
func (o *origin) isDue(tracks []*track) bool {
	switch span := o.latest - o.earliest; {
	case !o.begun || o.isSet:
		return false
	case span >= patience:
		return true
	case span < enough:
		return false
	}
	for _, t := range tracks {
		if !t.isSettled() {
			return false
		}
	}
	return true
}

// isSettled reports whether nothing earlier than what there is of a track can
// be expected.
func (t *track) isSettled() bool {
	for i := range t.streams {
		if s := &t.streams[i]; s.isHeld && !s.isLaid {
			return false
		}
	}
	return t.delivered || t.isClosed
}

// decide sets the origin to the earliest audio there is, if there is any.
func (o *origin) decide(tracks []*track) {
	if o.isSet || !o.begun {
		return
	}
	for _, t := range tracks {
		for i := range t.streams {
			if at, ok := t.streams[i].earliest(o.rate); ok && (!o.isSet || at < o.at) {
				o.isSet, o.at = true, at
			}
		}
	}
}

// earliest is the position of the first frame of a stream, or if that is open
// where its stamp says.
func (s *stream) earliest(rate int) (at int64, ok bool) {
	switch {
	case s.isLaid:
		return s.first, true
	case s.isHeld:
		return timeline.Ticks(max(s.heldFrom, 0), int64(rate)), true
	}
	return 0, false
}
