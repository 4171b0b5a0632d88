package timeline

import (
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

const (
	// An error below engageLow is left alone, so that what comes from a file
	// or a pattern stays bit for bit, and what a device's driver takes to
	// settle its stamps is not followed; so is one that may be noise, up to
	// engageHigh, half of the 10 ms that are promised. At ±1000 ppm it then
	// grows for as long as the speed takes to get there, by 2.8 ms: 2.5 s of
	// stretchSlew and stretchEase behind that.
	engageLow  = 3e-3
	engageHigh = 5e-3
	// What is left decays slowly, with calmTime, for nobody needs it gone: 2 ms
	// are a change of speed by 67 ppm. What is above calmRange decays with
	// pullTime, but no faster than pullLimit allows: 1½ ms in a second, two
	// cents and a half. An error above pullRange would take minutes; it waits
	// for a gap.
	calmRange = 2e-3
	calmTime  = 30.0
	pullTime  = 8.0
	pullLimit = 1500e-6
	pullRange = 0.25
)

// audioStream is one direction of a voice: it turns packets into frames at the
// track's rate, each at its place. A run is audio without a gap in it.
//
//	PCM ─► fixed ratio, to the track's rate ─► stretcher ─► frames at cursor
//	 stamp ─► sourceClock ─► error against the place ─► speed ┘
type audioStream struct {
	rate, channels int

	format    media.AudioFormat
	resampler *ffmpeg.Resampler
	stretch   stretcher
	frames    []float32 // of the packet being laid
	steady    []float32 // the same at nominal speed

	located bool // clock is valid
	clock   sourceClock
	alarm   shiftAlarm
	sober   float64 // drift before the alarm began to rise
	hold    holdback
	spare   holdback // see release

	start  int64 // position of the run's first frame
	taken  int64 // source frames of the run
	cursor int64 // position behind the last frame laid out

	largest float64 // error that was corrected by resampling, in seconds
	gaps    Gaps
}

// due is when the source's next frame, and the given number more, would come at
// the nominal rate.
func (s *audioStream) due(more int64) time.Duration {
	return TimeOf(s.start, int64(s.rate)) + TimeOf(s.taken+more, int64(s.format.Rate))
}

// error is how far the stamp of the packet behind all held ones is from where
// it is expected, in seconds.
func (s *audioStream) error(at time.Duration) float64 {
	return (at - s.due(s.hold.frames)).Seconds() - s.clock.offset - s.clock.drift*s.hold.length
}

// suspicious says whether a packet with this error has to be held.
func (s *audioStream) suspicious(e float64) bool {
	if s.alarm.calm() {
		s.sober = s.clock.drift
	}
	return s.alarm.observe(e, s.clock.jitter) || math.Abs(e) > tolerance(s.clock.jitter)
}

// judge judges what is held.
func (s *audioStream) judge(forced bool) (verdict, bool) { return s.hold.decide(&s.clock, forced) }

// release empties hold and returns what was in it, valid until the next call.
func (s *audioStream) release() holdback {
	h := s.hold
	s.hold, s.spare = s.spare, h
	s.hold.clear()
	return h
}

// convert turns the run's next PCM into frames, valid until the next call.
func (s *audioStream) convert(data []byte) (frames []float32, err error) {
	s.steer()
	n := len(data) / s.format.FrameBytes()
	s.steady, err = s.resampler.Convert(s.steady[:0], data)
	if err != nil {
		return nil, err
	}
	s.taken += int64(n)
	s.clock.advance(float64(n) / float64(s.format.Rate))
	s.frames = s.stretch.convert(s.frames[:0], s.steady)
	return s.frames, nil
}

// steer sets the stretcher's speed: the source's own, and what takes the error
// away.
func (s *audioStream) steer() {
	e := s.lag()
	far := math.Abs(e) > pullRange
	if !s.stretch.engaged && (far || math.Abs(e) <= s.threshold()) {
		return
	}
	pull := 0.0
	if !far {
		calm := clamp(e, -calmRange, calmRange)
		pull = clamp(calm/calmTime+(e-calm)/pullTime, -pullLimit, pullLimit)
		s.largest = max(s.largest, math.Abs(e))
	}
	s.stretch.aim(-(s.clock.drift + pull))
}

// lag is how much later the source's next frame was captured than where it
// would be laid out now, in seconds.
func (s *audioStream) lag() float64 {
	return s.clock.offset - s.stretch.skew/float64(s.rate)
}

func (s *audioStream) threshold() float64 {
	return clamp(4*s.clock.uncertainty(), engageLow, engageHigh)
}

// end drains the run. The next one begins behind it unless it is moved.
func (s *audioStream) end() (frames []float32, err error) {
	if s.resampler == nil {
		return nil, nil
	}
	s.steady, err = s.resampler.Flush(s.steady[:0])
	if err != nil {
		return nil, err
	}
	s.frames = s.stretch.flush(s.stretch.convert(s.frames[:0], s.steady))
	return s.frames, nil
}

// begin starts a run at a position. The source's time goes on.
func (s *audioStream) begin(start int64) {
	if s.located {
		s.clock.offset += (s.due(0) - TimeOf(start, int64(s.rate))).Seconds()
	}
	s.start, s.cursor, s.taken = start, start, 0
}

// use makes the stream ready for a format, whose run has ended.
func (s *audioStream) use(f media.AudioFormat) error {
	s.close()
	r, err := ffmpeg.NewResampler(f, s.rate, s.channels)
	if err != nil {
		return err
	}
	s.resampler, s.format = r, f
	s.clock.vod, s.clock.vdd = 0, driftPrior*driftPrior // perhaps another device
	return nil
}

func (s *audioStream) close() {
	if s.resampler != nil {
		s.resampler.Close()
		s.resampler = nil
	}
}

// seconds converts from seconds, to the nearest nanosecond.
func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }
