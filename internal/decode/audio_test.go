package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// noLeak fails the test if C objects are left when it ends.
func noLeak(t testing.TB) {
	t.Helper()
	before := ffmpeg.LiveObjects()
	t.Cleanup(func() {
		if n := ffmpeg.LiveObjects() - before; n != 0 {
			t.Errorf("%d objects left", n)
		}
	})
}

// The test signal is silence with a chirp in it, whose position a correlation
// finds to the sample, where a tone only gives it to its period.
const (
	chirpAt   = 700 * time.Millisecond
	chirpLong = 0.2 // seconds
	chirpPeak = 0.5
)

func chirp(second float64) float64 {
	t := second - chirpAt.Seconds()
	if t < 0 || t >= chirpLong {
		return 0
	}
	return chirpPeak * math.Sin(2*math.Pi*(300*t+2500/(2*chirpLong)*t*t))
}

// voiceCodec is how the test makes a stream.
type voiceCodec struct {
	name           string // of the test
	encoder        string
	container      string // FFmpeg's name of the raw file, where its command encodes
	options        map[string]string
	rate, channels int
	bitRate        int64
	format         media.EncodedFormat // Config of AAC and Opus is the encoder's where it is nil
	noConfig       bool
	out            media.AudioFormat // to be expected
}

func voiceCodecs() []voiceCodec {
	mono := func(rate int, f media.SampleFormat) media.AudioFormat {
		return media.AudioFormat{Rate: rate, Channels: 1, Sample: f}
	}
	stereo := media.AudioFormat{Rate: 48000, Channels: 2, Sample: media.F32}
	return []voiceCodec{
		{name: "opus", encoder: "libopus", rate: 48000, channels: 1, bitRate: 64000, format: media.EncodedFormat{Codec: media.Opus}, out: mono(48000, media.F32)},
		{name: "opus silk", encoder: "libopus", rate: 48000, channels: 1, bitRate: 12000, options: map[string]string{"application": "voip"}, format: media.EncodedFormat{Codec: media.Opus}, out: mono(48000, media.F32)},
		{name: "opus without head", encoder: "libopus", rate: 48000, channels: 1, bitRate: 32000, format: media.EncodedFormat{Codec: media.Opus, Channels: 1}, noConfig: true, out: mono(48000, media.F32)},
		{name: "opus that says nothing", encoder: "libopus", rate: 48000, channels: 1, bitRate: 32000, format: media.EncodedFormat{Codec: media.Opus}, noConfig: true, out: stereo},
		{name: "opus stereo", encoder: "libopus", rate: 48000, channels: 2, bitRate: 96000, format: media.EncodedFormat{Codec: media.Opus}, out: stereo},
		{name: "aac", encoder: "aac", rate: 48000, channels: 1, bitRate: 96000, format: media.EncodedFormat{Codec: media.AAC}, out: mono(48000, media.F32)},
		{name: "aac 16 kHz", encoder: "aac", rate: 16000, channels: 1, bitRate: 48000, format: media.EncodedFormat{Codec: media.AAC}, out: mono(16000, media.F32)},
		{name: "aac without config", encoder: "aac", rate: 44100, channels: 2, bitRate: 128000, format: media.EncodedFormat{Codec: media.AAC, Rate: 44100, Channels: 2}, noConfig: true, out: media.AudioFormat{Rate: 44100, Channels: 2, Sample: media.F32}},
		{name: "adts", encoder: "aac", rate: 48000, channels: 1, bitRate: 96000, format: media.EncodedFormat{Codec: media.AAC, Packing: media.ADTS}, noConfig: true, out: mono(48000, media.F32)},
		{name: "pcmu", encoder: "pcm_mulaw", container: "mulaw", rate: 8000, channels: 1, format: media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}, noConfig: true, out: mono(8000, media.S16)},
		{name: "pcma", encoder: "pcm_alaw", container: "alaw", rate: 8000, channels: 1, format: media.EncodedFormat{Codec: media.PCMA, Rate: 8000, Channels: 1}, noConfig: true, out: mono(8000, media.S16)},
		{name: "pcmu stereo", encoder: "pcm_mulaw", container: "mulaw", rate: 16000, channels: 2, format: media.EncodedFormat{Codec: media.PCMU, Rate: 16000, Channels: 2}, noConfig: true, out: media.AudioFormat{Rate: 16000, Channels: 2, Sample: media.S16}},
		{name: "g722", encoder: "g722", container: "g722", rate: 16000, channels: 1, format: media.EncodedFormat{Codec: media.G722, Channels: 1}, noConfig: true, out: mono(16000, media.S16)},
	}
}

