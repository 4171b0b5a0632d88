package av

import (
	"errors"
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// A recording of several parts goes over from one file to the next in three
// steps.
//
//  1. A time is planned, the cut, which is the next part's time zero. Lanes of
//     pictures make a keyframe of the first picture behind it.
//  2. Each stream moves with its first packet from behind the cut that can be
//     decoded without those before it. What has moved is held.
//  3. When all have moved the old file is finished, the new one begun, and
//     what was held is written. Streams that are silent are not waited for.
//
// A voice is heard in the old file up to the end of its last packet there and
// in the new one from there on: what the decoder needs of the packets before
// is repeated and hidden as priming.

const (
	// Nobody is waited for beyond these, however busy.
	maxTurn      = 30 * time.Second // of media behind the cut
	maxTurnBytes = 64 << 20         // held
)

func (m *muxer) rotates() bool { return m.rotate != recorder.Rotate{} }

// nextCut is the planned time, counted from the gate's zero, from which on
// pictures belong to the next part.
func (m *muxer) nextCut() time.Duration { return time.Duration(m.cut.Load()) }

// lastCut returns the latest cut up to a time, both counted from the gate's
// zero. Those behind the planned one follow at the parts' duration: pictures
// may be far ahead of the file.
func (m *muxer) lastCut(at time.Duration) (cut time.Duration, ok bool) {
	if cut = m.nextCut(); at < cut {
		return 0, false
	}
	if d := m.rotate.Duration; d > 0 {
		cut += (at - cut) / d * d
	}
	return cut, true
}

// route brings a packet to the part it belongs to.
func (m *muxer) route(p packet) {
	s := p.stream
	if m.err() != nil {
		p.free()
		return
	}
	m.latest = max(m.latest, p.time())
	m.planBySize()
	switch cut := m.nextCut(); {
	case s.part <= m.number && cut != noCut && s.canBegin(p, cut):
		m.move(s, p, m.number+1, cut)
	case s.part < m.number && s.canBegin(p, m.part.start):
		m.move(s, p, m.number, m.part.start)
	}
	m.deliver(p)
}

// deliver writes a packet, or keeps it for the next part.
func (m *muxer) deliver(p packet) {
	switch s := p.stream; {
	case s.part < m.number: // its part is closed
		s.ledger.miss(p.mark)
		m.leave(p)
	case s.part > m.number:
		m.held = append(m.held, p)
		m.bytes += len(p.data)
	default:
		m.write(p)
	}
}

// planBySize plans the cut for a part that has reached its size.
func (m *muxer) planBySize() {
	if m.rotate.Size > 0 && m.nextCut() > m.latest && m.part.writer.size() >= m.rotate.Size {
		m.cut.Store(int64(m.latest + 1))
	}
}

// move lets a stream go on in another part, whose time zero is at start, with
// the given packet, before which the decoder's preroll is repeated.
func (m *muxer) move(s *stream, first packet, number int, start time.Duration) {
	s.part, s.base = number, timeline.Ticks(start, s.rate)
	preroll := s.recent
	s.recent = nil
	if len(preroll) > 0 { // else it begins with its first packet of all
		s.priming = first.pts - preroll[0].pts
	}
	for _, p := range preroll {
		m.deliver(p)
	}
}

// leave is the end of a packet's way, or its beginning as preroll for the next
// part.
func (m *muxer) leave(p packet) {
	if p.stream.audio && m.open && m.rotates() && !p.isEnd() {
		p.stream.remember(p)
		return
	}
	p.free()
}

// turnIfDue goes over to the next part when all have moved that are to be
// waited for.
func (m *muxer) turnIfDue() {
	if len(m.held) > 0 && m.err() == nil && m.isTurnDue() {
		m.turn()
	}
}

func (m *muxer) isTurnDue() bool {
	if m.bytes >= maxTurnBytes || m.latest-m.nextCut() >= maxTurn {
		return true
	}
	for _, s := range m.known {
		if s.part <= m.number && !s.ended && !m.isQuiet(s) {
			return false
		}
	}
	return true
}

// turnAtEnd writes what is held for another part when the recording ends.
func (m *muxer) turnAtEnd() {
	for len(m.held) > 0 {
		if m.err() != nil {
			for i := range m.held {
				m.held[i].free()
			}
			m.held = nil
			return
		}
		m.turn()
	}
}

// turn finishes the part and begins the next one with what was held.
func (m *muxer) turn() {
	m.finishPart()
	next, err := m.openPart(m.part.file)
	m.mu.Lock()
	m.part = next
	m.mu.Unlock()
	if err != nil {
		m.fail(err)
		return
	}
	m.number++
	m.beginPart()
	m.replay()
}

// openPart opens the part that follows on a file, unless that has failed.
func (m *muxer) openPart(before *outputFile) (*part, error) {
	if err := m.err(); err != nil {
		return nil, err
	}
	file, err := before.next()
	if err != nil {
		return nil, fmt.Errorf("av: part %d cannot be created: %w", m.number+1, err)
	}
	writer, err := m.create(file)
	if err != nil {
		return nil, fmt.Errorf("av: part %d cannot be opened: %w", m.number+1, errors.Join(err, file.discard()))
	}
	return &part{file: file, writer: writer, start: m.nextCut()}, nil
}

// finishPart completes the current file. What it cannot show is counted as
// lost.
func (m *muxer) finishPart() {
	o := m.part.finish(m.err())
	if o.err != nil {
		m.fail(o.err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcomes = append(m.outcomes, o)
	for _, s := range m.streams {
		s.ledger.closePart(o.usable)
	}
}
