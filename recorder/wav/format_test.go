package wav_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// exact makes n values of so many significant bits as s32 PCM.
func exact(f media.AudioFormat, n, bits int) (*media.PCM, []int32) {
	f.Sample = media.S32
	r := rand.New(rand.NewPCG(uint64(bits), 5))
	pcm, values := &media.PCM{Format: f}, []int32{}
	for i := range n {
		v := int32(r.Uint32()) >> (32 - bits) << (32 - bits)
		switch i {
		case 3:
			v = math.MaxInt32 >> (32 - bits) << (32 - bits)
		case 4:
			v = math.MinInt32
		}
		values = append(values, v)
		pcm.Data = binary.LittleEndian.AppendUint32(pcm.Data, uint32(v))
	}
	return pcm, values
}

// What a format can hold comes out bit for bit, in one channel and in two, and
// with a number of bytes that is odd.
func TestFormatsAreExact(t *testing.T) {
	judge.Need(t, "sox", "soxi", "ffmpeg", "ffprobe")
	for _, c := range []struct {
		sample         wav.SampleFormat
		bits           int // that the format keeps
		encoding, soxi string
		codec          string
	}{
		{wav.S16, 16, "Signed Integer PCM", "16", "pcm_s16le"},
		{wav.S24, 24, "Signed Integer PCM", "24", "pcm_s24le"},
		{wav.S32, 24, "Signed Integer PCM", "32", "pcm_s32le"},
		{wav.F32, 24, "Floating Point PCM", "32", "pcm_f32le"},
	} {
		for _, f := range []media.AudioFormat{mono, stereo, {Rate: 192000, Channels: 2}, {Rate: 8000, Channels: 1}} {
			t.Run(fmt.Sprintf("%s/%s", c.sample, f), func(t *testing.T) {
				t.Parallel()
				const frames = 5001
				pcm, want := exact(f, frames*f.Channels, c.bits)
				r := start(t, newRecorder(t, wav.Options{Sample: c.sample}), recorder.Config{})
				write(t, addTrack(t, r, voice), media.Sample{Time: ms(77), PCM: pcm})
				result := stop(t, r)
				for _, tool := range []string{"sox", "ffmpeg"} {
					got := raw(t, tool, result.Path)
					if len(got) != len(want) {
						t.Fatalf("%s reads %d values, want %d", tool, len(got), len(want))
					}
					for i := range want {
						if got[i] != want[i] && !(want[i] > math.MaxInt32-512 && got[i] > math.MaxInt32-512) { // a tool's own way with full scale
							t.Fatalf("%s reads %x at %d, want %x", tool, got[i], i, want[i])
						}
					}
				}
				says := string(judge.Run(t, "soxi", result.Path))
				for _, want := range []string{c.encoding, fmt.Sprintf("Sample Rate    : %d", f.Rate), fmt.Sprintf("Channels       : %d", f.Channels)} {
					if !strings.Contains(says, want) {
						t.Errorf("soxi does not say %q: %s", want, says)
					}
				}
				if bits := strings.TrimSpace(string(judge.Run(t, "soxi", "-b", result.Path))); bits != c.soxi {
					t.Errorf("soxi says %s bits, want %s", bits, c.soxi)
				}
				if s := judge.Probe(t, result.Path).Streams[0]; s.Codec != c.codec || result.Tracks[0].Codec != c.codec {
					t.Errorf("codec %s, in the result %s, want %s", s.Codec, result.Tracks[0].Codec, c.codec)
				}
			})
		}
	}
}

// Two loud voices clip, and do not wrap, in every format.
func TestSumsAreClamped(t *testing.T) {
	judge.Need(t, "sox")
	for _, sample := range []wav.SampleFormat{wav.S16, wav.S24, wav.S32, wav.F32} {
		r := start(t, newRecorder(t, wav.Options{Sample: sample}), recorder.Config{})
		loud := func(d media.Direction, v int16) media.Sample {
			values := make([]int16, 3200)
			for i := range values {
				values[i] = v - 2*v*int16(i/1600)
			}
			return media.Sample{Direction: d, PCM: pcm16(mono, values)}
		}
		write(t, addTrack(t, r, voice), loud(in, 30000), loud(out, 20000))
		got := raw(t, "sox", stop(t, r).Path)
		for i, v := range got {
			if want := float64(1 - 2*(i/1600)); math.Abs(float64(v)/math.MaxInt32-want) > 1e-4 {
				t.Fatalf("%s: %d at %d, want full scale", sample, v, i)
			}
		}
	}
}

// Files have the channels of the first audio that goes into them: mono goes to
// both at full level, stereo to one as the average.
func TestChannelsAreThoseOfTheFirstAudio(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	two := func(d media.Direction, left, right int16) media.Sample {
		values := make([]int16, 0, 6400)
		for range 3200 {
			values = append(values, left, right)
		}
		return media.Sample{Time: ms(float64(d) * 400), Direction: d, PCM: pcm16(stereo, values)}
	}
	one := func(d media.Direction, v int16) media.Sample {
		s := two(d, v, v)
		s.PCM = pcm16(mono, sequence([]int16{v}, 3200))
		return s
	}
	gap := func(channels int) []int16 { return make([]int16, 3200*channels) }
	join := func(parts ...[]int16) (all []int16) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, c := range map[string]struct {
		samples []media.Sample
		want    map[string][]int16
	}{
		"mono first": {[]media.Sample{one(in, 1000), two(out, 2000, 4000)}, map[string][]int16{
			"_inbound":  sequence([]int16{1000}, 3200),
			"_outbound": join(gap(2), gap(2), sequence([]int16{2000, 4000}, 3200)),
			"_mixed":    join(sequence([]int16{1000}, 3200), gap(1), sequence([]int16{3000}, 3200)),
			"_stereo":   join(sequence([]int16{1000, 0}, 3200), gap(2), sequence([]int16{0, 3000}, 3200)),
		}},
		"stereo first": {[]media.Sample{two(in, 2000, 4000), one(out, 1000)}, map[string][]int16{
			"_inbound":  sequence([]int16{2000, 4000}, 3200),
			"_outbound": join(gap(1), gap(1), sequence([]int16{1000}, 3200)),
			"_mixed":    join(sequence([]int16{2000, 4000}, 3200), gap(2), sequence([]int16{1000, 1000}, 3200)),
			"_stereo":   join(sequence([]int16{3000, 0}, 3200), gap(2), sequence([]int16{0, 1000}, 3200)),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, newRecorder(t, wav.Options{Channels: wav.All}), recorder.Config{})
			write(t, addTrack(t, r, voice), c.samples...)
			wantFiles(t, stop(t, r), c.want)
		})
	}
}

// sequence repeats values n times.
func sequence(values []int16, n int) (out []int16) {
	for range n {
		out = append(out, values...)
	}
	return out
}
