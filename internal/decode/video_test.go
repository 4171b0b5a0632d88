package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

const testRate = 25 // pictures per second

// filmCodec is how the test makes a stream.
type filmCodec struct {
	name    string
	encoder string
	options map[string]string
	bframes int
	format  media.EncodedFormat
	inBand  bool // the parameter sets are only in the stream
	psnr    float64
}

func filmCodecs() []filmCodec {
	x264 := map[string]string{"preset": "veryfast", "crf": "18", "x264-params": "log-level=none:b-adapt=0"}
	// Without the VUI's word on reordering a decoder finds out by mistake.
	silent := map[string]string{"preset": "ultrafast", "crf": "18", "x264-params": "log-level=none"}
	x265 := map[string]string{"preset": "ultrafast", "crf": "18", "x265-params": "log-level=none"}
	vpx := map[string]string{"deadline": "realtime", "cpu-used": "4", "lag-in-frames": "0", "crf": "8"}
	alt := map[string]string{"deadline": "good", "cpu-used": "5", "lag-in-frames": "16", "auto-alt-ref": "1", "crf": "8"}
	return []filmCodec{
		{name: "h264", encoder: "libx264", options: silent, format: media.EncodedFormat{Codec: media.H264}, psnr: 35},
		{name: "h264 with B-frames", encoder: "libx264", options: x264, bframes: 3, format: media.EncodedFormat{Codec: media.H264}, psnr: 35},
		{name: "h264 in band", encoder: "libx264", options: x264, bframes: 2, format: media.EncodedFormat{Codec: media.H264}, inBand: true, psnr: 35},
		{name: "h264 length-prefixed", encoder: "libx264", options: x264, bframes: 2, format: media.EncodedFormat{Codec: media.H264, Packing: media.LengthPrefixed}, psnr: 35},
		{name: "hevc with B-frames", encoder: "libx265", options: x265, bframes: 3, format: media.EncodedFormat{Codec: media.HEVC}, psnr: 35},
		{name: "hevc length-prefixed", encoder: "libx265", options: x265, bframes: 3, format: media.EncodedFormat{Codec: media.HEVC, Packing: media.LengthPrefixed}, psnr: 35},
		{name: "vp8", encoder: "libvpx", options: vpx, format: media.EncodedFormat{Codec: media.VP8}, psnr: 30},
		{name: "vp8 with hidden pictures", encoder: "libvpx", options: alt, format: media.EncodedFormat{Codec: media.VP8}, psnr: 30},
		{name: "vp9", encoder: "libvpx-vp9", options: vpx, format: media.EncodedFormat{Codec: media.VP9}, psnr: 30},
		{name: "vp9 with hidden pictures", encoder: "libvpx-vp9", options: alt, format: media.EncodedFormat{Codec: media.VP9}, psnr: 30},
		{name: "av1", encoder: "libaom-av1", options: map[string]string{"usage": "realtime", "cpu-used": "8", "crf": "15"}, format: media.EncodedFormat{Codec: media.AV1}, psnr: 30},
	}
}

// scene paints picture n: a gradient that moves.
func scene(width, height, n int) *media.Picture {
	p := media.NewPicture(media.VideoFormat{Width: width, Height: height, Color: media.BT601})
	for i, plane := range p.Planes {
		for j := range plane.Data {
			x, y := j%plane.Stride, j/plane.Stride
			if i == 0 {
				plane.Data[j] = byte(128 + 80*math.Sin(float64(x+5*n)/9)*math.Cos(float64(y-3*n)/13))
			} else {
				plane.Data[j] = byte(118 + 20*math.Sin(float64(x+2*n)/15))
			}
		}
	}
	return p
}

// psnr of the luma of two pictures, in dB.
func psnr(a, b *media.Picture) float64 {
	sum, count := 0.0, 0
	for y := range min(a.Format.Height, b.Format.Height) {
		for x := range min(a.Format.Width, b.Format.Width) {
			d := float64(a.Planes[0].Data[y*a.Planes[0].Stride+x]) - float64(b.Planes[0].Data[y*b.Planes[0].Stride+x])
			sum += d * d
			count++
		}
	}
	return 10 * math.Log10(255*255*float64(count)/max(sum, 1e-9))
}

