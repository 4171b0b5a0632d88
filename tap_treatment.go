package roomkit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/decode"
	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// treatment is what happens to a stream between its source and the recordings,
// where the channel has a pipeline for it: decoding, since pipelines work on raw
// media, once for all recorders; then the pipeline.
//
//	sample ─► (decode) ─► chain ─► pieces, nearly always one
//
// It is used by one goroutine at a time, even where a backend does not keep to
// its contract. No sample is given to a recording meanwhile.
type treatment struct {
	busy   chan struct{}              // holds a token while it is used: unlike a mutex it can be waited for with a bound
	chains [2]*pipeline.Chain         // by direction; nil where there is nothing to do
	lost   func(samples int, e error) // told of encoded samples that give nothing

	audio [2]decode.Audio // by direction
	video *decode.Video   // nil until encoded pictures come
	asks  *keyframes      // nil if the source cannot be asked
	codec media.Codec     // of video
	out   []media.Sample  // what the sample that is treated has become
	spare []media.Sample  // room for the next one's
	add   func(media.Sample)
	piece func(media.Sample) // takes what a decoder of audio gives out
	// decoded: the sample that is being decoded has given something.
	decoded bool
	closed  bool
	// abandoned: the stream has ended while a processor did not return. Whoever
	// comes back from it frees what there is.
	abandoned atomic.Bool
}

// treatmentGrace bounds, in real time, how long the end of a stream waits for a
// processor that does not return.
const treatmentGrace = 5 * time.Second

// newTreatment makes the treatment of a stream that the session's backend
// delivers. It is nil if there is nothing to do.
func newTreatment(s *Session, k media.Kind) *treatment {
	t, of := &treatment{}, s.stream(k)
	if k.IsPicture() {
		t.chains[media.Inbound] = working(s.channel.pictures.NewChain(of, s.log))
	} else {
		t.chains[media.Inbound] = working(s.channel.pipeline.NewChain(of, s.log))
		t.chains[media.Outbound] = working(s.channel.outbound.NewChain(of, s.log))
	}
	return t.ready()
}

// newPlayoutTreatment makes that of what a session plays.
func newPlayoutTreatment(s *Session) *treatment {
	t := &treatment{}
	t.chains[media.Outbound] = working(s.channel.outbound.NewChain(s.stream(media.KindAudio), s.log))
	return t.ready()
}

// buildTreatment makes a treatment. Stages are not ours: no lock is held, and one
// that does not return costs nobody else anything.
func (s *Session) buildTreatment(ctx context.Context, build func(*Session) *treatment) (*treatment, error) {
	t, err := guard.Within(ctx, treatmentGrace, func() (*treatment, error) { return build(s), nil },
		func(t *treatment, _ error) {
			if t != nil {
				t.end(treatmentGrace)
			}
		})
	if err != nil {
		return nil, fmt.Errorf("roomkit: pipeline of channel %q cannot be made: %w", s.channel.id, err)
	}
	return t, nil
}

// stream describes one of the session's to pipelines.
func (s *Session) stream(k media.Kind) pipeline.Stream {
	return pipeline.Stream{Room: s.room.id, Channel: s.channel.id, Session: s.id, Participant: s.participant, Kind: k}
}

func (t *treatment) ready() *treatment {
	if t.chains == [2]*pipeline.Chain{} {
		return nil
	}
	t.busy = make(chan struct{}, 1)
	t.add = func(s media.Sample) { t.out = append(t.out, s) } // bound once: closures allocate
	t.piece = func(s media.Sample) {
		t.decoded = true
		t.process(s)
	}
	return t
}

// working returns nil for a chain without processors.
func working(c *pipeline.Chain) *pipeline.Chain {
	if c.Len() == 0 {
		return nil
	}
	return c
}

// take returns what a sample becomes, with a reference for each piece; it takes
// over the sample's. The list goes back to recycle. The error is
// [backend.ErrEnded].
//
// What is played to a participant becomes PCM as well, whichever direction has a
// pipeline: both are recorded together.
func (t *treatment) take(s media.Sample) ([]media.Sample, error) {
	t.busy <- struct{}{}
	defer t.leave()
	if t.closed {
		s.Release()
		return nil, backend.ErrEnded
	}
	t.out, t.spare = t.spare[:0], nil
	switch {
	case s.Encoded == nil:
		t.process(s)
	case s.IsPicture():
		t.decodePicture(s)
	default:
		t.decodeAudio(s)
	}
	out := t.out
	t.out = nil
	return out, nil
}

// process takes over the reference of raw media.
func (t *treatment) process(s media.Sample) {
	if chain := t.chains[s.Direction]; chain != nil {
		chain.Process(s, t.add)
		return
	}
	t.add(s)
}

func (t *treatment) decodeAudio(s media.Sample) {
	defer s.Release()
	t.decoded = false
	err := t.audio[s.Direction].Decode(s, t.piece)
	if err != nil && !t.decoded { // else what is missing is a gap
		t.lost(1, err)
	}
}

