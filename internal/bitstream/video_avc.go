package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// An avcStream reads H.264.
type avcStream struct {
	nalDescription
	lengthSize int
	rule       entryRule
	// What has been seen since the last picture, and counts for the next one.
	pending avcPending
	// The last picture, whose further slices may come by themselves.
	last    avcSlice
	lastKey Picture
	scratch []byte
}

type avcPending struct {
	sets     bool // an SPS
	recovery int
}

// An avcUnit is what is in an access unit or a part of one.
type avcUnit struct {
	pending        avcPending
	vcl            int
	idr, reference bool
	onlyI          bool
	first          avcSlice // the first slice
}

// An avcSlice is the beginning of a slice header, ISO/IEC 14496-10, 7.3.3.
type avcSlice struct {
	known bool   // there was a header, of which data partitions B and C have none
	block uint32 // first_mb_in_slice
	intra bool
	pps   uint32
	// number is what follows the PPS id, left-aligned: colour_plane_id if there
	// is one, and frame_num.
	number uint32
}

func newAVCStream(f *media.EncodedFormat) (*avcStream, error) {
	n, err := LengthSize(f)
	if err != nil {
		return nil, err
	}
	s := &avcStream{lengthSize: n, pending: avcPending{recovery: noRecovery}}
	s.spsType, s.ppsType = AVCSPSType, AVCPPSType
	return s, s.begin(f.Codec, f.Config, func(nal []byte) error {
		if t := AVCType(nal); t != AVCSPSType && t != AVCPPSType {
			return nil
		}
		return s.stage(nal, parseAVCSet)
	})
}

func parseAVCSet(nal []byte) (paramSet, error) {
	if AVCType(nal) == AVCPPSType {
		return parseAVCPPS(nal)
	}
	sps, err := ParseAVCSPS(nal)
	if err != nil {
		return paramSet{}, err
	}
	if sps.Width == 0 || sps.Height == 0 {
		return paramSet{}, fmt.Errorf("%w: H.264 SPS %d has pictures of %dx%d", media.ErrFormat, sps.ID, sps.Width, sps.Height)
	}
	return paramSet{kind: AVCSPSType, id: sps.ID, seq: sequence{width: sps.Width, height: sps.Height, reorder: sps.Reorder,
		frameNumBits: sps.frameNumBits, separatePlanes: sps.separatePlanes}}, nil
}

func parseAVCPPS(nal []byte) (paramSet, error) {
	r := &bitReader{data: appendRBSP(nil, nal[:min(len(nal), headerBytes)]), pos: 8}
	set := paramSet{kind: AVCPPSType, id: r.golomb(), refers: r.golomb()}
	if r.over || set.id > 255 || set.refers > 31 {
		return paramSet{}, fmt.Errorf("%w: H.264 PPS %d of SPS %d in %d bytes (allowed: up to 255, 31)", media.ErrFormat, set.id, set.refers, len(nal))
	}
	return set, nil
}

// headerBytes is more than the beginning of a header takes that is read here:
// five codes of 32 bits at most, with emulation prevention.
const headerBytes = 48

func (s *avcStream) read(au []byte) (Picture, error) {
	unit, err := s.scan(au)
	if err != nil {
		s.forget()
		return Picture{}, err
	}
	s.commit()
	if s.pending = unit.pending; unit.vcl == 0 {
		return Picture{}, nil
	}
	return s.picture(&unit), nil
}

// scan goes through the NAL units. Parameter sets are staged, and nothing else of
// the stream changes.
func (s *avcStream) scan(au []byte) (avcUnit, error) {
	unit := avcUnit{pending: s.pending, onlyI: true}
	for c := nalsOf(au, s.lengthSize); ; {
		nal, ok := c.Next()
		if !ok {
			return unit, c.Err()
		}
		if err := s.look(&unit, nal); err != nil {
			return unit, err
		}
	}
}

// look takes one NAL unit to the rest of the access unit.
func (s *avcStream) look(unit *avcUnit, nal []byte) error {
	const forbidden = 0x80
	if nal[0]&forbidden != 0 {
		return fmt.Errorf("%w: NAL unit whose forbidden bit is set (header %#x)", media.ErrFormat, nal[0])
	}
	switch t := AVCType(nal); {
	case t >= AVCFirstVCL && t <= AVCLastVCL:
		return s.slice(unit, nal)
	case t == AVCSPSType:
		unit.pending.sets = true
		return s.stage(nal, parseAVCSet)
	case t == AVCPPSType:
		return s.stage(nal, parseAVCSet)
	case t == AVCAUD && unit.vcl == 0:
		// What was seen before belonged to a picture that has not come.
		unit.pending = avcPending{recovery: noRecovery}
	case t == AVCSEI && unit.vcl == 0:
		s.scratch = appendRBSP(s.scratch[:0], nal[1:])
		if n := recoveryPoint(s.scratch, false); n != noRecovery {
			unit.pending.recovery = n
		}
	}
	return nil
}

func (s *avcStream) slice(unit *avcUnit, nal []byte) error {
	unit.vcl++
	unit.idr = unit.idr || AVCType(nal) == AVCIDR
	unit.reference = unit.reference || nal[0]&0x60 != 0 // nal_ref_idc
	if t := AVCType(nal); t > AVCPartition && t != AVCIDR {
		return nil
	}
	s.scratch = appendRBSP(s.scratch[:0], nal[:min(len(nal), headerBytes)])
	r := &bitReader{data: s.scratch, pos: 8}
	h := avcSlice{known: true, block: r.golomb()}
	const sliceI, sliceSI, all = 2, 4, 5 // from 5 on: all slices of the picture are of the type
	kind := r.golomb()
	h.intra = kind%all == sliceI || kind%all == sliceSI
	h.pps = r.golomb()
	if r.over || kind >= 2*all || h.pps > 255 {
		return fmt.Errorf("%w: slice of %d bytes with type %d and PPS %d (allowed: up to 9, 255)", media.ErrFormat, len(nal), kind, h.pps)
	}
	h.number = r.bits(2+16) << 14
	if unit.onlyI = unit.onlyI && h.intra; !unit.first.known {
		unit.first = h
	}
	return nil
}

// picture judges a unit with slices.
func (s *avcStream) picture(unit *avcUnit) Picture {
	p := Picture{HasPicture: true, Discardable: !unit.reference, FirstSlice: unit.first.known && unit.first.block == 0}
	s.pending = avcPending{recovery: noRecovery}
	seq, ok := s.sequenceOf(unit.first.pps)
	if !ok || !unit.first.known {
		return p
	}
	if !p.FirstSlice && s.continues(unit, seq) {
		s.last, p.Key, p.Recovery = unit.first, s.lastKey.Key, s.lastKey.Recovery
		return p
	}
	s.rule.pictures++
	switch {
	case unit.idr:
		p.Key = true
		s.rule.state()
	case unit.pending.recovery != noRecovery:
		p.Key, p.Recovery = true, unit.pending.recovery
		s.rule.state()
	case unit.onlyI && p.FirstSlice:
		p.Key = s.rule.unannounced() || unit.pending.sets && s.rule.announced()
	}
	if p.Key {
		s.activate(seq)
	}
	s.last, s.lastKey = unit.first, p
	return p
}

// continues reports whether a slice is a further one of the last picture. One
// whose number differs is of a picture whose first slice was lost.
func (s *avcStream) continues(unit *avcUnit, seq sequence) bool {
	bits := seq.frameNumBits
	if seq.separatePlanes {
		bits += 2
	}
	return s.last.known && unit.first.block > s.last.block && (s.last.number^unit.first.number)>>(32-bits) == 0
}
