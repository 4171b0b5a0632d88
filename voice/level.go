package voice

import (
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// A LevelEvent is the level of a piece of audio, over all of its channels.
type LevelEvent struct {
	Stream    pipeline.Stream // whose voice it is
	Time      time.Duration   // when the piece was captured, on the kit's clock
	Duration  time.Duration
	RMS, Peak float64 // dBFS, not below [MinLevel]
	Direction media.Direction
}

// defaultWindow is about what ear and eye take as one moment.
const defaultWindow = 100 * time.Millisecond

// Level measures audio, which passes untouched, and calls f for each window of
// it; 0 is 100 ms. Windows go by the frames and times of the audio: there is
// none for a time without audio, and a shorter one before a gap of more than 50
// ms, a change of format and the end.
//
// f is called in the goroutine of the source, so it must not wait, and for
// several streams at once where they share the stage. To know whose level it is,
// make a stage for each. A panic of f is a failure of the stage.
//
// With a negative window or without f audio passes with an error that wraps
// [ErrSetting].
func Level(window time.Duration, f func(LevelEvent)) Stage {
	var err error
	switch {
	case window < 0:
		err = fmt.Errorf("%w: level window of %v (allowed: 0 for %v, or more)", ErrSetting, window, defaultWindow)
	case f == nil:
		err = fmt.Errorf("%w: level without a function to call", ErrSetting)
	case window == 0:
		window = defaultWindow
	}
	return func(of pipeline.Stream) pipeline.Processor {
		l := &level{of: of, f: f, err: err}
		l.meter = meter{to: l, length: window}
		return l
	}
}

type level struct {
	meter
	of  pipeline.Stream
	f   func(LevelEvent)
	err error
}

func (l *level) Process(s media.Sample, emit func(media.Sample)) error {
	emit(s)
	if l.err == nil {
		l.measure(s)
	}
	return l.err
}

// Flush measures what is left; it emits nothing.
func (l *level) Flush(func(media.Sample)) error {
	l.end()
	return nil
}

func (l *level) block(b block) {
	l.f(LevelEvent{Stream: l.of, Time: b.time, Duration: b.length, RMS: b.rms, Peak: b.peak, Direction: b.direction})
}

func (l *level) jump(time.Duration, time.Duration) {}
