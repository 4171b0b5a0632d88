package testpattern

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// Pattern is what is to be seen and heard.
type Pattern uint8

// The patterns.
const (
	// Moving shows colour bars, a moving box, the time since the start, the
	// picture's number and a name, with a steady tone; the default.
	Moving Pattern = iota
	// AVSync is black and silent but for a white flash and a beep of 100 ms at
	// each full second from the first on. See [FlashAt].
	AVSync
)

// Options describe a test pattern. The zero value of a field means its
// default.
type Options struct {
	Pattern Pattern
	// Name is shown in the moving pattern, in ASCII; default the session's
	// participant.
	Name string

	// NoVideo and NoAudio leave a stream out even if the session wants it.
	NoVideo, NoAudio bool
	// Screen announces the pictures as a screen share instead of a camera.
	Screen bool

	// Width and Height of the pictures in pixels; default 640x480.
	Width, Height int
	// Pixel is the pictures' format; default I420.
	Pixel media.PixelFormat
	// FPS is the number of pictures per second, up to 1000; default 30.
	FPS float64
	// Jitter moves each capture by a random part of the interval between two
	// pictures, at most ±Jitter of it: 0 (none) to 0.49. Samples carry the
	// instant at which they really were captured.
	Jitter float64
	// Seed makes another sequence of Jitter.
	Seed uint64

	// Rate is the audio's sample rate in Hz; default 48000. Samples are s16.
	Rate int
	// Channels is 1 (default) or 2, both alike.
	Channels int
	// Packet is how long one audio sample lasts, 1 ms to 1 s; default 20 ms.
	Packet time.Duration
	// Tone is the frequency of the moving pattern's tone in Hz, below half of
	// Rate; default 440. Give participants different ones to tell them apart.
	Tone int

	// Duration ends the source by itself; 0 is endless.
	Duration time.Duration
	// Live delivers as a device does, with Push, which loses what a slow
	// recorder cannot take. Otherwise the source waits for the recorders.
	Live bool
	// Start, if it is not nil, holds the source back until it is closed; the
	// first sample is captured at the clock's reading then. A virtual clock
	// stands still until that.
	Start <-chan struct{}
}

// The strength of what is heard, of full scale.
const (
	toneAmplitude = 0.25
	beepAmplitude = 0.8
	beepHz        = 1000
)

func (o Options) withDefaults() Options {
	setDefault(&o.Width, 640)
	setDefault(&o.Height, 480)
	setDefault(&o.FPS, 30)
	setDefault(&o.Rate, 48000)
	setDefault(&o.Channels, 1)
	setDefault(&o.Packet, 20*time.Millisecond)
	setDefault(&o.Tone, 440)
	if o.Pattern == AVSync {
		o.Tone = beepHz
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	switch {
	case o.Pattern > AVSync:
		return fmt.Errorf("option Pattern is %d (allowed: Moving, AVSync)", o.Pattern)
	case o.NoVideo && o.NoAudio:
		return errors.New("options: both NoVideo and NoAudio are set")
	case !(o.FPS > 0 && o.FPS <= 1000):
		return fmt.Errorf("option FPS is %g (allowed: above 0 to 1000)", o.FPS)
	case !(o.Jitter >= 0 && o.Jitter <= 0.49):
		return fmt.Errorf("option Jitter is %g (allowed: 0 to 0.49)", o.Jitter)
	case o.Packet < time.Millisecond || o.Packet > time.Second:
		return fmt.Errorf("option Packet is %v (allowed: 1ms to 1s)", o.Packet)
	case o.Duration < 0:
		return fmt.Errorf("option Duration is %v (allowed: 0 for endless, or more)", o.Duration)
	}
	if err := o.video().Validate(); err != nil {
		return err
	}
	if err := o.audio().Validate(); err != nil {
		return err
	}
	if o.Tone < 1 || o.Tone > o.Rate/2 {
		return fmt.Errorf("tone of %d Hz (allowed: 1 to half of the rate of %d Hz)", o.Tone, o.Rate)
	}
	return nil
}

func (o Options) video() media.VideoFormat {
	f := media.VideoFormat{Pixel: o.Pixel, Width: o.Width, Height: o.Height, Rate: o.FPS}
	if o.Pixel == media.I420 || o.Pixel == media.NV12 {
		f.Color = f.ResolvedColor()
	}
	return f
}

func (o Options) audio() media.AudioFormat {
	return media.AudioFormat{Rate: o.Rate, Channels: o.Channels, Sample: media.S16}
}

// packetFrames is the number of audio frames in a sample, at least one.
func (o Options) packetFrames() int {
	return max(1, int(math.Round(o.Packet.Seconds()*float64(o.Rate))))
}
