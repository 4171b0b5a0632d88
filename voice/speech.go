package voice

import (
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// SpeechOptions say what [Speech] takes for speech. The zero value of a field
// means its default. Levels are RMS in dBFS.
type SpeechOptions struct {
	Open    float64       // what is louder may be speech; -40
	Close   float64       // what is softer may be its end; 10 below Open
	Attack  time.Duration // how long it must be louder without a break; 60 ms
	Release time.Duration // how long it must be softer without a break; 500 ms
}

func (o SpeechOptions) withDefaults() SpeechOptions {
	if o.Open == 0 {
		o.Open = -40
	}
	if o.Close == 0 {
		o.Close = o.Open - 10
	}
	if o.Attack == 0 {
		o.Attack = 60 * time.Millisecond
	}
	if o.Release == 0 {
		o.Release = 500 * time.Millisecond
	}
	return o
}

func (o SpeechOptions) validate() error {
	switch {
	case !(MinLevel < o.Close && o.Close <= o.Open): // so written that NaN fails
		return fmt.Errorf("%w: speech opens at %g dBFS and closes at %g (allowed: to close above %g, at no more than to open)", ErrSetting, o.Open, o.Close, MinLevel)
	case o.Attack < 0, o.Release < 0:
		return fmt.Errorf("%w: speech attack of %v, release of %v (allowed: 0 for the default, or more)", ErrSetting, o.Attack, o.Release)
	}
	return nil
}

// A SpeechEvent says that somebody begins or ceases to speak.
type SpeechEvent struct {
	Stream   pipeline.Stream // whose voice it is
	Speaking bool
	// Time is when the speech really began or ended, on the kit's clock: the
	// first moment of Attack or Release, not the last, at which it is known.
	Time      time.Duration
	Direction media.Direction
}

// step is how finely Speech looks: a period of the lowest voices, so that their
// level does not go up and down with it.
const step = 10 * time.Millisecond

// Speech calls f when somebody begins and ceases to speak, which it knows by
// level alone; audio passes untouched. Times are to 10 ms, and all of them go by
// the audio's own. A gap of more than 50 ms is silence; where times go back by
// as much, and at the end of the stream, speech ends. As no clock is asked,
// silence that is a lack of samples is reported with the sample that follows, or
// at the end.
//
// f is called in the goroutine of the source, so it must not wait, and for
// several streams at once where they share the stage. To know who speaks, make a
// stage for each. A panic of f is a failure of the stage.
//
// With impossible options or without f audio passes with an error that wraps
// [ErrSetting].
func Speech(o SpeechOptions, f func(SpeechEvent)) Stage {
	o = o.withDefaults()
	err := o.validate()
	if err == nil && f == nil {
		err = fmt.Errorf("%w: speech without a function to call", ErrSetting)
	}
	return func(of pipeline.Stream) pipeline.Processor {
		d := &speech{of: of, o: o, f: f, err: err}
		d.meter = meter{to: d, length: step}
		return d
	}
}

type speech struct {
	meter
	of  pipeline.Stream
	o   SpeechOptions
	f   func(SpeechEvent)
	err error

	speaking bool
	// turned is for how long it has sounded as if speaking should change, and
	// since is from when on.
	turned, since time.Duration
}

func (d *speech) Process(s media.Sample, emit func(media.Sample)) error {
	emit(s)
	if d.err == nil {
		d.measure(s)
	}
	return d.err
}

// Flush ends the stream, and with it speech; it emits nothing.
func (d *speech) Flush(func(media.Sample)) error {
	due := d.stamps.due
	d.end()
	d.cease(due)
	return nil
}

func (d *speech) block(b block) {
	if d.speaking {
		d.observe(b.rms < d.o.Close, b.time, b.length)
	} else {
		d.observe(b.rms > d.o.Open, b.time, b.length)
	}
}

func (d *speech) jump(from, to time.Duration) {
	if to < from {
		d.cease(from)
		return
	}
	d.observe(d.speaking, from, to-from) // silence
}

// observe takes a piece that speaks for a change, or not.
func (d *speech) observe(change bool, at, length time.Duration) {
	if !change {
		d.turned = 0
		return
	}
	if d.turned == 0 {
		d.since = at
	}
	d.turned += length
	enough := d.o.Attack
	if d.speaking {
		enough = d.o.Release
	}
	if d.turned >= enough {
		d.turn(d.since)
	}
}

// cease ends speech at an instant, or where it has become silent before.
func (d *speech) cease(at time.Duration) {
	if !d.speaking {
		d.turned = 0
		return
	}
	if d.turned > 0 {
		at = d.since
	}
	d.turn(at)
}

func (d *speech) turn(at time.Duration) {
	d.speaking, d.turned = !d.speaking, 0
	d.f(SpeechEvent{Stream: d.of, Speaking: d.speaking, Time: at, Direction: d.direction})
}
