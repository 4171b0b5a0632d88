package testpattern

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// The rhythm of the sync pattern.
const (
	flashEvery = time.Second
	flashFor   = 100 * time.Millisecond
)

// FlashAt reports whether the [AVSync] pattern is white, and beeps, at the
// given time since t0, that is since the capture of the session's first
// sample. A picture is white if this holds for its capture time, so the first
// white picture of a second comes up to one picture interval after the beep
// unless the rate puts one exactly there, as every whole FPS without jitter
// does.
func FlashAt(since time.Duration) bool {
	return since >= flashEvery && since%flashEvery < flashFor
}

// flashPainter hands out the same two pictures again and again.
type flashPainter struct{ black, white *media.Picture }

func newFlashPainter(f media.VideoFormat) *flashPainter {
	return &flashPainter{black: plain(f, black), white: plain(f, white)}
}

func plain(f media.VideoFormat, c rgb) *media.Picture {
	p := media.NewPicture(f)
	canvas{p}.fill(0, 0, f.Width, f.Height, inkFor(f, c))
	return p
}

func (f *flashPainter) paint(_ int, since time.Duration) *media.Picture {
	p := f.black
	if FlashAt(since) {
		p = f.white
	}
	p.Retain()
	return p
}
