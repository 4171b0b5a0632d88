package testpattern

import (
	"strconv"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// movingPainter copies a background that never changes and draws what does:
// the box, the clock and the number. It allocates nothing once its pool has
// filled.
//
//	+----+----+----+----+----+----+----+
//	|  colour bars                     |
//	|      +--------------------+      |
//	|      |     00:12.345      |      |
//	|      |       000370       |      |
//	|      +--------------------+      |
//	+----+----+----+----+----+----+----+
//	|                   [box] ->       |
//	|  name                            |
//	+----------------------------------+
type movingPainter struct {
	format     media.VideoFormat
	background *media.Picture
	pool       media.PicturePool
	font       *font
	white, box ink

	scale            int // pixels per dot of the font
	clockX, clockY   int
	numberX, numberY int
	boxY, boxSide    int
}

// The characters that the layout has room for.
const (
	clockChars  = len("00:00.000")
	numberChars = len("000000")
)

// bars are the colours of the classic test card at 75 % strength.
var bars = [...]rgb{{191, 191, 191}, {191, 191, 0}, {0, 191, 191}, {0, 191, 0}, {191, 0, 191}, {191, 0, 0}, {0, 0, 191}}

// boxPeriod is how long the box takes from one side to the other and back.
const boxPeriod = 4 * time.Second

func newMovingPainter(f media.VideoFormat, name string) *movingPainter {
	m := &movingPainter{
		format:     f,
		background: media.NewPicture(f),
		font:       newFont(),
		white:      inkFor(f, white),
		box:        inkFor(f, rgb{255, 160, 0}),
		scale:      max(1, min(f.Width/100, f.Height/48)),
	}
	m.layOut()
	m.drawBackground(name)
	return m
}

// even rounds down, so that edges lie between blocks of halved chroma.
func even(n int) int { return n &^ 1 }

func (m *movingPainter) barsHeight() int { return even(m.format.Height * 2 / 3) }

func (m *movingPainter) layOut() {
	w, dot := m.format.Width, m.scale
	middle := m.barsHeight() / 2
	m.clockX, m.clockY = (w-clockChars*glyphWidth*dot)/2, middle-glyphHeight*dot
	m.numberX, m.numberY = (w-numberChars*glyphWidth*dot)/2, middle
	m.boxSide = max(2, even(m.format.Height/8))
	m.boxY = m.barsHeight() + even(m.format.Height/48)
}

func (m *movingPainter) drawBackground(name string) {
	c, f := canvas{m.background}, m.format
	c.fill(0, 0, f.Width, f.Height, inkFor(f, black))
	for i, colour := range bars {
		x, next := even(f.Width*i/len(bars)), even(f.Width*(i+1)/len(bars))
		if i == len(bars)-1 {
			next = f.Width
		}
		c.fill(x, 0, next-x, m.barsHeight(), inkFor(f, colour))
	}
	margin := glyphWidth * m.scale
	x, y := even(m.clockX-margin), even(m.clockY-m.scale)
	c.fill(x, y, f.Width-2*x, even(m.numberY+(glyphHeight+1)*m.scale)-y, inkFor(f, black))
	c.text(margin, m.boxY+m.boxSide+m.scale, max(1, m.scale/2), []byte(name), m.font, m.white)
}

func (m *movingPainter) paint(number int, since time.Duration) *media.Picture {
	p := m.pool.Get(m.format)
	for i, plane := range m.background.Planes {
		copy(p.Planes[i].Data, plane.Data)
	}
	c := canvas{p}
	c.fill(m.boxX(since), m.boxY, m.boxSide, m.boxSide, m.box)
	var buf [32]byte
	c.text(m.clockX, m.clockY, m.scale, appendClock(buf[:0], since), m.font, m.white)
	c.text(m.numberX, m.numberY, m.scale, appendPadded(buf[:0], int64(number), numberChars), m.font, m.white)
	return p
}

// boxX lets the box travel to the right and back.
func (m *movingPainter) boxX(since time.Duration) int {
	const half = boxPeriod / 2
	at := since % boxPeriod
	if at > half {
		at = boxPeriod - at
	}
	return even(int(time.Duration(max(0, m.format.Width-m.boxSide)) * at / half))
}

// appendClock appends a time as mm:ss.mmm, with more digits of minutes after
// 99 of them.
func appendClock(b []byte, t time.Duration) []byte {
	ms := t.Milliseconds()
	b = appendPadded(b, ms/60_000, 2)
	b = append(b, ':')
	b = appendPadded(b, ms/1000%60, 2)
	b = append(b, '.')
	return appendPadded(b, ms%1000, 3)
}

// appendPadded appends a number of at least the given digits.
func appendPadded(b []byte, n int64, digits int) []byte {
	var buf [20]byte
	text := strconv.AppendInt(buf[:0], n, 10)
	for range digits - len(text) {
		b = append(b, '0')
	}
	return append(b, text...)
}
