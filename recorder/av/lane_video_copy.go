package av

import (
	"bytes"
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// videoCopy puts encoded pictures into the file as they come:
//
//	samples ─► access unit ─► may it be shown? ─► when is it decoded? ─► packet
//
// What is in the way of decoding it is left out and counted: everything before
// the first keyframe, and after a loss what needs what was lost. The source is
// asked for a keyframe then, and where a file is to begin.
type videoCopy struct {
	cfg   recorder.Config
	codec media.Codec
	out   *output
	hides bool // the container has edit lists

	unit    accessUnit
	format  *media.EncodedFormat // the latest samples'
	video   *bitstream.Video
	stale   bool // form may not be that of video
	form    *form
	reorder *bitstream.Reorder
	pool    media.EncodedPool // for what has to be laid out anew

	waiting recorder.DropReason // why pictures are left out until a keyframe; empty if they are not
	since   time.Duration       // since when
	wanted  bool                // something is missing, and no keyframe has come
	lastCut time.Duration       // of the files' cuts, for which a keyframe has come

	any      bool
	lastDTS  int64 // of the latest packet, valid once any is set
	lastPTS  int64
	interval int64 // between the latest two packets
}

// squeezable is how far behind the latest picture one may come: a clock that was
// set back a little costs no pictures, which could not be decoded without each
// other, but shows them at once.
const squeezable = videoTimescale

// takes implements trackEncoder.
func (v *videoCopy) takes(s media.Sample) bool {
	return s.Encoded != nil && s.Encoded.Format.Codec == v.codec
}

// announce implements trackEncoder. The track's place in the file is described
// by the first keyframe, unless what is declared is enough.
func (v *videoCopy) announce(t recorder.Track) error {
	if err := v.follow(&t.Encoded); err != nil || !v.video.Ready() || v.video.ExtraData() == nil {
		return err
	}
	return v.describe(nil)
}

// prepare implements trackEncoder. The stream has its place from the first
// sample on, so that the file knows that there is something to come.
func (v *videoCopy) prepare(first media.Sample) error {
	v.waiting, v.wanted = recorder.DropNoKeyframe, true
	return v.follow(first.Encoded.Format)
}

// follow reads the stream as of another format, in which it goes on.
func (v *videoCopy) follow(f *media.EncodedFormat) error {
	if v.format == f {
		return nil
	}
	if v.format != nil && v.format.Packing == f.Packing && v.format.Width == f.Width && v.format.Height == f.Height &&
		bytes.Equal(v.format.Config, f.Config) {
		v.format = f
		return nil
	}
	video, err := bitstream.NewVideo(f)
	if err != nil {
		return err
	}
	v.format, v.video, v.stale = f, video, true
	return nil
}

// encode implements trackEncoder.
func (v *videoCopy) encode(at time.Duration, s media.Sample) error {
	if err := v.out.muxer.err(); err != nil {
		return err
	}
	if !v.unit.isEmpty() && v.unit.time != at {
		v.complete(false)
	}
	if !v.unit.isEmpty() && !v.unit.hasRoom(s) {
		v.complete(true)
	}
	if err := v.follow(s.Encoded.Format); err != nil {
		return err
	}
	v.out.ledger.take()
	v.unit.add(at, s)
	if s.Encoded.Whole || !comesInParts(v.codec) {
		v.complete(false)
	}
	return nil
}

// comesInParts reports whether a codec's access units may come as single NAL
// units.
func comesInParts(c media.Codec) bool { return c == media.H264 || c == media.HEVC }

// complete deals with the access unit that was gathered. One without a picture
// belongs to the next, unless there is none.
func (v *videoCopy) complete(last bool) {
	e := v.unit.payload()
	picture, err := v.video.Read(e.Data)
	switch {
	case err != nil:
		v.out.ledger.note(err)
		v.drop(recorder.DropRejected)
		v.miss(recorder.DropAfterLoss)
	case !picture.HasPicture && !last && v.unit.mayLead():
		e.Release()
		return
	case !picture.HasPicture: // it may have been what the next one needs
		v.drop(recorder.DropRejected)
		v.miss(recorder.DropAfterLoss)
	default:
		v.judge(e, picture)
	}
	e.Release()
	v.unit.clear()
}

// judge decides whether a picture can be shown, and writes it if so.
func (v *videoCopy) judge(e *media.Encoded, p bitstream.Picture) {
	at := v.unit.time
	if v.unit.lost > 0 {
		v.miss(recorder.DropAfterLoss)
	}
	cut, behind := v.out.muxer.lastCut(at)
	turns := behind && cut != v.lastCut
	key := p.Key && v.video.Ready()
	switch {
	case key:
		v.waiting, v.wanted = "", false
		v.out.keyframes.answered()
		if turns {
			v.lastCut = cut
		}
	case v.wanted || turns:
		v.out.keyframes.ask(at)
	}
	if v.thaws(at) {
		v.waiting = ""
	}
	if v.waiting != "" {
		v.drop(v.waiting)
		return
	}
	v.write(at, e, p, key)
}

// miss says that what comes next cannot be decoded as it should.
func (v *videoCopy) miss(why recorder.DropReason) {
	v.wanted = true
	if v.waiting == "" {
		v.waiting, v.since = why, v.unit.time
	}
}

// thaws reports whether pictures are to go on although something is missing.
func (v *videoCopy) thaws(at time.Duration) bool {
	return v.waiting == recorder.DropAfterLoss &&
		(at-v.since).Abs() >= freezeAfterLoss(v.cfg.Video.AfterLoss, v.codec, v.out.keyframes.canAsk())
}

// drop counts all samples of the access unit as left out.
func (v *videoCopy) drop(why recorder.DropReason) {
	for range v.unit.parts {
		v.out.ledger.release(why)
	}
}

// write gives a picture its times and hands it on.
func (v *videoCopy) write(at time.Duration, e *media.Encoded, p bitstream.Picture, key bool) {
	pts := videoPosition(at)
	v.stale = v.stale || p.Changed
	switch {
	case at < 0:
		v.drop(recorder.DropBeforeStart)
		v.miss(recorder.DropNoKeyframe)
		return
	case v.any && pts < min(v.lastPTS, v.lastDTS)-squeezable:
		v.drop(recorder.DropLate)
		v.miss(recorder.DropAfterLoss)
		return
	}
	if v.stale && key {
		if err := v.describe(e.Data); err != nil {
			v.out.ledger.note(err)
			v.drop(recorder.DropWriteError)
			v.miss(recorder.DropNoKeyframe)
			return
		}
	}
	dts := v.decodeTime(pts, e.Lead)
	if !v.hides || e.Lead != media.UnknownLead {
		pts = max(pts, dts)
	}
	if v.any {
		// A picture that came after a silence does not last as long as that.
		v.interval = min(dts-v.lastDTS, 2*max(v.interval, v.nominalInterval()))
	}
	v.any, v.lastPTS, v.lastDTS = true, pts, dts
	v.hand(e, packet{form: v.form, pts: pts, dts: dts, mark: dts, key: key})
}

// decodeTime returns when a picture is decoded: as its source says, or as is
// worked out from the order of pictures; behind the one before in any case.
func (v *videoCopy) decodeTime(pts int64, lead time.Duration) int64 {
	dts := pts - timeline.Ticks(lead, videoTimescale)
	if lead == media.UnknownLead {
		if v.reorder == nil {
			depth, _ := v.video.ReorderDepth()
			v.reorder = bitstream.NewReorder(depth, v.nominalInterval())
		}
		dts = v.reorder.Next(pts)
	}
	if v.any {
		dts = max(dts, v.lastDTS+v.out.muxer.closest())
	}
	return dts
}

func (v *videoCopy) nominalInterval() int64 {
	return int64(videoTimescale / v.cfg.VideoFPS)
}

// hand hands a picture on. Its length is only known when the next one comes;
// the container works it out from the times, except for the last, which is
// taken to last as long as its source says, or as the one before it.
func (v *videoCopy) hand(e *media.Encoded, p packet) {
	e, err := v.layOut(e)
	if err != nil {
		v.out.ledger.note(err)
		v.drop(recorder.DropRejected)
		v.miss(recorder.DropAfterLoss)
		return
	}
	p.duration = timeline.Ticks(e.Duration, videoTimescale)
	if p.duration == 0 {
		p.duration = v.interval
	}
	if p.duration <= 0 {
		p.duration = v.nominalInterval()
	}
	for range v.unit.parts {
		v.out.ledger.place(p.mark)
	}
	v.out.ledger.span(timeline.TimeOf(p.pts, videoTimescale), timeline.TimeOf(p.pts+p.duration, videoTimescale))
	p.data, p.sample = e.Data, e
	if err := v.out.stream.write(p); err != nil {
		v.out.ledger.note(err) // and all that is on its way is lost; the next sample is refused
	}
}

// layOut returns the payload with a reference for the caller, its NAL units
// packed as the container takes them, and its OBUs as all players do.
func (v *videoCopy) layOut(e *media.Encoded) (*media.Encoded, error) {
	f := e.Format
	if f.Codec == media.AV1 {
		return v.sizeOBUs(e), nil
	}
	n, err := bitstream.LengthSize(f)
	if err != nil {
		return nil, err
	}
	if n == bitstream.ByteStream || v.hides && n == 4 {
		e.Retain()
		return e, nil
	}
	out := v.pool.Get(f, len(e.Data)*4/n)
	if v.hides {
		out.Data, err = bitstream.AppendLength4(out.Data[:0], f, e.Data)
	} else {
		out.Data, err = bitstream.AppendAnnexB(out.Data[:0], f, e.Data)
	}
	if err != nil {
		out.Release()
		return nil, err
	}
	out.Duration, out.Lead = e.Duration, e.Lead
	return out, nil
}

// sizeOBUs lets the last OBU of a temporal unit tell its size. Files may have it
// without (AV1 Codec ISO Media File Format Binding, 2.4), but GStreamer 1.22
// does not find a frame in such.
func (v *videoCopy) sizeOBUs(e *media.Encoded) *media.Encoded {
	at := bitstream.UnsizedOBU(e.Data)
	if at < 0 {
		e.Retain()
		return e
	}
	out := v.pool.Get(e.Format, len(e.Data)+bitstream.MaxOBUSize)
	out.Data = bitstream.AppendSizedOBUs(out.Data[:0], e.Data, at)
	out.Duration, out.Lead = e.Duration, e.Lead
	return out
}

// describe describes the stream to the file as of the keyframe given, or as was
// declared.
func (v *videoCopy) describe(key []byte) error {
	f, err := v.newForm(key)
	if err != nil {
		return err
	}
	if s := v.out.stream; s != nil && s.wrote && s.form.isKin(f) {
		v.out.muxer.change(s, f)
	} else if err := v.out.declare(f, v.any); err != nil {
		return err
	}
	v.form, v.stale = v.out.stream.form, key == nil
	if key != nil {
		v.out.stream.begins()
	}
	width, height := v.video.Size()
	v.out.ledger.update(func(t *recorder.TrackResult) {
		t.Codec = v.codec.String()
		t.Format = fmt.Sprintf("%dx%d", width, height)
	})
	if depth, known := v.video.ReorderDepth(); known && v.reorder != nil {
		v.reorder.SetDepth(depth)
	}
	return nil
}

// newForm describes the stream as of a keyframe, which may be nil where the
// codec is described apart from that.
func (v *videoCopy) newForm(key []byte) (*form, error) {
	f := &form{rate: videoTimescale}
	width, height := v.video.Size()
	var err error
	if v.hides {
		changes := v.out.stream != nil && v.out.stream.wrote
		f.codec, err = pictureEntry(v.format, v.video.ExtraData(), key, changes)
		return f, err
	}
	f.params, err = ffmpeg.NewCodecParams(ffmpeg.ParamsConfig{
		Codec: v.codec.String(), ExtraData: v.video.ExtraData(), TimeBaseDen: videoTimescale, Width: width, Height: height,
	})
	return f, err
}

// pictureEntry describes copied pictures to package mp4. changes says that the
// track was described otherwise before.
func pictureEntry(f *media.EncodedFormat, extra, key []byte, changes bool) (mp4.Codec, error) {
	switch f.Codec {
	case media.VP8:
		return mp4.VP8FromFrame(key)
	case media.VP9:
		return mp4.VP9FromFrame(key)
	}
	c, err := mp4.CodecFromExtradata(f.Codec.String(), extra, 0, 0, 0, 0)
	if err != nil {
		return nil, err
	}
	annexB := f.Packing != media.LengthPrefixed // the sets are a byte stream either way
	switch c := c.(type) {
	case mp4.AVC:
		c.AnnexB, c.KeepSets = annexB, changes
		return c, nil
	case mp4.HEVC:
		c.AnnexB, c.KeepSets = annexB, changes
		return c, nil
	}
	return c, nil
}

// flush implements trackEncoder.
func (v *videoCopy) flush() error {
	if !v.unit.isEmpty() {
		v.complete(true)
	}
	return nil
}

// close implements trackEncoder. A stream that goes on does so with a keyframe.
func (v *videoCopy) close() {
	v.unit.clear()
	v.format = nil
}
