package rtpin

import (
	"encoding/binary"
	"fmt"
)

// nalUnits joins NAL units, whole ones, several in a payload and fragments, to
// a byte stream with start codes of four bytes. H.264 and HEVC differ in their
// headers only.
//
// Pion's depacketisers for the two take several times as long, with 4 to 6 KB of
// garbage for each packet, and take fragments for whole that are not: of H.264
// those without a start, of HEVC they drop what is interrupted in silence.
type nalUnits struct {
	inside bool    // a fragmented NAL unit has begun and not ended
	header [2]byte // of that NAL unit
}

// A seer takes note of a NAL unit by its header.
type seer interface{ see(u *unit, nal []byte) }

func (n *nalUnits) reset() { n.inside = false }

// single takes a whole NAL unit.
func (n *nalUnits) single(u *unit, nal []byte, s seer) error {
	if err := n.finish(u); err != nil {
		return err
	}
	s.see(u, nal)
	u.data = append(append(u.data, 0, 0, 0, 1), nal...)
	return nil
}

// aggregate takes NAL units that each have their size in two bytes before them
// (RFC 6184, section 5.7.1; RFC 7798, section 4.4.2).
func (n *nalUnits) aggregate(u *unit, units []byte, s seer) error {
	for len(units) > 0 {
		if len(units) < 2 {
			return fmt.Errorf("%w: a byte behind the units of an aggregation packet", errFrame)
		}
		size := int(binary.BigEndian.Uint16(units))
		if units = units[2:]; size == 0 || size > len(units) {
			return fmt.Errorf("%w: unit of %d bytes with %d left of an aggregation packet", errFrame, size, len(units))
		}
		if err := n.single(u, units[:size], s); err != nil {
			return err
		}
		units = units[size:]
	}
	return nil
}

// fragment takes a fragment of a NAL unit whose header is in the first bytes of
// n.header. The uppermost bit of the fragment's own header marks the start and
// the next one the end (RFC 6184, section 5.8; RFC 7798, section 4.4.3).
func (n *nalUnits) fragment(u *unit, flags byte, bytes int, data []byte, s seer) error {
	start, end := flags&0x80 != 0, flags&0x40 != 0
	if start == n.inside || start && end {
		return fmt.Errorf("%w: fragment of a NAL unit out of place", errFrame)
	}
	if start {
		s.see(u, n.header[:bytes])
		u.data = append(append(u.data, 0, 0, 0, 1), n.header[:bytes]...)
	}
	u.data = append(u.data, data...)
	n.inside = !end
	return nil
}

func (n *nalUnits) finish(*unit) error {
	if n.inside {
		return fmt.Errorf("%w: NAL unit without its end", errFrame)
	}
	return nil
}
