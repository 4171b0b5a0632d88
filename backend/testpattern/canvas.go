package testpattern

import (
	"math"

	"github.com/roomkit-live/roomkit-go/media"
)

// rgb is a colour in sRGB.
type rgb struct{ r, g, b uint8 }

var (
	black = rgb{0, 0, 0}
	white = rgb{255, 255, 255}
)

// ink is a colour as it lies in memory: Y U V, or the bytes of a packed pixel.
type ink [4]byte

// inkFor converts a colour to a format. YUV has the limited range of ITU-R
// BT.601 or BT.709: 16 to 235 for luma, 16 to 240 for chroma.
func inkFor(f media.VideoFormat, c rgb) ink {
	switch f.Pixel {
	case media.RGB24, media.RGBA:
		return ink{c.r, c.g, c.b, 255}
	case media.BGR24, media.BGRA:
		return ink{c.b, c.g, c.r, 255}
	}
	kr, kb := 0.299, 0.114
	if f.ResolvedColor() == media.BT709 {
		kr, kb = 0.2126, 0.0722
	}
	r, g, b := float64(c.r)/255, float64(c.g)/255, float64(c.b)/255
	y := kr*r + (1-kr-kb)*g + kb*b
	return ink{
		byte(math.Round(16 + 219*y)),
		byte(math.Round(128 + 112*(b-y)/(1-kb))),
		byte(math.Round(128 + 112*(r-y)/(1-kr))),
	}
}

// canvas draws on a picture that nobody else has yet. Drawing is cut off at
// the picture's edges.
type canvas struct{ p *media.Picture }

// fill draws a rectangle. Where it cuts through a 2x2 block of halved chroma,
// the whole block takes its hue.
func (c canvas) fill(x, y, w, h int, k ink) {
	f := c.p.Format
	x1, y1 := min(x+w, f.Width), min(y+h, f.Height)
	x, y = max(x, 0), max(y, 0)
	if x >= x1 || y >= y1 {
		return
	}
	luma, hue := &c.p.Planes[0], c.p.Planes[1:]
	cx, cy, cx1, cy1 := x/2, y/2, (x1+1)/2, (y1+1)/2
	switch f.Pixel {
	case media.I420:
		fillPlane(luma, x, y, x1, y1, k[:1])
		fillPlane(&hue[0], cx, cy, cx1, cy1, k[1:2])
		fillPlane(&hue[1], cx, cy, cx1, cy1, k[2:3])
	case media.NV12:
		fillPlane(luma, x, y, x1, y1, k[:1])
		fillPlane(&hue[0], cx, cy, cx1, cy1, k[1:3])
	case media.RGB24, media.BGR24:
		fillPlane(luma, x, y, x1, y1, k[:3])
	case media.RGBA, media.BGRA:
		fillPlane(luma, x, y, x1, y1, k[:4])
	}
}

// fillPlane fills from (x, y) up to but without (x1, y1), which lie inside the
// plane, with a pixel of one to four bytes.
func fillPlane(p *media.Plane, x, y, x1, y1 int, pixel []byte) {
	first := p.Data[y*p.Stride+x*len(pixel):][:(x1-x)*len(pixel)]
	for n := copy(first, pixel); n < len(first); n *= 2 {
		copy(first[n:], first[:n])
	}
	for row := y + 1; row < y1; row++ {
		copy(p.Data[row*p.Stride+x*len(pixel):], first)
	}
}

// text draws ASCII with its upper left corner at (x, y), each dot of the font
// scale pixels wide and high.
func (c canvas) text(x, y, scale int, s []byte, font *font, k ink) {
	for _, char := range s {
		for row, dots := range font.glyph(char) {
			for col := 0; dots != 0; {
				run := leadingRun(&dots, &col)
				c.fill(x+(col-run)*scale, y+row*scale, run*scale, scale, k)
			}
		}
		x += glyphWidth * scale
	}
}
