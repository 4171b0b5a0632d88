package file

import (
	"errors"
	"io"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// copying is a coder that delivers packets as they are.
type copying struct {
	format *media.EncodedFormat
	start  time.Duration // the file's, in its own times
	// interval is how long a packet lasts that does not say so.
	interval time.Duration
	// again: it is not the first time that the file is played.
	again bool

	packets []*ffmpeg.Packet // sent and not received
	ended   bool
	// begun: next is set, and last is once there was a sample.
	begun bool
	// timeless: no decoding time is known.
	timeless bool
	// shift is added to times where those of the file went back.
	shift time.Duration
	last  time.Duration // decoding time of the last sample
	next  time.Duration // and when its successor is expected
	lost  int           // packets since the last sample

	pool  media.EncodedPool
	slabs slabs
}

// errDamaged stands for packets of which a part is missing.
var errDamaged = errors.New("packet is damaged")

// maxUntimed is how many packets without a decoding time a stream may begin
// with until one with such a time is expected no more. Matroska has as many as
// there are pictures to be put in order, at most 16.
const maxUntimed = 32

func newCopying(in *ffmpeg.Input, st ffmpeg.Stream, f *media.EncodedFormat) *copying {
	c := &copying{format: f, start: startOf(in)}
	if f.Codec.IsPicture() {
		c.interval = interval(st)
	}
	return c
}

func (c *copying) send(p *ffmpeg.Packet) error {
	if p == nil {
		c.ended = true
		return nil
	}
	if extra := p.NewExtraData(); extra != nil {
		c.format = changed(c.format, extra)
	}
	switch {
	case p.IsCorrupt():
		p.Free()
		c.lost++
		return errDamaged
	case len(p.Data()) == 0, c.again && c.isPriming(p):
		p.Free()
		return nil
	}
	c.packets = append(c.packets, p)
	return nil
}

// isPriming reports whether a packet of audio begins before the file does.
// Whoever plays the file for a second time has the end of the first there.
func (c *copying) isPriming(p *ffmpeg.Packet) bool {
	pts := p.Time()
	return c.format.Codec.IsAudio() && pts != ffmpeg.NoPTS && pts < c.start
}

func (c *copying) receive() (unit, error) {
	if len(c.packets) == 0 {
		if c.ended {
			return unit{}, io.EOF
		}
		return unit{}, ffmpeg.ErrAgain
	}
	if !c.begun && !c.begin() {
		return unit{}, ffmpeg.ErrAgain
	}
	p := c.packets[0]
	c.packets = c.packets[:copy(c.packets, c.packets[1:])]
	return c.unit(p), nil
}

// begin finds out when the first packet is to be decoded, which in Matroska
// only a later one tells. It reports false if it takes one more.
func (c *copying) begin() bool {
	last := c.packets[len(c.packets)-1]
	at := last.DecodingTime()
	if at == ffmpeg.NoPTS && len(c.packets) < maxUntimed && !c.ended {
		return false
	}
	c.begun = true
	if at == ffmpeg.NoPTS {
		c.timeless, c.next = true, c.packets[0].Time()-c.start
		return true
	}
	c.next = at - c.start
	for _, p := range c.packets[:len(c.packets)-1] {
		c.next -= c.length(p)
	}
	c.last = c.next
	return true
}

// length is how long a packet lasts.
func (c *copying) length(p *ffmpeg.Packet) time.Duration {
	if d := p.Length(); d > 0 {
		return d
	}
	return c.interval
}

// unit makes a sample of a packet and takes that over.
func (c *copying) unit(p *ffmpeg.Packet) unit {
	dts, pts := c.times(p)
	e := c.lend(p)
	e.Lead, e.Duration, e.Key, e.Whole = pts-dts, p.Length(), media.DeltaFrame, true
	if c.timeless {
		e.Lead = media.UnknownLead
	}
	if p.IsKey() {
		e.Key = media.KeyFrame
	}
	e.Lost, c.lost = c.lost, 0
	u := unit{Sample: media.Sample{Time: pts, Encoded: e}, due: dts, lasts: c.length(p)}
	if len(e.Data) < largeData {
		p.Free()
	}
	c.last, c.next = dts, dts+u.lasts
	return u
}

// lend returns a payload of a packet's data: a copy, or of a large one the
// packet itself, which is taken over then.
func (c *copying) lend(p *ffmpeg.Packet) *media.Encoded {
	if data := p.Data(); len(data) < largeData {
		at, slab := c.slabs.put(data)
		return c.pool.LendEncoded(c.format, at, slab)
	}
	return c.pool.LendEncoded(c.format, p.Data(), p)
}

// times returns when a packet is to be decoded and shown, counted from the
// file's start. What has no times, or is to be decoded before its predecessor,
// follows on that.
func (c *copying) times(p *ffmpeg.Packet) (dts, pts time.Duration) {
	dts, pts = p.DecodingTime(), p.Time()
	if dts == ffmpeg.NoPTS {
		dts = c.next
	} else if dts += c.shift - c.start; dts < c.last {
		c.shift += c.next - dts
		dts = c.next
	}
	if pts == ffmpeg.NoPTS {
		return dts, dts
	}
	pts += c.shift - c.start
	if c.timeless {
		return dts, pts
	}
	return dts, max(pts, dts)
}

func (c *copying) close() {
	for _, p := range c.packets {
		p.Free()
	}
	c.packets = nil
}
