package mp4

import (
	"fmt"
	"slices"
	"strings"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/media"
)

// CodecFromExtradata makes a codec from what an encoder of FFmpeg says of its
// stream: the codec's name as FFmpeg has it ("h264", "hevc", "av1", "vp8",
// "aac", "opus", "flac", "alac", "pcm_s16le" and its like) and its extradata.
// Width and height are the picture's, 0 for what the extradata says; rate and
// channels are needed for PCM only. The extradata is copied. The error is an
// [ErrConfig].
//
// H.264 and H.265 come with parameter sets as a byte stream, and then so do
// the samples, or as avcC or hvcC. VP9 has no extradata: see [VP9FromFrame].
func CodecFromExtradata(name string, extradata []byte, width, height, rate, channels int) (Codec, error) {
	c, err := codecFromExtradata(name, extradata, width, height)
	if err != nil {
		return nil, err
	}
	if c == nil {
		if c, err = pcmFromName(name, rate, channels); err != nil {
			return nil, err
		}
	}
	if _, err := c.entry(false); err != nil {
		return nil, err
	}
	return c, nil
}

// codecFromExtradata returns nil where the name is none of these.
func codecFromExtradata(name string, extradata []byte, width, height int) (Codec, error) {
	switch name {
	case "h264":
		c, err := avcFromExtradata(extradata)
		c.Width, c.Height = width, height
		return c, err
	case "hevc":
		c, err := hevcFromExtradata(extradata)
		c.Width, c.Height = width, height
		return c, err
	case "av1":
		c, err := av1FromExtradata(extradata)
		c.Width, c.Height = width, height
		return c, err
	case "vp8":
		return VP8{Width: width, Height: height}, nil
	case "vp9":
		return nil, fmt.Errorf("%w: VP9 has no extradata, VP9FromFrame reads what is needed from a key frame", ErrConfig)
	case "aac":
		return AAC{Config: slices.Clone(extradata)}, nil
	case "opus":
		return OpusFromHead(extradata)
	case "flac":
		return FLAC{StreamInfo: slices.Clone(extradata)}, nil
	case "alac":
		return ALAC{Config: slices.Clone(extradata)}, nil
	}
	return nil, nil
}

// setsFromExtradata returns the parameter sets of H.264 or H.265, and whether
// they are a byte stream. Samples with lengths must have four bytes of them.
func setsFromExtradata(codec media.Codec, extradata []byte) (nals [][]byte, annexB bool, err error) {
	nals, lengthSize, err := bitstream.ParameterSets(codec, extradata)
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("%w: %s extradata: %w", ErrConfig, codec, err)
	case lengthSize != bitstream.ByteStream && lengthSize != 4:
		return nil, false, fmt.Errorf("%w: %s extradata says NAL units have a length of %d bytes, must be 4", ErrConfig, codec, lengthSize)
	}
	return nals, lengthSize == bitstream.ByteStream, nil
}

// pcmFromName reads FFmpeg's names of sample formats.
func pcmFromName(name string, rate, channels int) (PCM, error) {
	c := PCM{Rate: rate, Channels: channels}
	format, ok := strings.CutPrefix(name, "pcm_")
	c.Float = strings.HasPrefix(format, "f")
	c.BigEndian = strings.HasSuffix(format, "be")
	switch strings.TrimSuffix(strings.TrimSuffix(format, "be"), "le") {
	case "s16":
		c.Bits = 16
	case "s24":
		c.Bits = 24
	case "s32", "f32":
		c.Bits = 32
	case "f64":
		c.Bits = 64
	default:
		ok = false
	}
	if !ok || len(format) != len("s16le") {
		return PCM{}, fmt.Errorf("%w: codec %q, must be h264, hevc, av1, vp8, aac, opus, flac, alac, or pcm_ with s16, s24, s32, f32 or f64 "+
			"and le or be", ErrConfig, name)
	}
	return c, nil
}
