package av

import (
	"bytes"
	"fmt"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// aacStream reads AAC and describes it: raw frames by the configuration that
// comes beside them, frames with ADTS headers by those.
type aacStream struct {
	adts     bool
	config   []byte // nil until it is known
	rate     int64
	channels int
	length   int64  // ticks of a frame
	silent   []byte // a frame
}

func newAACStream(f *media.EncodedFormat) (*aacStream, error) {
	s := &aacStream{adts: f.Packing == media.ADTS}
	switch {
	case len(f.Config) > 0:
		return s, s.configure(f.Config)
	case !s.adts:
		return nil, fmt.Errorf("%w: raw AAC without its configuration", media.ErrFormat)
	}
	return s, nil
}

// configure reads an AudioSpecificConfig.
func (s *aacStream) configure(config []byte) error {
	rate, channels, length, err := bitstream.ParseAAC(config)
	if err != nil {
		return err
	}
	s.silent, _ = bitstream.AACSilence(config) // without it gaps stay gaps
	s.config = bytes.Clone(config)
	s.rate, s.channels, s.length = int64(rate), channels, int64(length)
	return nil
}

// next implements codedStream. A sample in ADTS is one or several frames.
func (s *aacStream) next(data []byte) (frame codedFrame, rest []byte, err error) {
	frame.data = data
	if s.adts {
		var config [2]byte
		if frame.data, config, rest, err = bitstream.SplitADTS(data); err != nil {
			return codedFrame{}, nil, err
		}
		if !bytes.Equal(config[:], s.config) {
			if err := s.configure(config[:]); err != nil {
				return codedFrame{}, nil, err
			}
			frame.changed = true
		}
	}
	frame.length = s.length
	return frame, rest, nil
}

func (s *aacStream) isReady() bool { return s.config != nil }

func (s *aacStream) timeline() *timeline.Coded { return timeline.NewAAC(s.rate, s.length) }

func (s *aacStream) format() string { return fmt.Sprintf("%d Hz, %d ch", s.rate, s.channels) }

// form implements codedStream. What is primed before a file's time zero comes
// with times before that.
func (s *aacStream) form(hides bool) (*form, error) {
	f := &form{audio: true, rate: s.rate}
	if hides {
		f.codec = mp4.AAC{Config: s.config}
		return f, nil
	}
	var err error
	f.params, err = ffmpeg.NewCodecParams(ffmpeg.ParamsConfig{
		Codec: "aac", ExtraData: s.config, TimeBaseDen: int(s.rate),
		Rate: int(s.rate), Channels: s.channels, FrameSize: int(s.length),
	})
	return f, err
}

// filler implements codedStream.
func (s *aacStream) filler() filler {
	if s.silent == nil {
		return nil
	}
	return aacSilence{s.silent, s.length}
}

type aacSilence struct {
	frame  []byte
	length int64
}

// fill implements filler.
func (s aacSilence) fill(_, _ int64, _ int) (data []byte, length int64) { return s.frame, s.length }
