package decode

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

func film(t testing.TB, name string) filmCodec {
	t.Helper()
	for _, c := range filmCodecs() {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no codec %q", name)
	return filmCodec{}
}

// with is a sample with other data.
func with(s media.Sample, data []byte, whole bool) media.Sample {
	e := s.Encoded
	s.Encoded = &media.Encoded{Format: e.Format, Data: data, Lead: e.Lead, Key: e.Key, Whole: whole}
	return s
}

// singly splits access units into their NAL units, a sample each.
func singly(samples []media.Sample) (out []media.Sample) {
	for _, s := range samples {
		for c := bitstream.NALs(s.Encoded.Format, s.Encoded.Data); ; {
			nal, ok := c.Next()
			if !ok {
				break
			}
			out = append(out, with(s, append([]byte{0, 0, 1}, nal...), false))
		}
	}
	return out
}

// NAL units may come one by one, several slices to a picture.
func TestNALUnitsMayComeSingly(t *testing.T) {
	c := film(t, "h264 in band")
	c.options = map[string]string{"preset": "veryfast", "crf": "18", "x264-params": "log-level=none:slices=4"}
	whole := c.encode(t, 30)
	samples := singly(whole)
	if len(samples) < 4*len(whole) {
		t.Fatalf("%d access units have %d NAL units only", len(whole), len(samples))
	}
	s := newScreen(t)
	d := newTestVideo(t, VideoOptions{}, s)
	for _, one := range samples {
		d.Decode(one)
	}
	d.Flush()
	s.accounts(len(samples))
	if len(s.times) != 30 || s.lost > 0 || s.worst < c.psnr {
		t.Errorf("%d pictures, %d samples lost, worst %.1f dB", len(s.times), s.lost, s.worst)
	}
}

// Parameter sets that come before, with a time of their own, are no loss; nor
// is a frame that is not shown.
func TestWhatShowsNothingCountsWithTheNext(t *testing.T) {
	c := film(t, "h264 in band")
	whole := c.encode(t, 10)
	samples := singly(whole[:1])
	for i := range samples[:len(samples)-1] {
		samples[i].Time -= time.Second
	}
	samples = append(samples, whole[1:]...)
	s := newScreen(t)
	d := newTestVideo(t, VideoOptions{}, s)
	for _, one := range samples {
		d.Decode(one)
	}
	d.Flush()
	s.accounts(len(samples))
	if len(s.times) != 10 || s.lost > 0 {
		t.Errorf("%d pictures, %d samples lost: %v", len(s.times), s.lost, s.reasons)
	}

	vp8 := film(t, "vp8").encode(t, 10)
	hidden := slices.Clone(vp8[4].Encoded.Data)
	hidden[0] &^= 0x10 // show_frame
	vp8[4] = with(vp8[4], hidden, true)
	s = newScreen(t)
	d = newTestVideo(t, VideoOptions{}, s)
	for _, one := range vp8 {
		d.Decode(one)
	}
	d.Flush()
	s.accounts(10)
	if len(s.times) != 9 || s.lost > 0 || s.worst < 30 {
		t.Errorf("vp8: %d pictures, %d samples lost, worst %.1f dB", len(s.times), s.lost, s.worst)
	}
}

// What comes before the first keyframe is counted, and spoils nothing.
func TestNothingIsDecodedBeforeAKeyframe(t *testing.T) {
	for _, c := range filmCodecs() {
		t.Run(c.name, func(t *testing.T) {
			samples := c.encode(t, 60)[7:]
			key := slices.IndexFunc(samples, func(s media.Sample) bool { return s.Time == at(testRate) })
			s := newScreen(t)
			d := newTestVideo(t, VideoOptions{}, s)
			for i, one := range samples {
				d.Decode(one)
				if d.NeedsKeyframe() != (i < key) {
					t.Fatalf("sample %d: needs a keyframe: %v", i, d.NeedsKeyframe())
				}
			}
			d.Flush()
			s.accounts(len(samples))
			if s.times[0] != at(testRate) || len(s.times) != 35 {
				t.Errorf("%d pictures, the first at %v", len(s.times), s.times[0])
			}
			for _, err := range s.reasons {
				if !errors.Is(err, ErrNoKeyframe) {
					t.Errorf("lost because of %v", err)
				}
			}
			if s.worst < c.psnr {
				t.Errorf("the worst picture has %.1f dB", s.worst)
			}
		})
	}
}

// Damage is an error, and after the next keyframe all is well again.
func TestDecodingGoesOnAfterDamage(t *testing.T) {
	for _, c := range filmCodecs() {
		for _, freeze := range []time.Duration{0, time.Hour} {
			t.Run(c.name, func(t *testing.T) {
				noLeak(t)
				samples := c.encode(t, 60)
				rng := rand.New(rand.NewPCG(1, 2))
				for i := range samples {
					if n := i % testRate; n == 5 || n == 6 || n == 7 {
						data := slices.Clone(samples[i].Encoded.Data)
						for j := 6; j < len(data); j++ {
							data[j] = byte(rng.Uint32())
						}
						samples[i] = with(samples[i], data[:max(len(data)/2, 1)], true)
					}
				}
				s := newScreen(t)
				s.original = nil
				d := newTestVideo(t, VideoOptions{Freeze: freeze}, s)
				for _, one := range samples {
					d.Decode(one)
				}
				d.Flush()
				s.accounts(len(samples))
				// What is shown for H.264 and HEVC is concealed, and the decoder of
				// VP8 makes something of any bytes.
				if codec := c.format.Codec; (codec == media.VP9 || codec == media.AV1) && s.lost < 3 {
					t.Errorf("%d samples lost", s.lost)
				}
				for _, key := range []int{0, testRate, 2 * testRate} {
					if !slices.Contains(s.times, at(key)) {
						t.Errorf("the keyframe at %v is missing", at(key))
					}
				}
			})
		}
	}
}

// After a loss pictures stand still, for as long as asked.
func TestFreezeAfterLoss(t *testing.T) {
	for _, c := range []struct {
		freeze time.Duration
		want   int // pictures that are left out
	}{{0, 0}, {200 * time.Millisecond, 5}, {time.Hour, 15}} {
		samples := film(t, "h264").encode(t, 50)
		samples[10] = with(samples[10], samples[10].Encoded.Data, true)
		samples[10].Encoded.Lost = 1
		s := newScreen(t)
		d := newTestVideo(t, VideoOptions{Freeze: c.freeze}, s)
		for _, one := range samples {
			d.Decode(one)
		}
		d.Flush()
		s.accounts(50)
		if s.lost != c.want {
			t.Errorf("freeze for %v: %d pictures left out, want %d", c.freeze, s.lost, c.want)
		}
		for _, err := range s.reasons {
			if err != ErrAfterLoss {
				t.Errorf("lost because of %v", err)
			}
		}
	}
}

// A change of size in the stream, and one of the format beside it, give
// pictures of that size.
func TestSizeMayChange(t *testing.T) {
	for _, name := range []string{"h264 in band", "hevc with B-frames", "vp8", "vp9", "av1"} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			c := film(t, name)
			first, second := c.encode(t, 10), c.encodeSize(t, 10, 96, 160)
			for i := range second {
				second[i].Time += time.Second
				if c.inBand || c.format.Codec != media.HEVC { // else it is told by another format
					second[i].Encoded.Format = first[0].Encoded.Format
				}
			}
			s := newScreen(t)
			s.original = nil
			d := newTestVideo(t, VideoOptions{}, s)
			for _, one := range append(first, second...) {
				d.Decode(one)
			}
			d.Flush()
			s.accounts(20)
			if len(s.sizes) != 20 {
				t.Fatalf("%d pictures", len(s.sizes))
			}
			for i, f := range s.sizes {
				if want := []int{filmWidth, 96}[i/10]; f.Width != want {
					t.Errorf("picture %d is %v", i, f)
				}
			}
		})
	}
}

