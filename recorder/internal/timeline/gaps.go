package timeline

import (
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// mostGaps bounds the gaps that are listed one by one.
const mostGaps = 1000

// Gaps are the silences that were put into a track, the first 1000 of them one
// by one. Times count from the timeline's zero. A copy stays as it is when the
// original grows.
type Gaps struct {
	Listed []recorder.Gap
	Count  int64
	Total  time.Duration
}

func (l *Gaps) add(start, length time.Duration) {
	l.Count++
	l.Total += length
	if len(l.Listed) < mostGaps {
		l.Listed = append(l.Listed, recorder.Gap{Start: start, Length: length})
	}
}

// GapsFrom returns a copy of gaps with times counted from the origin. What
// there was before it is not in the file, and neither is its silence.
func GapsFrom(origin time.Duration, gaps []recorder.Gap) []recorder.Gap {
	var after []recorder.Gap
	for _, g := range gaps {
		start, end := max(g.Start-origin, 0), g.Start+g.Length-origin
		if end > 0 {
			after = append(after, recorder.Gap{Start: start, Length: end - start})
		}
	}
	return after
}
