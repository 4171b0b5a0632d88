package av

import (
	"errors"
	"fmt"
	"sync"
	"time"

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
	encoder trackEncoder // nil until it is known what is to be encoded
	choose  chooser
	out     *output

	mu      sync.Mutex
	arrived bool          // a first sample has come
	ready   bool          // so has one since it was opened again: the encoder is open
	zero    time.Duration // capture time, less the pauses cut out, that the encoder counts from
	gap     bool          // the sample before the next has not reached the encoder
	ended   bool          // the encoder is flushed and closed
	over    bool          // for good: the recording ends
	failed  error         // encoder or file cannot be used; every sample is refused with it
}

// trackEncoder is what lanes of pictures and of audio do differently. Its
// methods run under the lane's lock.
type trackEncoder interface {
	// takes reports whether samples like this one are for this encoder.
	takes(s media.Sample) bool
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

// A chooser makes the encoder, not open yet, for what comes raw, where the
// format is nil, or encoded in that format.
type chooser func(f *media.EncodedFormat) (trackEncoder, error)

// announce opens the lane's encoder as far as the track declares its format.
func (l *lane) announce(t recorder.Track) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended { // stopped before it began
		return recorder.ErrStopped
	}
	err := l.prechoose(t)
	if err == nil && l.encoder != nil {
		err = l.encoder.announce(t)
	}
	if err != nil {
		l.ended = true
		if l.encoder != nil {
			l.encoder.close() // it may be open, and without its place in the file
		}
		l.gate.forget()
	}
	return err
}

// prechoose chooses the encoder by what the track declares. One that declares
// nothing may still turn out to be what cannot be recorded.
func (l *lane) prechoose(t recorder.Track) (err error) {
	if !t.Encoded.IsZero() {
		if err := t.Encoded.Validate(); err != nil {
			return err
		}
		l.encoder, err = l.choose(&t.Encoded)
		return err
	}
	l.encoder, err = l.choose(nil)
	if t.Audio.IsZero() && t.Video.Width == 0 && err != nil {
		return nil
	}
	return err
}

// reopen lets a track go on that was closed. What described it at first holds.
func (l *lane) reopen(t recorder.Track) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.over:
		return recorder.ErrStopped
	case !l.ended || l.kind != t.Kind:
		return fmt.Errorf("%w: %q", recorder.ErrTrackExists, t.ID)
	case l.failed != nil:
		return l.failed
	case l.muxer.isFixed() && l.muxer.rotates(): // files after the current one are without it
		return recorder.ErrLateTrack
	}
	l.ended = false
	l.out.keyframes.send = t.RequestKeyFrame // another source may send it now
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
		l.gap = true
		return nil
	}
	if l.gap { // to encoded pictures what is left out here is as good as lost
		s.Missed++
	}
	l.gap = true // unless it is taken
	if err := l.suit(s); err != nil {
		return err
	}
	if err := l.arrive(s); err != nil {
		return err
	}
	l.ledger.offered()
	err := l.encoder.encode(s.Time-l.zero, s)
	if err == nil {
		l.gap = false
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
		l.gap = true
		return err
	}
	if s.IsPicture() != l.kind.IsPicture() {
		return errWrongKind
	}
	return l.failed
}

// suit goes over to another encoder where samples of another sort come: raw,
// encoded, or of another codec.
func (l *lane) suit(s media.Sample) error {
	if l.encoder != nil && l.encoder.takes(s) {
		return nil
	}
	var f *media.EncodedFormat
	if s.Encoded != nil {
		f = s.Encoded.Format
	}
	next, err := l.choose(f)
	if err != nil {
		return err
	}
	if l.ready {
		if err := l.encoder.flush(); err != nil {
			l.ledger.fault(err)
		}
		if l.out.stream != nil {
			l.out.stream.ends()
		}
	}
	if l.encoder != nil {
		l.encoder.close()
	}
	l.encoder, l.ready = next, false
	return nil
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
	if l.out.stream != nil { // before the gate, which may let the file begin
		l.out.stream.begins()
	}
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
	if l.encoder != nil {
		l.encoder.close()
	}
	l.ready = false
	if l.out.stream != nil {
		l.out.stream.ends()
	}
	return err
}

// finish closes the lane for good.
func (l *lane) finish() error {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	return l.Close()
}

// output is where an encoder's packets go: into the muxer, once the track has
// its place there.
type output struct {
	muxer          *muxer
	ledger         *ledger
	name, language string
	stream         *stream
	keyframes      keyframeRequests
	places         int // that the track has had
}

// maxPlaces is how many tracks of the file one of the recording may take. Nobody
// changes the codec so often who is not broken, or worse.
const maxPlaces = 64

var errManyPlaces = fmt.Errorf("av: track has changed its codec too often (allowed: %d tracks in the file)", maxPlaces)

// declare sets or replaces the track's place in the file. Where packets have
// been written, those of another encoder that needs another form cannot follow
// on them: they get a further place.
func (o *output) declare(f *form, used bool) error {
	switch {
	case o.stream != nil && o.stream.form.same(f):
		f.close()
		return nil
	case o.stream != nil && !used && !o.stream.wrote:
		return o.muxer.redeclare(o.stream, f)
	}
	if o.places == maxPlaces {
		f.close()
		return errManyPlaces
	}
	s, err := o.muxer.addStream(f, o.name, o.language, o.ledger)
	if err == nil {
		o.stream = s
		o.places++
	}
	return err
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
