package video

import (
	"image/color"
	"math"

	"github.com/roomkit-live/roomkit-go/media"
)

// blend lays letters and the box behind them over pictures of a format:
//
//	out = (in·keep + add) / 65536
//
// both of which follow from how much of a pixel the letters cover.
type blend struct {
	keep [256]uint32
	add  [4][256]uint32 // by byte of an ink; with half of 65536, for rounding
}

// mix computes the tables for a format. With c the share that letters cover,
// the box comes first and the letters over it:
//
//	out = (in·(1-box) + background·box)·(1-letters·c) + foreground·letters·c
func (b *blend) mix(f media.VideoFormat, foreground, background color.Color) {
	const one = 1 << 16
	fg, bg := straight(foreground), straight(background)
	ink, under := inkOf(f, fg), inkOf(f, bg)
	box := float64(bg.A) / 255
	for i := range b.keep {
		letters := float64(fg.A) / 255 * float64(i) / 255
		b.keep[i] = uint32(math.Round(one * (1 - box) * (1 - letters)))
		// What is left of one is divided so that it makes no more than that.
		rest := one - float64(b.keep[i])
		share := 0.0
		if both := box*(1-letters) + letters; both > 0 {
			share = letters / both
		}
		for k := range b.add {
			v := rest * (float64(ink[k])*share + float64(under[k])*(1-share))
			b.add[k][i] = uint32(math.Round(v)) + one/2
		}
	}
}

// straight is a colour without its alpha multiplied in.
func straight(c color.Color) color.NRGBA { return color.NRGBAModel.Convert(c).(color.NRGBA) }

// lay blends the part of a picture that the masks are for.
func (b *blend) lay(box *media.Picture, m *masks) {
	for i, s := range shapes[box.Format.Pixel] {
		w, h := s.size(box.Format)
		mask := m.of(s)
		for y := range h {
			row := box.Planes[i].Data[y*box.Planes[i].Stride:][:w*s.unit]
			b.row(row, mask[y*w:][:w], b.add[i:i+s.unit])
		}
	}
}

// row blends pixels of as many bytes as there are tables.
func (b *blend) row(row, mask []byte, add [][256]uint32) {
	unit := len(add)
	for x, c := range mask {
		keep := b.keep[c]
		for k, v := range row[x*unit:][:unit] {
			row[x*unit+k] = byte((uint32(v)*keep + add[k][c]) >> 16)
		}
	}
}
