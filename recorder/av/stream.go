package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// stream is one track of the file.
type stream struct {
	muxer          *muxer
	ledger         *ledger
	name, language string
	audio          bool
	rate           int64 // ticks per second of the packets' times
	wrote          bool  // the lane has written a packet

	// Under the muxer's lock.
	form  *form   // of the next packets, as far as is known
	forms []*form // all that there were, to be closed
	media bool    // the track has had its first sample
	away  bool    // and may have had its last

	// The muxer's goroutine has these for itself.
	known   bool
	ended   bool
	lead    lead
	seen    int   // the muxer's tick at the latest packet
	part    int   // number of the file that it is in, 0 before the first packet
	base    int64 // that file's time zero, in ticks
	priming int64 // ticks that are not heard where it begins in that file
	last    int64 // decode time of the latest packet written
	recent  []packet
}

// write hands a packet over, which it takes over. It waits while the queue is
// full and fails with the reason once the file has failed.
func (s *stream) write(p packet) error {
	if err := s.muxer.err(); err != nil {
		p.free()
		return err
	}
	if p.stream = s; p.form == nil {
		p.form = s.form
	}
	s.wrote = true
	s.muxer.taken.Add(int64(len(p.data)))
	s.muxer.packets.put(p)
	return nil
}

// begins says that the track has had its first sample; packets will follow.
func (s *stream) begins() {
	s.muxer.mu.Lock()
	defer s.muxer.mu.Unlock()
	s.media, s.away = true, false
}

// ends says that the track has had its last packet.
func (s *stream) ends() {
	s.muxer.mu.Lock()
	s.away = true
	s.muxer.mu.Unlock()
	s.muxer.packets.put(packet{stream: s})
}

// canBegin reports whether the stream can begin with a packet in a file whose
// time zero is at from.
func (s *stream) canBegin(p packet, from time.Duration) bool {
	return p.pts >= timeline.Ticks(from, s.rate) && (s.audio || p.key)
}

// remember keeps a packet, which it takes over, as preroll for the next file.
func (s *stream) remember(p packet) {
	if len(s.recent) == decoderPreroll {
		s.recent[0].free()
		s.recent = s.recent[:copy(s.recent, s.recent[1:])]
	}
	s.recent = append(s.recent, p)
}

// forget frees what remember has kept.
func (s *stream) forget() {
	for i := range s.recent {
		s.recent[i].free()
	}
	s.recent = nil
}
