package voice

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// jitter is how far from where it was expected a sample may be stamped and
// still follow the one before: further than networks and sound cards scatter
// the stamps of what is one piece, nearer than anybody hears as a pause.
const jitter = 50 * time.Millisecond

// stamps follow the times of a stream. Each is compared with the one before
// only, so that a clock that runs fast or slow never adds up to a gap.
type stamps struct {
	begun  bool
	format media.AudioFormat
	due    time.Duration // when what follows is expected
}

// another reports whether s is of another format than what went before.
func (st *stamps) another(s media.Sample) bool { return st.begun && s.PCM.Format != st.format }

// off returns how much later than expected s is stamped.
func (st *stamps) off(s media.Sample) time.Duration {
	if !st.begun {
		return 0
	}
	return s.Time - st.due
}

// passed takes note of s.
func (st *stamps) passed(s media.Sample) {
	*st = stamps{begun: true, format: s.PCM.Format, due: s.Time + s.PCM.Duration()}
}

// within reports whether d is at most limit, either way.
func within(d, limit time.Duration) bool { return -limit <= d && d <= limit }
