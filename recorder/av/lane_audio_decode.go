package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/decode"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// audioDecoding makes PCM of what comes encoded to an [audioLane].
type audioDecoding struct {
	decoders [2]decode.Audio    // by direction
	emit     func(media.Sample) // bound once: a method value allocates

	// Of the sample that is being decoded:
	zero   time.Duration // what the lane counts from, on the clock of its time
	pieces int
	err    error // of the first piece
}

func (d *audioDecoding) close() {
	for i := range d.decoders {
		d.decoders[i].Close()
	}
}

// decodes reports whether samples like this one are decoded before they go into
// the file.
func decodes(s media.Sample, cfg recorder.Config, c container) bool {
	if s.Encoded == nil {
		return false
	}
	what, err := treat(s.Encoded.Format.Codec, cfg, c)
	return what == decoded && err == nil
}

// channelsOf returns how many channels the audio has.
func channelsOf(s media.Sample) int {
	if s.Encoded != nil {
		return decode.Channels(s.Encoded)
	}
	return s.PCM.Format.Channels
}

// decode takes encoded audio. Nearly always one sample is one piece of PCM, so
// that its account is that of the sample.
func (a *audioLane) decode(at time.Duration, s media.Sample) error {
	d := &a.decoding
	if d.emit == nil {
		d.emit = a.decoded
	}
	d.zero, d.pieces, d.err = s.Time-at, 0, nil
	if err := d.decoders[s.Direction].Decode(s, d.emit); err != nil {
		a.out.ledger.note(err)
	}
	if d.pieces == 0 {
		a.out.ledger.drop(recorder.DropUndecodable)
	}
	return d.err
}

// decoded takes a piece of PCM with its reference. What is wrong with the first
// is the sample's error; another is lost without it.
func (a *audioLane) decoded(s media.Sample) {
	defer s.Release()
	d := &a.decoding
	d.pieces++
	if d.pieces > 1 {
		a.out.ledger.split()
	}
	err := a.layOut(s.Time-d.zero, s)
	switch {
	case err == nil:
	case d.pieces == 1:
		d.err = err
	default:
		a.out.ledger.drop(recorder.DropWriteError)
		a.out.ledger.fault(err)
	}
}
