package video

import (
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// TextOptions say what [Text] writes, where and how. The zero value of a field
// is its default.
type TextOptions struct {
	// Text is what is written; "\n" begins another line. With none the
	// pictures pass as they are.
	Text string
	// Of, if set, gives the text of each picture in place of Text: for instance
	// the stream's participant, or the sample's Time, which is that of its
	// capture on the kit's clock. It borrows the sample, and is called for all
	// streams: it must be safe for concurrent use.
	Of func(pipeline.Stream, media.Sample) string

	// Anchor is where in the picture the text is; default TopLeft.
	Anchor Anchor
	// Size is that of the type (the em) as a fraction of the picture's height,
	// at most 0.5; default 0.05. It is never less than 8 pixels, nor more than
	// 512.
	Size float64
	// Color is that of the letters; default white. It may be translucent.
	Color color.Color
	// Background is the colour of a box behind the text; default black, half
	// translucent. For none, use color.Transparent.
	Background color.Color
	// Font is a TrueType or OpenType font; default Go Regular, which has
	// Latin, Greek and Cyrillic. Characters are set one after the other, from
	// the left: writing that needs more, such as Arabic, does not come out
	// right.
	Font []byte
}

// An Anchor is a place in a picture: a corner, the middle of an edge, or the
// middle.
type Anchor uint8

// The anchors.
const (
	TopLeft Anchor = iota
	Top
	TopRight
	Left
	Center
	Right
	BottomLeft
	Bottom
	BottomRight
)

const (
	defaultTextSize = 0.05 // of the picture's height
	maxTextSize     = 0.5
	minEm, maxEm    = 8, 512 // pixels
)

// Text writes into pictures, in their own format and colour coding. What does
// not fit into the picture is cut off at its end.
//
// A text is rendered when it, or the format of the pictures, is another than
// before, and then laid over each picture. Options that make no sense, and a
// font that cannot be read, fail with [ErrArgument].
func Text(o TextOptions) Stage {
	if o.Size == 0 {
		o.Size = defaultTextSize
	}
	if !(o.Size > 0 && o.Size <= maxTextSize) { // so written that NaN fails
		return refuse(fmt.Errorf("%w: TextOptions.Size %g (allowed: above 0, up to %g)", ErrArgument, o.Size, maxTextSize))
	}
	if o.Anchor > BottomRight {
		return refuse(fmt.Errorf("%w: TextOptions.Anchor %d (allowed: TopLeft to BottomRight)", ErrArgument, o.Anchor))
	}
	data := o.Font
	if data == nil {
		data = goregular.TTF
	}
	font, err := opentype.Parse(data)
	if err != nil {
		return refuse(fmt.Errorf("%w: TextOptions.Font of %d bytes: %w", ErrArgument, len(data), err))
	}
	if o.Color == nil {
		o.Color = color.White
	}
	if o.Background == nil {
		o.Background = color.NRGBA{A: 128}
	}
	return func(of pipeline.Stream) pipeline.Processor {
		return &writer{of: of, options: o, typesetter: typesetter{font: font}}
	}
}

// writer writes on the pictures of one stream.
type writer struct {
	of         pipeline.Stream
	options    TextOptions
	typesetter typesetter
	pool       media.PicturePool

	// What is ready to be laid over pictures:
	text   string
	format media.VideoFormat
	at     image.Rectangle
	masks  masks
	blend  blend
}

func (w *writer) Process(s media.Sample, emit func(media.Sample)) error {
	text := w.options.Text
	if w.options.Of != nil {
		text = w.options.Of(w.of, s)
	}
	if text == "" {
		emit(s)
		return nil
	}
	if err := w.prepare(text, s.Picture.Format); err != nil {
		return err
	}
	s.Picture = copyOf(s.Picture, &w.pool)
	var box media.Picture
	window(&box, s.Picture, w.at)
	w.blend.lay(&box, &w.masks)
	emit(s)
	return nil
}

// prepare renders a text for pictures of a format, unless it is ready.
func (w *writer) prepare(text string, f media.VideoFormat) error {
	f = tagged(f)
	f.Rate = 0
	if text == w.text && f == w.format {
		return nil
	}
	w.text = "" // not ready, should something fail
	em := int(min(max(w.options.Size*float64(f.Height), minEm), maxEm))
	lines, size, err := w.typesetter.lay(text, em, f.Width, f.Height)
	if err != nil {
		return err
	}
	w.at = place(w.options.Anchor, size, em/2, f)
	w.masks.clear(w.at.Size())
	w.typesetter.draw(lines, &w.masks)
	w.masks.halve()
	w.blend.mix(f, w.options.Color, w.options.Background)
	w.text, w.format = text, f
	return nil
}

// place puts a box, which is not larger than the picture, at its anchor, with a
// margin if there is room. It begins at an even place, for halved chroma.
func place(a Anchor, size image.Point, margin int, f media.VideoFormat) image.Rectangle {
	along := func(third, size, side int) int {
		free := side - size
		m := min(margin, free/2)
		return []int{m, free / 2, free - m}[third] &^ 1
	}
	at := image.Pt(along(int(a%3), size.X, f.Width), along(int(a/3), size.Y, f.Height))
	return image.Rectangle{Min: at, Max: at.Add(size)}
}