// encode makes 1.5 seconds of the test signal.
func (c voiceCodec) encode(t testing.TB) []media.Sample {
	t.Helper()
	if c.container != "" {
		return c.encodeRaw(t)
	}
	e, err := ffmpeg.NewAudioEncoder(ffmpeg.AudioEncoderConfig{Codec: c.encoder, Rate: c.rate, Channels: c.channels, BitRate: c.bitRate, Options: c.options})
	if errors.Is(err, ffmpeg.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	f := c.format
	params := e.Params()
	if !c.noConfig {
		f.Config = params.ExtraData()
	}
	params.Close()
	var out []media.Sample
	emit := func(p *ffmpeg.Packet) error {
		defer p.Free()
		data := append([]byte(nil), p.Data()...)
		if f.Packing == media.ADTS {
			data = append(adtsHeader(c.rate, c.channels, len(data)), data...)
		}
		out = append(out, media.Sample{Time: p.Time(), Encoded: &media.Encoded{Format: &f, Data: data}})
		return nil
	}
	size := e.FrameSize()
	if size == 0 {
		size = c.rate / 50
	}
	for at := 0; at < c.rate*3/2; at += size {
		pcm := make([]float32, size*c.channels)
		for i := range pcm {
			pcm[i] = float32(chirp(float64(at+i/c.channels) / float64(c.rate)))
		}
		if err := e.Encode(pcm, int64(at), emit); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(emit); err != nil {
		t.Fatal(err)
	}
	return out
}

// encodeRaw has FFmpeg's command make a raw file, and cuts it into pieces of
// 20 ms, which have a byte for each of 8000 frames or, in G.722, for two of
// 16000.
func (c voiceCodec) encodeRaw(t testing.TB) []media.Sample {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("no ffmpeg here")
	}
	var pcm []byte
	for i := range c.rate * 3 / 2 * c.channels {
		v := float32(chirp(float64(i/c.channels) / float64(c.rate)))
		pcm = binary.LittleEndian.AppendUint32(pcm, math.Float32bits(v))
	}
	run := exec.Command(path, "-v", "error", "-f", "f32le", "-ar", fmt.Sprint(c.rate), "-ac", fmt.Sprint(c.channels), "-i", "-",
		"-c:a", c.encoder, "-f", c.container, "-")
	run.Stdin = bytes.NewReader(pcm)
	run.Stderr = os.Stderr
	data, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out []media.Sample
	perSecond := c.rate * c.channels
	if c.format.Codec == media.G722 {
		perSecond /= 2
	}
	for n := perSecond / 50; len(data) >= n; data = data[n:] {
		out = append(out, media.Sample{Time: time.Duration(len(out)) * 20 * time.Millisecond,
			Encoded: &media.Encoded{Format: &c.format, Data: data[:n]}})
	}
	return out
}

// adtsHeader makes a header for a frame of AAC-LC.
func adtsHeader(rate, channels, size int) []byte {
	n, index := size+7, 0
	for i, r := range aacRates {
		if r == rate {
			index = i
		}
	}
	return []byte{0xff, 0xf1, 1<<6 | byte(index<<2) | byte(channels>>2), byte(channels<<6) | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1f, 0xfc}
}

// heard is what was decoded, laid out by its times.
type heard struct {
	t      testing.TB
	format media.AudioFormat
	pieces int
	value  []float64 // the first channel
	filled []int
}

func (h *heard) take(s media.Sample) {
	defer s.Release()
	if err := s.Validate(); err != nil {
		h.t.Fatal(err)
	}
	h.pieces++
	h.format = s.PCM.Format
	at := int(math.Round(s.Time.Seconds() * float64(h.format.Rate)))
	for i := range s.PCM.Frames() {
		b := s.PCM.Data[i*h.format.FrameBytes():]
		v := float64(int16(binary.LittleEndian.Uint16(b))) / 32768
		if h.format.Sample == media.F32 {
			v = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
		}
		if j := at + i; j >= 0 {
			for len(h.value) <= j {
				h.value, h.filled = append(h.value, 0), append(h.filled, 0)
			}
			h.value[j] = v
			h.filled[j]++
		}
	}
}

// place finds the chirp: how late it is, and how loud compared with the one
// that was encoded.
func (h *heard) place() (late time.Duration, gain float64) {
	rate := float64(h.format.Rate)
	from, n := int(chirpAt.Seconds()*rate), int(chirpLong*rate)
	best, energy := math.Inf(-1), 0.0
	want := make([]float64, n)
	for i := range want {
		want[i] = chirp(float64(from+i) / rate)
		energy += want[i] * want[i]
	}
	span := int(0.02 * rate)
	for lag := -span; lag <= span; lag++ {
		sum := 0.0
		for i := range n {
			if j := from + i + lag; j < len(h.value) {
				sum += h.value[j] * want[i]
			}
		}
		if sum > best {
			best, late = sum, time.Duration(float64(lag)/rate*float64(time.Second))
		}
	}
	return late, best / energy
}

func decodeAll(t testing.TB, d *Audio, samples []media.Sample, h *heard) {
	t.Helper()
	for i, s := range samples {
		if err := d.Decode(s, h.take); err != nil {
			t.Fatalf("sample %d: %v", i, err)
		}
	}
}

// What was said at an instant is heard at that instant, as loud, in every
// codec, with no frame missing or given twice.
func TestAudioComesOutAtItsTime(t *testing.T) {
	for _, c := range voiceCodecs() {
		t.Run(c.name, func(t *testing.T) {
			noLeak(t)
			samples := c.encode(t)
			d := &Audio{}
			defer d.Close()
			h := &heard{t: t}
			decodeAll(t, d, samples, h)
			if n := Channels(samples[0].Encoded); n != c.out.Channels {
				t.Errorf("%d channels foretold, want %d", n, c.out.Channels)
			}
			if h.format != c.out {
				t.Errorf("decodes to %v, want %v", h.format, c.out)
			}
			if h.pieces != len(samples) {
				t.Errorf("%d samples gave %d pieces", len(samples), h.pieces)
			}
			late, gain := h.place()
			t.Logf("late by %v, gain %.3f", late, gain)
			if late.Abs() >= time.Millisecond {
				t.Errorf("the sound is late by %v", late)
			}
			if gain < 0.85 || gain > 1.1 {
				t.Errorf("the sound is %.2f times as loud", gain)
			}
			for j, n := range h.filled {
				if n != 1 {
					t.Fatalf("frame %d of %d was given %d times", j, len(h.filled), n)
				}
			}
		})
	}
}

// G.711 is decoded by the formula of the standard.
func TestMuLawIsThatOfTheStandard(t *testing.T) {
	f := &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}
	d := &Audio{}
	defer d.Close()
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	err := d.Decode(media.Sample{Time: time.Second, Direction: media.Outbound, Encoded: &media.Encoded{Format: f, Data: data}}, func(s media.Sample) {
		if s.Time != time.Second || s.Direction != media.Outbound {
			t.Errorf("%v at %v", s.Direction, s.Time)
		}
		for i := range data {
			code := ^byte(i)
			want := ((int(code&15)<<3 + 0x84) << (code >> 4 & 7)) - 0x84 // G.711, table 2a, scaled to 16 bits
			if code&0x80 != 0 {
				want = -want
			}
			if got := int(int16(binary.LittleEndian.Uint16(s.PCM.Data[2*i:]))); got != want {
				t.Errorf("%02x decodes to %d, want %d", i, got, want)
			}
		}
		s.Release()
	})
	if err != nil {
		t.Error(err)
	}
}

