package video

import (
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

// Every pixel of every plane goes where it belongs.
func TestRotate(t *testing.T) {
	type place func(x, y, w, h int) (int, int) // in a picture that is w by h before
	for name, c := range map[string]struct {
		stage Stage
		from  place
	}{
		"90":     {Rotate(90), func(x, y, w, h int) (int, int) { return y, h - 1 - x }},
		"180":    {Rotate(180), func(x, y, w, h int) (int, int) { return w - 1 - x, h - 1 - y }},
		"270":    {Rotate(270), func(x, y, w, h int) (int, int) { return w - 1 - y, x }},
		"mirror": {Mirror(), func(x, y, w, h int) (int, int) { return w - 1 - x, y }},
	} {
		everyFormat(func(f media.VideoFormat, padding int) {
			p := blank(f, padding, nil)
			out := through(t, c.stage, p)
			for i, s := range shapes[f.Pixel] {
				w, h := s.size(f)
				ow, oh := s.size(out.Format)
				for y := range oh {
					for x := range ow {
						fx, fy := c.from(x, y, w, h)
						got := out.Planes[i].Data[y*out.Planes[i].Stride+x*s.unit:][:s.unit]
						want := p.Planes[i].Data[fy*p.Planes[i].Stride+fx*s.unit:][:s.unit]
						if string(got) != string(want) {
							t.Fatalf("%s of %s: plane %d at %d,%d", name, f, i, x, y)
						}
					}
				}
			}
		})
	}
}

func TestTurningBack(t *testing.T) {
	everyFormat(func(f media.VideoFormat, padding int) {
		p := blank(f, padding, nil)
		four := p
		for range 4 {
			four = through(t, Rotate(90), four)
		}
		same(t, "four times 90", four, p)
		same(t, "90 and 270", through(t, Rotate(270), through(t, Rotate(90), p)), p)
		same(t, "twice 90", through(t, Rotate(90), through(t, Rotate(90), p)), through(t, Rotate(180), p))
		same(t, "mirrored twice", through(t, Mirror(), through(t, Mirror(), p)), p)
		if through(t, Rotate(0), p) != p {
			t.Error("0 degrees make a copy")
		}
	})
}
