package decode

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Video decodes one stream of pictures.
//
//	samples ─► access unit ─► wait for a keyframe ─► decoder ─► pictures, in the order they are shown
//
// Only of damaged streams pictures may be in another order.
//
// NAL units of H.264 and HEVC may come singly: what follows with the same time
// is one access unit, so that its picture only comes with the next sample,
// unless the sample says that it is whole.
type Video struct {
	options VideoOptions
	out     VideoOutput
	format  *media.EncodedFormat
	stream  *bitstream.Video
	decoder *ffmpeg.Decoder // nil before the first sample, and where the format cannot be decoded
	failed  error           // why
	reorder int             // pictures that the decoder was told to hold back

	unit    unit
	way     passages
	waiting error         // why nothing is given to the decoder; nil if it is
	since   time.Duration // since when
	harmed  bool          // something has been lost or damaged since the last keyframe
	healing int           // pictures that are not whole yet; see bitstream.Picture.Recovery
	pool    media.PicturePool
}

// VideoOutput is where what comes of samples goes. Each sample that Decode was
// given is counted once: by the picture it is a part of, or as lost. A picture
// may be of several samples, or of none if one gives two.
type VideoOutput struct {
	// Picture takes over the picture's reference.
	Picture func(s media.Sample, samples int)
	// Lost tells of samples that give no picture, and why: [ErrNoKeyframe],
	// [ErrAfterLoss], or what says that they cannot be decoded.
	Lost func(samples int, err error)
}

// VideoOptions of a decoder.
type VideoOptions struct {
	// Freeze is for how long at most pictures are left out after samples were
	// lost or turned out to be damaged, up to the next keyframe. With 0 they are
	// decoded as well as that goes.
	Freeze time.Duration
}

// maxPixels is the largest picture of the highest levels of H.264 (6.2), HEVC
// (6.2) and AV1 (6.3).
const maxPixels = 35_651_584

// NewVideo makes a decoder of H264, HEVC, VP8, VP9 and AV1. It is open from the
// first sample on. Of a format that cannot be decoded the error that is told
// with the lost samples wraps [media.ErrFormat], [media.ErrLength] or
// [ffmpeg.ErrUnsupported], or is FFmpeg's.
func NewVideo(o VideoOptions, out VideoOutput) *Video { return &Video{options: o, out: out} }

// begin begins a stream.
func (d *Video) begin(f *media.EncodedFormat) {
	d.format, d.waiting, d.harmed = f, ErrNoKeyframe, false
	d.open(0)
}

func (d *Video) open(reorder int) {
	d.closeDecoder()
	d.reorder = reorder
	d.stream, d.decoder, d.failed = openVideo(d.format, reorder)
}

// Decode takes a sample, which it borrows, in the order of decoding. Another
// format than before ends the stream before, and begins one.
func (d *Video) Decode(s media.Sample) {
	e := s.Encoded
	if e == nil || e.Format == nil {
		d.out.Lost(1, media.ErrPayload)
		return
	}
	if !sameFormat(d.format, e.Format) {
		d.Flush()
		d.begin(e.Format)
	}
	if d.failed != nil {
		d.out.Lost(1, d.failed)
		return
	}
	if d.unit.samples > 0 && d.unit.time != s.Time {
		d.finish()
	}
	if err := d.unit.add(s); err != nil {
		d.lose(d.unit.samples, err)
		d.unit.clear()
		return
	}
	if e.Whole || !d.comesInParts() {
		d.finish()
	}
}

func (d *Video) comesInParts() bool {
	return d.format.Codec == media.H264 || d.format.Codec == media.HEVC
}

// NeedsKeyframe reports whether a keyframe would help: decoding waits for one,
// or something has been lost or damaged since the last.
func (d *Video) NeedsKeyframe() bool { return d.waiting != nil || d.harmed }

// finish decodes the access unit that has been gathered.
func (d *Video) finish() {
	u := &d.unit
	picture, err := d.stream.Read(u.data)
	if err == nil && !picture.HasPicture {
		return // parameter sets that came alone: the next picture is for them too
	}
	if u.lost {
		d.freeze(u.time)
	}
	switch {
	case err != nil:
		d.lose(u.samples, err)
	case !d.admits(picture):
		d.out.Lost(d.way.carried()+u.samples, d.waiting)
	default:
		d.decode(picture)
	}
	u.clear()
}

