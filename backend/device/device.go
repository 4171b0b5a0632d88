// Package device captures from microphones, cameras and screens.
//
// Samples carry the instant of their capture: the device's own time stamps,
// mapped to the session's clock, so that neither buffers nor a busy machine
// move them. Devices cannot wait; they deliver with Push. Capturing needs a
// real clock: on a virtual one no time passes while a device works.
package device

import (
	"context"
	"errors"
	"fmt"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Options say what to capture. The zero value of a field means its default.
type Options struct {
	// Device names it; default the one the system prefers. See [List] for what
	// there is.
	//   - Microphones: "pulse:NAME", "alsa:NAME", or the name, a part of the
	//     description or the number of a listed one.
	//   - Cameras: a path such as /dev/video0, its number, or a part of the
	//     description of a listed one.
	//   - Screens: an X11 display such as ":0" or ":0.0+100,200"; default that
	//     of the environment.
	Device string

	// Width and Height of pictures in pixels; default the driver's choice for
	// a camera, and all of a screen.
	Width, Height int
	// FPS is the number of pictures per second to ask for; default the
	// driver's choice for a camera, 30 for a screen.
	FPS float64
	// HideCursor leaves the mouse pointer out of a screen.
	HideCursor bool

	// Rate and Channels of a microphone; default 48000 Hz, mono.
	Rate, Channels int
}

// Backend captures from one device. It is safe for concurrent use; whether
// several sessions at once can have the device is the system's decision.
type Backend struct {
	kind media.Kind
	opt  Options
	// find returns what to try, best first; a seam for tests.
	find func(ctx context.Context, kind media.Kind, o Options) ([]source, error)
}

var _ backend.Backend = (*Backend)(nil)

// A source is one way to open a device with FFmpeg.
type source struct {
	format, name string
	options      map[string]string
}

func (s source) String() string { return s.format + " " + s.name }

// NewMicrophone returns a backend that delivers a microphone as audio, in
// pieces of about 20 ms where the system allows it.
func NewMicrophone(o Options) *Backend {
	if o.Rate == 0 {
		o.Rate = 48000
	}
	if o.Channels == 0 {
		o.Channels = 1
	}
	return &Backend{media.KindAudio, o, sources}
}

// NewCamera returns a backend that delivers a camera as video.
func NewCamera(o Options) *Backend { return &Backend{media.KindVideo, o, sources} }

// NewScreen returns a backend that delivers a screen as a screen share.
func NewScreen(o Options) *Backend {
	if o.FPS == 0 {
		o.FPS = 30
	}
	return &Backend{media.KindScreen, o, sources}
}

// noun is what people call a device of the kind.
func noun(k media.Kind) string {
	switch k {
	case media.KindAudio:
		return "microphone"
	case media.KindVideo:
		return "camera"
	}
	return "screen"
}

// Name implements [backend.Backend].
func (b *Backend) Name() string {
	if b.opt.Device == "" {
		return noun(b.kind)
	}
	return noun(b.kind) + " " + b.opt.Device
}

// Connect implements [backend.Backend]. The error wraps [backend.ErrNotFound]
// if there is no such device; it says what was looked for.
func (b *Backend) Connect(ctx context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	if s.Clock == nil {
		return nil, errors.New("device: session has no clock")
	}
	if s.Wants != nil && !s.Wants(b.kind) {
		return nil, fmt.Errorf("%s: %w", b.Name(), backend.ErrNoMedia)
	}
	conn := running.New(ctx, sink)
	c, err := b.open(conn.Context(), s, sink)
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("%s: %w", b.Name(), ctx.Err())
		}
		return nil, err
	}
	return conn.Start(ctx, running.Stream{Run: c.run})
}

// open opens the first source that works and announces its track.
func (b *Backend) open(ctx context.Context, s backend.Session, sink backend.Sink) (*capture, error) {
	if err := b.opt.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	tries, err := b.find(ctx, b.kind, b.opt)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, src := range tries {
		in, err := ffmpeg.OpenInput(ctx, src.name, ffmpeg.InputOptions{Format: src.format, Options: src.options})
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", src, err))
			continue
		}
		s.Log.Debug("device opened", "kind", b.kind, "source", src.String())
		return b.announce(in, s, sink)
	}
	return nil, cannotOpen(b.kind, failures)
}

// announce makes a capture of an open input, which it takes over.
func (b *Backend) announce(in *ffmpeg.Input, s backend.Session, sink backend.Sink) (*capture, error) {
	c := &capture{name: b.Name(), in: in, clock: s.Clock, log: s.Log.With("device", b.Name())}
	err := c.openDecoder(b.kind)
	if err == nil {
		c.track, err = running.Wanted(s, sink, c.describe(b.kind, b.opt.FPS))
	}
	if err == nil && c.track == nil {
		err = backend.ErrNoMedia
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return c, nil
}

func (o Options) validate() error {
	switch {
	case o.Width < 0 || o.Height < 0 || (o.Width == 0) != (o.Height == 0):
		return fmt.Errorf("size is %dx%d (allowed: both sides above 0, or neither given)", o.Width, o.Height)
	case !(o.FPS >= 0 && o.FPS <= 1000):
		return fmt.Errorf("FPS is %g (allowed: 0 to 1000)", o.FPS)
	}
	if o.Rate == 0 && o.Channels == 0 {
		return nil
	}
	return media.AudioFormat{Rate: o.Rate, Channels: o.Channels}.Validate()
}
