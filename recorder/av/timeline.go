package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// gapTolerance is how far a packet's capture time may lie from where the
	// packets before it end and still follow on them: stamps jitter, audio
	// does not. Beyond it the time is believed: a gap is filled with silence,
	// an overlap is cut.
	gapTolerance = 30 * time.Millisecond
	// settleTime is how long audio waits in the timeline for the other
	// direction of the same voice to be added to it. Both are delivered when
	// they have been captured or played, so only scheduling separates them.
	settleTime = 200 * time.Millisecond
)

// audioTimeline lays the audio of one track out on the recording's timeline at
// the track's rate: each piece where its capture time says, the inbound and the
// outbound direction summed, silence where there is nothing. What it gives out
// has no holes and as many frames as its time says.
//
//	inbound  ──resample──►┐
//	                      ├─ + ─► [ buf: frames base … base+len ] ─► next
//	outbound ──resample──►┘
type audioTimeline struct {
	rate, channels int

	begun   bool
	base    int64     // position of buf's first frame, in frames from the gate's zero
	buf     []float32 // interleaved
	streams [2]audioStream
	scratch []float32
}

// audioStream is one direction: where its next frame goes, and when its next
// sample is expected.
type audioStream struct {
	format    media.AudioFormat
	resampler *ffmpeg.Resampler
	cursor    int64 // position behind the last frame laid out
	skip      int64 // frames to leave out, since their place is taken already
	begin     time.Duration
	frames    int64 // taken since begin, at the source's rate
}

func (s *audioStream) expected() time.Duration {
	return s.begin + timeOf(s.frames, int64(s.format.Rate))
}

func newAudioTimeline(rate, channels int) *audioTimeline {
	return &audioTimeline{rate: rate, channels: channels}
}

// position returns the frame that belongs at a time.
func (t *audioTimeline) position(at time.Duration) int64 { return ticks(at, int64(t.rate)) }

// ticks converts a time that is not negative into units of which a second has
// the given number, to the nearest. Seconds are converted apart, so that no
// product overflows.
func ticks(at time.Duration, perSecond int64) int64 {
	sec, rest := int64(at/time.Second), int64(at%time.Second)
	return sec*perSecond + (rest*perSecond+int64(time.Second)/2)/int64(time.Second)
}

// timeOf is the inverse of ticks.
func timeOf(n, perSecond int64) time.Duration {
	return time.Duration(n/perSecond)*time.Second + time.Duration(n%perSecond)*time.Second/time.Duration(perSecond)
}

// placed says what became of a piece of audio.
type placed uint8

const (
	inPlace     placed = iota
	beforeStart        // all of it was captured before zero
	behind             // all of its place is taken already
)

// add lays a piece of audio out that was captured at a time counted from the
// gate's zero; negative is too early for any place. It returns the position
// behind its last frame.
func (t *audioTimeline) add(dir media.Direction, at time.Duration, pcm *media.PCM) (end int64, what placed, err error) {
	data := pcm.Data
	if at <= -pcm.Duration() { // first, for the product below overflows far before zero
		return 0, beforeStart, nil
	}
	if at < 0 { // cut to the sample
		cut := int((int64(-at)*int64(pcm.Format.Rate) + int64(time.Second) - 1) / int64(time.Second))
		if cut >= pcm.Frames() {
			return 0, beforeStart, nil
		}
		at += pcm.Format.Duration(cut)
		at = max(at, 0)
		data = data[cut*pcm.Format.FrameBytes():]
	}
	s := &t.streams[dir]
	if s.resampler == nil || s.format != pcm.Format || (at-s.expected()).Abs() > gapTolerance {
		if err := t.restart(s, at, pcm.Format); err != nil {
			return 0, inPlace, err
		}
	}
	s.frames += int64(len(data) / pcm.Format.FrameBytes())
	t.scratch, err = s.resampler.Convert(t.scratch[:0], data)
	if err != nil {
		return 0, inPlace, err
	}
	if laid := t.lay(s, t.scratch); laid == 0 && len(t.scratch) > 0 {
		return s.cursor, behind, nil
	}
	return s.cursor, inPlace, nil
}

