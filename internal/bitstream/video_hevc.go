package bitstream

import (
	"bytes"
	"fmt"

	"github.com/Eyevinn/mp4ff/hevc"

	"github.com/roomkit-live/roomkit-go/media"
)

// An hevcStream reads HEVC.
type hevcStream struct {
	nalDescription
	lengthSize int
	rule       entryRule
	pending    hevcPending // seen since the last picture
	last       hevcUnit
	lastKey    Picture
	scratch    []byte
}

type hevcPending struct {
	sets     bool // an SPS
	recovery int
}

// An hevcUnit is what is in an access unit or a part of one, of the base layer.
type hevcUnit struct {
	pending  hevcPending
	vcl      int
	kind     int // NAL unit type of the first slice
	temporal int
	first    bool // the first slice is the first of its picture
	pps      uint32
}

func newHEVCStream(f *media.EncodedFormat) (*hevcStream, error) {
	n, err := LengthSize(f)
	if err != nil {
		return nil, err
	}
	s := &hevcStream{lengthSize: n, pending: hevcPending{recovery: noRecovery}}
	s.vpsType, s.spsType, s.ppsType = HEVCVPSType, HEVCSPSType, HEVCPPSType
	return s, s.begin(f.Codec, f.Config, s.stageSet)
}

// stageSet passes over what is no parameter set of the base layer.
func (s *hevcStream) stageSet(nal []byte) error {
	if t := HEVCType(nal); t < HEVCVPSType || t > HEVCPPSType || hevcLayer(nal) != 0 {
		return nil
	}
	return s.stage(nal, parseHEVCSet)
}

func parseHEVCSet(nal []byte) (paramSet, error) {
	switch HEVCType(nal) {
	case HEVCVPSType:
		r := &bitReader{data: nal, pos: 16}
		return paramSet{kind: HEVCVPSType, id: r.bits(4)}, nil
	case HEVCPPSType:
		return parseHEVCPPS(nal)
	}
	sps, err := ParseHEVCSPS(nal)
	if err != nil {
		return paramSet{}, err
	}
	w, h := sps.ImageSize()
	set := paramSet{kind: HEVCSPSType, id: uint32(sps.SpsID), seq: sequence{width: int(w), height: int(h), reorder: -1,
		subLayers: int(sps.MaxSubLayersMinus1) + 1}}
	if w == 0 || h == 0 || w > 1<<16 || h > 1<<16 || set.id > 15 {
		return paramSet{}, fmt.Errorf("%w: H.265 SPS %d has pictures of %dx%d (allowed: up to 15, 1x1 to 65536x65536)", media.ErrFormat, set.id, w, h)
	}
	if n := len(sps.SubLayeringOrderingInfos); n > 0 {
		if depth := int(sps.SubLayeringOrderingInfos[n-1].MaxNumReorderPics); depth <= maxReorder {
			set.seq.reorder = depth
		}
	}
	return set, nil
}

// ParseHEVCSPS reads a NAL unit.
func ParseHEVCSPS(nal []byte) (*hevc.SPS, error) {
	// The parser wants nothing behind the end of the NAL unit.
	sps, err := hevc.ParseSPSNALUnit(bytes.TrimRight(nal, "\x00"))
	if err != nil {
		return nil, fmt.Errorf("%w: H.265 SPS of %d bytes: %w", media.ErrFormat, len(nal), err)
	}
	return sps, nil
}

func parseHEVCPPS(nal []byte) (paramSet, error) {
	r := &bitReader{data: appendRBSP(nil, nal[:min(len(nal), headerBytes)]), pos: 16}
	set := paramSet{kind: HEVCPPSType, id: r.golomb(), refers: r.golomb()}
	if r.over || set.id > 63 || set.refers > 15 {
		return paramSet{}, fmt.Errorf("%w: H.265 PPS %d of SPS %d in %d bytes (allowed: up to 63, 15)", media.ErrFormat, set.id, set.refers, len(nal))
	}
	return set, nil
}

func (s *hevcStream) read(au []byte) (Picture, error) {
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
func (s *hevcStream) scan(au []byte) (hevcUnit, error) {
	unit := hevcUnit{pending: s.pending}
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

func (s *hevcStream) look(unit *hevcUnit, nal []byte) error {
	const forbidden = 0x80
	t := HEVCType(nal)
	if t < 0 || nal[0]&forbidden != 0 {
		return fmt.Errorf("%w: NAL unit of %d bytes with header % x", media.ErrFormat, len(nal), nal[:min(len(nal), 2)])
	}
	switch {
	case hevcLayer(nal) != 0:
	case t <= HEVCLastVCL:
		return s.slice(unit, nal)
	case t == HEVCAUD && unit.vcl == 0:
		unit.pending = hevcPending{recovery: noRecovery}
	case t == HEVCPrefixSEI && unit.vcl == 0:
		s.scratch = appendRBSP(s.scratch[:0], nal[2:])
		if n := recoveryPoint(s.scratch, true); n != noRecovery {
			unit.pending.recovery = n
		}
	case t == HEVCSPSType:
		unit.pending.sets = true
		fallthrough
	default:
		return s.stageSet(nal)
	}
	return nil
}

// slice reads the beginning of a slice segment header, ISO/IEC 23008-2,
// 7.3.6.1.
func (s *hevcStream) slice(unit *hevcUnit, nal []byte) error {
	if unit.vcl++; unit.vcl > 1 {
		return nil
	}
	s.scratch = appendRBSP(s.scratch[:0], nal[:min(len(nal), headerBytes)])
	r := &bitReader{data: s.scratch, pos: 16}
	unit.kind, unit.temporal = HEVCType(nal), hevcTemporal(nal)
	unit.first = r.flag() // first_slice_segment_in_pic_flag
	if isIRAP(unit.kind) {
		r.flag() // no_output_of_prior_pics_flag
	}
	unit.pps = r.golomb()
	if r.over || unit.pps > 63 {
		return fmt.Errorf("%w: slice of %d bytes with PPS %d (allowed: up to 63)", media.ErrFormat, len(nal), unit.pps)
	}
	return nil
}

func isIRAP(kind int) bool { return kind >= HEVCFirstIRAP && kind <= HEVCLastIRAP }

func (s *hevcStream) picture(unit *hevcUnit) Picture {
	p := Picture{HasPicture: true, FirstSlice: unit.first, TemporalID: unit.temporal}
	s.pending = hevcPending{recovery: noRecovery}
	seq, ok := s.sequenceOf(unit.pps)
	if !ok {
		return p
	}
	// Pictures of a higher sub-layer may refer to a sub-layer non-reference
	// picture.
	p.Discardable = unit.kind <= hevcLastNonIRAP && unit.kind%2 == 0 && unit.temporal == seq.subLayers-1
	if !unit.first && !isIRAP(unit.kind) {
		// All slices of a picture have the same type.
		if s.lastKey.Key && s.last.kind == unit.kind {
			p.Key, p.Recovery = true, s.lastKey.Recovery
		}
		return p
	}
	if unit.first {
		s.rule.pictures++
	}
	switch {
	case isIRAP(unit.kind):
		p.Key = true
		s.rule.state()
	case unit.pending.recovery != noRecovery && s.rule.announced():
		p.Key, p.Recovery = true, unit.pending.recovery
	case unit.pending.sets && s.rule.overdue():
		p.Key, p.Recovery = true, UnknownRecovery
	}
	if p.Key {
		s.activate(seq)
	}
	s.last, s.lastKey = *unit, p
	return p
}
