package video

import (
	"image/color"
	"math"

	"github.com/roomkit-live/roomkit-go/media"
)

// ink is a colour as it lies in memory: Y U V, or the bytes of a packed pixel,
// opaque where there is alpha.
type ink [4]byte

// plane returns the bytes of a pixel in plane i, whose shape is s.
func (k *ink) plane(i int, s shape) []byte { return k[i:][:s.unit] }

// inkOf converts a colour, the alpha of which is left out, to a format. YUV is
// by the definition of ITU-R BT.601 or BT.709: limited range has 16 to 235 for
// luma and 16 to 240 for chroma, full range all of 0 to 255.
func inkOf(f media.VideoFormat, c color.NRGBA) ink {
	switch f.Pixel {
	case media.RGB24, media.RGBA:
		return ink{c.R, c.G, c.B, 255}
	case media.BGR24, media.BGRA:
		return ink{c.B, c.G, c.R, 255}
	}
	kr, kb := 0.299, 0.114
	luma, chroma, black := 219.0, 224.0, 16.0
	switch f.ResolvedColor() {
	case media.BT709:
		kr, kb = 0.2126, 0.0722
	case media.BT709FullRange:
		kr, kb = 0.2126, 0.0722
		luma, chroma, black = 255, 255, 0
	case media.BT601FullRange:
		luma, chroma, black = 255, 255, 0
	}
	r, g, b := float64(c.R)/255, float64(c.G)/255, float64(c.B)/255
	y := kr*r + (1-kr-kb)*g + kb*b
	return ink{
		level(black + luma*y),
		level(128 + chroma/2*(b-y)/(1-kb)),
		level(128 + chroma/2*(r-y)/(1-kr)),
	}
}

// level rounds to a byte: in full range chroma goes up to 255.5.
func level(v float64) byte { return byte(max(0, min(255, math.Round(v)))) }

// blackOf is black in a format.
func blackOf(f media.VideoFormat) ink { return inkOf(f, color.NRGBA{}) }
