package av

import "github.com/roomkit-live/roomkit-go/internal/ffmpeg"

// decoderPreroll is how many packets of audio a decoder wants to have seen
// before the first one that is heard: one for AAC, whose frames overlap; 80 ms
// for Opus, four packets of 20 ms (RFC 7845 section 4.6).
const decoderPreroll = 4

// lead holds of one stream what came from before the origin, as far as it may
// be needed, until a packet from behind it tells that it was all. What is let
// out has times before the origin, which the container's edit list hides, if
// it has such:
//
//   - of audio the packet that is heard at the origin and the decoder's
//     preroll before it, so that the first sample is whole;
//   - of pictures those since the last keyframe, to decode from; without edit
//     lists each picture that might be the first is one. The last of them is
//     what was to be seen at the origin, and is moved there.
type lead struct {
	origin  int64 // in the stream's time base
	preroll int   // packets
	audio   bool
	over    bool
	held    []*ffmpeg.Packet
}

// take keeps a packet from before the origin. It reports whether it has; if
// not, what was kept is over.
func (l *lead) take(p *ffmpeg.Packet) bool {
	if l.over || p.PTS() > l.origin {
		return false
	}
	switch {
	case !l.audio && p.IsKey():
		l.drop(len(l.held))
	case l.audio && len(l.held) > l.preroll:
		l.drop(1)
	}
	l.held = append(l.held, p)
	return true
}

// drop frees the oldest packets.
func (l *lead) drop(n int) {
	for _, p := range l.held[:n] {
		p.Free()
	}
	l.held = append(l.held[:0], l.held[n:]...)
}

// release ends the lead and returns what is needed of it.
func (l *lead) release() []*ffmpeg.Packet {
	if n := len(l.held); n > 0 {
		switch last := l.held[n-1]; {
		case !l.audio:
			last.SetPTS(l.origin)
			last.SetDTS(l.origin)
		case last.PTS()+last.Duration() <= l.origin: // nothing is heard at the origin
			l.drop(n)
		}
	}
	held := l.held
	l.over, l.held = true, nil
	return held
}
