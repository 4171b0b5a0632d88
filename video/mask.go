package video

import "image"

// masks say how much of each pixel of a box letters cover, of 255: once for
// planes of the picture's size, once for those of half of it.
type masks struct {
	size       image.Point
	full, half []byte
}

// clear makes empty masks of a size.
func (m *masks) clear(size image.Point) {
	m.size = size
	n := size.X * size.Y
	if cap(m.full) < n {
		m.full = make([]byte, n)
	}
	m.full = m.full[:n]
	clear(m.full)
}

// add puts dots at a place, of which the part inside the mask counts. Where
// letters overlap, the denser one does.
func (m *masks) add(at image.Rectangle, dots *image.Alpha, from image.Point) {
	inside := at.Intersect(image.Rectangle{Max: m.size})
	from = from.Add(inside.Min.Sub(at.Min))
	for y := range inside.Dy() {
		row := m.full[(inside.Min.Y+y)*m.size.X+inside.Min.X:][:inside.Dx()]
		for x, v := range dots.Pix[dots.PixOffset(from.X, from.Y+y):][:inside.Dx()] {
			row[x] = max(row[x], v)
		}
	}
}

// halve makes the half mask of the full one: averages of 2x2, of less at odd
// edges.
func (m *masks) halve() {
	w, h := (m.size.X+1)/2, (m.size.Y+1)/2
	if cap(m.half) < w*h {
		m.half = make([]byte, w*h)
	}
	m.half = m.half[:w*h]
	for y := range h {
		for x := range w {
			sum, n := 0, 0
			for v := 2 * y; v < min(2*y+2, m.size.Y); v++ {
				for u := 2 * x; u < min(2*x+2, m.size.X); u++ {
					sum += int(m.full[v*m.size.X+u])
					n++
				}
			}
			m.half[y*w+x] = byte((sum + n/2) / n)
		}
	}
}

// of returns the mask for a plane.
func (m *masks) of(s shape) []byte {
	if s.step == 2 {
		return m.half
	}
	return m.full
}
