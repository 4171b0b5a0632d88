package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// mostGaps bounds the gaps that are listed one by one.
const mostGaps = 1000

// gapList keeps the silences that were put into a track, the first of them one
// by one. Times count from the gate's zero.
type gapList struct {
	listed []recorder.Gap
	count  int64
	total  time.Duration
}

func (l *gapList) add(start, length time.Duration) {
	l.count++
	l.total += length
	if len(l.listed) < mostGaps {
		l.listed = append(l.listed, recorder.Gap{Start: start, Length: length})
	}
}

// gapsFrom returns a copy of gaps with times counted from the origin. What
// there was before it is not in the file, and neither is its silence.
func gapsFrom(origin time.Duration, gaps []recorder.Gap) []recorder.Gap {
	var after []recorder.Gap
	for _, g := range gaps {
		start, end := max(g.Start-origin, 0), g.Start+g.Length-origin
		if end > 0 {
			after = append(after, recorder.Gap{Start: start, Length: end - start})
		}
	}
	return after
}
