package av

import (
	"bytes"
	"reflect"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// form is how the packets of a stream are coded, described to the container:
// by what an encoder said of itself, or by what was read off a stream that is
// copied.
type form struct {
	audio   bool
	rate    int64 // ticks per second of the packets' times
	priming int64 // ticks that a decoder gives out before the first to be heard

	params *ffmpeg.CodecParams // for libavformat; may be nil where package mp4 writes
	codec  mp4.Codec           // for package mp4; nil: made from params
}

// encoderForm takes over what an encoder says of itself.
func encoderForm(params *ffmpeg.CodecParams) *form {
	_, rate := params.TimeBase()
	return &form{audio: params.Rate() > 0, rate: int64(rate), priming: int64(params.InitialPadding()), params: params}
}

// sampleEntry describes the packets to package mp4.
func (f *form) sampleEntry() (mp4.Codec, error) {
	if f.codec != nil {
		return f.codec, nil
	}
	p := f.params
	return mp4.CodecFromExtradata(p.Codec(), p.ExtraData(), p.Width(), p.Height(), p.Rate(), p.Channels())
}

// same reports whether a decoder that is set up by one can decode the packets
// of the other.
func (f *form) same(other *form) bool {
	if f.codec != nil || other.codec != nil {
		return reflect.DeepEqual(f.codec, other.codec)
	}
	a, b := f.params, other.params
	return a.Codec() == b.Codec() && a.Width() == b.Width() && a.Height() == b.Height() &&
		a.Rate() == b.Rate() && a.Channels() == b.Channels() && bytes.Equal(a.ExtraData(), b.ExtraData())
}

// isKin reports whether packets of the other form can go on in one track of the
// file behind those of this one: they are of the same codec, and the container
// is told of the change.
func (f *form) isKin(other *form) bool {
	if f.rate != other.rate {
		return false
	}
	if f.params != nil && other.params != nil {
		return f.params.Codec() == other.params.Codec()
	}
	mine, err := f.sampleEntry()
	if err != nil {
		return false
	}
	theirs, err := other.sampleEntry()
	return err == nil && reflect.TypeOf(mine) == reflect.TypeOf(theirs)
}

func (f *form) close() { f.params.Close() }
