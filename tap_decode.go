package roomkit

import (
	"context"
	"sync"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/decode"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// decoding makes PCM of a stream that a pipeline works on, once for all
// recorders. What is played to the participant on the same line becomes PCM as
// well: it is recorded together with what they say.
type decoding struct {
	mu       sync.Mutex
	decoders [2]decode.Audio // by direction
	pieces   []media.Sample  // of the sample that is being decoded
	spare    []media.Sample  // room for the next one's
	collect  func(media.Sample)
	closed   bool
	once     sync.Once // logs the first failure
}

// decode returns what an encoded sample, which it borrows, decodes to, with a
// reference for each piece: nearly always one, none if there is an error. The
// list goes back to recycle.
func (d *decoding) decode(s media.Sample) ([]media.Sample, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, backend.ErrEnded
	}
	if d.collect == nil {
		d.collect = func(piece media.Sample) { d.pieces = append(d.pieces, piece) }
	}
	d.pieces, d.spare = d.spare[:0], nil
	err := d.decoders[s.Direction].Decode(s, d.collect)
	pieces := d.pieces
	d.pieces = nil
	if len(pieces) > 0 {
		err = nil // what is missing is a gap
	}
	return pieces, err
}

func (d *decoding) recycle(list []media.Sample) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(list)
	d.spare = list[:0]
}

func (d *decoding) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for i := range d.decoders {
		d.decoders[i].Close()
	}
}

// decodes reports whether a sample has to be decoded before it is recorded:
// pipelines work on PCM.
func (n *inlet) decodes(s media.Sample) bool { return n.chain != nil && s.Encoded != nil }

// handDecoded decodes a sample, which it borrows, and has hand borrow each
// piece, behind the pipeline. It returns the error of hand if that took none.
func (n *inlet) handDecoded(s media.Sample, hand func(media.Sample) error) error {
	pieces, err := n.decoding.decode(s)
	if err != nil {
		n.undecoded(err, s)
		return nil
	}
	given := false
	for i := range pieces {
		piece := n.process(pieces[i])
		if err == nil {
			err = hand(piece)
		}
		if given = given || err == nil; given && err != nil {
			n.track.refuse(recorder.DropQueueFull) // the source is not told: a part of its sample is taken
		}
		piece.Release()
	}
	n.decoding.recycle(pieces)
	if given {
		return nil
	}
	return err
}

// undecoded counts a sample that cannot be decoded.
func (n *inlet) undecoded(err error, s media.Sample) {
	if err == backend.ErrEnded {
		n.track.refuse(recorder.DropTrackEnded)
		return
	}
	n.track.refuse(recorder.DropUndecodable)
	n.decoding.once.Do(func() {
		n.session.log.Warn("audio for the pipeline cannot be decoded; such samples are dropped and counted",
			"track", n.track.info.ID, "format", s.Encoded.Format.String(), "error", err)
	})
}

// pushDecoded is Push for what has to be decoded.
func (n *inlet) pushDecoded(s media.Sample) {
	_ = n.handDecoded(s, func(piece media.Sample) error { n.track.push(piece); return nil })
}

// waitDecoded is Wait for what has to be decoded.
func (n *inlet) waitDecoded(ctx context.Context, s media.Sample) error {
	return n.handDecoded(s, func(piece media.Sample) error { return n.track.wait(ctx, piece) })
}
