// Package clip encodes small pieces of video and audio for the tests of
// package mp4, in the process and without any file.
package clip

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// A Clip is an encoded stream.
type Clip struct {
	Codec     string // FFmpeg's name: h264, hevc, vp8, vp9, av1, aac, opus
	Timescale uint32 // ticks per second of all times
	// Extra is the codec's configuration as FFmpeg's encoder gives it: byte
	// stream of parameter sets, OBUs, AudioSpecificConfig, OpusHead.
	Extra          []byte
	Width, Height  int
	Rate, Channels int
	Priming        int64 // ticks that the encoder has put before the first
	Samples        []Sample
}

// A Sample is one access unit or packet.
type Sample struct {
	DTS, PTS, Duration int64
	Sync               bool
	Data               []byte
}

// Options of a clip; the zero value is three seconds of a picture of 64x48 at
// ten per second with a keyframe each second and no B-frames, or of a mono tone
// at 48 kHz.
type Options struct {
	Seconds       float64
	FPS, GOP      int
	BFrames       int
	Width, Height int
	Channels      int
}

func (o Options) withDefaults() Options {
	set := func(v *int, to int) {
		if *v == 0 {
			*v = to
		}
	}
	if o.Seconds == 0 {
		o.Seconds = 3
	}
	set(&o.FPS, 10)
	set(&o.GOP, o.FPS)
	set(&o.Width, 64)
	set(&o.Height, 48)
	set(&o.Channels, 1)
	return o
}

// videoEncoders are the fastest settings of each codec's encoder.
var videoEncoders = map[string]struct {
	name    string
	options map[string]string
}{
	"h264": {"libx264", map[string]string{"preset": "ultrafast", "x264-params": "log-level=none"}},
	"hevc": {"libx265", map[string]string{"preset": "ultrafast", "x265-params": "log-level=none:open-gop=0:repeat-headers=0"}},
	"vp8":  {"libvpx", map[string]string{"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}},
	"vp9":  {"libvpx-vp9", map[string]string{"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}},
	"av1":  {"libaom-av1", map[string]string{"usage": "realtime", "cpu-used": "8"}},
}

var audioEncoders = map[string]string{"aac": "aac", "opus": "libopus"}

// Encode makes a clip, or skips the test where this FFmpeg lacks the encoder.
func Encode(t testing.TB, codec string, o Options) Clip {
	t.Helper()
	o = o.withDefaults()
	var c Clip
	var err error
	if _, ok := videoEncoders[codec]; ok {
		c, err = encodeVideo(codec, o)
	} else {
		c, err = encodeAudio(codec, o)
	}
	if errors.Is(err, ffmpeg.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%s: %v", codec, err)
	}
	if len(c.Samples) == 0 {
		t.Fatalf("%s: no samples", codec)
	}
	return c
}

func encodeVideo(codec string, o Options) (Clip, error) {
	kind := videoEncoders[codec]
	e, err := ffmpeg.NewVideoEncoder(ffmpeg.VideoEncoderConfig{
		Codec: kind.name, Width: o.Width, Height: o.Height, FrameRate: float64(o.FPS), GOP: o.GOP, Threads: 1,
		MaxBFrames: o.BFrames, Options: kind.options,
	})
	if err != nil {
		return Clip{}, err
	}
	defer e.Close()
	frame, err := ffmpeg.NewVideoFrame(o.Width, o.Height, media.BT601)
	if err != nil {
		return Clip{}, err
	}
	defer frame.Close()
	convert := ffmpeg.NewConverter()
	defer convert.Close()

	c := Clip{Codec: codec, Timescale: ffmpeg.VideoTimeBase, Width: o.Width, Height: o.Height}
	step := int64(ffmpeg.VideoTimeBase / o.FPS)
	picture := media.NewPicture(media.VideoFormat{Pixel: media.I420, Width: o.Width, Height: o.Height, Color: media.BT601})
	defer picture.Release()
	for n := range int64(o.Seconds * float64(o.FPS)) {
		paint(picture, int(n))
		if err := convert.Convert(frame, picture); err != nil {
			return Clip{}, err
		}
		if err := e.Encode(frame, n*step, n%int64(o.GOP) == 0, c.take); err != nil {
			return Clip{}, err
		}
	}
	if err := e.Flush(c.take); err != nil {
		return Clip{}, err
	}
	for i := range c.Samples {
		c.Samples[i].Duration = step
	}
	return c, c.describe(e.Params())
}

// paint draws a moving gradient with some noise, so that every picture costs a
// few hundred bytes.
func paint(p *media.Picture, n int) {
	seed := uint32(n)*2654435761 + 1
	for i, plane := range p.Planes {
		for j := range plane.Data {
			seed = seed*1664525 + 1013904223
			if i == 0 {
				plane.Data[j] = byte(64+(j%plane.Stride+3*n)%96) + byte(seed>>29)
			} else {
				plane.Data[j] = byte(96 + (j/plane.Stride+n)%64)
			}
		}
	}
}

func encodeAudio(codec string, o Options) (Clip, error) {
	const rate = 48000
	e, err := ffmpeg.NewAudioEncoder(ffmpeg.AudioEncoderConfig{Codec: audioEncoders[codec], Rate: rate, Channels: o.Channels, BitRate: 32000})
	if err != nil {
		return Clip{}, err
	}
	defer e.Close()
	c := Clip{Codec: codec, Timescale: rate, Rate: rate, Channels: o.Channels, Priming: int64(e.InitialPadding())}
	size := e.FrameSize()
	pcm := make([]float32, size*o.Channels)
	for at := 0; at < int(o.Seconds*rate); at += size {
		for i := range pcm {
			pcm[i] = float32(0.3 * math.Sin(2*math.Pi*440*float64(at+i/o.Channels)/rate))
		}
		if err := e.Encode(pcm, int64(at), c.take); err != nil {
			return Clip{}, err
		}
	}
	if err := e.Flush(c.take); err != nil {
		return Clip{}, err
	}
	for i := range c.Samples {
		c.Samples[i].Duration = int64(size)
	}
	return c, c.describe(e.Params())
}

func (c *Clip) take(p *ffmpeg.Packet) error {
	defer p.Free()
	c.Samples = append(c.Samples, Sample{
		DTS: p.DTS(), PTS: p.PTS(), Duration: p.Duration(),
		Sync: p.IsKey(), Data: append([]byte(nil), p.Data()...),
	})
	return nil
}

func (c *Clip) describe(p *ffmpeg.CodecParams) error {
	if p == nil {
		return fmt.Errorf("%s: encoder without parameters", c.Codec)
	}
	defer p.Close()
	c.Extra = p.ExtraData()
	return nil
}
