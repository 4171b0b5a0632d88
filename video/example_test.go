package video_test

import (
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/video"
)

func ExampleNewPipeline() {
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) // zero of the clock
	p := video.NewPipeline(
		video.Blur(video.Region{X: 0.7, Y: 0, Width: 0.3, Height: 0.4}), // the door behind
		video.Rotate(90),
		video.Resize(360, 0),
		video.Text(video.TextOptions{Anchor: video.BottomLeft, Of: func(_ pipeline.Stream, s media.Sample) string {
			return begin.Add(s.Time).Format(time.DateTime)
		}}),
	)
	chain := p.NewChain(pipeline.Stream{}, nil)
	defer chain.Close()
	picture := media.NewPicture(media.VideoFormat{Width: 1280, Height: 720})
	chain.Process(media.Sample{Time: time.Minute, Picture: picture}, func(s media.Sample) {
		fmt.Println(s.Picture.Format, s.Picture.Format.Color)
		s.Release()
	})
	// Output: 360x640 i420 bt709
}

// everySecond leaves out every other picture.
func everySecond(pipeline.Stream) pipeline.Processor { return &halver{} }

type halver struct{ n int }

func (h *halver) Process(s media.Sample, emit func(media.Sample)) error {
	if h.n++; h.n%2 == 1 {
		emit(s)
	}
	return nil
}

func ExampleStage() {
	chain := video.NewPipeline(everySecond).NewChain(pipeline.Stream{}, nil)
	for i := range 4 {
		picture := media.NewPicture(media.VideoFormat{Width: 16, Height: 16})
		chain.Process(media.Sample{Time: time.Duration(i), Picture: picture}, func(s media.Sample) { fmt.Println(s.Time) })
	}
	// Output:
	// 0s
	// 2ns
}
