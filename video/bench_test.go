package video

import (
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// What a stage costs for each picture of 1280x720.
func BenchmarkStages(b *testing.B) {
	for _, c := range []struct {
		name  string
		stage Stage
	}{
		{"Resize/half", Resize(640, 360)},
		{"Resize/letterbox", Resize(1024, 768)},
		{"Crop/half", Crop(320, 180, 640, 360)},
		{"Rotate/90", Rotate(90)},
		{"Rotate/180", Rotate(180)},
		{"Mirror", Mirror()},
		{"Blur/tenth", Blur(Region{.4, .3, .25, .4})},
		{"Blur/all", Blur()},
		{"Cover/tenth", Cover(Region{.4, .3, .25, .4})},
		{"Text", Text(TextOptions{Text: "Alice  2026-01-01 12:34:56", Anchor: BottomLeft})},
	} {
		for _, pixel := range []media.PixelFormat{media.I420, media.NV12, media.RGB24, media.BGRA} {
			b.Run(c.name+"/"+pixel.String(), func(b *testing.B) {
				chain := NewPipeline(c.stage).NewChain(pipeline.Stream{}, nil)
				defer chain.Close()
				p := media.NewPicture(media.VideoFormat{Pixel: pixel, Width: 1280, Height: 720})
				release := func(s media.Sample) { s.Release() }
				b.ReportAllocs()
				for b.Loop() {
					p.Retain()
					chain.Process(media.Sample{Picture: p}, release)
				}
			})
		}
	}
}