// Another codec in mid-stream ends the one before, whose pictures all come.
func TestCodecMayChange(t *testing.T) {
	noLeak(t)
	h264, vp8 := film(t, "h264 with B-frames").encode(t, 20), film(t, "vp8").encode(t, 20)
	for i := range vp8 {
		vp8[i].Time += time.Second
	}
	s := newScreen(t)
	s.original = nil
	d := newTestVideo(t, VideoOptions{}, s)
	for _, one := range append(h264, vp8...) {
		d.Decode(one)
	}
	d.Decode(media.Sample{Time: time.Minute, Encoded: &media.Encoded{Format: &media.EncodedFormat{Codec: media.Opus}, Data: []byte{1}}})
	d.Flush()
	s.accounts(41)
	if len(s.times) != 40 || s.lost != 1 || !errors.Is(s.reasons[0], media.ErrFormat) {
		t.Errorf("%d pictures, lost: %v", len(s.times), s.reasons)
	}
}

// An encoder that refreshes the picture bit by bit has no keyframes: pictures
// that are not whole yet are left out, and counted as before the first.
func TestGradualRefresh(t *testing.T) {
	c := film(t, "h264 in band")
	c.bframes = 0
	c.options = map[string]string{"preset": "veryfast", "crf": "18", "x264-params": "log-level=none:intra-refresh=1:keyint=20"}
	samples := c.encode(t, 60)[3:] // without the only IDR picture
	first := slices.Clone(samples)
	sets := c.encode(t, 1)[0].Encoded.Data
	for i := range first {
		first[i] = with(first[i], append(slices.Clone(sets[:0]), first[i].Encoded.Data...), true)
	}
	f := *first[0].Encoded.Format
	f.Config = configOf(sets)
	for i := range first {
		first[i].Encoded.Format = &f
	}
	s := newScreen(t)
	d := newTestVideo(t, VideoOptions{Freeze: time.Hour}, s)
	for _, one := range first {
		d.Decode(one)
	}
	d.Flush()
	s.accounts(len(first))
	t.Logf("%d of %d shown, worst %.1f dB", len(s.times), len(first), s.worst)
	if len(s.times) < 20 || s.worst < 25 {
		t.Errorf("%d of %d pictures shown, the worst with %.1f dB", len(s.times), len(first), s.worst)
	}
	for _, err := range s.reasons {
		if !errors.Is(err, ErrNoKeyframe) {
			t.Errorf("lost because of %v", err)
		}
	}
}

