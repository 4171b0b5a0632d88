package video

import (
	"errors"
	"fmt"
	"image"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
)

// Cover paints regions black, or the whole picture if none is given. Nothing of
// what was there is left. It never lets a picture through as it was; see [Blur].
func Cover(regions ...Region) Stage {
	return hiding(regions, func() func(*media.Picture, image.Rectangle) {
		return func(p *media.Picture, r image.Rectangle) { fill(p, r, blackOf(p.Format)) }
	})
}

// hiding makes a stage that makes regions unrecognisable with what painter
// makes for each stream.
func hiding(regions []Region, painter func() func(*media.Picture, image.Rectangle)) Stage {
	if len(regions) == 0 {
		regions = []Region{{0, 0, 1, 1}}
	}
	regions = append([]Region(nil), regions...)
	err := validate(regions)
	return func(pipeline.Stream) pipeline.Processor { return &hide{regions: regions, wrong: err, paint: painter()} }
}

type hide struct {
	regions []Region
	wrong   error // what is wrong with them
	paint   func(*media.Picture, image.Rectangle)
	pool    media.PicturePool
}

// Process fails only after it has emitted a picture, since a chain passes on
// what nothing was emitted for.
func (h *hide) Process(s media.Sample, emit func(media.Sample)) error {
	out, err := h.hidden(s.Picture)
	if err != nil {
		out = h.black(s.Picture.Format)
	}
	s.Picture = out
	emit(s)
	return err
}

func (h *hide) hidden(p *media.Picture) (out *media.Picture, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: hiding parts of a picture of %s: %v", pipeline.ErrPanic, p.Format, v)
		}
	}()
	if h.wrong != nil {
		return nil, h.wrong
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("video: hiding parts of a picture: %w", err)
	}
	if int(p.Format.Pixel) >= len(shapes) {
		return nil, fmt.Errorf("video: hiding parts of a picture of %s: %w", p.Format, errors.ErrUnsupported)
	}
	out = copyOf(p, &h.pool)
	for _, r := range h.regions {
		h.paint(out, r.in(out.Format))
	}
	return out, nil
}

// black returns a black picture of the size that a picture should have had.
func (h *hide) black(f media.VideoFormat) *media.Picture {
	f.Pixel, f.Color = media.I420, media.BT601
	if f.Validate() != nil {
		f = media.VideoFormat{Width: 16, Height: 16}
	}
	out := h.pool.Get(f)
	fill(out, bounds(f), blackOf(f))
	return out
}
