package video

import (
	"fmt"
	"image"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// A typesetter turns text into dots. It keeps what it needs in between.
type typesetter struct {
	font *opentype.Font
	em   int // pixels, of face
	face font.Face
}

// padding is what a box has around its lines.
func padding(em int) int { return (em + 3) / 4 }

// lay divides a text into the lines that a picture has room for, and returns
// the size of a box around them, in even numbers as far as the picture has
// them.
func (t *typesetter) lay(text string, em, width, height int) ([]string, image.Point, error) {
	if t.em != em {
		face, err := opentype.NewFace(t.font, &opentype.FaceOptions{Size: float64(em), DPI: 72})
		if err != nil {
			return nil, image.Point{}, fmt.Errorf("video: type of %d pixels: %w", em, err)
		}
		t.face, t.em = face, em
	}
	pad, line := padding(em), t.lineHeight()
	var lines []string
	size := image.Pt(0, 2*pad)
	for l := range strings.SplitSeq(text, "\n") {
		if size.Y > height {
			break // no room for more
		}
		l = atMost(l, width)
		lines = append(lines, l)
		size = image.Pt(max(size.X, t.advance(l, width)+2*pad), size.Y+line)
	}
	return lines, image.Pt(min(size.X+size.X&1, width), min(size.Y+size.Y&1, height)), nil
}

// lineHeight is from one line to the next.
func (t *typesetter) lineHeight() int {
	m := t.face.Metrics()
	return max((m.Ascent + m.Descent).Ceil(), 1)
}

// atMost cuts a line off after n characters: names come from anywhere, and may
// be of any length and have no width.
func atMost(line string, n int) string {
	for i := range line {
		if n--; n < 0 {
			return line[:i]
		}
	}
	return line
}

// advance measures a line, up to what is more than enough.
func (t *typesetter) advance(line string, enough int) int {
	var x fixed.Int26_6
	for _, r := range line {
		if x.Ceil() > enough {
			break
		}
		if !unicode.IsControl(r) {
			a, _ := t.face.GlyphAdvance(r) // of the sign for a missing one, too
			x += a
		}
	}
	return x.Ceil()
}

// draw draws lines into the mask of a box of the size that lay returned.
func (t *typesetter) draw(lines []string, m *masks) {
	pad := padding(t.em)
	dot := fixed.P(pad, pad+t.face.Metrics().Ascent.Ceil())
	for _, line := range lines {
		dot.X = fixed.I(pad)
		for _, r := range line {
			if dot.X.Floor() >= m.size.X {
				break
			}
			if unicode.IsControl(r) {
				continue
			}
			at, dots, from, advance, _ := t.face.Glyph(dot, r)
			if dots, ok := dots.(*image.Alpha); ok { // as opentype makes them
				m.add(at, dots, from)
			}
			dot.X += advance
		}
		dot.Y += fixed.I(t.lineHeight())
	}
}
