package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// accessUnit gathers the samples that make up one access unit: those of the
// same time, and those before it that have no picture, such as parameter sets
// that come by themselves.
type accessUnit struct {
	time  time.Duration // of the latest part
	parts []media.Sample
	bytes int
	lost  int
	pool  media.EncodedPool
}

// A source whose time stands still, or that never sends a picture, must not
// fill the memory.
const (
	// More than a picture has slices, and than the largest takes without
	// compression.
	maxUnitParts = 4096
	maxUnitBytes = 64 << 20
	// Of what comes before a picture's time: all parameter sets that H.264 can
	// have, 32 and 256, and some messages.
	maxLeadParts = 512
	maxLeadBytes = 256 << 10
)

// hasRoom reports whether another sample may belong to the unit.
func (u *accessUnit) hasRoom(s media.Sample) bool {
	return len(u.parts) < maxUnitParts && u.bytes+len(s.Encoded.Data) <= maxUnitBytes
}

// mayLead reports whether what has no picture is kept for the next one.
func (u *accessUnit) mayLead() bool { return len(u.parts) < maxLeadParts && u.bytes <= maxLeadBytes }

func (u *accessUnit) isEmpty() bool { return len(u.parts) == 0 }

// add keeps a sample.
func (u *accessUnit) add(at time.Duration, s media.Sample) {
	s.Retain()
	s.Time = at
	u.time, u.parts = at, append(u.parts, s)
	u.bytes += len(s.Encoded.Data)
	u.lost += s.Encoded.Lost + s.Missed
}

// payload returns the access unit as one, with a reference for the caller. A
// single part is not copied.
func (u *accessUnit) payload() *media.Encoded {
	last := u.parts[len(u.parts)-1].Encoded
	if len(u.parts) == 1 {
		last.Retain()
		return last
	}
	e := u.pool.Get(last.Format, u.bytes)
	e.Data = e.Data[:0]
	for _, p := range u.parts {
		e.Data = append(e.Data, p.Encoded.Data...)
		e.Duration = max(e.Duration, p.Encoded.Duration)
		if p.Encoded.Key == media.KeyFrame {
			e.Key = media.KeyFrame
		}
	}
	e.Lead = last.Lead
	return e
}

// clear lets go of all parts.
func (u *accessUnit) clear() {
	for i := range u.parts {
		u.parts[i].Release()
	}
	clear(u.parts)
	u.parts, u.bytes, u.lost = u.parts[:0], 0, 0
}
