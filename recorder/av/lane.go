package av

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// lane is the worker of one track: it turns samples into packets. It runs on
// the goroutine that calls WriteSample. What differs between pictures and
// audio is in its encoder.
type lane struct {
	id      string // the track's
	ledger  *ledger
	kind    media.Kind
	gate    *gate
	pauses  *pauses
	muxer   *muxer
	encoder trackEncoder
	out     *output

	mu      sync.Mutex
	arrived bool          // a first sample has come
	ready   bool          // so has one since it was opened again: the encoder is open
	zero    time.Duration // capture time, less the pauses cut out, that the encoder counts from
	ended   bool          // the encoder is flushed and closed
	failed  error         // encoder or file cannot be used; every sample is refused with it
}

// trackEncoder is what lanes of pictures and of audio do differently. Its
// methods run under the lane's lock.
type trackEncoder interface {
	// announce opens the encoder for the format that the track declares, if
	// it does.
	announce(t recorder.Track) error
	// prepare makes ready for samples like this one, the track's first, or the
	// first after close: the encoder is open afterwards, however long that
	// takes.
	prepare(first media.Sample) error
	// encode takes a sample captured at a time counted from the gate's zero.
	// An error means that this sample is not in the file.
	encode(at time.Duration, s media.Sample) error
	// flush gives out everything that is still inside.
	flush() error
	// close frees the encoder; prepare opens another.
	close()
}

// announce opens the lane's encoder as far as the track declares its format.
func (l *lane) announce(t recorder.Track) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended { // stopped before it began
		return recorder.ErrStopped
	}
	err := l.encoder.announce(t)
	if err != nil {
		l.ended = true
		l.encoder.close() // it may be open, and without its place in the file
		l.gate.forget()
	}
	return err
}

// reopen lets a track go on that was closed. What described it at first holds.
func (l *lane) reopen(t recorder.Track) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.ended || l.kind != t.Kind:
		return fmt.Errorf("%w: %q", recorder.ErrTrackExists, t.ID)
	case l.failed != nil:
		return l.failed
	case l.muxer.isFixed() && l.muxer.rotates(): // files after the current one are without it
		return recorder.ErrLateTrack
	}
	l.ended = false
	if !l.arrived {
		l.gate.expect()
	}
	return nil
}

// WriteSample implements [recorder.TrackWriter].
func (l *lane) WriteSample(s media.Sample) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.check(s); err != nil {
		return err
	}
	s, ok := l.pauses.apply(s)
	if !ok { // nor is it a first sample
		l.ledger.offered()
		l.ledger.drop(recorder.DropPaused)
		return nil
	}
	if err := l.arrive(s); err != nil {
		return err
	}
	l.ledger.offered()
	err := l.encoder.encode(s.Time-l.zero, s)
	if err == nil {
		return nil
	}
	l.ledger.refused(err)
	if l.muxer.err() != nil {
		l.failed = err // nothing more can be written: encoding it would be for nothing
	}
	return err
}

var errWrongKind = errors.New("av: sample's payload is of another kind than the track")

func (l *lane) check(s media.Sample) error {
	if l.ended {
		return recorder.ErrTrackEnded
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if (s.PCM != nil) != (l.kind == media.KindAudio) {
		return errWrongKind
	}
	return l.failed
}

// arrive opens the encoder for a track's first sample.
func (l *lane) arrive(s media.Sample) error {
	if l.ready {
		return nil
	}
	if l.failed = l.encoder.prepare(s); l.failed != nil {
		l.ledger.note(l.failed)
		if !l.arrived {
			l.gate.forget()
		}
		return l.failed
	}
	l.ready = true
	l.out.stream.begins() // before the gate, which may let the file begin
	if !l.arrived {
		l.arrived = true
		l.zero = l.gate.delivered(s.Time)
	}
	return nil
}

// Close implements [recorder.TrackWriter]: the participant left. What they
// said and showed up to now is given out, and nothing is kept that is large:
// whether they return is not known.
func (l *lane) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	l.ended = true
	if !l.arrived && l.failed == nil {
		l.gate.forget()
	}
	var err error
	if l.ready && l.failed == nil {
		err = l.encoder.flush()
	}
	l.encoder.close()
	l.ready = false
	if l.out.stream != nil {
		l.out.stream.ends()
	}
	return err
}

// output is where an encoder's packets go: into the muxer, once the track has
// its place there.
type output struct {
	muxer          *muxer
	ledger         *ledger
	name, language string
	stream         *stream
}

// declare sets or replaces the track's place in the file. Where packets have
// been written, those of another encoder that needs other parameters cannot
// follow on them: they get a further place.
func (o *output) declare(params *ffmpeg.CodecParams, used bool) error {
	switch {
	case o.stream != nil && sameParams(o.stream.params, params):
		params.Close()
		return nil
	case o.stream != nil && !used:
		return o.muxer.redeclare(o.stream, params)
	}
	s, err := o.muxer.addStream(params, o.name, o.language, o.ledger)
	if err == nil {
		o.stream = s
	}
	return err
}

// sameParams reports whether a decoder that is set up by one can decode the
// packets of the other.
func sameParams(a, b *ffmpeg.CodecParams) bool {
	return a.Codec() == b.Codec() && a.Width() == b.Width() && a.Height() == b.Height() &&
		a.Rate() == b.Rate() && a.Channels() == b.Channels() && bytes.Equal(a.ExtraData(), b.ExtraData())
}

// settle ends the track's account when nothing more will be written, because
// of err if it is not nil.
func (l *lane) settle(err error) {
	rate := int64(1)
	if l.out.stream != nil {
		rate = l.out.stream.rate
	}
	l.ledger.settle(err, rate)
}
