package av

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

var (
	errNotCopied = errors.New("av: encoded audio cannot be copied")
	// errBothDirections: two streams that are copied cannot be added up.
	errBothDirections = errors.New("av: encoded audio of both directions in one track")
)

// codedStream is what copying has to know of a codec.
type codedStream interface {
	// isReady reports whether the rest can be told: some streams only say with
	// their first frame what they are.
	isReady() bool
	// next cuts the first frame off the data of a sample.
	next(data []byte) (frame codedFrame, rest []byte, err error)
	timeline() *timeline.Coded
	// form describes the frames from the latest on: to package mp4, where the
	// container hides what is before its zero, or to libavformat.
	form(hides bool) (*form, error)
	// format is the same in words.
	format() string
	// filler fills gaps between such frames, nil if that cannot be done.
	filler() filler
}

// codedFrame is a frame of a sample, or several that are one packet.
type codedFrame struct {
	data    []byte
	length  int64 // ticks
	changed bool  // the stream's form is another one from here on
}

// filler makes frames in which nothing is said.
type filler interface {
	// fill returns a frame with which to go on with filling a gap of which so
	// many ticks are done and left, and its length. The frame before the gap
	// had so many bytes. The data is not changed any more.
	fill(done, left int64, last int) (data []byte, length int64)
}

// audioCopy puts encoded audio into the file as it comes:
//
//	samples ─► frames ─► timeline.Coded ─► silence where there is nothing ─► packets
//
// No bit of what is written changes. What is left out, and why, is counted.
type audioCopy struct {
	codec media.Codec
	out   *output
	hides bool // the container has edit lists

	source    *media.EncodedFormat // the latest samples'
	dir       media.Direction      // theirs
	stream    codedStream
	described bool            // form, filler and timeline are the stream's
	form      *form           // of the frames given out
	filler    filler          // of the same
	timeline  *timeline.Coded // nil until the stream is described
	any       bool            // a packet has been written
	mean      float64         // bytes for a tick
	last      int             // bytes of the latest frame written

	// Those that the timeline has, oldest first.
	way  []copiedFrame
	head int
	// Of the sample whose frames are being given out: the end of what was
	// written, 0 for nothing, and why the rest was not.
	end int64
	why recorder.DropReason
}

// copiedFrame is a frame on its way through the timeline.
type copiedFrame struct {
	data   []byte
	sample *media.Encoded
	length int64
	last   bool // of its sample
}

// takes implements trackEncoder.
func (a *audioCopy) takes(s media.Sample) bool {
	return s.Encoded != nil && s.Encoded.Format.Codec == a.codec
}

// announce implements trackEncoder.
func (a *audioCopy) announce(t recorder.Track) error {
	if err := a.follow(&t.Encoded); err != nil || !a.stream.isReady() {
		return err
	}
	return a.describe()
}

// prepare implements trackEncoder. A stream that only says with its first frame
// what it is gets its place in the file then.
func (a *audioCopy) prepare(first media.Sample) error {
	if err := a.follow(first.Encoded.Format); err != nil {
		return err
	}
	if !a.any {
		a.dir = first.Direction
	}
	if a.timeline != nil {
		a.timeline.Resume()
	}
	if a.described || !a.stream.isReady() {
		return nil
	}
	return a.describe()
}

// follow reads the stream as of another format, in which it goes on.
func (a *audioCopy) follow(f *media.EncodedFormat) error {
	switch {
	case a.source == f:
		return nil
	case a.source != nil && a.source.Packing == f.Packing && a.source.Channels == f.Channels && bytes.Equal(a.source.Config, f.Config):
		a.source = f
		return nil
	}
	next, err := newCodedStream(f)
	if err == nil {
		a.source, a.stream, a.described = f, next, false
	}
	return err
}

func newCodedStream(f *media.EncodedFormat) (codedStream, error) {
	switch f.Codec {
	case media.Opus:
		return newOpusStream(f)
	case media.AAC:
		return newAACStream(f)
	}
	return nil, fmt.Errorf("%w: %s (allowed: opus, aac)", errNotCopied, f.Codec)
}

// describe describes the frames from here on to the file. Those that are
// timed in another way need another track in it.
func (a *audioCopy) describe() error {
	f, err := a.stream.form(a.hides)
	if err != nil {
		return err
	}
	next := a.stream.timeline()
	if tl := a.timeline; tl != nil {
		a.give(tl.Flush())
		if tl.Follows(next) {
			next = tl
		}
	}
	if err := a.declare(f); err != nil {
		return err
	}
	a.timeline, a.filler, a.described = next, a.stream.filler(), true
	a.out.ledger.update(func(t *recorder.TrackResult) { t.Codec, t.Format = a.codec.String(), a.stream.format() })
	return nil
}

// declare gives the stream its place in the file.
func (a *audioCopy) declare(f *form) error {
	s := a.out.stream
	if s != nil && s.wrote && !s.form.same(f) && s.form.isKin(f) {
		a.out.muxer.change(s, f)
		a.form = s.form
		return nil
	}
	if err := a.out.declare(f, a.any); err != nil {
		return err
	}
	if s != nil && s != a.out.stream {
		s.ends()
	}
	a.form = a.out.stream.form
	return nil
}

