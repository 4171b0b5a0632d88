package voice

import (
	"fmt"
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/pcm"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

const (
	// maxRatio is the most that a rate is changed by: 8 kHz to 768 kHz is 96.
	// Far beyond, the filter takes seconds to make and gigabytes to drain.
	maxRatio = 256
	// maxPiece bounds what is made at once, in frames: more than a second at
	// 48 kHz, and less than a large sample of a low rate would come to.
	maxPiece = 1 << 16
)

// Resample turns audio of any format into f: rate, channels and sample format.
// Mono becomes stereo at full level, stereo mono as the average of both. It
// calculates in floats of 24 bits, rounds to the nearest and saturates. Audio
// that has the format already passes untouched.
//
// Nothing is shifted or lost: n frames become n·f.Rate/rate, to the nearest. A
// few milliseconds are held back, and what comes out bears the time at which it
// was captured, with the jitter of what came in. When the format changes, the
// times jump by more than 50 ms, forth or back, or the stream ends, what is held
// back comes out first, with its own time. A very long sample comes out as
// several.
//
// What cannot be done passes unchanged, with an error that wraps
// [media.ErrFormat]: an impossible f, or a rate more than 256 times higher or
// lower than that of f.
func Resample(f media.AudioFormat) Stage {
	err := f.Validate()
	if err != nil {
		err = fmt.Errorf("voice: resample: %w", err)
	}
	return func(pipeline.Stream) pipeline.Processor { return &resample{to: f, err: err} }
}

type resample struct {
	to  media.AudioFormat
	err error // nothing can be turned into to

	from   media.AudioFormat
	conv   *ffmpeg.Resampler // nil if from is to, or cannot be turned into it
	unable error             // why it cannot

	stamps    stamps
	direction media.Direction
	missed    int // what no output has told yet
	// held is how much more went into conv than came out, in parts of
	// 1/(from.Rate·to.Rate) seconds, in which both are whole numbers.
	held   int64
	floats []float32
	pool   media.PCMPool
}

func (r *resample) Process(s media.Sample, emit func(media.Sample)) error {
	if r.err != nil {
		return r.err
	}
	if r.stamps.another(s) || !within(r.stamps.off(s), jitter) {
		if err := r.Flush(emit); err != nil {
			return pass(s, emit, err)
		}
	}
	if err := r.open(s.PCM.Format); err != nil {
		return pass(s, emit, err)
	}
	if r.conv == nil {
		emit(s)
		return nil
	}
	r.stamps.passed(s)
	r.direction = s.Direction
	r.missed += s.Missed
	return r.convert(s, emit)
}

// pass emits what could not be converted. Where something was emitted before it,
// the chain would not.
func pass(s media.Sample, emit func(media.Sample), err error) error {
	emit(s)
	return err
}

// open makes ready for a format.
func (r *resample) open(f media.AudioFormat) error {
	if f == r.from {
		return r.unable
	}
	r.shut()
	r.from = f
	switch {
	case f == r.to:
	case f.Rate > maxRatio*r.to.Rate, r.to.Rate > maxRatio*f.Rate:
		r.unable = fmt.Errorf("voice: resample: %w: from %d Hz to %d Hz (allowed: up to %d times as many or as few)",
			media.ErrFormat, f.Rate, r.to.Rate, maxRatio)
	default:
		r.conv, r.unable = ffmpeg.NewResampler(f, r.to.Rate, r.to.Channels)
	}
	return r.unable
}

// shut frees the resampler, with what it holds.
func (r *resample) shut() {
	if r.conv != nil {
		r.conv.Close()
	}
	r.conv, r.unable, r.from, r.stamps, r.held = nil, nil, media.AudioFormat{}, stamps{}, 0
}

func (r *resample) convert(s media.Sample, emit func(media.Sample)) error {
	size := r.from.FrameBytes()
	most := max(1, int(maxPiece*int64(r.from.Rate)/int64(r.to.Rate)))
	for at, frames := 0, s.PCM.Frames(); at < frames; {
		n := min(frames-at, most)
		var err error
		r.floats, err = r.conv.Convert(r.floats[:0], s.PCM.Data[at*size:(at+n)*size])
		if err != nil {
			r.shut()
			if at == 0 {
				emit(s)
			}
			return err
		}
		r.give(s.Time+r.from.Duration(at), emit)
		r.held += int64(n) * int64(r.to.Rate)
		at += n
	}
	return nil
}

// give emits what has been converted; at is the time of what went in.
func (r *resample) give(at time.Duration, emit func(media.Sample)) {
	frames := len(r.floats) / r.to.Channels
	if frames == 0 {
		return
	}
	out := media.Sample{Time: at - r.delay(), Direction: r.direction, Missed: r.missed, PCM: r.pool.Get(r.to, frames)}
	pcm.Encode(out.PCM.Data, r.to.Sample, r.floats)
	r.missed = 0
	r.held -= int64(frames) * int64(r.from.Rate)
	emit(out)
}

// delay returns how long before what goes in next the next output was captured.
func (r *resample) delay() time.Duration {
	return time.Duration(math.Round(float64(r.held) / (float64(r.from.Rate) * float64(r.to.Rate)) * float64(time.Second)))
}

// Flush emits what is held back.
func (r *resample) Flush(emit func(media.Sample)) error {
	if !r.stamps.begun {
		return nil
	}
	end := r.stamps.due
	r.stamps = stamps{}
	var err error
	if r.floats, err = r.conv.Flush(r.floats[:0]); err != nil {
		r.shut()
		return err
	}
	r.give(end, emit)
	r.held = 0
	return nil
}

// Close frees the resampler.
func (r *resample) Close() error {
	r.shut()
	return nil
}
