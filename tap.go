package roomkit

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// maxAhead is how far in the future a capture time may lie: further than any
// clock is off, nearer than a timestamp of another epoch or unit.
const maxAhead = 10 * time.Second

// maxBefore is how far before the clock's zero the time of an encoded sample
// may lie. A file that is played from that instant on has packets before it:
// an encoder's priming, and what an edit list leaves out.
const maxBefore = time.Minute

// tap is what a backend delivers a session's media into.
type tap struct{ session *Session }

var _ backend.Sink = (*tap)(nil)

// AddTrack implements [backend.Sink].
func (t *tap) AddTrack(bt backend.Track) (backend.TrackSink, error) {
	s := t.session
	if !s.channel.carries(bt.Kind) {
		return nil, fmt.Errorf("channel %q, %s: %w", s.channel.id, bt.Kind, backend.ErrUnwanted)
	}
	bt, err := declared(bt)
	if err != nil {
		return nil, err
	}
	n := &inlet{session: s}
	treated := s.channel.treats(bt.Kind)
	if treated { // the recorders get raw media, of a format that is not known yet
		bt.Audio, bt.Video, bt.Encoded = media.AudioFormat{}, media.VideoFormat{Rate: bt.Video.Rate}, media.EncodedFormat{}
		build := func(s *Session) *treatment { return newTreatment(s, bt.Kind) }
		if n.treatment, err = s.buildTreatment(context.Background(), build); err != nil {
			return nil, err
		}
		n.backlog = newBacklog(n.pushTreated)
	}
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		if n.treatment != nil {
			n.treatment.end(treatmentGrace)
		}
		return nil, backend.ErrEnded
	}
	var isNew bool
	n.track, isNew = s.trackFor(bt)
	if n.treatment != nil {
		n.treatment.asks, n.treatment.lost = n.track.asks, n.lost
	}
	s.inlets = append(s.inlets, n)
	s.mu.Unlock()
	// Adding takes its time with a recorder that hangs, but not for ever.
	return n, s.ready(context.Background(), n.track, isNew)
}

// declared keeps of what a backend says of a track what belongs to its kind, and
// checks that.
func declared(bt backend.Track) (backend.Track, error) {
	if bt.Kind.IsPicture() {
		bt.Audio = media.AudioFormat{}
	} else {
		bt.Video, bt.RequestKeyFrame = media.VideoFormat{}, nil
	}
	var err error
	switch raw := !bt.Audio.IsZero() || !bt.Video.IsZero(); {
	case raw && !bt.Encoded.IsZero():
		err = fmt.Errorf("%w: track of kind %s is declared both raw and as %s (allowed: one of them)", media.ErrFormat, bt.Kind, bt.Encoded)
	case !bt.Encoded.IsZero():
		err = fits(bt.Encoded, bt.Kind)
	case !bt.Audio.IsZero():
		err = bt.Audio.Validate()
	case !bt.Video.IsZero():
		err = bt.Video.Validate()
	}
	return bt, err
}

// fits checks an encoded format that is declared for a kind of track.
func fits(f media.EncodedFormat, k media.Kind) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.Codec.IsPicture() != k.IsPicture() {
		return fmt.Errorf("%w: track of kind %s is declared as %s, a codec of the other sort", media.ErrFormat, k, f.Codec)
	}
	return nil
}

// trackFor finds or makes the track of a stream; the caller holds the lock.
// The first microphone and playout share one, where they can be added up: not
// where the microphone comes encoded, and is copied.
func (s *Session) trackFor(bt backend.Track) (t *track, isNew bool) {
	if bt.Kind != media.KindAudio || s.micOpen || !bt.Encoded.IsZero() {
		return s.newTrack(bt), true
	}
	s.micOpen = true
	if s.voice != nil {
		return s.voice, false
	}
	s.voice = s.newTrack(bt)
	return s.voice, true
}

// End implements [backend.Sink].
func (t *tap) End(err error) { t.session.sourceEnded(err) }

// inlet takes the samples of one stream.
type inlet struct {
	session *Session
	track   *track
	ended   atomic.Bool
	refused sync.Once // logs the first refusal

	treatment   *treatment // nil if there is nothing to do
	undecodable sync.Once  // logs the first
	backlog     *backlog   // of pictures that are pushed; with a treatment
}

var _ backend.TrackSink = (*inlet)(nil)

// Push implements [backend.TrackSink].
func (n *inlet) Push(s media.Sample) {
	switch {
	case !n.accepts(s):
		s.Release()
	case n.treatment == nil:
		n.track.push(s)
		s.Release()
	case s.IsPicture():
		n.pushLater(s)
	default:
		n.pushTreated(s)
	}
}

// Wait implements [backend.TrackSink].
func (n *inlet) Wait(ctx context.Context, s media.Sample) error {
	if ctx == nil {
		ctx = context.Background()
	}
	switch {
	case !n.accepts(s):
		s.Release()
		if n.ended.Load() {
			return backend.ErrEnded
		}
		return nil
	case n.treatment == nil:
		err := n.track.wait(ctx, s)
		s.Release()
		return err
	}
	return n.waitTreated(ctx, s)
}

// End implements [backend.TrackSink].
func (n *inlet) End() {
	if n.ended.Swap(true) {
		return
	}
	n.endTreatment()
	if n.session.closeInlet(n) {
		n.track.end(false)
	}
}

// closeInlet forgets an inlet and reports whether its track ends with it.
func (s *Session) closeInlet(n *inlet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inlets = without(s.inlets, n)
	if n.track == s.voice {
		s.micOpen = false
		if s.spoken {
			return false // the line stays open for playout, and for the microphone's return
		}
		s.voice = nil
	}
	s.tracks = without(s.tracks, n.track)
	return true
}