// configOf returns the parameter sets in an access unit of H.264.
func configOf(au []byte) (config []byte) {
	for c := bitstream.NALs(&media.EncodedFormat{Codec: media.H264}, au); ; {
		nal, ok := c.Next()
		if !ok {
			return config
		}
		if k := bitstream.AVCType(nal); k == bitstream.AVCSPSType || k == bitstream.AVCPPSType {
			config = append(append(config, 0, 0, 0, 1), nal...)
		}
	}
}

// A stream that does not say how its pictures are reordered loses none of them
// at the start, nor are they in the wrong order.
func TestUnannouncedReordering(t *testing.T) {
	c := film(t, "h264 with B-frames")
	samples := c.encode(t, 30)
	f := *samples[0].Encoded.Format
	sets, _, err := bitstream.ParameterSets(f.Codec, f.Config)
	if err != nil {
		t.Fatal(err)
	}
	f.Config = nil
	for _, nal := range sets {
		if bitstream.AVCType(nal) == bitstream.AVCSPSType {
			nal = withoutVUI(nal)
		}
		f.Config = append(append(f.Config, 0, 0, 0, 1), nal...)
	}
	s := newScreen(t)
	d := newTestVideo(t, VideoOptions{}, s)
	for _, one := range samples {
		one.Encoded.Format = &f
		d.Decode(one)
	}
	d.Flush()
	s.accounts(30)
	if len(s.times) != 30 || s.lost > 0 || s.worst < c.psnr {
		t.Errorf("%d pictures, lost %v, worst %.1f dB", len(s.times), s.reasons, s.worst)
	}
}

