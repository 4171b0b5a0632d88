package av

import (
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
)

// stream is one track of the file.
type stream struct {
	muxer          *muxer
	ledger         *ledger
	name, language string
	audio          bool
	rate           int64 // ticks per second of the packets' times

	// Under the muxer's lock.
	params *ffmpeg.CodecParams
	media  bool // the track has had its first sample

	// The muxer's goroutine has these for itself.
	known   bool
	ended   bool
	lead    lead
	seen    int   // the muxer's tick at the latest packet
	part    int   // number of the file that it is in, 0 before the first packet
	base    int64 // that file's time zero, in ticks
	priming int64 // ticks that are not heard where it begins in that file
	last    int64 // time of the latest packet written
	recent  []*ffmpeg.Packet
}

// packet is a packet of a stream on its way; without data it is the stream's
// end.
type packet struct {
	stream *stream
	data   *ffmpeg.Packet
}

// write hands a packet over. It waits while the queue is full and fails with
// the reason once the file has failed.
func (s *stream) write(p *ffmpeg.Packet) error {
	if err := s.muxer.err(); err != nil {
		p.Free()
		return err
	}
	s.muxer.taken.Add(int64(len(p.Data())))
	s.muxer.packets <- packet{s, p}
	return nil
}

// begins says that the track has had its first sample; packets will follow.
func (s *stream) begins() {
	s.muxer.mu.Lock()
	defer s.muxer.mu.Unlock()
	s.media = true
}

// ends says that the track has had its last packet.
func (s *stream) ends() { s.muxer.packets <- packet{s, nil} }

// canBegin reports whether the stream can begin with a packet in a file whose
// time zero is at from.
func (s *stream) canBegin(p *ffmpeg.Packet, from time.Duration) bool {
	return p.PTS() >= ticks(from, s.rate) && (s.audio || p.IsKey())
}

// remember keeps a copy of a packet as preroll for the next file.
func (s *stream) remember(p *ffmpeg.Packet) error {
	var copied *ffmpeg.Packet
	if len(s.recent) < decoderPreroll {
		if copied = ffmpeg.NewPacket(); copied == nil {
			return errNoMemory
		}
	} else {
		copied = s.recent[0]
		s.recent = s.recent[:copy(s.recent, s.recent[1:])]
	}
	s.recent = append(s.recent, copied)
	return copied.SetData(p.Data(), p.PTS(), p.DTS(), p.Duration(), true)
}

// forget frees what remember has kept.
func (s *stream) forget() {
	for _, p := range s.recent {
		p.Free()
	}
	s.recent = nil
}

// time is the packet's, counted from the gate's zero.
func (p packet) time() time.Duration { return timeOf(p.data.PTS(), p.stream.rate) }

// through is up to where the track is in the file with this packet, as the
// ledger counts. A picture counts by when it begins: its end is when the next
// one begins, which is not written yet.
func (p packet) through() int64 {
	if p.stream.audio {
		return p.data.PTS() + p.data.Duration()
	}
	return p.data.PTS()
}
