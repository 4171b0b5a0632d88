package av

import (
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/decode"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// audioLane encodes PCM: lay out on the timeline, cut into the encoder's
// frames, encode. What is encoded and cannot or shall not be copied is decoded
// first.
type audioLane struct {
	cfg       recorder.Config
	codec     string
	container container
	out       *output

	timeline *timeline.Audio
	encoder  *ffmpeg.AudioEncoder
	emit     func(*ffmpeg.Packet) error
	frames   int   // per packet
	any      bool  // a frame has been encoded
	last     int64 // time of the last packet, valid once any is set
	bridge   bridge
	decoding audioDecoding
}

// open makes the track's encoder.
func (a *audioLane) open(channels int) error {
	a.closeEncoder()
	a.timeline = timeline.NewAudio(a.cfg.AudioSampleRate, channels)
	a.timeline.Decided, a.timeline.Cross = a.decided, a.crossGap
	params, err := a.openEncoder()
	if err != nil {
		return err
	}
	a.out.ledger.update(func(t *recorder.TrackResult) {
		t.Codec = params.Codec()
		t.Format = fmt.Sprintf("%d Hz, %d ch", a.cfg.AudioSampleRate, channels)
	})
	return a.out.declare(encoderForm(params), false)
}

func (a *audioLane) openEncoder() (*ffmpeg.CodecParams, error) {
	enc, err := ffmpeg.NewAudioEncoder(audioEncoderConfig(a.codec, a.cfg, a.timeline.Channels()))
	if err != nil {
		return nil, fmt.Errorf("av: audio encoder cannot be opened: %w", err)
	}
	a.encoder, a.emit = enc, a.packet
	if a.frames = enc.FrameSize(); a.frames == 0 {
		a.frames = 1024
	}
	return enc.Params(), nil
}

// reopen goes on after close: the timeline runs on, the encoder is a new one.
// Its priming, which is silence, follows on the last packet. So what returns
// within that time, some 100 ms, has no place there.
func (a *audioLane) reopen() error {
	params, err := a.openEncoder()
	if err != nil {
		return err
	}
	if n := a.last + int64(a.frames+a.encoder.InitialPadding()) - a.timeline.Base(); n > 0 {
		a.timeline.Advance(n)
	}
	a.bridge = bridge{}
	return a.out.declare(encoderForm(params), true)
}

// takes implements trackEncoder.
func (a *audioLane) takes(s media.Sample) bool {
	return s.PCM != nil || decodes(s, a.cfg, a.container)
}

// announce implements trackEncoder.
func (a *audioLane) announce(t recorder.Track) error {
	if !t.Encoded.IsZero() {
		return a.open(decode.Channels(&media.Encoded{Format: &t.Encoded}))
	}
	if t.Audio.IsZero() {
		return nil
	}
	if err := t.Audio.Validate(); err != nil {
		return err
	}
	return a.open(t.Audio.Channels)
}

// prepare implements trackEncoder. The real number of channels counts for more
// than the declared one, as for pictures; but what is declared is the
// microphone, and what is played does not speak for it.
func (a *audioLane) prepare(first media.Sample) error {
	if a.any && a.encoder == nil {
		return a.reopen()
	}
	channels := channelsOf(first)
	if a.encoder != nil && (a.timeline.Channels() == channels || first.Direction == media.Outbound || a.out.muxer.isFixed()) {
		return nil
	}
	return a.open(channels)
}

// encode implements trackEncoder.
func (a *audioLane) encode(at time.Duration, s media.Sample) error {
	if s.Encoded != nil {
		return a.decode(at, s)
	}
	return a.layOut(at, s)
}

// layOut takes PCM.
func (a *audioLane) layOut(at time.Duration, s media.Sample) error {
	a.out.ledger.take()
	what, err := a.timeline.Add(s.Direction, at, s.PCM)
	if err == nil {
		if what == timeline.BeforeStart || what == timeline.Behind {
			return nil
		}
		a.out.ledger.measure(a.timeline.Figures())
		err = a.give(false)
	}
	if err != nil {
		a.out.ledger.retract(what == timeline.Held)
	}
	return err
}

// decided counts what became of a sample that was taken.
func (a *audioLane) decided(end int64, what timeline.Placed) {
	switch what {
	case timeline.BeforeStart:
		a.out.ledger.release(recorder.DropBeforeStart)
	case timeline.Behind:
		a.out.ledger.release(recorder.DropLate)
	default:
		a.out.ledger.place(end)
	}
}

// give encodes what the timeline gives out. What the encoder fails on are
// samples that were taken long before; they are lost, and those after them are
// tried. The error is that of the file, which ends everything.
func (a *audioLane) give(ended bool) error {
	for {
		frames, pos := a.timeline.Next(a.frames, ended)
		if frames == nil {
			return nil
		}
		end := pos + int64(len(frames)/a.timeline.Channels())
		if err := a.encoder.Encode(frames, pos-a.bridge.length, a.emit); err != nil {
			if dead := a.out.muxer.err(); dead != nil {
				return dead
			}
			a.out.ledger.lose(pos, end)
			a.out.ledger.fault(err)
			continue
		}
		rate := int64(a.cfg.AudioSampleRate)
		a.out.ledger.span(timeline.TimeOf(pos, rate), timeline.TimeOf(end, rate))
		a.any = true
	}
}

// packet takes what the encoder gives out. The encoder counts frames without
// those that were bridged.
func (a *audioLane) packet(p *ffmpeg.Packet) error {
	p.SetPTS(p.PTS() + a.bridge.length)
	p.SetDTS(p.DTS() + a.bridge.length)
	a.last = p.PTS()
	a.bridge.see(p)
	return a.out.stream.write(encodedPacket(p, p.PTS()+p.Duration()))
}

// flush implements trackEncoder.
func (a *audioLane) flush() error {
	if err := a.timeline.Flush(); err != nil {
		return err
	}
	a.out.ledger.measure(a.timeline.Figures())
	if err := a.give(true); err != nil {
		return err
	}
	if !a.any {
		return nil
	}
	return a.encoder.Flush(a.emit)
}

// close implements trackEncoder.
func (a *audioLane) close() {
	a.decoding.close()
	a.closeEncoder()
}

func (a *audioLane) closeEncoder() {
	if a.encoder != nil {
		a.encoder.Close()
		a.timeline.Close()
		a.encoder = nil
	}
}
