package av

import (
	"errors"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/decode"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// pictureDecoding makes pictures of what comes encoded to a [videoLane]. Each
// sample is held in the ledger until it is known which picture it is a part of.
type pictureDecoding struct {
	codec  media.Codec
	video  *decode.Video // nil until something encoded comes
	active bool          // something may be inside
	zero   time.Duration // what the lane counts from, on the clock of the samples' times
	failed error         // the encoder cannot be opened
}

// foresee opens the encoder for pictures of an encoded format, as far as their
// size is known from that and the first of them. What is wrong with it shows
// when it is decoded.
func (v *videoLane) foresee(f *media.EncodedFormat, first []byte) error {
	stream, err := bitstream.NewVideo(f)
	if err != nil {
		return nil
	}
	if first != nil {
		_, _ = stream.Read(first) // it may not be a keyframe
	}
	size := media.VideoFormat{Rate: v.format.Rate}
	if size.Width, size.Height = stream.Size(); size.Validate() != nil {
		return nil
	}
	return v.suit(size)
}

// decode takes encoded pictures.
func (v *videoLane) decode(at time.Duration, s media.Sample) error {
	d := &v.decoding
	if err := v.out.muxer.err(); err != nil {
		return err
	}
	if d.failed != nil {
		return d.failed
	}
	v.useDecoder(s.Encoded.Format.Codec)
	v.out.ledger.take()
	d.zero, d.active = s.Time-at, true
	d.video.Decode(s)
	if d.video.NeedsKeyframe() {
		v.out.keyframes.ask(at)
	} else {
		v.out.keyframes.answered()
	}
	return nil
}

// useDecoder makes a decoder, unless there is one for the codec.
func (v *videoLane) useDecoder(c media.Codec) {
	d := &v.decoding
	if d.video != nil && d.codec == c {
		return
	}
	v.flushDecoder()
	v.closeDecoder()
	d.codec = c
	d.video = decode.NewVideo(decode.VideoOptions{Freeze: freezeAfterLoss(v.cfg.Video.AfterLoss, c, v.out.keyframes.canAsk())},
		decode.VideoOutput{Picture: v.decoded, Lost: v.undecoded})
}

// decoded takes a picture with its reference, which stands for so many samples.
func (v *videoLane) decoded(s media.Sample, samples int) {
	defer s.Release()
	v.out.ledger.untake(samples)
	err := v.begin(s.Picture.Format)
	if err == nil {
		err = v.show(s.Time-v.decoding.zero, s.Picture, samples)
	}
	if err == nil {
		return
	}
	reason := recorder.DropWriteError
	if errors.Is(err, recorder.ErrLateTrack) {
		reason = recorder.DropTooLate
	}
	v.out.ledger.dropAll(reason, samples)
	v.out.ledger.fault(err)
}

// begin makes ready for the track's first picture.
func (v *videoLane) begin(f media.VideoFormat) error {
	d := &v.decoding
	if v.any || d.failed != nil {
		return d.failed
	}
	f.Rate = v.format.Rate
	if d.failed = v.suit(f); d.failed == nil {
		v.out.stream.begins()
	}
	return d.failed
}

// undecoded counts samples of which no picture comes.
func (v *videoLane) undecoded(samples int, err error) {
	reason := recorder.DropUndecodable
	switch {
	case errors.Is(err, decode.ErrNoKeyframe):
		reason = recorder.DropNoKeyframe
	case errors.Is(err, decode.ErrAfterLoss):
		reason = recorder.DropAfterLoss
	default:
		v.out.ledger.note(err)
	}
	for range samples {
		v.out.ledger.release(reason)
	}
}

// flushDecoder gives out what is inside.
func (v *videoLane) flushDecoder() {
	if d := &v.decoding; d.active {
		d.video.Flush()
		d.active = false
	}
}

func (v *videoLane) closeDecoder() {
	if d := &v.decoding; d.video != nil {
		d.video.Close()
		d.video = nil
	}
}
