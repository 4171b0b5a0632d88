package decode

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/media"
)

// maxUnit bounds an access unit: more than the largest picture takes without
// compression.
const maxUnit = 1 << 26

// unit is an access unit that is being gathered.
type unit struct {
	data    []byte // NAL units as a byte stream
	time    time.Duration
	lead    time.Duration
	lost    bool // something right before it, or a part of it
	samples int
}

// add takes a sample in, its NAL units as a byte stream. The error is
// [ErrTooLong], or says that they cannot be what the format claims.
func (u *unit) add(s media.Sample) (err error) {
	e := s.Encoded
	u.time, u.lead = s.Time, e.Lead
	u.lost = u.lost || e.Lost > 0 || s.Missed > 0
	u.samples++
	if len(u.data)+len(e.Data) > maxUnit {
		return ErrTooLong
	}
	if e.Format.Packing == media.LengthPrefixed {
		u.data, err = bitstream.AppendAnnexB(u.data, e.Format, e.Data)
		return err
	}
	u.data = append(u.data, e.Data...)
	return nil
}

// clear makes ready for the next unit.
func (u *unit) clear() { u.data, u.samples, u.lost = u.data[:0], 0, false }
