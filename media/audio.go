package media

import (
	"fmt"
	"sync"
	"time"
)

// SampleFormat is how one PCM value is stored. All formats are little-endian.
type SampleFormat uint8

// The PCM sample formats.
const (
	S16 SampleFormat = iota // 16 bit signed; the default
	U8                      // 8 bit unsigned, silence is 128
	S8                      // 8 bit signed
	S32                     // 32 bit signed
	F32                     // 32 bit float, full scale is ±1
)

// Bytes returns the size of one value.
func (f SampleFormat) Bytes() int {
	switch f {
	case U8, S8:
		return 1
	case S16:
		return 2
	}
	return 4
}

// String returns "s16", "u8", "s8", "s32" or "f32".
func (f SampleFormat) String() string {
	switch f {
	case S16:
		return "s16"
	case U8:
		return "u8"
	case S8:
		return "s8"
	case S32:
		return "s32"
	case F32:
		return "f32"
	}
	return "unknown"
}

// AudioFormat describes PCM audio.
type AudioFormat struct {
	Rate     int // frames per second, 1 to 768000
	Channels int // 1 or 2, interleaved
	Sample   SampleFormat
}

const maxRate = 768_000

// IsZero reports whether nothing is declared.
func (f AudioFormat) IsZero() bool { return f == AudioFormat{} }

// FrameBytes returns the size of one frame, that is one value per channel.
func (f AudioFormat) FrameBytes() int { return f.Channels * f.Sample.Bytes() }

// Duration returns how long the given number of frames lasts, rounded down to
// nanoseconds; zero without a rate. Whole seconds are counted apart, or the
// product would overflow after two days of 48 kHz.
func (f AudioFormat) Duration(frames int) time.Duration {
	if f.Rate < 1 {
		return 0
	}
	n, rate := time.Duration(frames), time.Duration(f.Rate)
	return n/rate*time.Second + n%rate*time.Second/rate
}

// Validate returns an error that wraps [ErrFormat] for an impossible format.
func (f AudioFormat) Validate() error {
	if f.Rate < 1 || f.Rate > maxRate {
		return fmt.Errorf("%w: sample rate %d Hz (allowed: 1 to %d)", ErrFormat, f.Rate, maxRate)
	}
	if f.Channels != 1 && f.Channels != 2 {
		return fmt.Errorf("%w: %d audio channels (allowed: 1 or 2)", ErrFormat, f.Channels)
	}
	if f.Sample > F32 {
		return fmt.Errorf("%w: sample format %d (allowed: s16, u8, s8, s32, f32)", ErrFormat, f.Sample)
	}
	return nil
}

// String returns for example "16000 Hz mono s16".
func (f AudioFormat) String() string {
	layout := "mono"
	if f.Channels == 2 {
		layout = "stereo"
	}
	return fmt.Sprintf("%d Hz %s %s", f.Rate, layout, f.Sample)
}

// PCM is a piece of raw audio.
type PCM struct {
	Format AudioFormat
	Data   []byte // interleaved, little-endian, a whole number of frames

	refs refs
	pool *PCMPool
}

// Frames returns the number of frames in Data.
func (p *PCM) Frames() int {
	if n := p.Format.FrameBytes(); n > 0 {
		return len(p.Data) / n
	}
	return 0
}

// Duration returns how long the audio lasts.
func (p *PCM) Duration() time.Duration { return p.Format.Duration(p.Frames()) }

// Validate checks the format and that Data is a whole number of frames.
func (p *PCM) Validate() error {
	if err := p.Format.Validate(); err != nil {
		return err
	}
	if n := p.Format.FrameBytes(); len(p.Data) == 0 || len(p.Data)%n != 0 {
		return fmt.Errorf("%w: %d bytes of PCM are no whole number of %d-byte frames (%s)",
			ErrLength, len(p.Data), n, p.Format)
	}
	return nil
}

// Retain adds a reference.
func (p *PCM) Retain() { p.refs.retain() }

// Release gives a reference back; with the last one a pooled buffer returns
// to its pool.
func (p *PCM) Release() {
	if p.refs.release() && p.pool != nil {
		p.pool.free.Put(p)
	}
}

// PCMPool recycles PCM buffers. The zero value is ready; it is safe for
// concurrent use.
type PCMPool struct{ free sync.Pool }

// Get returns a buffer of the given format and number of frames with one
// reference. Its data is not cleared.
func (pool *PCMPool) Get(f AudioFormat, frames int) *PCM {
	p, _ := pool.free.Get().(*PCM)
	if p == nil {
		p = &PCM{pool: pool}
	}
	p.refs.reset()
	p.Format = f
	n := frames * f.FrameBytes()
	if cap(p.Data) < n {
		p.Data = make([]byte, n)
	}
	p.Data = p.Data[:n]
	return p
}