// without returns the list less one element, in a list of its own: others may
// be reading the old one.
func without[T comparable](list []T, one T) []T {
	out := make([]T, 0, len(list))
	for _, v := range list {
		if v != one {
			out = append(out, v)
		}
	}
	return out
}

// accepts checks a sample, and counts one that is refused.
func (n *inlet) accepts(s media.Sample) bool {
	if n.ended.Load() {
		n.track.refuse(recorder.DropTrackEnded)
		return false
	}
	if err := n.check(s); err != nil {
		n.track.refuse(recorder.DropRejected)
		n.refused.Do(func() {
			n.session.log.Warn("source delivers impossible samples; they are dropped and counted", "track", n.track.info.ID, "error", err)
		})
		return false
	}
	return true
}

func (n *inlet) check(s media.Sample) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if s.IsPicture() != n.track.info.Kind.IsPicture() {
		return fmt.Errorf("%w: of the other sort on a track of kind %s", media.ErrPayload, n.track.info.Kind)
	}
	if s.Direction > media.Outbound {
		return fmt.Errorf("%w: direction %d", media.ErrPayload, s.Direction)
	}
	var earliest time.Duration
	if s.Encoded != nil {
		earliest = -maxBefore
	}
	if now := n.session.room.kit.clock.Now(); s.Time < earliest || s.Time > now+maxAhead {
		return fmt.Errorf("roomkit: capture time %v (allowed: %v to %v)", s.Time, earliest, now+maxAhead)
	}
	return nil
}

// track is one stream of a session on its way to the recordings of the room.
type track struct {
	session *Session
	info    recorder.Track
	shared  bool          // the room's recordings have it, and not only the session's
	asks    *keyframes    // nil if its source cannot be asked for one
	ready   chan struct{} // closed when all recordings have it
	onEnd   func()        // set before ready

	// inputs is what samples go to, read without a lock by the source.
	inputs atomic.Pointer[[]*recorder.Input]

	mu        sync.Mutex // guards changes; never held while a recorder is called
	outlets   []outlet
	ended     bool
	attaching sync.WaitGroup
}

type outlet struct {
	recording *recording
	input     *recorder.Input
}

func newTrack(s *Session, info recorder.Track, shared bool, asks *keyframes) *track {
	t := &track{session: s, info: info, shared: shared, asks: asks, ready: make(chan struct{})}
	t.inputs.Store(&[]*recorder.Input{})
	return t
}

// attach adds the track to a recording, unless it has ended: another may have
// its ID then.
func (t *track) attach(rec *recording) {
	if !t.beginAttach() {
		return
	}
	defer t.attaching.Done()
	in := rec.feed.AddTrack(t.info)
	t.mu.Lock()
	defer t.mu.Unlock()
	if rec.ended.Load() { // whoever ends it has been here already
		in.Withdraw()
		return
	}
	rec.supervisor.added(t.info.ID)
	rec.tell(TrackAdded{rec.about(), t.described()})
	if t.ended {
		in.Close()
		rec.tell(TrackEnded{rec.about(), t.described()})
	}
	t.outlets = append(t.outlets, outlet{rec, in})
	t.publish()
}

// described is the track for those who look at it, from where its source cannot
// be reached.
func (t *track) described() recorder.Track {
	info := t.info
	info.RequestKeyFrame = nil
	return info
}

func (t *track) beginAttach() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.attaching.Add(1)
	}
	return !t.ended
}

func (t *track) detach(rec *recording) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := make([]outlet, 0, len(t.outlets))
	for _, o := range t.outlets {
		if o.recording == rec {
			o.input.Withdraw()
			if !t.ended {
				rec.tell(TrackEnded{rec.about(), t.described()})
			}
			continue
		}
		kept = append(kept, o)
	}
	t.outlets = kept
	t.publish()
}

func (t *track) publish() {
	inputs := make([]*recorder.Input, len(t.outlets))
	for i, o := range t.outlets {
		inputs[i] = o.input
	}
	t.inputs.Store(&inputs)
}

// end ends the track in all recordings, after the samples they have queued. It
// stays attached: samples that come all the same are counted.
func (t *track) end(discard bool) {
	if t.asks != nil {
		t.asks.stop()
	}
	t.mu.Lock()
	t.ended = true
	for _, o := range t.outlets {
		if discard {
			o.input.Discard()
		} else {
			o.input.Close()
		}
		o.recording.tell(TrackEnded{o.recording.about(), t.described()})
	}
	t.mu.Unlock()
	<-t.ready // onEnd is known then
	t.attaching.Wait()
	if t.onEnd != nil {
		t.onEnd()
	}
}

// push offers a sample to all recordings and never waits. It borrows s.
func (t *track) push(s media.Sample) {
	for _, in := range *t.inputs.Load() {
		in.Push(s)
	}
}

// wait offers a sample to all recordings as fast as they can take it. It
// borrows s. When ctx ends half way, the sample is counted as lost for those
// that did not get it; when none did, the source knows.
func (t *track) wait(ctx context.Context, s media.Sample) error {
	inputs := *t.inputs.Load()
	for i, in := range inputs {
		if err := in.Wait(ctx, s); err != nil {
			for _, missed := range inputs[i:] {
				if i > 0 {
					missed.Drop(recorder.DropQueueFull)
				}
			}
			return err
		}
	}
	return nil
}

// lose counts what has never reached the source, and no sample tells of.
func (t *track) lose(pieces int) {
	for _, in := range *t.inputs.Load() {
		in.Lose(pieces)
	}
}

// refuse counts a sample that goes to no recording.
func (t *track) refuse(reason recorder.DropReason) {
	for _, in := range *t.inputs.Load() {
		in.Drop(reason)
	}
}
