package decode

import (
	"errors"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Audio decodes one stream of audio: Opus, AAC, PCMU, PCMA or G722. AAC that is
// not in ADTS needs its Config, or rate and channels. The zero value is ready.
//
// A sample's time is when the first frame that it decodes to was captured. So
// say containers and FFmpeg's encoders, whose first packet is earlier than
// what they were given, by the encoder's delay; here nothing is skipped at the
// start, and no time is moved. RTP counts what goes into an encoder: its
// source has to take the delay off (of Opus 6.5 ms). Only of G.722, for which
// nobody counts otherwise, that is done here.
type Audio struct {
	format  *media.EncodedFormat
	decoder *ffmpeg.Decoder // nil before the first sample, and where the format cannot be decoded
	failed  error           // why
	pool    media.PCMPool

	adts  adts
	begun bool
	next  time.Duration // where the next sample is expected

	// Of the sample that is being decoded:
	emit      func(media.Sample)
	direction media.Direction
	piece     *media.PCM // not given out yet, in case more follows on it
	at        time.Duration
	given     bool
}

func (d *Audio) open(f *media.EncodedFormat) {
	d.Close()
	d.format, d.begun = f, false
	d.decoder, d.failed = openAudio(f)
}

// Decode decodes a sample, which it borrows, and hands emit what comes of it,
// with its one reference: one piece of PCM, or several where its format changes
// or something in it is damaged. Another format than before is taken as it
// comes. With an error the sample, or a part of it, is missing; those after it
// are decoded. Of a format that cannot be decoded the error wraps
// [media.ErrFormat] or [ffmpeg.ErrUnsupported], or is FFmpeg's.
func (d *Audio) Decode(s media.Sample, emit func(media.Sample)) error {
	e := s.Encoded
	if e == nil || e.Format == nil {
		return media.ErrPayload
	}
	if !sameFormat(d.format, e.Format) {
		d.open(e.Format)
	}
	if d.failed != nil {
		return d.failed
	}
	d.meet(s)
	d.emit, d.direction, d.given = emit, s.Direction, false
	err := d.frames(s.Time-d.delay(), e.Data)
	d.give()
	d.emit = nil
	if err == nil && !d.given {
		err = ErrNothing
	}
	return err
}

// longPause is from which absence on Opus begins anew: what the decoder
// remembers says nothing about what comes. A source that sends nothing in
// silence still sends every 400 ms (RFC 6716, section 2.1.9).
const longPause = time.Second

// delay is how much later what a sample decodes to is than its time says. That
// of G.722 is the two filters of 24 taps, one in the encoder and one in the
// decoder, 22 frames at 16 kHz.
func (d *Audio) delay() time.Duration {
	if d.format.Codec == media.G722 {
		return 22 * time.Second / 16000
	}
	return 0
}

// meet resets a decoder whose memory does not fit what comes. Each frame of AAC
// is added to the half of the one before it, which would be heard again. Opus
// is better off with what it knows, unless that is long ago; G.722 adapts.
func (d *Audio) meet(s media.Sample) {
	gap := s.Time - d.delay() - d.next
	limit := longPause
	if d.format.Codec == media.AAC {
		limit = 15 * time.Millisecond // less than a frame has at 64 kHz
	}
	jumped := gap >= limit || gap <= -limit || s.Encoded.Lost > 0 && d.format.Codec == media.AAC
	if d.begun && jumped && (d.format.Codec == media.AAC || d.format.Codec == media.Opus) {
		d.decoder.Reset()
	}
	d.begun = true
}

// frames decodes the data of a sample and returns the first error.
func (d *Audio) frames(at time.Duration, data []byte) error {
	if d.format.Packing != media.ADTS {
		return d.frame(at, data)
	}
	var first error
	for len(data) > 0 {
		frame, rest, err := d.adts.cut(data)
		if err != nil { // where the next frame begins is not known
			return errors.Join(first, err)
		}
		if err := d.frame(at, frame); err != nil && first == nil {
			first = err
		}
		at, data = at+d.adts.length, rest
	}
	return first
}

// frame decodes one frame or packet.
func (d *Audio) frame(at time.Duration, data []byte) error {
	if err := send(d.decoder, data, int64(at), true); err != nil {
		return err
	}
	return d.receive(at)
}

func (d *Audio) receive(at time.Duration) error {
	for {
		pcm, pts, err := d.decoder.ReceivePCM(&d.pool)
		switch {
		case ended(err):
			return nil
		case err != nil:
			return err
		case pcm.Frames() == 0:
			pcm.Release()
			continue
		case pts == ffmpeg.NoPTS: // the rest of a packet
			pts = max(at, d.next)
		}
		d.join(pcm, pts)
	}
}

// sameInstant is how far apart times may be that are one, rounded.
const sameInstant = 50 * time.Microsecond

// join puts what comes behind what came of the same sample.
func (d *Audio) join(pcm *media.PCM, at time.Duration) {
	if last := d.piece; last != nil && last.Format == pcm.Format && (at-d.next).Abs() < sameInstant {
		both := d.pool.Get(last.Format, last.Frames()+pcm.Frames())
		copy(both.Data[copy(both.Data, last.Data):], pcm.Data)
		last.Release()
		pcm.Release()
		d.piece = both
	} else {
		d.give()
		d.piece, d.at = pcm, at
	}
	d.next = d.at + d.piece.Duration()
}

func (d *Audio) give() {
	if d.piece != nil {
		d.given = true
		d.emit(media.Sample{Time: d.at, Direction: d.direction, PCM: d.piece})
		d.piece = nil
	}
}

// Close frees the decoder. Samples after that begin anew.
func (d *Audio) Close() {
	if d.decoder != nil {
		d.decoder.Close()
		d.decoder = nil
	}
	d.format, d.failed = nil, nil
}
