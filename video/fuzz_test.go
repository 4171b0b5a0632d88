package video

import (
	"errors"
	"image/color"
	"math"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// odd makes any stage of any arguments, those that make no sense included. The
// sizes are bounded, so that a picture takes no gigabyte.
func odd(kind uint8, a, b, c, d int, x, y, z float64, text string) Stage {
	switch kind % 7 {
	case 0:
		return Resize(a%700, b%700)
	case 1:
		return Crop(a, b, c, d)
	case 2:
		return Rotate(a % 5 * 90)
	case 3:
		return Mirror()
	case 4:
		return Blur(Region{x, y, z, float64(a) / 100}, Region{y, z, x, x})
	case 5:
		return Cover(Region{x, y, z, float64(a) / 100})
	}
	return Text(TextOptions{
		Text: text, Anchor: Anchor(a) % 10, Size: x,
		Color: color.NRGBA{uint8(a), uint8(b), uint8(c), uint8(d)}, Background: color.RGBA{uint8(b), uint8(c), uint8(d), uint8(a)},
	})
}

// Whatever a stage is made with and whatever picture it gets, it does not
// panic, read beyond the planes, write to the picture, make an invalid one or
// lose a reference; and what hides never lets a picture through.
func FuzzStages(f *testing.F) {
	nan, inf := math.NaN(), math.Inf(1)
	for kind := range uint8(7) {
		for pixel := range uint8(6) {
			f.Add(kind, pixel, uint8(0), uint16(63), uint16(46), uint8(pixel*3), 30, 20, 31, 19, .1, .2, .5, "Wörld\nΩ")
			f.Add(kind, pixel, uint8(4), uint16(0), uint16(1), uint8(1), 1, 3, 1, 1, .3, .3, .3, "\x00\xff\u0301\n\n")
		}
		f.Add(kind, uint8(0), uint8(9), uint16(31), uint16(99), uint8(0), -5, -7, 20, 20, nan, inf, -inf, "")
		f.Add(kind, uint8(1), uint8(1), uint16(199), uint16(2), uint8(0), math.MinInt, math.MaxInt, math.MaxInt, 1, 1e300, -1e300, 1e-300, "iiii")
		f.Add(kind, uint8(4), uint8(2), uint16(5), uint16(180), uint8(9), 0, 500, 9, 400, .5, -.2, 7., "a long line that does not fit")
	}
	f.Fuzz(func(t *testing.T, kind, pixel, coding uint8, w, h uint16, padding uint8, a, b, c, d int, x, y, z float64, text string) {
		live := ffmpeg.LiveObjects()
		var pool media.PicturePool
		vf := media.VideoFormat{
			Pixel: media.PixelFormat(pixel % 6), Width: int(w)%200 + 1, Height: int(h)%200 + 1, Color: media.Color(coding % 5),
		}
		p := blank(vf, int(padding), &pool)
		stage := odd(kind, a, b, c, d, x, y, z, text)
		out, err := try(t, stage, p)
		hides := kind%7 == 4 || kind%7 == 5
		if hides && (out == nil || out == p) || !hides && (err == nil) != (out != nil) {
			t.Fatalf("out %v, the picture itself %v, %v", out != nil, out == p, err)
		}
		if err != nil && (errors.Is(err, pipeline.ErrPanic) || !errors.Is(err, ErrArgument) && !errors.Is(err, ErrOutside)) {
			t.Fatal(err)
		}

		chain := NewPipeline(stage, stage).NewChain(pipeline.Stream{}, nil)
		chain.Process(media.Sample{Picture: p}, func(s media.Sample) { s.Release() })
		chain.Close()
		if first, second := pool.Get(vf), pool.Get(vf); first != p || second == p {
			t.Fatalf("given back %v, twice %v", first == p, second == p)
		}
		if n := ffmpeg.LiveObjects() - live; n != 0 {
			t.Fatalf("%d objects left", n)
		}
	})
}
