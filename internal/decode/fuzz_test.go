package decode

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// packed joins samples as the fuzz targets take them apart: how each is told
// of, its length, its data.
func packed(samples []media.Sample) (out []byte) {
	for _, s := range samples[:min(len(samples), 12)] {
		out = binary.BigEndian.AppendUint16(append(out, 0), uint16(len(s.Encoded.Data)))
		out = append(out, s.Encoded.Data...)
	}
	return out
}

// unpacked takes them apart. The bits of the first byte: a gap, a loss, the
// same time as before, a new format, whole.
func unpacked(f *media.EncodedFormat, data []byte) (out []media.Sample) {
	at := time.Duration(0)
	for len(data) > 3 && len(out) < 64 {
		flags, n := data[0], int(binary.BigEndian.Uint16(data[1:]))
		data = data[3:]
		n = min(n, len(data))
		if n == 0 {
			continue
		}
		if flags&4 == 0 {
			at += 20*time.Millisecond + time.Duration(flags&1)*3*time.Second
		}
		if flags&8 != 0 {
			other := *f
			other.Config = data[:n]
			f = &other
		}
		out = append(out, media.Sample{Time: at, Missed: int(flags >> 1 & 1), Encoded: &media.Encoded{Format: f, Data: data[:n], Whole: flags&16 != 0}})
		data = data[n:]
	}
	return out
}

// longest is how much more audio than any frame has may come of a byte: one of
// Opus can stand for 120 ms.
const longest = 120 * time.Millisecond

func fuzzAudio(f *testing.F, name string) {
	var format *media.EncodedFormat
	for _, c := range voiceCodecs() {
		if c.name == name {
			samples := c.encode(f)
			format = samples[0].Encoded.Format
			f.Add(packed(samples[30:]))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := ffmpeg.LiveObjects()
		var d Audio
		for _, s := range unpacked(format, data) {
			var heard time.Duration
			err := d.Decode(s, func(p media.Sample) {
				if err := p.Validate(); err != nil {
					t.Fatal(err)
				}
				heard += p.PCM.Duration()
				p.Release()
			})
			if heard == 0 && err == nil {
				t.Error("neither audio nor an error")
			}
			if heard > longest*time.Duration(len(s.Encoded.Data)) {
				t.Errorf("%v of %d bytes", heard, len(s.Encoded.Data))
			}
		}
		d.Close()
		if n := ffmpeg.LiveObjects(); n != before {
			t.Errorf("%d objects left", n-before)
		}
	})
}

func fuzzVideo(f *testing.F, name string) {
	c := film(f, name)
	samples := c.encodeSize(f, 12, 64, 48)
	format := samples[0].Encoded.Format
	f.Add(packed(samples))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := ffmpeg.LiveObjects()
		counted, pictures := 0, 0
		d := NewVideo(VideoOptions{Freeze: time.Duration(len(data)%3) * 50 * time.Millisecond}, VideoOutput{
			Picture: func(s media.Sample, n int) {
				if err := s.Validate(); err != nil {
					t.Fatal(err)
				}
				pictures, counted = pictures+1, counted+n
				s.Release()
			},
			Lost: func(n int, err error) {
				if err == nil {
					t.Fatal("lost without a reason")
				}
				counted += n
			},
		})
		given := unpacked(format, data)
		for i, s := range given {
			d.Decode(s)
			if i == len(given)/2 {
				d.Flush()
			}
		}
		d.Flush()
		d.Close()
		if counted != len(given) {
			t.Errorf("%d samples of %d counted", counted, len(given))
		}
		if n := ffmpeg.LiveObjects(); n != before {
			t.Errorf("%d objects left", n-before)
		}
	})
}

func FuzzOpus(f *testing.F) { fuzzAudio(f, "opus") }
func FuzzAAC(f *testing.F)  { fuzzAudio(f, "aac") }
func FuzzADTS(f *testing.F) { fuzzAudio(f, "adts") }
func FuzzG711(f *testing.F) { fuzzAudio(f, "pcmu stereo") }
func FuzzG722(f *testing.F) { fuzzAudio(f, "g722") }

func FuzzH264(f *testing.F) { fuzzVideo(f, "h264 in band") }
func FuzzAVCC(f *testing.F) { fuzzVideo(f, "h264 length-prefixed") }
func FuzzHEVC(f *testing.F) { fuzzVideo(f, "hevc with B-frames") }
func FuzzVP8(f *testing.F)  { fuzzVideo(f, "vp8") }
func FuzzVP9(f *testing.F)  { fuzzVideo(f, "vp9") }
func FuzzAV1(f *testing.F)  { fuzzVideo(f, "av1") }
