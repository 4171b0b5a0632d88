package bitstream_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/media"
)

func FuzzVideoH264(f *testing.F) { fuzzVideo(f, media.H264) }
func FuzzVideoHEVC(f *testing.F) { fuzzVideo(f, media.HEVC) }
func FuzzVideoVP8(f *testing.F)  { fuzzVideo(f, media.VP8) }
func FuzzVideoVP9(f *testing.F)  { fuzzVideo(f, media.VP9) }
func FuzzVideoAV1(f *testing.F)  { fuzzVideo(f, media.AV1) }

// fuzzVideo reads two pieces of anything after any configuration: errors are of
// the kinds that are promised and change nothing, and a description serves as
// configuration.
func fuzzVideo(f *testing.F, codec media.Codec) {
	c := clip.Encode(f, codec.String(), clip.Options{Seconds: 1, Width: 16, Height: 16, BFrames: 1})
	a, b := c.Samples[0].Data, c.Samples[1].Data
	f.Add(c.Extra, a, b, false)
	f.Add([]byte(nil), append(bytes.Clone(c.Extra), a...), b, false)
	if codec == media.H264 || codec == media.HEVC {
		f.Add(record(codec, 2, nals(f, c.Extra)), withLengths(2, nals(f, a)...), withLengths(2, nals(f, b)...), true)
	}
	f.Fuzz(func(t *testing.T, config, a, b []byte, lengths bool) {
		format := &media.EncodedFormat{Codec: codec, Config: config}
		if lengths && (codec == media.H264 || codec == media.HEVC) {
			format.Packing = media.LengthPrefixed
		}
		v, err := bitstream.NewVideo(format)
		if err != nil {
			wantSentinel(t, err)
			return
		}
		for _, data := range [][]byte{a, b, a} {
			readAnything(t, v, data)
			_, _ = bitstream.AppendAnnexB(nil, format, data)
		}
		if !v.Ready() {
			return
		}
		again, err := bitstream.NewVideo(&media.EncodedFormat{Codec: codec, Config: v.ExtraData()})
		if err != nil {
			t.Fatalf("own extradata % x: %v", v.ExtraData(), err)
		}
		if again.Ready() && !bytes.Equal(again.ExtraData(), v.ExtraData()) {
			t.Fatalf("own extradata % x is read as % x", v.ExtraData(), again.ExtraData())
		}
	})
}

func readAnything(t *testing.T, v *bitstream.Video, data []byte) {
	t.Helper()
	type state struct {
		ready         bool
		width, height int
		extra         string
	}
	now := func() state {
		w, h := v.Size()
		return state{v.Ready(), w, h, string(v.ExtraData())}
	}
	before := now()
	p, err := v.Read(data)
	switch {
	case err != nil:
		wantSentinel(t, err)
		if p != (bitstream.Picture{}) || now() != before {
			t.Fatalf("%+v, %+v after %v, %+v before", p, now(), err, before)
		}
	case p.Changed && !p.Key, p.Key && (!p.HasPicture || !v.Ready()), !p.HasPicture && p != (bitstream.Picture{}),
		!p.Changed && now() != before:
		t.Fatalf("%+v, %+v, before %+v", p, now(), before)
	}
	if w, h := v.Size(); v.Ready() && (w < 1 || h < 1) {
		t.Fatalf("%dx%d", w, h)
	}
	if depth, known := v.ReorderDepth(); depth < 0 || depth > 16 || !known && depth != 0 {
		t.Fatalf("depth %d", depth)
	}
}

func wantSentinel(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, media.ErrFormat) && !errors.Is(err, media.ErrLength) {
		t.Fatalf("%v is neither ErrFormat nor ErrLength", err)
	}
}

func FuzzOpus(f *testing.F) {
	f.Add([]byte{31<<3 | 3, 0xC3, 2, 1, 2, 7, 8, 9, 0, 0})
	f.Add([]byte{31<<3 | 2, 1, 7, 8, 9})
	f.Fuzz(func(t *testing.T, packet []byte) {
		n, err := bitstream.OpusDuration(packet)
		if err != nil {
			wantSentinel(t, err)
		} else if n < 120 || n > 5760 || n%120 != 0 {
			t.Fatalf("%d samples", n)
		}
		if n := bitstream.OpusChannels(packet); n != 1 && n != 2 {
			t.Fatalf("%d channels", n)
		}
	})
}

func FuzzADTS(f *testing.F) {
	f.Add([]byte{0xFF, 0xF1, 0x50, 0x80, 0x01, 0x3F, 0xFC, 0xAA, 0xBB, 0xFF, 0xF0, 0x50, 0x80, 0x01, 0x7F, 0xFC, 0x12, 0x34, 0xAA, 0xBB})
	f.Fuzz(func(t *testing.T, data []byte) {
		for len(data) > 0 {
			frame, config, rest, err := bitstream.SplitADTS(data)
			if err != nil {
				wantSentinel(t, err)
				return
			}
			if _, _, _, err := bitstream.ParseAAC(config[:]); err != nil || len(frame) == 0 || len(rest) >= len(data) {
				t.Fatalf("config % x (%v), %d bytes, %d left of %d", config, err, len(frame), len(rest), len(data))
			}
			data = rest
		}
	})
}

func FuzzAAC(f *testing.F) {
	f.Add([]byte{0x12, 0x10})
	f.Add([]byte{5<<3 | 3, 0x11, 0x88})
	f.Fuzz(func(t *testing.T, config []byte) {
		rate, channels, length, err := bitstream.ParseAAC(config)
		if err != nil {
			wantSentinel(t, err)
		} else if rate < 1 || channels < 1 || length < 0 {
			t.Fatalf("%d Hz, %d channels, frames of %d", rate, channels, length)
		}
		if frame, ok := bitstream.AACSilence(config); ok != (frame != nil) || ok && err != nil {
			t.Fatalf("% x, %v, %v", frame, ok, err)
		}
	})
}
