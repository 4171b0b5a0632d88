package media

import (
	"fmt"
	"math"
	"sync"
)

// PixelFormat is how a raw picture lies in memory.
type PixelFormat uint8

// The raw picture formats. The names give the order of bytes in memory.
const (
	I420  PixelFormat = iota // planes Y, U, V, chroma halved both ways; the default
	NV12                     // planes Y, interleaved UV
	RGB24                    // packed R G B
	BGR24                    // packed B G R
	RGBA                     // packed R G B A; alpha is ignored
	BGRA                     // packed B G R A; alpha is ignored
)

// String returns the name in lower case, as FFmpeg spells it but for i420.
func (f PixelFormat) String() string {
	names := [...]string{"i420", "nv12", "rgb24", "bgr24", "rgba", "bgra"}
	if int(f) < len(names) {
		return names[f]
	}
	return "unknown"
}

// Color says how luma and chroma stand for colour. It matters for the YUV
// formats; RGB is taken as sRGB.
type Color uint8

// The colour codings.
const (
	ColorUnknown   Color = iota // BT.709 from 720 lines on, else BT.601; limited range
	BT601                       // limited range
	BT709                       // limited range
	BT601FullRange              // as in JPEG
	BT709FullRange
)

// String returns for example "bt709".
func (c Color) String() string {
	names := [...]string{"unknown", "bt601", "bt709", "bt601-full", "bt709-full"}
	if int(c) < len(names) {
		return names[c]
	}
	return "unknown"
}

// hdLines is the height from which untagged video is taken as BT.709: the
// smallest high definition format of ITU-R BT.1543/SMPTE 296M.
const hdLines = 720

// VideoFormat describes raw pictures.
type VideoFormat struct {
	Pixel         PixelFormat
	Width, Height int // pixels, 1 to 16384; odd sizes are allowed
	Color         Color
	// Rate is the nominal number of pictures per second, 0 if unknown. It
	// never decides when a picture is shown: the samples' times do.
	Rate float64
}

const maxSide = 16384

// IsZero reports whether nothing is declared.
func (f VideoFormat) IsZero() bool { return f == VideoFormat{} }

// ResolvedColor replaces [ColorUnknown] by what it stands for.
func (f VideoFormat) ResolvedColor() Color {
	if f.Color != ColorUnknown {
		return f.Color
	}
	if f.Height >= hdLines {
		return BT709
	}
	return BT601
}

// Validate returns an error that wraps [ErrFormat] for an impossible format.
func (f VideoFormat) Validate() error {
	if f.Width < 1 || f.Height < 1 || f.Width > maxSide || f.Height > maxSide {
		return fmt.Errorf("%w: picture size %dx%d (allowed: 1x1 to %dx%d)", ErrFormat, f.Width, f.Height, maxSide, maxSide)
	}
	if f.Pixel > BGRA {
		return fmt.Errorf("%w: pixel format %d (allowed: i420, nv12, rgb24, bgr24, rgba, bgra)", ErrFormat, f.Pixel)
	}
	if f.Color > BT709FullRange {
		return fmt.Errorf("%w: colour coding %d", ErrFormat, f.Color)
	}
	if !(f.Rate >= 0 && f.Rate <= math.MaxFloat32) { // so written that NaN fails
		return fmt.Errorf("%w: %g pictures per second (allowed: 0 for unknown, or more)", ErrFormat, f.Rate)
	}
	return nil
}

// String returns for example "640x480 i420".
func (f VideoFormat) String() string { return fmt.Sprintf("%dx%d %s", f.Width, f.Height, f.Pixel) }

// plane returns the bytes in a row and the number of rows of plane i, zero
// where the format has no such plane.
func (f VideoFormat) plane(i int) (row, rows int) {
	cw, ch := (f.Width+1)/2, (f.Height+1)/2
	switch {
	case f.Pixel == I420 && i == 0, f.Pixel == NV12 && i == 0:
		return f.Width, f.Height
	case f.Pixel == I420 && i < 3:
		return cw, ch
	case f.Pixel == NV12 && i == 1:
		return 2 * cw, ch
	case i == 0 && (f.Pixel == RGB24 || f.Pixel == BGR24):
		return 3 * f.Width, f.Height
	case i == 0 && (f.Pixel == RGBA || f.Pixel == BGRA):
		return 4 * f.Width, f.Height
	}
	return 0, 0
}