// Several frames in a sample are one piece; one that is damaged leaves a hole
// of its length, and those after it are in their place.
func TestDamageLeavesAHole(t *testing.T) {
	noLeak(t)
	c := voiceCodecs()[8] // adts
	samples := c.encode(t)
	var joined []media.Sample
	for i := 0; i+4 <= len(samples); i += 4 {
		var data []byte
		for _, s := range samples[i : i+4] {
			data = append(data, s.Encoded.Data...)
		}
		s := samples[i]
		s.Encoded = &media.Encoded{Format: s.Encoded.Format, Data: data}
		joined = append(joined, s)
	}
	d := &Audio{}
	defer d.Close()
	h := &heard{t: t}
	decodeAll(t, d, joined[:4], h)
	if h.pieces != 4 {
		t.Errorf("4 samples of 4 frames gave %d pieces", h.pieces)
	}
	// The second frame of the fifth sample: its payload says "end" at once.
	first := len(samples[16].Encoded.Data)
	for i := range len(samples[17].Encoded.Data) - 7 {
		joined[4].Encoded.Data[first+7+i] = 0xff
	}
	if err := d.Decode(joined[4], h.take); err == nil {
		t.Error("damage is no error")
	}
	if h.pieces != 6 {
		t.Errorf("a sample with a hole gave %d pieces", h.pieces-4)
	}
	decodeAll(t, d, joined[5:], h)
	if late, gain := h.place(); late.Abs() > time.Millisecond || gain < 0.85 {
		t.Errorf("behind the hole: late by %v, gain %.2f", late, gain)
	}
	holes := 0
	for _, n := range h.filled {
		if n == 0 {
			holes++
		}
	}
	if holes != 1024 {
		t.Errorf("%d frames are missing, want 1024", holes)
	}
}

