package video

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// Rotate turns pictures clockwise by 0, 90, 180 or 270 degrees. Others fail
// with [ErrArgument].
//
// Each plane is turned by itself and nothing is computed, so that turning back
// gives the same bytes. Where chroma is halved and the side that becomes the
// left or the upper one was odd, colour is off by half a pixel.
func Rotate(degrees int) Stage {
	switch degrees {
	case 0:
		return Func(func(s media.Sample) (media.Sample, error) { return s, nil })
	case 90:
		return turning(true, func(_, h, unit, stride int) walk { return walk{(h - 1) * stride, -stride, unit} })
	case 180:
		return turning(false, func(w, h, unit, stride int) walk {
			return walk{(h-1)*stride + (w-1)*unit, -unit, -stride}
		})
	case 270:
		return turning(true, func(w, _, unit, stride int) walk { return walk{(w - 1) * unit, stride, -unit} })
	}
	return refuse(fmt.Errorf("%w: Rotate(%d) (allowed: 0, 90, 180, 270)", ErrArgument, degrees))
}

// Mirror swaps left and right, as in a selfie. What [Rotate] says of chroma
// holds here too.
func Mirror() Stage {
	return turning(false, func(w, _, unit, stride int) walk { return walk{(w - 1) * unit, -unit, stride} })
}

// A walk is the way through the bytes of a plane in which they are read.
type walk struct {
	start  int // offset of the pixel that comes to the upper left
	column int // from a pixel to the one that comes to its right
	row    int // from a pixel to the one that comes below it
}

// turning makes a stage that reads pictures another way; it is asked for each
// plane of w by h pixels of unit bytes. swaps says that width becomes height.
func turning(swaps bool, way func(w, h, unit, stride int) walk) Stage {
	return func(pipeline.Stream) pipeline.Processor { return &turn{swaps: swaps, way: way} }
}

type turn struct {
	swaps bool
	way   func(w, h, unit, stride int) walk
	pool  media.PicturePool
}

func (t *turn) Process(s media.Sample, emit func(media.Sample)) error {
	in := s.Picture
	f := tagged(in.Format)
	if t.swaps {
		f.Width, f.Height = f.Height, f.Width
	}
	out := t.pool.Get(f)
	for i, sh := range shapes[f.Pixel] {
		w, h := sh.size(in.Format)
		way := t.way(w, h, sh.unit, in.Planes[i].Stride)
		if t.swaps {
			w, h = h, w
		}
		way.read(&out.Planes[i], w, h, sh.unit, in.Planes[i].Data)
	}
	s.Picture = out
	emit(s)
	return nil
}

// tile is the side of the squares in which planes are read whose columns become
// rows: 32 lines of cache hold what the next columns need, where those of a whole
// column would push each other out.
const tile = 32

// read fills a plane of w by h pixels with what the walk meets in from.
func (k walk) read(to *media.Plane, w, h, unit int, from []byte) {
	wide := w // rows stay rows
	if k.column != unit && k.column != -unit {
		wide = tile
	}
	for y0 := 0; y0 < h; y0 += tile {
		for x0 := 0; x0 < w; x0 += wide {
			n := (min(x0+wide, w) - x0) * unit
			for y := y0; y < min(y0+tile, h); y++ {
				gather(to.Data[y*to.Stride+x0*unit:][:n], from, k.start+x0*k.column+y*k.row, k.column, unit)
			}
		}
	}
}

// gather fills a row with pixels of unit bytes that lie step apart.
func gather(row, from []byte, at, step, unit int) {
	switch unit {
	case 1:
		if step == -1 {
			row, at = reverse(row, from, at)
		}
		for i := range row {
			row[i] = from[at]
			at += step
		}
	case 2:
		for ; len(row) >= 2; row = row[2:] {
			binary.LittleEndian.PutUint16(row, binary.LittleEndian.Uint16(from[at:]))
			at += step
		}
	case 3:
		for ; len(row) >= 3; row = row[3:] {
			pixel := from[at:][:3]
			row[0], row[1], row[2] = pixel[0], pixel[1], pixel[2]
			at += step
		}
	case 4:
		for ; len(row) >= 4; row = row[4:] {
			binary.LittleEndian.PutUint32(row, binary.LittleEndian.Uint32(from[at:]))
			at += step
		}
	}
}

// reverse fills a row with the bytes up to and with the one at a place, the
// last one first, eight at a time. It returns what is left to do.
func reverse(row, from []byte, at int) ([]byte, int) {
	for ; len(row) >= 8; row = row[8:] {
		binary.LittleEndian.PutUint64(row, bits.ReverseBytes64(binary.LittleEndian.Uint64(from[at-7:])))
		at -= 8
	}
	return row, at
}