const (
	filmWidth, filmHeight = 160, 96
	filmStart             = 3 * time.Second
)

func at(n int) time.Duration { return filmStart + time.Duration(n)*time.Second/testRate }

// encode makes so many pictures, a keyframe each second.
func (c filmCodec) encode(t testing.TB, pictures int) []media.Sample {
	return c.encodeSize(t, pictures, filmWidth, filmHeight)
}

// films are those that were encoded already: it takes longer than decoding.
var films sync.Map

func (c filmCodec) encodeSize(t testing.TB, pictures, width, height int) []media.Sample {
	t.Helper()
	key := fmt.Sprint(c, pictures, width, height)
	made, ok := films.Load(key)
	if !ok {
		made = c.make(t, pictures, width, height)
		films.Store(key, made)
	}
	out := slices.Clone(made.([]media.Sample))
	for i := range out {
		e := out[i].Encoded
		out[i] = with(out[i], slices.Clone(e.Data), e.Whole)
	}
	return out
}

func (c filmCodec) make(t testing.TB, pictures, width, height int) []media.Sample {
	t.Helper()
	e, err := ffmpeg.NewVideoEncoder(ffmpeg.VideoEncoderConfig{Codec: c.encoder, Width: width, Height: height, FrameRate: testRate,
		Color: media.BT601, GOP: testRate, Threads: 1, MaxBFrames: c.bframes, Options: c.options})
	if errors.Is(err, ffmpeg.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	frame, err := ffmpeg.NewVideoFrame(width, height, media.BT601)
	if err != nil {
		t.Fatal(err)
	}
	defer frame.Close()
	convert := ffmpeg.NewConverter()
	defer convert.Close()
	params := e.Params()
	extra := params.ExtraData()
	params.Close()
	f := c.describe(extra)
	var out []media.Sample
	emit := func(p *ffmpeg.Packet) error {
		defer p.Free()
		data := slices.Clone(p.Data())
		if c.inBand && p.IsKey() {
			data = append(slices.Clone(extra), data...)
		}
		if f.Packing == media.LengthPrefixed {
			if data, err = bitstream.AppendLength4(nil, &media.EncodedFormat{Codec: f.Codec}, p.Data()); err != nil {
				t.Fatal(err)
			}
		}
		lead := time.Duration(p.PTS()-p.DTS()) * time.Second / ffmpeg.VideoTimeBase
		out = append(out, media.Sample{Time: filmStart + p.Time(), Encoded: &media.Encoded{Format: f, Data: data, Lead: lead, Whole: true}})
		return nil
	}
	for n := range pictures {
		if err := convert.Convert(frame, scene(width, height, n)); err != nil {
			t.Fatal(err)
		}
		if err := e.Encode(frame, int64(n)*ffmpeg.VideoTimeBase/testRate, n%testRate == 0, emit); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(emit); err != nil {
		t.Fatal(err)
	}
	return out
}

// describe is the stream's format with the encoder's parameter sets, as avcC
// or hvcC where units are length-prefixed.
func (c filmCodec) describe(extra []byte) *media.EncodedFormat {
	f := c.format
	if c.inBand {
		return &f
	}
	if f.Packing != media.LengthPrefixed {
		f.Config = extra
		return &f
	}
	sets, _, _ := bitstream.ParameterSets(f.Codec, extra)
	f.Config = record(f.Codec, sets)
	return &f
}

// record makes the payload of avcC or hvcC (ISO/IEC 14496-15, 5.3.3.1 and
// 8.3.3.1), of which all but the sets is left out.
func record(codec media.Codec, sets [][]byte) []byte {
	put := func(dst []byte, nal []byte) []byte {
		return append(binary.BigEndian.AppendUint16(dst, uint16(len(nal))), nal...)
	}
	if codec == media.HEVC {
		head := make([]byte, 23)
		head[0], head[21], head[22] = 1, 3, byte(len(sets))
		for _, nal := range sets {
			head = put(append(head, nal[0]>>1&63, 0, 1), nal)
		}
		return head
	}
	var sps, pps [][]byte
	for _, nal := range sets {
		switch bitstream.AVCType(nal) {
		case bitstream.AVCSPSType:
			sps = append(sps, nal)
		case bitstream.AVCPPSType:
			pps = append(pps, nal)
		}
	}
	out := []byte{1, sps[0][1], sps[0][2], sps[0][3], 0xff, 0xe0 | byte(len(sps))}
	for _, nal := range sps {
		out = put(out, nal)
	}
	out = append(out, byte(len(pps)))
	for _, nal := range pps {
		out = put(out, nal)
	}
	return out
}

// screen is what was decoded.
type screen struct {
	t        testing.TB
	times    []time.Duration
	worst    float64 // PSNR
	samples  int     // that are part of pictures
	lost     int
	reasons  []error
	sizes    []media.VideoFormat
	original func(at time.Duration) *media.Picture // nil if the stream is damaged or another
}

func newScreen(t testing.TB) *screen {
	return &screen{t: t, worst: math.Inf(1), original: func(at time.Duration) *media.Picture {
		return scene(filmWidth, filmHeight, int(math.Round((at-filmStart).Seconds()*testRate)))
	}}
}

func (s *screen) output() VideoOutput { return VideoOutput{Picture: s.picture, Lost: s.loss} }

func (s *screen) picture(p media.Sample, samples int) {
	defer p.Release()
	if err := p.Validate(); err != nil {
		s.t.Fatal(err)
	}
	if n := len(s.times); n > 0 && p.Time <= s.times[n-1] && s.original != nil {
		s.t.Errorf("a picture of %v behind one of %v", p.Time, s.times[n-1])
	}
	s.times = append(s.times, p.Time)
	s.samples += samples
	s.sizes = append(s.sizes, p.Picture.Format)
	if s.original != nil {
		s.worst = min(s.worst, psnr(p.Picture, s.original(p.Time)))
	}
}

func (s *screen) loss(samples int, err error) {
	s.lost += samples
	for range samples {
		s.reasons = append(s.reasons, err)
	}
}

// accounts checks that each sample was counted once.
func (s *screen) accounts(samples int) {
	s.t.Helper()
	if s.samples+s.lost != samples {
		s.t.Errorf("%d samples in pictures and %d lost, of %d", s.samples, s.lost, samples)
	}
}

func newTestVideo(t testing.TB, o VideoOptions, s *screen) *Video {
	t.Helper()
	d := NewVideo(o, s.output())
	t.Cleanup(d.Close)
	return d
}

// Each picture comes out at its own time, in every codec and packing, whatever
// the order of decoding, and looks as it did.
func TestPicturesComeOutAtTheirTimes(t *testing.T) {
	for _, c := range filmCodecs() {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			const pictures = 60
			samples := c.encode(t, pictures)
			s := newScreen(t)
			d := newTestVideo(t, VideoOptions{}, s)
			for _, one := range samples {
				d.Decode(one)
			}
			d.Flush()
			s.accounts(len(samples))
			if len(s.times) != pictures || s.lost > 0 {
				t.Errorf("%d samples gave %d pictures, %d lost: %v", len(samples), len(s.times), s.lost, errors.Join(s.reasons...))
			}
			for n, got := range s.times {
				if (got - at(n)).Abs() > 10*time.Microsecond {
					t.Fatalf("picture %d at %v, want %v", n, got, at(n))
				}
			}
			t.Logf("%d samples, worst picture %.1f dB", len(samples), s.worst)
			if s.worst < c.psnr {
				t.Errorf("the worst picture has %.1f dB", s.worst)
			}
		})
	}
}