// Behind a gap AAC does not repeat the half of a frame from before it.
func TestGapIsNotFilledWithThePast(t *testing.T) {
	c := voiceCodecs()[5] // aac
	samples := c.encode(t)
	d := &Audio{}
	defer d.Close()
	h := &heard{t: t}
	loud := int(chirpAt.Seconds()*48000/1024) + 4
	decodeAll(t, d, samples[:loud], h)
	quiet := samples[2] // silence
	quiet.Time += 5 * time.Second
	at := len(h.value)
	decodeAll(t, d, []media.Sample{quiet}, h)
	for _, v := range h.value[at:] {
		if math.Abs(v) > 0.001 {
			t.Fatalf("a value of %.3f from before the gap", v)
		}
	}
}

// A format may change in mid-stream; one that cannot be decoded costs its own
// samples only.
func TestAudioFormatMayChange(t *testing.T) {
	noLeak(t)
	all := voiceCodecs()
	opus, mulaw := all[0].encode(t), all[9].encode(t)
	d := &Audio{}
	defer d.Close()
	h := &heard{t: t}
	decodeAll(t, d, opus[:10], h)
	decodeAll(t, d, mulaw[10:20], h)
	if h.format.Rate != 8000 {
		t.Errorf("behind the change: %v", h.format)
	}
	bad := media.Sample{Encoded: &media.Encoded{Format: &media.EncodedFormat{Codec: media.AAC}, Data: []byte{1}}}
	for range 2 {
		if err := d.Decode(bad, h.take); !errors.Is(err, media.ErrFormat) {
			t.Errorf("AAC without a configuration: %v", err)
		}
	}
	decodeAll(t, d, opus[20:30], h)
	if h.format.Rate != 48000 {
		t.Errorf("after the second change: %v", h.format)
	}
	d.Close()
	decodeAll(t, d, opus[30:], h) // begins anew
}

func TestAudioRefusesPictures(t *testing.T) {
	var d Audio
	s := media.Sample{Encoded: &media.Encoded{Format: &media.EncodedFormat{Codec: media.VP8}, Data: []byte{1}}}
	if err := d.Decode(s, nil); !errors.Is(err, media.ErrFormat) {
		t.Errorf("VP8: %v", err)
	}
	if err := d.Decode(media.Sample{}, nil); !errors.Is(err, media.ErrPayload) {
		t.Errorf("nothing: %v", err)
	}
}

func TestAudioDoesNotAllocate(t *testing.T) {
	for _, c := range voiceCodecs() {
		samples := c.encode(t)
		d := &Audio{}
		emit := func(s media.Sample) { s.Release() }
		i := 0
		next := func() {
			if err := d.Decode(samples[i%len(samples)], emit); err != nil {
				t.Fatal(err)
			}
			i++
		}
		for range 10 {
			next()
		}
		if got := testing.AllocsPerRun(len(samples)-20, next); got > 0 && !raceEnabled {
			t.Errorf("%s: %v allocations in a sample", c.name, got)
		}
		d.Close()
	}
}

func BenchmarkAudio(b *testing.B) {
	for _, c := range voiceCodecs() {
		b.Run(c.name, func(b *testing.B) {
			samples := c.encode(b)
			d := &Audio{}
			defer d.Close()
			var long time.Duration
			emit := func(s media.Sample) { long += s.PCM.Duration(); s.Release() }
			began := cpuTime(b)
			for i := 0; b.Loop(); i++ {
				if err := d.Decode(samples[i%len(samples)], emit); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpuTime(b)-began).Seconds()*1e6/long.Seconds(), "cpu-µs/s-of-media")
		})
	}
}

// cpuTime is what the process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
