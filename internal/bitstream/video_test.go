package bitstream_test

import (
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/media"
)

var pictureCodecs = []media.Codec{media.H264, media.HEVC, media.VP8, media.VP9, media.AV1}

// Keys, description and size of what FFmpeg's encoders make, with the
// configuration beside the stream.
func TestVideoOfEncoders(t *testing.T) {
	for _, codec := range pictureCodecs {
		t.Run(codec.String(), func(t *testing.T) {
			c := clip.Encode(t, codec.String(), clip.Options{BFrames: 2})
			v := newVideo(t, &media.EncodedFormat{Codec: codec, Config: c.Extra})
			described := len(c.Extra) > 0
			if v.Ready() != described {
				t.Errorf("ready: %v before the first picture with configuration % x", v.Ready(), c.Extra)
			}
			for i, s := range c.Samples {
				p, err := v.Read(s.Data)
				if err != nil || p.Key != s.Sync || !p.HasPicture || !p.FirstSlice || p.Changed != (i == 0 && !described) {
					t.Fatalf("sample %d, sync %v: %+v, %v", i, s.Sync, p, err)
				}
			}
			if w, h := v.Size(); w != c.Width || h != c.Height {
				t.Errorf("%dx%d, want %dx%d", w, h, c.Width, c.Height)
			}
			if none := codec == media.VP8 || codec == media.VP9; !v.Ready() || (v.ExtraData() == nil) != none {
				t.Errorf("ready %v with % x", v.Ready(), v.ExtraData())
			}
		})
	}
}

func newVideo(t testing.TB, f *media.EncodedFormat) *bitstream.Video {
	t.Helper()
	v, err := bitstream.NewVideo(f)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The DTS are those of the encoders. Those of x265 are two pictures early
// wherever there are B-frames, one needs no more than one.
func TestReorderOfEncoders(t *testing.T) {
	for _, codec := range pictureCodecs {
		for b := range 4 {
			c := clip.Encode(t, codec.String(), clip.Options{BFrames: b})
			v := newVideo(t, &media.EncodedFormat{Codec: codec, Config: c.Extra})
			if _, err := v.Read(c.Samples[0].Data); err != nil {
				t.Fatal(err)
			}
			depth, known := v.ReorderDepth()
			if !known {
				t.Errorf("%s: depth not known", codec)
			}
			r := bitstream.NewReorder(depth, c.Samples[0].Duration)
			late := int64(0)
			if codec == media.HEVC && b > 0 {
				late = int64(2-depth) * c.Samples[0].Duration
			}
			for i, s := range c.Samples {
				if dts := r.Next(s.PTS); dts != s.DTS+late {
					t.Fatalf("%s, %d B-frames, sample %d: DTS %d of PTS %d, FFmpeg says %d", codec, b, i, dts, s.PTS, s.DTS)
				}
			}
		}
	}
}