// Bytes returns the size of a picture without padding.
func (f VideoFormat) Bytes() int {
	n := 0
	for i := range 3 {
		row, rows := f.plane(i)
		n += row * rows
	}
	return n
}

// A Plane is one rectangle of bytes of a picture.
type Plane struct {
	Data   []byte
	Stride int // bytes from one row to the next, at least the bytes in a row
}

// A Picture is one raw picture.
type Picture struct {
	Format VideoFormat
	Planes [3]Plane // as many as the pixel format has

	refs refs
	pool *PicturePool
	buf  []byte
}

// NewPicture allocates a picture without padding, with one reference.
func NewPicture(f VideoFormat) *Picture {
	p := &Picture{}
	p.layOut(f, make([]byte, f.Bytes()))
	return p
}

// WrapPicture makes a picture of data that lies without padding, plane after
// plane. The picture refers to data. The error wraps [ErrFormat] or
// [ErrLength].
func WrapPicture(f VideoFormat, data []byte) (*Picture, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if len(data) != f.Bytes() {
		return nil, fmt.Errorf("%w: %d bytes for a picture of %s, which takes %d", ErrLength, len(data), f, f.Bytes())
	}
	p := &Picture{}
	p.layOut(f, data)
	return p, nil
}

func (p *Picture) layOut(f VideoFormat, data []byte) {
	p.Format, p.buf = f, data
	for i := range p.Planes {
		row, rows := f.plane(i)
		p.Planes[i] = Plane{Data: data[: row*rows : row*rows], Stride: row}
		data = data[row*rows:]
	}
}

// Validate checks the format, and that each plane is as long as its stride and
// the format call for.
func (p *Picture) Validate() error {
	if err := p.Format.Validate(); err != nil {
		return err
	}
	for i, plane := range p.Planes {
		row, rows := p.Format.plane(i)
		if rows == 0 {
			continue
		}
		if plane.Stride < row {
			return fmt.Errorf("%w: plane %d of %s has a stride of %d bytes, its rows have %d", ErrLength, i, p.Format, plane.Stride, row)
		}
		if rows > 1 && plane.Stride > len(plane.Data) { // or the product below could overflow
			return fmt.Errorf("%w: plane %d of %s has %d bytes, less than its stride of %d", ErrLength, i, p.Format, len(plane.Data), plane.Stride)
		}
		if need := plane.Stride*(rows-1) + row; len(plane.Data) < need {
			return fmt.Errorf("%w: plane %d of %s has %d bytes, with a stride of %d it needs %d",
				ErrLength, i, p.Format, len(plane.Data), plane.Stride, need)
		}
	}
	return nil
}

// AppendBytes appends the picture to dst without padding, plane after plane, as
// [WrapPicture] takes it. The picture must be valid.
func (p *Picture) AppendBytes(dst []byte) []byte {
	for i, plane := range p.Planes {
		row, rows := p.Format.plane(i)
		for y := range rows {
			dst = append(dst, plane.Data[y*plane.Stride:][:row]...)
		}
	}
	return dst
}

// Retain adds a reference.
func (p *Picture) Retain() { p.refs.retain() }

// Release gives a reference back; with the last one a pooled picture returns
// to its pool.
func (p *Picture) Release() {
	if p.refs.release() && p.pool != nil {
		p.pool.put(p)
	}
}

// PicturePool recycles pictures: large buffers that go back to the system and
// are faulted in again cost up to a third of the time to record a picture.
// The zero value is ready; it is safe for concurrent use.
type PicturePool struct {
	mu   sync.Mutex
	free []*Picture
}

// maxFree bounds what an idle pool keeps; a source rarely has more pictures
// than that on their way at once.
const maxFree = 8

// Get returns a picture without padding, with one reference. Its data is not
// cleared.
func (pool *PicturePool) Get(f VideoFormat) *Picture {
	pool.mu.Lock()
	var p *Picture
	if n := len(pool.free); n > 0 {
		p, pool.free = pool.free[n-1], pool.free[:n-1]
	}
	pool.mu.Unlock()
	n := f.Bytes()
	if p == nil {
		p = &Picture{pool: pool}
	}
	if cap(p.buf) < n {
		p.buf = make([]byte, n)
	}
	p.refs.reset()
	p.layOut(f, p.buf[:n])
	return p
}

func (pool *PicturePool) put(p *Picture) {
	pool.mu.Lock()
	defer pool.mu.Unlock()
	if len(pool.free) < maxFree {
		pool.free = append(pool.free, p)
	}
}
