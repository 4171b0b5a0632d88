package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// maxHeld bounds the bytes that are kept back while the stamper warms up:
// large pictures get less of it.
const maxHeld = 32 << 20

// capture reads one stream of a device on one goroutine.
type capture struct {
	name   string
	clock  media.Clock
	log    *slog.Logger
	in     *ffmpeg.Input
	stream ffmpeg.Stream
	dec    *ffmpeg.Decoder
	track  backend.TrackSink

	stamper  stamper
	held     []held // waits for its stamp
	holds    int    // bytes in it
	damaged  int
	pictures media.PicturePool
	pcm      media.PCMPool
}

type held struct {
	reading reading
	sample  media.Sample
}

// openDecoder chooses the stream; devices have one of a kind.
func (c *capture) openDecoder(kind media.Kind) error {
	for _, st := range c.in.Streams() {
		if (st.Kind == media.KindAudio) != (kind == media.KindAudio) || st.Kind == media.KindUnknown {
			continue
		}
		// One thread: more of them would hold pictures back.
		dec, err := c.in.NewDecoder(st.Index, ffmpeg.DecoderOptions{Threads: 1})
		c.stream, c.dec = st, dec
		return err
	}
	return fmt.Errorf("the device has no stream of %s: %w", kind, backend.ErrNoMedia)
}

// describe returns the track with what is known of its format.
func (c *capture) describe(kind media.Kind, fps float64) backend.Track {
	t := backend.Track{Kind: kind}
	if c.stream.Kind == media.KindAudio && c.stream.Audio.Validate() == nil {
		t.Audio = c.stream.Audio
	}
	if c.stream.Kind == media.KindVideo {
		if c.stream.Video.Rate == 0 {
			c.stream.Video.Rate = fps
		}
		if c.stream.Video.Validate() == nil {
			t.Video = c.stream.Video
		}
	}
	return t
}

// run delivers until the device ends or fails, or ctx ends.
func (c *capture) run(ctx context.Context) error {
	defer c.close()
	p := ffmpeg.NewPacket()
	defer func() { p.Free() }()
	for {
		stream, err := c.in.Read(p)
		arrival := c.clock.Now() // before decoding takes its time
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return c.finish(err)
		}
		if stream != c.stream.Index {
			continue
		}
		if err := c.dec.Send(p); err != nil {
			c.skip(err)
		}
		c.drain(arrival)
	}
}

// finish delivers what was kept back when the device has ended.
func (c *capture) finish(err error) error {
	if sendErr := c.dec.Send(nil); sendErr == nil {
		c.drain(c.clock.Now())
	}
	c.deliver()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("%s: %w", c.name, err)
}

// drain takes what the decoder has.
func (c *capture) drain(arrival time.Duration) {
	for {
		s, pts, err := c.receive()
		if errors.Is(err, ffmpeg.ErrAgain) || errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			c.skip(err)
			return
		}
		r := reading{arrival: arrival, pts: pts, hasPTS: pts != ffmpeg.NoPTS}
		if s.PCM != nil {
			r.duration = s.PCM.Duration()
		} else {
			s.Picture.Format.Rate = c.stream.Video.Rate
		}
		c.stamper.observe(r)
		c.held = append(c.held, held{r, s})
		if c.holds += s.Size(); c.holds > maxHeld || !c.stamper.warmingUp() {
			c.deliver()
		}
	}
}

func (c *capture) receive() (s media.Sample, pts time.Duration, err error) {
	if c.stream.Kind == media.KindAudio {
		s.PCM, pts, err = c.dec.ReceivePCM(&c.pcm)
		return s, pts, err
	}
	s.Picture, pts, err = c.dec.ReceivePicture(&c.pictures)
	return s, pts, err
}

// deliver stamps and pushes what was kept back.
func (c *capture) deliver() {
	for i, h := range c.held {
		h.sample.Time = c.stamper.stamp(h.reading)
		c.track.Push(h.sample)
		c.held[i] = held{}
	}
	c.held, c.holds = c.held[:0], 0
}

// skip notes a packet that could not be decoded; cameras send some when they
// start.
func (c *capture) skip(err error) {
	if c.damaged++; c.damaged == 1 {
		c.log.Warn("damaged data of the device is skipped", "err", err)
	}
}

func (c *capture) close() {
	if c.damaged > 1 {
		c.log.Warn("damaged data of the device was skipped", "count", c.damaged)
	}
	for _, h := range c.held {
		h.sample.Release()
	}
	c.held = nil
	if c.dec != nil {
		c.dec.Close()
	}
	c.in.Close()
}
