package bitstream

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/av1"

	"github.com/roomkit-live/roomkit-go/media"
)

// An av1Stream reads AV1.
type av1Stream struct {
	// The sequence header last seen: its payload, as an OBU with a size, and
	// what it says.
	payload, obu []byte
	size         frameSize
	still        bool // reduced_still_picture_header: all frames are keys
}

func newAV1Stream(f *media.EncodedFormat) (*av1Stream, error) {
	s := &av1Stream{}
	obus := f.Config
	// No OBU begins with the marker of av1C: its highest bit is forbidden.
	if len(obus) > 0 && obus[0]&0x80 != 0 {
		record, err := av1.DecodeAV1CodecConfRec(obus)
		if err != nil {
			return nil, fmt.Errorf("%w: configuration of av1: %w", media.ErrFormat, err)
		}
		obus = record.ConfigOBUs
	}
	for len(obus) > 0 {
		o, size, err := CutOBU(obus)
		if err != nil {
			return nil, fmt.Errorf("configuration of av1: %w", err)
		}
		if o.Header.Type == av1.OBUSequenceHeader {
			if err := s.sequence(o); err != nil {
				return nil, err
			}
		}
		obus = obus[size:]
	}
	return s, nil
}

func (s *av1Stream) describe([]byte) description {
	return description{ready: s.obu != nil, width: s.size.width, height: s.size.height, extra: s.obu}
}

// sequence takes note of a sequence header.
func (s *av1Stream) sequence(o av1.OBU) error {
	if s.obu != nil && bytes.Equal(o.Payload, s.payload) {
		return nil
	}
	h, err := av1.ParseSequenceHeader(o.Payload)
	if err != nil {
		return fmt.Errorf("%w: AV1 sequence header of %d bytes: %w", media.ErrFormat, len(o.Payload), err)
	}
	o.Payload = bytes.Clone(o.Payload)
	s.payload, s.obu = o.Payload, o.Encode()
	s.size, s.still = frameSize{int(h.Width()), int(h.Height())}, h.ReducedStillPictureHeader
	return nil
}

func (s *av1Stream) read(unit []byte) (Picture, error) {
	p := Picture{Hidden: true}
	next := *s
	for rest := unit; len(rest) > 0; {
		o, size, err := CutOBU(rest)
		if err != nil {
			return Picture{}, err
		}
		rest = rest[size:]
		switch o.Header.Type {
		case av1.OBUSequenceHeader:
			if err := next.sequence(o); err != nil {
				return Picture{}, err
			}
		case av1.OBUFrame, av1.OBUFrameHeader:
			if err := next.frame(&p, o); err != nil {
				return Picture{}, err
			}
		}
	}
	*s = next
	if !p.HasPicture {
		return Picture{}, nil
	}
	p.FirstSlice = true
	return p, nil
}

// frame reads the beginning of uncompressed_header, 5.9.2.
func (s *av1Stream) frame(p *Picture, o av1.OBU) error {
	if len(o.Payload) == 0 {
		return fmt.Errorf("%w: frame OBU without a header", media.ErrLength)
	}
	const existing, kindMask, showFrame = 0x80, 0x60, 0x10
	begins := !p.HasPicture
	p.HasPicture, p.TemporalID = true, int(o.Header.TemporalID)
	b := o.Payload[0]
	switch {
	case s.still:
		p.Hidden, p.Key = false, begins
	case b&existing != 0:
		p.Hidden = false
	default:
		shown := b&showFrame != 0
		p.Hidden = p.Hidden && !shown
		p.Key = p.Key || begins && shown && b&kindMask == 0 && s.obu != nil
	}
	return nil
}
