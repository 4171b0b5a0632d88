package decode

import (
	"fmt"
	"slices"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

func openAudio(f *media.EncodedFormat) (*ffmpeg.Decoder, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	cfg, err := audioParams(f)
	if err != nil {
		return nil, err
	}
	p, err := ffmpeg.NewCodecParams(cfg)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return ffmpeg.NewDecoder(p, ffmpeg.DecoderOptions{Threads: 1})
}

// audioParams describes a stream as its decoder wants it.
func audioParams(f *media.EncodedFormat) (ffmpeg.ParamsConfig, error) {
	p := ffmpeg.ParamsConfig{Codec: f.Codec.String(), TimeBaseDen: nanoseconds, Rate: f.Rate, Channels: f.Channels}
	var err error
	switch f.Codec {
	case media.Opus:
		p.Rate = opusRate
		p.ExtraData, p.Channels = opusHead(f)
	case media.AAC:
		if f.Packing != media.ADTS {
			p.ExtraData, err = aacConfig(f)
		}
	case media.PCMU, media.PCMA:
	case media.G722:
		p.Rate = 16000 // 8000 is only what RTP calls it (RFC 3551, section 4.5.2)
	default:
		err = unsupported(f.Codec, "opus, aac, pcm_mulaw, pcm_alaw, adpcm_g722")
	}
	return p, err
}

// Channels returns how many channels the sample decodes to, 1 or 2, as far as
// can be told without decoding; else 2.
func Channels(e *media.Encoded) int {
	n := e.Format.Channels
	switch {
	case e.Format.Codec == media.Opus:
		_, n = opusHead(e.Format)
	case e.Format.Packing == media.ADTS:
		var a adts
		if _, _, err := a.cut(e.Data); err == nil {
			n = a.channels
		}
	case e.Format.Codec == media.AAC && len(e.Format.Config) > 0:
		if _, channels, _, err := bitstream.ParseAAC(e.Format.Config); err == nil {
			n = channels
		}
	}
	if n == 1 {
		return 1
	}
	return 2
}

// opusRate is that of everything that Opus decodes to (RFC 7845, section 5.1).
const opusRate = 48000

// opusHead returns the stream's OpusHead (RFC 7845, section 5.1), or one for a
// single stream, with a pre-skip of zero: what is skipped at a start is only
// right for a stream that starts there. A stream that does not tell is taken
// as stereo, which mono decodes to as well.
func opusHead(f *media.EncodedFormat) (head []byte, channels int) {
	const size, channelsAt, preSkipAt = 19, 9, 10
	if len(f.Config) >= size && string(f.Config[:8]) == "OpusHead" {
		head = slices.Clone(f.Config)
		head[preSkipAt], head[preSkipAt+1] = 0, 0
		return head, int(head[channelsAt])
	}
	channels = 2
	if f.Channels == 1 {
		channels = 1
	}
	return append([]byte("OpusHead\x01"), byte(channels), 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0), channels
}

var aacRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// aacConfig returns the stream's AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1),
// or that of AAC-LC with the given rate and channels.
func aacConfig(f *media.EncodedFormat) ([]byte, error) {
	if len(f.Config) > 0 {
		return f.Config, nil
	}
	rate := slices.Index(aacRates, f.Rate)
	if rate < 0 || f.Channels < 1 || f.Channels > 6 {
		return nil, fmt.Errorf("%w: %s without AudioSpecificConfig (allowed: 1 to 6 channels at a rate of %d)", media.ErrFormat, f, aacRates)
	}
	const lowComplexity = 2
	return []byte{lowComplexity<<3 | byte(rate>>1), byte(rate<<7) | byte(f.Channels<<3)}, nil
}

// adts remembers what the header of the latest ADTS frame said.
type adts struct {
	config   [2]byte // an AudioSpecificConfig, zero before the first
	length   time.Duration
	channels int
}

// cut returns the first frame of AAC with its header, and what follows it. A
// frame has one block; see [bitstream.SplitADTS].
func (a *adts) cut(data []byte) (frame, rest []byte, err error) {
	_, config, rest, err := bitstream.SplitADTS(data)
	if err != nil {
		return nil, nil, err
	}
	if config != a.config {
		rate, channels, frames, err := bitstream.ParseAAC([]byte{config[0], config[1]})
		if err != nil {
			return nil, nil, err
		}
		*a = adts{config, media.AudioFormat{Rate: rate}.Duration(frames), channels}
	}
	return data[:len(data)-len(rest)], rest, nil
}