// withoutVUI rewrites an SPS of x264, High or Main profile (ISO/IEC 14496-10,
// 7.3.2.1.1).
func withoutVUI(sps []byte) []byte {
	pos := 8 // behind the NAL unit header
	bit := func() int { b := int(sps[pos/8]>>(7-pos%8)) & 1; pos++; return b }
	skip := func(n int) {
		for range n {
			bit()
		}
	}
	ue := func() int {
		n, v := 0, 0
		for bit() == 0 {
			n++
		}
		for range n {
			v = v<<1 | bit()
		}
		return 1<<n - 1 + v
	}
	skip(24)
	ue()
	if sps[1] == 100 {
		ue()
		ue()
		ue()
		skip(2)
	}
	ue()
	if ue() == 0 {
		ue()
	}
	ue()
	skip(1)
	ue()
	ue()
	skip(2)
	if bit() == 1 { // cropping
		for range 4 {
			ue()
		}
	}
	out := slices.Clone(sps[:pos/8+1])
	out[pos/8] &^= byte(0xff) >> (pos % 8) // vui_parameters_present_flag 0
	pos++
	if pos/8 == len(out) {
		out = append(out, 0)
	}
	out[pos/8] |= 0x80 >> (pos % 8) // stop bit
	return out
}

// A few bytes can claim a huge picture, of which a decoder keeps several: one
// beyond what the standards' highest levels allow, 35651584 pixels, is refused.
func TestHugePictureIsRefused(t *testing.T) {
	const width, height = 8192, 4400
	e, err := ffmpeg.NewVideoEncoder(ffmpeg.VideoEncoderConfig{Codec: "libvpx", Width: width, Height: height, Threads: 1,
		Options: map[string]string{"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}})
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
	s := newScreen(t)
	s.original = nil
	d := newTestVideo(t, VideoOptions{}, s)
	f := &media.EncodedFormat{Codec: media.VP8}
	err = errors.Join(convert.Convert(frame, scene(2, 2, 0)), e.Encode(frame, 0, true, func(p *ffmpeg.Packet) error {
		defer p.Free()
		d.Decode(media.Sample{Encoded: &media.Encoded{Format: f, Data: p.Data()}})
		return nil
	}))
	if err != nil || s.samples != 0 || s.lost != 1 {
		t.Errorf("error %v, %d pictures, lost: %v", err, s.samples, s.reasons)
	}
}

func TestVideoRefuses(t *testing.T) {
	for _, f := range []media.EncodedFormat{{Codec: media.Opus}, {}, {Codec: media.H264, Packing: media.LengthPrefixed, Config: []byte{1, 2, 3}}} {
		s := newScreen(t)
		d := newTestVideo(t, VideoOptions{}, s)
		d.Decode(media.Sample{Encoded: &media.Encoded{Format: &f, Data: []byte{1}}})
		if s.lost != 1 || !errors.Is(s.reasons[0], media.ErrFormat) && !errors.Is(s.reasons[0], media.ErrLength) {
			t.Errorf("%v: %v", f, s.reasons)
		}
	}
}

func TestVideoDoesNotAllocate(t *testing.T) {
	for _, c := range filmCodecs() {
		samples := c.encode(t, 60)
		s := newScreen(t)
		out := VideoOutput{Picture: func(p media.Sample, _ int) { p.Release() }, Lost: s.loss}
		d := NewVideo(VideoOptions{}, out)
		i := 0
		next := func() { d.Decode(samples[i]); i++ }
		for range 20 {
			next()
		}
		// A keyframe may be described anew.
		if got := testing.AllocsPerRun(35, next); got > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations in a picture", c.name, got)
		}
		d.Close()
		s.worst = 0
	}
}

func BenchmarkVideo720p(b *testing.B) {
	for _, c := range filmCodecs() {
		b.Run(c.name, func(b *testing.B) {
			samples := c.encodeSize(b, 50, 1280, 720)
			n := 0
			out := VideoOutput{Picture: func(p media.Sample, _ int) { n++; p.Release() }, Lost: func(int, error) {}}
			d := NewVideo(VideoOptions{}, out)
			defer d.Close()
			began := cpuTime(b)
			for b.Loop() {
				for _, s := range samples {
					d.Decode(s)
				}
				d.Flush()
			}
			b.ReportMetric((cpuTime(b)-began).Seconds()*1e3*30/float64(n), "cpu-ms/s-of-30fps")
		})
	}
}
