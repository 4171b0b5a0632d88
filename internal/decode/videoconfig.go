package decode

import (
	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// openVideo opens a decoder that holds back so many pictures to put them in
// order, or as many as the stream says. It has one thread: each further one
// would hold back one more.
func openVideo(f *media.EncodedFormat, reorder int) (*bitstream.Video, *ffmpeg.Decoder, error) {
	extra, err := configuration(f)
	if err != nil {
		return nil, nil, err
	}
	plain := *f
	plain.Packing, plain.Config = media.PackingDefault, extra
	stream, err := bitstream.NewVideo(&plain)
	if err != nil {
		return nil, nil, err
	}
	p, err := ffmpeg.NewCodecParams(ffmpeg.ParamsConfig{
		Codec: f.Codec.String(), ExtraData: extra, TimeBaseDen: nanoseconds,
		Width: f.Width, Height: f.Height, Reordered: reorder,
	})
	if err != nil {
		return nil, nil, err
	}
	defer p.Close()
	decoder, err := ffmpeg.NewDecoder(p, ffmpeg.DecoderOptions{Threads: 1, MaxPixels: maxPixels})
	return stream, decoder, err
}

// configuration returns what a decoder is told before the first unit: of H.264
// and HEVC a byte stream, which units are made too, for FFmpeg takes avcC and
// hvcC as a sign of lengths; of AV1 OBUs, which av1C has behind four bytes (AV1
// in ISOBMFF, section 2.3.3).
func configuration(f *media.EncodedFormat) ([]byte, error) {
	const av1CVersion, av1CHeader = 0x81, 4
	c := f.Config
	switch {
	case len(c) == 0:
		return nil, nil
	case f.Codec == media.AV1 && len(c) >= av1CHeader && c[0] == av1CVersion:
		return c[av1CHeader:], nil
	case f.Codec == media.H264 || f.Codec == media.HEVC:
		sets, _, err := bitstream.ParameterSets(f.Codec, c)
		var stream []byte
		for _, nal := range sets {
			stream = append(append(stream, 0, 0, 0, 1), nal...)
		}
		return stream, err
	}
	return c, nil
}
