package video

import (
	"errors"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// all are the stages as they are used.
func all() map[string]Stage {
	return map[string]Stage{
		"resize":    Resize(640, 360),
		"letterbox": Resize(200, 300),
		"crop":      Crop(20, 20, 100, 80),
		"rotate 90": Rotate(90), "rotate 180": Rotate(180), "rotate 270": Rotate(270),
		"mirror":       Mirror(),
		"blur":         Blur(Region{.3, .3, .4, .4}),
		"blur all":     Blur(),
		"cover":        Cover(Region{.3, .3, .4, .4}),
		"text":         Text(TextOptions{Text: "Alice\n12:34:56", Anchor: BottomLeft}),
		"text of time": Text(TextOptions{Of: func(pipeline.Stream, media.Sample) string { return "Bob" }}),
	}
}

// A picture costs no garbage once a stage runs, and what it has in C memory is
// freed in the end.
func TestStagesDoNotAllocate(t *testing.T) {
	noLeak(t)
	for name, stage := range all() {
		for _, pixel := range pixelFormats {
			chain := NewPipeline(stage).NewChain(pipeline.Stream{}, nil)
			p := media.NewPicture(media.VideoFormat{Pixel: pixel, Width: 320, Height: 180})
			release := func(s media.Sample) { s.Release() }
			n := testing.AllocsPerRun(3, func() {
				p.Retain()
				chain.Process(media.Sample{Picture: p}, release)
			})
			if n != 0 || chain.Failures() != 0 {
				t.Errorf("%s of %s: %v allocations, %d failures", name, pixel, n, chain.Failures())
			}
			chain.Close()
		}
	}
}

// References come out even: the picture is back in its pool when all who had
// it are done, and so are those of the stages.
func TestStagesGiveBack(t *testing.T) {
	for name, stage := range all() {
		var pool media.PicturePool
		chain := NewPipeline(stage, stage).NewChain(pipeline.Stream{}, nil)
		p := pool.Get(media.VideoFormat{Width: 320, Height: 180})
		chain.Process(media.Sample{Picture: p}, func(s media.Sample) { s.Release() })
		if a, b := pool.Get(p.Format), pool.Get(p.Format); a != p || b == p {
			t.Errorf("%s: given back %v, twice %v", name, a == p, b == p)
		}
		chain.Close()
	}
}

// Size and format may change with every picture.
func TestChangesInMidStream(t *testing.T) {
	noLeak(t)
	for name, stage := range all() {
		proc := stage(pipeline.Stream{})
		everyFormat(func(f media.VideoFormat, padding int) {
			in := blank(f, padding, nil)
			var got, want []byte
			take := func(to *[]byte) func(media.Sample) {
				return func(s media.Sample) {
					if err := s.Validate(); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					*to = s.Picture.AppendBytes(nil)
					s.Picture.Retain() // kept: the next must not draw into it
				}
			}
			fresh := stage(pipeline.Stream{})
			err, again := proc.Process(media.Sample{Picture: in}, take(&got)), fresh.Process(media.Sample{Picture: in}, take(&want))
			if string(got) != string(want) || (err == nil) != (again == nil) {
				t.Fatalf("%s of %s: differs from what a new one makes (%v, %v)", name, f, err, again)
			}
			if c, ok := fresh.(*resize); ok {
				_ = c.Close()
			}
		})
		if c, ok := proc.(*resize); ok {
			_ = c.Close()
		}
	}
}

// What made a picture BT.709, its height, is gone with it.
func TestColorStaysWhatItWas(t *testing.T) {
	for _, f := range []media.VideoFormat{{Width: 1280, Height: 720}, {Width: 800, Height: 600}, {Width: 640, Height: 480, Color: media.BT601FullRange}} {
		p := media.NewPicture(f)
		for name, stage := range map[string]Stage{
			"resize": Resize(720, 1280), "crop": Crop(10, 10, 300, 300), "rotate": Rotate(90), "mirror": Mirror(),
			"blur": Blur(Region{0, 0, .5, .5}), "text": Text(TextOptions{Text: "x"}),
		} {
			if out := through(t, stage, p); out.Format.ResolvedColor() != f.ResolvedColor() {
				t.Errorf("%s of %v: %s", name, f, out.Format.Color)
			}
		}
	}
}

// I420 and NV12 are the same picture, and so are the orders of RGB.
func TestFormatsAgree(t *testing.T) {
	for name, stage := range map[string]Stage{
		"resize": Resize(50, 80), "crop": Crop(3, 5, 31, 20), "rotate": Rotate(90), "mirror": Mirror(),
		"blur": Blur(Region{.1, .1, .5, .5}), "cover": Cover(Region{.1, .1, .5, .5}), "text": Text(TextOptions{Text: "Wörld", Size: .3}),
	} {
		draw := func(x, y int) rgb { return rgb{float64(x * 3), float64(y * 5), float64((x*7 + y*3) % 256)} }
		var first [2]*media.Picture // YUV, RGB
		for _, pixel := range pixelFormats {
			out := through(t, stage, paint(media.VideoFormat{Pixel: pixel, Width: 71, Height: 47}, 3, draw))
			i := 0
			if !isYUV(pixel) {
				i = 1
			}
			if first[i] == nil {
				first[i] = out
				continue
			}
			for y := range out.Format.Height {
				for x := range out.Format.Width {
					if a, b := rgbAt(out, x, y), rgbAt(first[i], x, y); a != b {
						t.Fatalf("%s: %s at %d,%d: %.1f, %s %.1f", name, pixel, x, y, a, first[i].Format.Pixel, b)
					}
				}
			}
		}
	}
}

func TestWrongArguments(t *testing.T) {
	p := media.NewPicture(media.VideoFormat{Width: 64, Height: 48})
	for name, c := range map[string]struct {
		stage Stage
		want  error
	}{
		"no size":        {Resize(0, 0), ErrArgument},
		"negative":       {Resize(-1, 5), ErrArgument},
		"too large":      {Resize(16385, 0), ErrArgument},
		"no crop":        {Crop(0, 0, 0, 1), ErrArgument},
		"crop outside":   {Crop(64, 0, 5, 5), ErrOutside},
		"crop above":     {Crop(0, -9, 5, 5), ErrOutside},
		"crop far":       {Crop(1<<62, 1<<62, 1<<62, 1<<62), ErrOutside},
		"rotate 45":      {Rotate(45), ErrArgument},
		"rotate -90":     {Rotate(-90), ErrArgument},
		"text size":      {Text(TextOptions{Text: "x", Size: 2}), ErrArgument},
		"text negative":  {Text(TextOptions{Text: "x", Size: -1}), ErrArgument},
		"text anchor":    {Text(TextOptions{Text: "x", Anchor: 9}), ErrArgument},
		"text bad font":  {Text(TextOptions{Text: "x", Font: []byte("no")}), ErrArgument},
		"text no letter": {Text(TextOptions{Text: "x", Font: []byte{}}), ErrArgument},
	} {
		if out, err := try(t, c.stage, p); !errors.Is(err, c.want) || out != nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		// A chain passes it on as it was, and counts.
		chain := NewPipeline(c.stage).NewChain(pipeline.Stream{}, nil)
		passed := false
		chain.Process(media.Sample{Picture: p}, func(s media.Sample) { passed = s.Picture == p })
		if chain.Failures() != 1 || !passed {
			t.Errorf("%s: %d failures, passed %v", name, chain.Failures(), passed)
		}
		p.Retain() // the chain took ours
	}
}