// decode gives the decoder the access unit.
func (d *Video) decode(p bitstream.Picture) {
	u := &d.unit
	if p.Hidden {
		d.way.carry(u.samples)
	} else {
		d.way.enter(passage{u.time, u.samples, d.quality()})
	}
	if err := d.submit(u.data, u.time, p.Key); err != nil {
		d.lose(d.way.withdraw(u.time), err)
	}
	d.way.overdue(d.out.Lost)
}

// admits reports whether a picture is to be decoded.
func (d *Video) admits(p bitstream.Picture) bool {
	d.harmed = d.harmed && !p.Key
	switch {
	case p.Key && d.waiting != nil:
		d.expectReordering()
		d.waiting, d.healing = nil, p.Recovery
	case d.waiting == ErrAfterLoss && (d.unit.time-d.since).Abs() >= d.options.Freeze:
		d.waiting = nil
	}
	return d.waiting == nil
}

// quality is why nothing may come of the next picture. Decoders leave those out
// that an encoder has not refreshed all of yet.
func (d *Video) quality() error {
	if d.healing > 0 {
		d.healing--
		return ErrNoKeyframe
	}
	return ErrNothing
}

// assumedReorder is deeper than encoders go that do not say how deep.
const assumedReorder = 4

// expectReordering tells the decoder of pictures that come in another order
// than they are shown, where the stream does not say so before it happens: the
// first of them would come in the wrong order.
func (d *Video) expectReordering() {
	_, known := d.stream.ReorderDepth()
	if known || d.format.Codec != media.H264 || d.unit.lead <= 0 || d.reorder > 0 {
		return
	}
	d.drain()
	stream := d.stream
	d.open(assumedReorder)
	d.stream = stream // which has read this picture
}

// submit gives the decoder an access unit and hands on what comes out.
func (d *Video) submit(data []byte, at time.Duration, key bool) error {
	if d.decoder == nil {
		return d.failed
	}
	err := send(d.decoder, data, int64(at), key)
	if received := d.receive(); err == nil {
		err = received
	}
	return err
}

// receive hands on the pictures that are ready, and returns the first error.
func (d *Video) receive() error {
	var first error
	for range maxHeld {
		p, pts, err := d.decoder.ReceivePicture(&d.pool)
		switch {
		case ended(err):
			return first
		case err != nil && first == nil:
			first = err
		case err == nil && pts == ffmpeg.NoPTS:
			p.Release()
		case err == nil:
			d.out.Picture(media.Sample{Time: pts, Picture: p}, d.way.arrive(pts, d.out.Lost))
		}
	}
	return first
}

// lose counts samples of the access unit as lost.
func (d *Video) lose(samples int, err error) {
	d.freeze(d.unit.time)
	d.out.Lost(samples, err)
}

// freeze notes that something is missing, and waits for a keyframe, if that is
// wanted.
func (d *Video) freeze(at time.Duration) {
	d.harmed = true
	if d.waiting == nil && d.options.Freeze > 0 {
		d.waiting, d.since = ErrAfterLoss, at
	}
}

// Flush gives out everything that is still inside. What comes then has to
// begin with a keyframe.
func (d *Video) Flush() {
	if d.decoder == nil {
		return
	}
	if d.unit.samples > 0 {
		d.finish()
	}
	if d.unit.samples > 0 {
		d.out.Lost(d.unit.samples, ErrNothing)
		d.unit.clear()
	}
	d.drain()
	d.waiting = ErrNoKeyframe
}

func (d *Video) drain() {
	if d.decoder == nil {
		return
	}
	err := d.decoder.Send(nil)
	if received := d.receive(); err == nil {
		err = received
	}
	if err == nil {
		err = ErrNothing
	}
	if n := d.way.rest(); n > 0 {
		d.out.Lost(n, err)
	}
	d.decoder.Reset()
}

// Close frees the decoder. What was not flushed is gone, and not counted.
// Samples after that begin anew.
func (d *Video) Close() {
	d.closeDecoder()
	d.unit.clear()
	d.way = passages{}
	d.format, d.failed = nil, nil
}

func (d *Video) closeDecoder() {
	if d.decoder != nil {
		d.decoder.Close()
		d.decoder = nil
	}
}
