package bitstream

import (
	"bytes"
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Picture is what was seen of one access unit, frame or temporal unit.
type Picture struct {
	// Key: decoding can begin here, and what the decoder must be told before is
	// known.
	//
	// H.264: an IDR picture, or one that a recovery point SEI message
	// announces. Where a stream has neither, pictures of I slices only: see
	// the comment of entryRule. HEVC: an IRAP picture (IDR, CRA, BLA); where
	// there are none, one with a recovery point or parameter sets. VP8 and VP9: a key frame. An
	// intra-only frame of VP9 is none, for later frames may refer to what was
	// before it. AV1: a temporal unit that begins with a key frame which is
	// shown; not one that shows a key frame decoded before.
	Key bool
	// Recovery is how many pictures after a Key are not whole yet, because the
	// encoder refreshes the picture bit by bit (intra refresh). 0: the key
	// picture itself is whole. It may be UnknownRecovery.
	Recovery int
	// Changed: from this Key on the description of the stream (size, parameter
	// sets, sequence header) is another than before, or is known for the first
	// time. What changes between keys counts from the next key on.
	Changed bool
	// HasPicture is false for parameter sets, SEI messages, delimiters alone.
	HasPicture bool
	// FirstSlice: a picture begins here. Of H.264 and HEVC the first slice in
	// the data is the first of its picture; of other codecs the same as
	// HasPicture.
	FirstSlice bool
	// Discardable: no other picture refers to this one. Not worked out for AV1.
	Discardable bool
	// Hidden: nothing is shown (alternate reference frames of VP8 and VP9).
	Hidden bool
	// TemporalID is the temporal layer of HEVC and AV1, 0 of others.
	TemporalID int
}

// UnknownRecovery says that a stream of HEVC has no IRAP pictures, and nothing
// that tells how long its refresh takes.
const UnknownRecovery = -1

// A Video follows one encoded stream of pictures in the order of decoding. It
// is not safe for concurrent use.
type Video struct {
	codec   media.Codec
	stream  pictureStream
	current description
}

// A pictureStream reads one codec.
type pictureStream interface {
	// read looks at data and leaves the stream as it was if there is an error.
	read(au []byte) (Picture, error)
	// describe returns the description from the last key on. It may return the
	// extradata that it is given, if that is still the same.
	describe(extra []byte) description
}

// A description is what a decoder or muxer must know of a stream.
type description struct {
	ready         bool
	width, height int
	extra         []byte
	reorder       int // -1: not known
}

func (d description) equal(o description) bool {
	return d.ready == o.ready && d.width == o.width && d.height == o.height && d.reorder == o.reorder && bytes.Equal(d.extra, o.extra)
}

// NewVideo begins with what the format says. An error wraps media.ErrFormat, or
// media.ErrLength where the configuration ends early.
func NewVideo(f *media.EncodedFormat) (*Video, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	v := &Video{codec: f.Codec}
	var err error
	switch f.Codec {
	case media.H264:
		v.stream, err = newAVCStream(f)
	case media.HEVC:
		v.stream, err = newHEVCStream(f)
	case media.AV1:
		v.stream, err = newAV1Stream(f)
	case media.VP9:
		v.stream = &vp9Stream{}
	case media.VP8:
		v.stream = &vp8Stream{}
	default:
		err = fmt.Errorf("%w: %s is no codec of pictures (allowed: h264, hevc, vp8, vp9, av1)", media.ErrFormat, f.Codec)
	}
	if err != nil {
		return nil, err
	}
	v.current = v.stream.describe(nil)
	if !v.current.ready {
		v.current.width, v.current.height = f.Width, f.Height
	}
	return v, nil
}

// Read looks at one access unit or a part of it (H.264, HEVC), one frame or
// superframe (VP8, VP9), one temporal unit (AV1). It keeps no part of the data.
// After an error, which wraps media.ErrLength or media.ErrFormat, the Video is
// as it was before.
func (v *Video) Read(au []byte) (Picture, error) {
	if len(au) == 0 {
		return Picture{}, fmt.Errorf("%w: no data for a picture of %s", media.ErrLength, v.codec)
	}
	p, err := v.stream.read(au)
	if err != nil {
		return Picture{}, fmt.Errorf("%s: %w", v.codec, err)
	}
	if !p.Key {
		return p, nil
	}
	if next := v.stream.describe(v.current.extra); !next.equal(v.current) {
		p.Changed, v.current = true, next
	}
	return p, nil
}

// Ready reports whether the stream is described: its size is known, and the
// parameter sets or the sequence header if the codec has such.
func (v *Video) Ready() bool { return v.current.ready }

// Size returns the pictures' size in pixels; before the stream is described
// what the format said, which may be 0.
func (v *Video) Size() (width, height int) { return v.current.width, v.current.height }

// ExtraData returns the configuration for a decoder or a muxer, as FFmpeg has
// it: of H.264 and HEVC all parameter sets as a byte stream, ordered by type and
// id; of AV1 the sequence header OBU; of VP8 and VP9 nil. It is read only and
// stays as it is: the next description has another slice.
func (v *Video) ExtraData() []byte { return v.current.extra }

// ReorderDepth returns how many pictures may come before one in the order of
// decoding and after it in that of output, as the stream says it: H.264 in its
// VUI or by its profile or order count, HEVC for its highest sub-layer. VP8, VP9
// and AV1 do not reorder what they show. known is false where nothing is said.
func (v *Video) ReorderDepth() (pictures int, known bool) {
	return max(v.current.reorder, 0), v.current.reorder >= 0
}