// encode implements trackEncoder.
func (a *audioCopy) encode(at time.Duration, s media.Sample) error {
	if err := a.out.muxer.err(); err != nil {
		return err
	}
	e := s.Encoded
	if s.Direction != a.dir {
		return errBothDirections
	}
	if err := a.follow(e.Format); err != nil {
		return err
	}
	frame, rest, err := a.next(e.Data)
	if err != nil {
		return err
	}
	a.out.ledger.take()
	for lost := e.Lost; ; lost = 0 {
		a.put(at, frame, e, lost, len(rest) == 0)
		if len(rest) == 0 {
			break
		}
		at += timeline.TimeOf(frame.length, a.timeline.Rate())
		if frame, rest, err = a.next(rest); err != nil { // those before it are good
			a.out.ledger.note(err)
			a.endSample()
			break
		}
	}
	a.out.ledger.measure(a.timeline.Figures())
	return nil
}

// next cuts a frame off, for which the file is ready then.
func (a *audioCopy) next(data []byte) (codedFrame, []byte, error) {
	frame, rest, err := a.stream.next(data)
	if err != nil {
		return frame, rest, err
	}
	if frame.changed {
		a.described = false
	}
	if !a.described {
		if err = a.describe(); err == nil {
			a.out.stream.begins()
		}
	}
	return frame, rest, err
}

// put gives a frame to the timeline and writes what that gives out.
func (a *audioCopy) put(at time.Duration, f codedFrame, e *media.Encoded, lost int, last bool) {
	if a.head > 64 && 2*a.head > len(a.way) { // reuse the room at the front
		a.way = a.way[:copy(a.way, a.way[a.head:])]
		a.head = 0
	}
	e.Retain()
	a.way = append(a.way, copiedFrame{f.data, e, f.length, last})
	a.give(a.timeline.Add(timeline.Packet{At: at, Length: f.length, Lost: lost, Quiet: a.isQuiet(f)}))
}

// isQuiet guesses that nobody speaks in a frame, from its size: an encoder of
// variable rate makes it small, or next to nothing if it may leave out what is
// silent.
func (a *audioCopy) isQuiet(f codedFrame) bool {
	const memory = 128 // frames
	size := float64(len(f.data)) / float64(f.length)
	quiet := len(f.data) <= comfort || size < a.mean/2
	if a.mean == 0 {
		a.mean = size
	}
	a.mean += (size - a.mean) / memory
	return quiet
}

// give writes frames as the timeline has decided.
func (a *audioCopy) give(places []timeline.Place) {
	for _, place := range places {
		f := a.way[a.head]
		a.way[a.head] = copiedFrame{}
		a.head++
		a.fill(place.At-place.Fill, place.Fill)
		switch place.What {
		case timeline.InPlace:
			a.end = place.At + f.length
		case timeline.BeforeStart:
			a.why = recorder.DropBeforeStart
		case timeline.Behind:
			a.why = recorder.DropLate
		case timeline.Surplus:
			a.why = recorder.DropSurplus
		}
		if f.last { // first, for the packet may be in the file before this comes back
			a.account()
		}
		if place.What != timeline.InPlace {
			f.sample.Release()
			continue
		}
		rate := a.timeline.Rate()
		a.out.ledger.span(timeline.TimeOf(place.At, rate), timeline.TimeOf(place.At+f.length, rate))
		a.last = len(f.data)
		a.write(packet{pts: place.At, duration: f.length, data: f.data, sample: f.sample})
	}
}

// endSample ends a sample whose frames are not all good.
func (a *audioCopy) endSample() {
	if a.head == len(a.way) {
		a.account()
		return
	}
	a.way[len(a.way)-1].last = true
}

// account tells the ledger what became of a sample.
func (a *audioCopy) account() {
	if a.end > 0 {
		a.out.ledger.place(a.end)
	} else {
		a.out.ledger.release(a.why)
	}
	a.end = 0
}

// fill writes so many ticks of silence. Where nothing is known that would be
// silent, the frame before the gap lasts until its end.
func (a *audioCopy) fill(at, ticks int64) {
	if a.filler == nil {
		return
	}
	for done := int64(0); done < ticks; {
		data, length := a.filler.fill(done, ticks-done, a.last)
		a.write(packet{pts: at + done, duration: length, data: data})
		done += length
	}
}

// write writes a packet. Where that fails the file has, and with it all that is
// on its way is lost; the next sample is refused.
func (a *audioCopy) write(p packet) {
	p.form, p.dts, p.mark, p.key = a.form, p.pts, p.pts+p.duration, true
	a.any = true
	if err := a.out.stream.write(p); err != nil {
		a.out.ledger.note(err)
	}
}

// flush implements trackEncoder.
func (a *audioCopy) flush() error {
	if a.timeline != nil {
		a.give(a.timeline.Flush())
		a.out.ledger.measure(a.timeline.Figures())
	}
	return a.out.muxer.err()
}

// close implements trackEncoder. The timeline runs on.
func (a *audioCopy) close() {
	for _, f := range a.way[a.head:] {
		f.sample.Release()
	}
	a.way, a.head = nil, 0
}