// restart begins a new run of a stream at a time, after what its resampler
// still holds of the run before has been laid out.
func (t *audioTimeline) restart(s *audioStream, at time.Duration, f media.AudioFormat) error {
	if err := t.drain(s); err != nil {
		return err
	}
	if s.resampler == nil || s.format != f {
		if s.resampler != nil {
			s.resampler.Close()
			s.resampler = nil
		}
		r, err := ffmpeg.NewResampler(f, t.rate, t.channels)
		if err != nil {
			return err
		}
		s.resampler = r
	}
	s.format, s.begin, s.frames = f, at, 0
	start := t.position(at)
	if !t.begun {
		t.begun, t.base = true, start
	}
	free := max(s.cursor, t.base) // nothing goes where this stream, or the file, is already
	s.skip = max(free-start, 0)
	s.cursor = max(start, free)
	return nil
}

// drain lays out what the stream's resampler still holds.
func (t *audioTimeline) drain(s *audioStream) (err error) {
	if s.resampler == nil {
		return nil
	}
	t.scratch, err = s.resampler.Flush(t.scratch[:0])
	if err == nil {
		t.lay(s, t.scratch)
	}
	return err
}

// lay adds frames at the stream's cursor and returns how many had a place.
func (t *audioTimeline) lay(s *audioStream, frames []float32) int64 {
	ch := int64(t.channels)
	n := int64(len(frames)) / ch
	skip := min(s.skip, n)
	s.skip -= skip
	frames, n = frames[skip*ch:], n-skip
	if late := t.base - s.cursor; late > 0 { // the other direction has been given out past here
		late = min(late, n)
		s.cursor += late
		frames, n = frames[late*ch:], n-late
	}
	if n == 0 {
		return 0
	}
	from := (s.cursor - t.base) * ch
	if need := int(from + n*ch); need > len(t.buf) {
		t.grow(need)
	}
	for i, v := range frames {
		t.buf[from+int64(i)] += v
	}
	s.cursor += n
	return n
}

// grow extends buf with silence.
func (t *audioTimeline) grow(n int) {
	have := len(t.buf)
	if n > cap(t.buf) {
		t.buf = append(make([]float32, 0, n+n/2), t.buf...)
	}
	t.buf = t.buf[:n]
	clear(t.buf[have:])
}

// gap returns how many frames of silence lie between what has been laid out
// and a time.
func (t *audioTimeline) gap(at time.Duration) int64 {
	if !t.begun {
		return 0
	}
	return t.position(at) - t.end()
}

// fill lays out n frames of silence behind everything.
func (t *audioTimeline) fill(n int64) { t.grow(len(t.buf) + int(n)*t.channels) }

// advance moves everything that is laid out, which must be silence.
func (t *audioTimeline) advance(n int64) { t.base += n }

// end is the position behind everything laid out.
func (t *audioTimeline) end() int64 { return t.base + int64(len(t.buf)/t.channels) }

// settled returns how many frames nothing more will be added to.
func (t *audioTimeline) settled() int64 {
	wait := t.position(settleTime)
	return max(int64(len(t.buf)/t.channels)-wait, 0)
}

// next gives out n frames and their position, or nil where fewer are settled;
// at the end of the track it gives out the rest, however few. The slice is
// valid until the next call of any method.
func (t *audioTimeline) next(n int, ended bool) (frames []float32, pos int64) {
	have := t.settled()
	if ended {
		have = int64(len(t.buf) / t.channels)
		n = min(n, int(have))
	}
	if n == 0 || int64(n) > have {
		return nil, 0
	}
	t.scratch = append(t.scratch[:0], t.buf[:n*t.channels]...)
	for i, v := range t.scratch { // two voices may sum to more than full scale
		t.scratch[i] = min(max(v, -1), 1)
	}
	pos = t.base
	t.base += int64(n)
	t.buf = t.buf[:copy(t.buf, t.buf[n*t.channels:])]
	return t.scratch, pos
}

// flush lays out what the resamplers still hold.
func (t *audioTimeline) flush() error {
	for i := range t.streams {
		if err := t.drain(&t.streams[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *audioTimeline) close() {
	for i := range t.streams {
		if r := t.streams[i].resampler; r != nil {
			r.Close()
			t.streams[i].resampler = nil
		}
	}
}
