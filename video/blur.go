package video

import (
	"image"

	"github.com/roomkit-live/roomkit-go/media"
)

// Blur makes regions of pictures unrecognisable, or the whole picture if none
// is given. Everything outside of them stays bit for bit what it was; where
// chroma is halved, regions are widened to even places.
//
// What is left of a region are averages over a grid of at most 8 by 8 cells,
// none of which is narrower than 16 pixels unless the region is, with a smooth
// passage from one to the next. The rest is not in the picture any more:
// sharpening cannot bring it back. Yet from averages one can guess what is one of
// few known things, such as four digits on a form: use [Cover] for those.
//
// Blur never lets a picture through as it was. One that it cannot blur, and all
// of them if a region is impossible, become black and count as a failure
// ([ErrArgument] for a region). Put it before other stages: one of those
// that fails passes its picture on uncropped or unturned, and the regions would
// be over something else.
func Blur(regions ...Region) Stage {
	return hiding(regions, func() func(*media.Picture, image.Rectangle) { return new(blur).paint })
}

const (
	maxCells = 8  // along a side of a region
	minCell  = 16 // pixels of the picture along a side of a cell
)

// blur keeps its buffers from picture to picture.
type blur struct {
	cells []uint16 // averages in 1/256, row by row of the grid
	wide  []uint16 // the same, each row of the grid as wide as the region
}

// paint blurs the part of a picture inside r.
func (b *blur) paint(p *media.Picture, r image.Rectangle) {
	nx, ny := cells(r.Dx(), r.Dy())
	var w media.Picture
	window(&w, p, r)
	for i, s := range shapes[p.Format.Pixel] {
		width, height := s.size(w.Format)
		b.cells, b.wide = room(b.cells, nx*ny*s.unit), room(b.wide, ny*width*s.unit)
		average(b.cells, &w.Planes[i], width, height, s.unit, nx, ny)
		for row := range ny {
			widen(b.wide[row*width*s.unit:][:width*s.unit], b.cells[row*nx*s.unit:][:nx*s.unit], s.unit)
		}
		heighten(&w.Planes[i], width*s.unit, height, b.wide, ny)
	}
}

// cells divides a region: square cells as far as that goes, so that they are
// as large for a line of writing as its length asks for.
func cells(w, h int) (nx, ny int) {
	size := max(minCell, (max(w, h)+maxCells-1)/maxCells)
	return max(1, w/size), max(1, h/size)
}

// room returns a slice of n numbers, b if it is long enough.
func room(b []uint16, n int) []uint16 {
	if cap(b) < n {
		return make([]uint16, n)
	}
	return b[:n]
}

// average writes the average of each cell of a plane, in 1/256.
func average(to []uint16, p *media.Plane, w, h, unit, nx, ny int) {
	for cy := range ny {
		y0, y1 := cy*h/ny, (cy+1)*h/ny
		for cx := range nx {
			x0, x1 := cx*w/nx, (cx+1)*w/nx
			n := uint64((x1 - x0) * (y1 - y0))
			sum := sumOf(p, x0*unit, x1*unit, y0, y1, unit)
			for k := range unit {
				to[(cy*nx+cx)*unit+k] = uint16((sum[k]<<8 + n/2) / n)
			}
		}
	}
}

// sumOf adds up each byte of the pixels of a rectangle, whose x are in bytes.
func sumOf(p *media.Plane, x0, x1, y0, y1, unit int) (sum [4]uint64) {
	for y := y0; y < y1; y++ {
		row := p.Data[y*p.Stride+x0 : y*p.Stride+x1]
		for k := range unit {
			n := uint64(0)
			for i := k; i < len(row); i += unit {
				n += uint64(row[i])
			}
			sum[k] += n
		}
	}
	return sum
}

// between returns which two of n cells a pixel of a side lies between the
// middles of, and how near it is to the second one, of 256.
func between(at, side, n int) (first, second int, weight uint32) {
	pos := max(((2*at+1)*n<<8)/(2*side)-128, 0)
	first = min(pos>>8, n-1)
	return first, min(first+1, n-1), uint32(pos & 255)
}

// widen makes a row of cells as wide as the region.
func widen(to, cells []uint16, unit int) {
	w, n := len(to)/unit, len(cells)/unit
	for x := range w {
		a, b, weight := between(x, w, n)
		for k := range unit {
			to[x*unit+k] = mix(cells[a*unit+k], cells[b*unit+k], weight)
		}
	}
}

// heighten fills a plane, whose rows have the given bytes, with what lies
// between n rows that are as wide.
func heighten(p *media.Plane, bytes, h int, wide []uint16, n int) {
	for y := range h {
		first, second, weight := between(y, h, n)
		row := p.Data[y*p.Stride:][:bytes]
		a, b := wide[first*bytes:][:len(row)], wide[second*bytes:][:len(row)]
		for i := range row {
			row[i] = byte((uint32(a[i])*(256-weight) + uint32(b[i])*weight + 1<<15) >> 16)
		}
	}
}

// mix is a for a weight of 0 and b for one of 256.
func mix(a, b uint16, weight uint32) uint16 {
	return uint16((uint32(a)*(256-weight) + uint32(b)*weight) >> 8)
}
