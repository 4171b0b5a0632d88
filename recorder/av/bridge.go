package av

import (
	"errors"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
)

// longGap is from how many seconds on a gap is bridged; settleIn is how much
// of it is encoded first, after which an encoder gives out the same packet for
// silence again and again.
const (
	longGap  = 10
	settleIn = 2
)

// A bridge crosses the long silence of a track without encoding it: an hour of
// a muted microphone would take an encoder many seconds, in which its lane
// could take nothing else.
type bridge struct {
	length   int64  // frames bridged so far
	learning bool   // see keeps packets
	silence  []byte // the last packet seen while learning
	next     int64  // time of the packet behind the last one seen
}

func (b *bridge) see(p *ffmpeg.Packet) {
	b.next = p.PTS() + p.Duration()
	if b.learning {
		b.silence = append(b.silence[:0], p.Data()...)
	}
}

// crossGap lays out most of a gap of the given frames, if it is long: some
// seconds encoded, then copies of the last packet of those.
func (a *audioLane) crossGap(gap int64) error {
	second := int64(a.cfg.AudioSampleRate)
	if gap < longGap*second {
		return nil
	}
	if err := a.timeline.Drain(); err != nil { // else the end of the last word stays behind
		return err
	}
	a.bridge.learning, a.bridge.silence = true, a.bridge.silence[:0]
	a.timeline.Fill(settleIn * second)
	err := a.give(false)
	a.bridge.learning = false
	if err != nil {
		return err
	}
	if len(a.bridge.silence) == 0 {
		return errors.New("av: the audio encoder gives out nothing")
	}
	for n := (gap - settleIn*second) / int64(a.frames); n > 0; n-- {
		if err := a.repeatSilence(); err != nil {
			return err
		}
	}
	return nil
}

// repeatSilence writes the packet of silence once more. What is still inside
// the encoder and in the timeline is silence too, and moves behind it.
func (a *audioLane) repeatSilence() error {
	p := ffmpeg.NewPacket()
	if p == nil {
		return errNoMemory
	}
	at, length := a.bridge.next, int64(a.frames)
	a.last = at
	if err := p.SetData(a.bridge.silence, at, at, length, true); err != nil {
		p.Free()
		return err
	}
	a.bridge.next += length
	a.bridge.length += length
	a.timeline.Advance(length)
	return a.out.stream.write(encodedPacket(p, at+length))
}
