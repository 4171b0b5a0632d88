package video

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// written returns the smallest rectangle around what differs between two
// pictures of the same format.
func written(a, b *media.Picture) (r image.Rectangle) {
	for y := range a.Format.Height {
		for x := range a.Format.Width {
			if rgbAt(a, x, y) != rgbAt(b, x, y) {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

// An "I" is a stem of the letters' colour in the middle of a box of the
// background's, in every format and coding; the rest of the picture is as it
// was.
func TestTextColors(t *testing.T) {
	const w, h = 120, 81
	for _, pixel := range pixelFormats {
		for _, coding := range colors {
			f := media.VideoFormat{Pixel: pixel, Width: w, Height: h, Color: coding}
			in := paint(f, 5, plain(grey))
			for _, c := range []struct {
				fg, bg         color.Color
				letters, under rgb
			}{
				{color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}, red, blue},
				{nil, nil, white, rgb{60, 60, 60}}, // half black over 120
				{color.NRGBA{0, 255, 0, 255}, color.Transparent, green, grey},
				{color.NRGBA{255, 255, 255, 127}, color.NRGBA{0, 0, 0, 255}, rgb{127, 127, 127}, black},
			} {
				out := through(t, Text(TextOptions{Text: "I", Size: .5, Anchor: Center, Color: c.fg, Background: c.bg}), in)
				stem, edge := image.Pt(w/2, h/2), image.Pt(w/2-14, h/2)
				near(t, out, stem.X, stem.Y, c.letters, 3)
				near(t, out, edge.X, edge.Y, c.under, 3)
				near(t, out, 2, 2, grey, 2)
				if box := written(in, out); box.Dx() > 50 || box.Dy() > 80 {
					t.Fatalf("%s: %v was written to", f, box)
				}
			}
		}
	}
}

// The letters of three alphabets have the shapes they should have: each differs
// from the others and from the sign for a missing one, and letters that look
// alike do so.
func TestTextAlphabets(t *testing.T) {
	f := media.VideoFormat{Pixel: media.RGB24, Width: 60, Height: 60}
	in := paint(f, 0, plain(black))
	seen := map[string]rune{}
	for _, r := range "AgéßŁΩλЖяЇ\u0378" { // the last one has no letter
		s := string(through(t, Text(TextOptions{Text: string(r), Size: .5}), in).AppendBytes(nil))
		if other, ok := seen[s]; ok {
			t.Errorf("%q looks like %q", r, other)
		}
		seen[s] = r
	}
	latin := through(t, Text(TextOptions{Text: "A", Size: .5}), in)
	same(t, "Alpha", through(t, Text(TextOptions{Text: "Α", Size: .5}), in), latin)
}

// A letter, dot by dot.
func TestTextGolden(t *testing.T) {
	in := paint(media.VideoFormat{Pixel: media.RGB24, Width: 160, Height: 160}, 0, plain(black))
	out := through(t, Text(TextOptions{Text: "T", Size: .5, Background: color.Transparent}), in)
	want := []string{
		"###",
		".#.",
		".#.",
	}
	box := image.Rectangle{Min: image.Pt(160, 160)}
	for y := range 160 {
		for x := range 160 {
			if rgbAt(out, x, y)[0] > 100 {
				box.Min.X, box.Min.Y = min(box.Min.X, x), min(box.Min.Y, y)
				box.Max.X, box.Max.Y = max(box.Max.X, x+1), max(box.Max.Y, y+1)
			}
		}
	}
	// Go Regular has capitals of 0.73 em, and a T nearly as wide, of 80 pixels.
	if box.Dx() < 42 || box.Dx() > 54 || box.Dy() < 55 || box.Dy() > 61 {
		t.Fatalf("the letter fills %v", box)
	}
	for i, line := range want { // three bands of the letter, three places in each
		y := box.Min.Y + 1 + i*(box.Dy()-3)/2
		for j, dot := range line {
			x := box.Min.X + 1 + j*(box.Dx()-3)/2
			if on := rgbAt(out, x, y)[0] > 100; on != (dot == '#') {
				t.Errorf("at %d,%d of the letter: %v", x, y, on)
			}
		}
	}
}

func TestTextPlaces(t *testing.T) {
	const w, h = 301, 201
	f := media.VideoFormat{Pixel: media.I420, Width: w, Height: h}
	in := paint(f, 0, plain(grey))
	for a := TopLeft; a <= BottomRight; a++ {
		out := through(t, Text(TextOptions{Text: "Ab", Size: .1, Anchor: a, Background: color.Black}), in)
		box := written(in, out)
		const margin = 10 // half of an em
		dx := []int{box.Min.X - margin, (box.Min.X + box.Max.X - w) / 2, w - margin - box.Max.X}[a%3]
		dy := []int{box.Min.Y - margin, (box.Min.Y + box.Max.Y - h) / 2, h - margin - box.Max.Y}[a/3]
		if max(dx, -dx, dy, -dy) > 1 {
			t.Errorf("anchor %d: %v", a, box)
		}
		// One line: ascent and descent, with a quarter of an em around it.
		if box.Dy() < 30 || box.Dy() > 38 {
			t.Errorf("anchor %d: %d pixels high", a, box.Dy())
		}
	}
}

// Size follows the picture; lines are added; what is too long is cut off, never
// the beginning.
func TestTextSizes(t *testing.T) {
	box := func(w, h int, o TextOptions) image.Rectangle {
		o.Background = color.Black
		in := paint(media.VideoFormat{Pixel: media.BGRA, Width: w, Height: h}, 0, plain(grey))
		return written(in, through(t, Text(o), in))
	}
	small, large := box(300, 200, TextOptions{Text: "Hello", Size: .1}), box(600, 400, TextOptions{Text: "Hello", Size: .1})
	if d := large.Dy() - 2*small.Dy(); d < -4 || d > 4 {
		t.Errorf("%v in a picture, %v in one twice as large", small, large)
	}
	if two := box(300, 200, TextOptions{Text: "Hello\nHe", Size: .1}); two.Dx() != small.Dx() || two.Dy() < small.Dy()+20 {
		t.Errorf("two lines take %v, one %v", two, small)
	}
	if all := box(300, 200, TextOptions{Text: strings.Repeat("x", 1000), Size: .1, Anchor: Right}); all.Dx() != 300 {
		t.Errorf("a long line takes %v", all)
	}
	if all := box(300, 200, TextOptions{Text: strings.Repeat("x\n", 1000), Size: .1}); all.Dy() != 200 {
		t.Errorf("many lines take %v", all)
	}
	if tiny := box(300, 20, TextOptions{Text: "Hello"}); tiny.Dy() < minEm {
		t.Errorf("the smallest type takes %v", tiny)
	}
	if none := box(300, 200, TextOptions{Text: "Hel\x00\tlo", Size: .1}); none != small {
		t.Errorf("control characters take room: %v, without %v", none, small)
	}
}

// A text that changes is written anew, one that does not is only laid over.
func TestTextOfSample(t *testing.T) {
	calls := 0
	proc := Text(TextOptions{Text: "unused", Of: func(of pipeline.Stream, s media.Sample) string {
		if of.Participant != "ann" {
			t.Errorf("written for %q", of.Participant)
		}
		calls++
		if s.Time < time.Second {
			return ""
		}
		return fmt.Sprint(s.Time.Truncate(time.Second))
	}})(pipeline.Stream{Participant: "ann"}).(*writer)
	in := paint(media.VideoFormat{Width: 100, Height: 60}, 0, plain(grey))
	var got []string
	for _, at := range []time.Duration{0, 1000, 1500, 2100, 2900} {
		err := proc.Process(media.Sample{Time: at * time.Millisecond, Picture: in}, func(s media.Sample) {
			got = append(got, fmt.Sprint(proc.text, s.Picture == in))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := "[true 1sfalse 1sfalse 2sfalse 2sfalse]"; fmt.Sprint(got) != want || calls != 5 {
		t.Errorf("%v, want %s", got, want)
	}
	a := through(t, Text(TextOptions{Text: "2s"}), in)
	var b *media.Picture
	_ = proc.Process(media.Sample{Time: 2 * time.Second, Picture: in}, func(s media.Sample) { b = s.Picture })
	same(t, "changed text", b, a)
}

// Pictures of another size, format or coding get their own letters.
func TestTextFormatChanges(t *testing.T) {
	o := TextOptions{Text: "Abc", Size: .2, Color: color.NRGBA{200, 30, 40, 255}}
	proc := Text(o)(pipeline.Stream{})
	for _, f := range []media.VideoFormat{
		{Width: 100, Height: 60}, {Width: 100, Height: 90}, {Width: 100, Height: 90, Color: media.BT709},
		{Pixel: media.BGRA, Width: 100, Height: 90}, {Width: 100, Height: 60},
	} {
		in := blank(f, 3, nil)
		var out *media.Picture
		if err := proc.Process(media.Sample{Picture: in}, func(s media.Sample) { out = s.Picture }); err != nil {
			t.Fatal(err)
		}
		same(t, "after a change", out, through(t, Text(o), in))
	}
}

// Tables are the definition, to the nearest byte.
func TestBlend(t *testing.T) {
	f := media.VideoFormat{Pixel: media.RGB24, Width: 1, Height: 1}
	for _, fg := range []color.NRGBA{{200, 3, 255, 255}, {9, 80, 0, 100}, {1, 2, 3, 0}} {
		for _, bg := range []color.NRGBA{{0, 255, 30, 255}, {50, 250, 0, 77}, {1, 2, 3, 0}} {
			var b blend
			b.mix(f, fg, bg)
			for covered := range 256 {
				for _, in := range []byte{0, 1, 100, 254, 255} {
					row := []byte{in, in, in}
					b.row(row, []byte{byte(covered)}, b.add[:3])
					for k, under := range []uint8{bg.R, bg.G, bg.B} {
						box, letters := float64(bg.A)/255, float64(fg.A)/255*float64(covered)/255
						want := float64(in)*(1-box) + float64(under)*box
						want = want*(1-letters) + float64([]uint8{fg.R, fg.G, fg.B}[k])*letters
						if d := want - float64(row[k]); d > .51 || d < -.51 {
							t.Fatalf("%v on %v, %d covered, over %d: %d, want %.2f", fg, bg, covered, in, row[k], want)
						}
					}
				}
			}
		}
	}
}

// Names may be of any length: no more is set than a picture has room for.
func TestTextIsBounded(t *testing.T) {
	w := Text(TextOptions{Text: "x"})(pipeline.Stream{}).(*writer)
	lines, size, err := w.typesetter.lay(strings.Repeat(strings.Repeat("\u200b", 500)+"\n", 500), 10, 100, 80)
	if err != nil || len(lines) > 10 || size.X > 100 || size.Y > 80 {
		t.Fatalf("%d lines in %v, %v", len(lines), size, err)
	}
	if n := len([]rune(lines[0])); n > 100 {
		t.Errorf("%d characters in 100 pixels", n)
	}
}

func TestTextBeginsAtEvenPlaces(t *testing.T) {
	for side := range 40 {
		f := media.VideoFormat{Width: 40 + side, Height: 70 - side}
		for size := 1; size <= 30; size++ {
			for a := TopLeft; a <= BottomRight; a++ {
				r := place(a, image.Pt(size, size), 5, f)
				if r.Min.X%2 != 0 || r.Min.Y%2 != 0 || !r.In(bounds(f)) || r.Size() != image.Pt(size, size) {
					t.Fatalf("anchor %d, %d in %v: %v", a, size, f, r)
				}
			}
		}
	}
}

// Where letters overlap, none takes away from the other.
func TestMaskOverlap(t *testing.T) {
	var m masks
	m.clear(image.Pt(3, 1))
	for _, c := range []struct {
		x    int
		dots []byte
	}{{-1, []byte{9, 50, 200}}, {1, []byte{100, 30, 9}}} {
		m.add(image.Rect(c.x, 0, c.x+3, 1), &image.Alpha{Pix: c.dots, Stride: 3, Rect: image.Rect(0, 0, 3, 1)}, image.Point{})
	}
	if m.halve(); fmt.Sprint(m.full, m.half) != "[50 200 30] [125 30]" {
		t.Errorf("%v, %v", m.full, m.half)
	}
}
