package testpattern

import (
	"image"
	"math/bits"

	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// The size of a character in dots, the gap to the next one included.
const (
	glyphWidth  = 7
	glyphHeight = 13
)

// glyph has a bit for each dot, the leftmost being the highest of a byte.
type glyph [glyphHeight]uint8

// font has the printable ASCII characters.
type font [0x7f - 0x20]glyph

// newFont unpacks the public domain font 7x13 of X.
func newFont() *font {
	f := new(font)
	for i := range f {
		dr, mask, at, _, ok := basicfont.Face7x13.Glyph(fixed.P(0, basicfont.Face7x13.Ascent), rune(0x20+i))
		if !ok {
			continue
		}
		for y := range glyphHeight {
			for x := range glyphWidth {
				dot := image.Pt(x, y)
				if !dot.In(dr) {
					continue
				}
				from := dot.Sub(dr.Min).Add(at)
				if _, _, _, alpha := mask.At(from.X, from.Y).RGBA(); alpha != 0 {
					f[i][y] |= 0x80 >> x
				}
			}
		}
	}
	return f
}

// glyph returns the dots of a character, those of a question mark for one that
// the font does not have.
func (f *font) glyph(char byte) glyph {
	if i := int(char) - 0x20; i >= 0 && i < len(f) {
		return f[i]
	}
	return f['?'-0x20]
}

// leadingRun takes the first run of dots off a row: it returns its length,
// clears it and all before it, and moves col to its end.
func leadingRun(dots *uint8, col *int) int {
	gap := bits.LeadingZeros8(*dots)
	run := bits.LeadingZeros8(^(*dots << gap))
	*dots <<= gap + run
	*col += gap + run
	return run
}
