package mp4

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Entry is a sample entry as it was read from a file. Samples are stored as
// they come.
type Entry struct {
	// Box is the whole box, with its header.
	Box []byte
	// Handler is the media's handler type, four characters: vide, soun, text.
	Handler string
	// Width and Height are the picture's size, 0 where there is none.
	Width, Height int
}

func (c Entry) handler() string { return c.Handler }

func (c Entry) size() (width, height int) { return c.Width, c.Height }

func (c Entry) entry(bool) ([]byte, error) {
	const least = 16 // header and what all sample entries begin with
	if len(c.Box) < least {
		return nil, fmt.Errorf("%w: sample entry of %d bytes, must be at least %d", ErrConfig, len(c.Box), least)
	}
	if size := binary.BigEndian.Uint32(c.Box); uint64(size) != uint64(len(c.Box)) {
		return nil, fmt.Errorf("%w: sample entry of %d bytes says it has %d", ErrConfig, len(c.Box), size)
	}
	if len(c.Handler) != 4 {
		return nil, fmt.Errorf("%w: handler %q of a sample entry, must be four characters", ErrConfig, c.Handler)
	}
	return slices.Clone(c.Box), nil
}

func (Entry) appendSample(dst, data []byte) ([]byte, error) { return append(dst, data...), nil }