// decodePicture decodes on after a loss, as well as that goes, until a keyframe
// comes, which the source is asked for.
func (t *treatment) decodePicture(s media.Sample) {
	defer s.Release()
	if c := s.Encoded.Format.Codec; t.video == nil || t.codec != c {
		t.flushPictures()
		t.codec = c
		t.video = decode.NewVideo(decode.VideoOptions{}, decode.VideoOutput{
			Picture: func(s media.Sample, _ int) { t.process(s) }, Lost: t.lost,
		})
	}
	t.video.Decode(s)
	if t.asks != nil && t.video.NeedsKeyframe() {
		t.asks.ask()
	}
}

func (t *treatment) flushPictures() {
	if t.video != nil {
		t.video.Flush()
		t.video.Close()
		t.video = nil
	}
}

func (t *treatment) recycle(list []media.Sample) {
	t.busy <- struct{}{}
	defer t.leave()
	clear(list)
	t.spare = list[:0]
}

// flush returns what is held back, where the stream pauses.
func (t *treatment) flush() []media.Sample {
	t.busy <- struct{}{}
	defer t.leave()
	if t.closed {
		return nil
	}
	t.out, t.spare = t.spare[:0], nil
	for _, chain := range t.chains {
		if chain != nil {
			chain.Flush(t.add)
		}
	}
	out := t.out
	t.out = nil
	return out
}

// end ends the stream and returns what was held back. Where a processor does not
// return in time, what it has is lost, and freed when it does.
func (t *treatment) end(patience time.Duration) (rest []media.Sample, ok bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case t.busy <- struct{}{}:
	case <-timer.C:
		t.abandoned.Store(true)
		select { // it may have returned just now, and not seen that
		case t.busy <- struct{}{}:
			t.leave()
		default:
		}
		return nil, false
	}
	defer t.leave()
	return t.close(), true
}

// leave gives the treatment free for others.
func (t *treatment) leave() {
	if t.abandoned.Load() {
		for _, piece := range t.close() {
			piece.Release()
		}
	}
	<-t.busy
}

// close frees everything and returns what was held back.
func (t *treatment) close() []media.Sample {
	if t.closed {
		return nil
	}
	t.closed = true
	t.out = nil
	t.flushPictures()
	for i, chain := range t.chains {
		t.audio[i].Close()
		if chain != nil {
			chain.Flush(t.add)
			chain.Close()
		}
	}
	return t.out
}

// treat has hand borrow each piece of what a sample becomes. It takes over the
// sample's reference, and returns the error of hand if that took nothing.
func (n *inlet) treat(s media.Sample, hand func(media.Sample) error) error {
	if s.Encoded != nil && s.Encoded.Lost > 0 { // what it is decoded to does not tell
		n.track.lose(s.Encoded.Lost)
	}
	pieces, err := n.treatment.take(s)
	if err != nil {
		n.track.refuse(recorder.DropTrackEnded)
		return nil
	}
	given := false
	for _, piece := range pieces {
		if err == nil {
			err = hand(piece)
		}
		if given = given || err == nil; given && err != nil {
			n.track.refuse(recorder.DropQueueFull) // the source is not told: a part of its sample is taken
		}
		piece.Release()
	}
	n.treatment.recycle(pieces)
	if given {
		return nil
	}
	return err
}

// lost counts encoded samples that give nothing.
func (n *inlet) lost(samples int, err error) {
	reason := recorder.DropUndecodable
	switch {
	case errors.Is(err, decode.ErrNoKeyframe):
		reason = recorder.DropNoKeyframe
	case errors.Is(err, decode.ErrAfterLoss):
		reason = recorder.DropAfterLoss
	default:
		n.undecodable.Do(func() {
			n.session.log.Warn("media for a pipeline cannot be decoded; such samples are dropped and counted",
				"track", n.track.info.ID, "error", err)
		})
	}
	for range samples {
		n.track.refuse(reason)
	}
}

// pushTreated is Push for what is treated in the source's goroutine.
func (n *inlet) pushTreated(s media.Sample) {
	_ = n.treat(s, func(piece media.Sample) error { n.track.push(piece); return nil })
}

// waitTreated is Wait for what is treated.
func (n *inlet) waitTreated(ctx context.Context, s media.Sample) error {
	return n.treat(s, func(piece media.Sample) error { return n.track.wait(ctx, piece) })
}

// endTreatment records what was held back.
func (n *inlet) endTreatment() {
	if n.treatment == nil {
		return
	}
	begun := time.Now()
	n.backlog.close(treatmentGrace)
	rest, ok := n.treatment.end(max(treatmentGrace-time.Since(begun), 0))
	if !ok {
		n.session.log.Error("a pipeline does not return; what it holds is lost", "track", n.track.info.ID)
	}
	for _, piece := range rest {
		n.track.push(piece)
		piece.Release()
	}
}
