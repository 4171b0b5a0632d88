package av

import (
	"errors"
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// videoTimescale is that of MPEG systems; it divides the common frame times
// and leaves variable ones an error of at most 6 µs.
const videoTimescale = 90_000

// videoLane encodes raw pictures: convert into the track's size and colour,
// unless they have both, stamp, encode. What is encoded and cannot or shall not
// be copied is decoded first.
type videoLane struct {
	cfg       recorder.Config
	encoders  []string // to try, best first
	container container
	out       *output
	gate      *gate
	notify    func(encoder string, err error) // of an encoder that would not open

	format    media.VideoFormat // of the track: the first picture's, made even
	frame     *ffmpeg.Frame
	converter *ffmpeg.Converter
	encoder   *ffmpeg.VideoEncoder
	emit      func(*ffmpeg.Packet) error // bound once: a method value allocates

	last    int64 // time stamp of the last picture, valid once any is set
	any     bool
	delta   int64 // its distance from the one before
	away    bool  // nothing has been encoded since the encoder was closed
	lastKey int64
	lastCut time.Duration // for which a keyframe has been made

	decoding pictureDecoding
}

// open makes the track's encoder for pictures of a format.
func (v *videoLane) open(f media.VideoFormat) error {
	v.closeEncoder()
	v.format = trackFormat(f)
	var errs error
	for _, name := range v.encoders {
		enc, err := ffmpeg.NewVideoEncoder(videoEncoderConfig(name, v.cfg, v.format))
		if err != nil { // such as one session more than the hardware allows
			v.notify(name, err)
			errs = errors.Join(errs, err)
			continue
		}
		v.encoder = enc
		break
	}
	if v.encoder == nil {
		return fmt.Errorf("av: no video encoder for %s can be opened: %w", v.format, errs)
	}
	frame, err := ffmpeg.NewVideoFrame(v.format.Width, v.format.Height, v.format.Color)
	if err != nil {
		return err
	}
	v.frame, v.converter, v.emit = frame, ffmpeg.NewConverter(), v.packet
	if !v.any {
		v.delta = int64(packetDuration(v.cfg, f) * videoTimescale / time.Second)
	}
	params := v.encoder.Params()
	v.out.ledger.update(func(t *recorder.TrackResult) {
		t.Codec = params.Codec()
		t.Format = fmt.Sprintf("%dx%d", v.format.Width, v.format.Height)
	})
	return v.out.declare(encoderForm(params), v.any)
}

// trackFormat is what pictures of a format are encoded as: 4:2:0 wants even
// sizes, so an odd one is padded by one row or column.
func trackFormat(f media.VideoFormat) media.VideoFormat {
	color := media.BT601 // what RGB is converted to
	if f.Pixel == media.I420 || f.Pixel == media.NV12 {
		color = f.ResolvedColor()
	}
	return media.VideoFormat{Width: (f.Width + 1) &^ 1, Height: (f.Height + 1) &^ 1, Color: color, Rate: f.Rate}
}

// takes implements trackEncoder.
func (v *videoLane) takes(s media.Sample) bool {
	return s.Picture != nil || decodes(s, v.cfg, v.container)
}

// announce implements trackEncoder.
func (v *videoLane) announce(t recorder.Track) error {
	v.format.Rate = t.Video.Rate
	if !t.Encoded.IsZero() {
		return v.foresee(&t.Encoded, nil)
	}
	if t.Video.Width == 0 {
		return nil
	}
	if err := t.Video.Validate(); err != nil {
		return err
	}
	return v.open(t.Video)
}

// prepare implements trackEncoder. The picture's real format counts for more
// than the declared one, as long as the file can take it; afterwards pictures
// are converted.
func (v *videoLane) prepare(first media.Sample) error {
	if v.any && v.encoder == nil {
		v.away = true
		return v.open(v.format)
	}
	if first.Encoded != nil {
		return v.foresee(first.Encoded.Format, first.Encoded.Data)
	}
	return v.suit(first.Picture.Format)
}

// suit opens the encoder for pictures of a format, unless it is.
func (v *videoLane) suit(f media.VideoFormat) error {
	f.Rate = v.format.Rate
	if v.encoder != nil && (trackFormat(f) == v.format || v.out.muxer.isFixed()) {
		return nil
	}
	return v.open(f)
}

// encode implements trackEncoder.
func (v *videoLane) encode(at time.Duration, s media.Sample) error {
	if s.Encoded != nil {
		return v.decode(at, s)
	}
	v.flushDecoder()
	return v.show(at, s.Picture, 1)
}

// show encodes a picture, which stands for so many of the track's samples.
func (v *videoLane) show(at time.Duration, picture *media.Picture, samples int) error {
	if at < 0 {
		v.out.ledger.dropAll(recorder.DropBeforeStart, samples)
		return nil
	}
	pts := videoPosition(at)
	if v.any && pts <= v.last {
		v.out.ledger.dropAll(recorder.DropLate, samples)
		return nil
	}
	returned := v.away
	if returned {
		v.away = false
		if err := v.blank(pts); err != nil {
			return err
		}
	}
	cut, behind := v.out.muxer.lastCut(at)
	turns := behind && cut != v.lastCut
	key := !v.any || returned || turns || pts-v.lastKey >= videoPosition(v.cfg.Video.KeyframeInterval) || v.mayBeFirst()
	if v.any {
		// The packet's length; see packet. A camera that stalled is not a slow
		// one.
		v.delta = min(pts-v.last, 2*v.delta)
	}
	for range samples {
		v.out.ledger.accept(pts)
	}
	if err := v.convertAndEncode(picture, pts, key); err != nil {
		for range samples {
			v.out.ledger.retract(false)
		}
		return err
	}
	if key {
		v.lastKey = pts
	}
	if turns {
		v.lastCut = cut
	}
	v.any, v.last = true, pts
	return nil
}

// blankAfter is from which absence on a track is black where its participant
// was away: a picture that stood for so long would say that they were not.
const blankAfter = videoTimescale

// blank covers the absence before a picture.
func (v *videoLane) blank(until int64) error {
	at := v.last + v.delta
	if until-at < blankAfter {
		return nil
	}
	nobody := media.NewPicture(media.VideoFormat{Pixel: media.RGB24, Width: 2, Height: 2})
	if err := v.converter.Convert(v.frame, nobody); err != nil {
		return err
	}
	v.last = at
	return v.encoder.Encode(v.frame, at, true, v.emit)
}

// mayBeFirst reports whether the file might have to begin with this picture:
// where the container cannot hide those before it, it must need none of them.
func (v *videoLane) mayBeFirst() bool { return !v.container.isHybrid() && !v.gate.isSettled() }

// convertAndEncode leaves the first step out for a picture that is in the
// track's size, format and colour already.
func (v *videoLane) convertAndEncode(p *media.Picture, pts int64, key bool) error {
	if v.encoder.Takes(p) {
		return v.encoder.EncodePicture(p, pts, key, v.emit)
	}
	if err := v.converter.Convert(v.frame, p); err != nil {
		return err
	}
	return v.encoder.Encode(v.frame, pts, key, v.emit)
}

// videoPosition converts a time into the video timescale.
func videoPosition(at time.Duration) int64 { return timeline.Ticks(at, videoTimescale) }

// packet takes what the encoder gives out. The length of a picture is only
// known when the next one comes; the container works it out from the time
// stamps, except for the last, which is taken to last as long as the one
// before it.
func (v *videoLane) packet(p *ffmpeg.Packet) error {
	p.SetDuration(v.delta)
	v.out.ledger.span(timeline.TimeOf(p.PTS(), videoTimescale), timeline.TimeOf(p.PTS()+v.delta, videoTimescale))
	return v.out.stream.write(encodedPacket(p, p.PTS()))
}

// flush implements trackEncoder.
func (v *videoLane) flush() error {
	v.flushDecoder()
	if v.encoder == nil { // no picture has come out of the decoder
		return nil
	}
	return v.encoder.Flush(v.emit)
}

// close implements trackEncoder.
func (v *videoLane) close() {
	v.closeDecoder()
	v.closeEncoder()
}

func (v *videoLane) closeEncoder() {
	if v.encoder != nil {
		v.encoder.Close()
		if v.frame != nil {
			v.frame.Close()
		}
		v.converter.Close()
		v.encoder = nil
	}
}
