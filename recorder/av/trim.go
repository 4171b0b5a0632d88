package av

// decoderPreroll is how many packets of audio a decoder wants to have seen
// before the first one that is heard: one for AAC, whose frames overlap; 80 ms
// for Opus, four packets of 20 ms (RFC 7845 section 4.6).
const decoderPreroll = 4

// squeezeStep is how far apart pictures are that are squeezed, in ticks: a
// millisecond, which is what Matroska counts in.
const squeezeStep = videoTimescale / 1000

// lead holds of one stream what came from before the origin, as far as it may
// be needed, until a packet from behind it tells that it was all. What is let
// out has times before the origin, which the container's edit list hides, if
// it has such:
//
//   - of audio the packet that is heard at the origin and the decoder's
//     preroll before it, so that the first sample is whole;
//   - of pictures those since the last keyframe, to decode from. The last of
//     them to be seen is what stood at the origin, and is moved there. Without
//     edit lists each encoded picture that might be the first is a keyframe;
//     those that were copied are squeezed behind the origin.
//
// Pictures are told apart by when they are decoded: as none is shown before
// that, one that is decoded behind the origin tells that all shown before it
// are here, whatever their order.
type lead struct {
	origin  int64 // in the stream's time base
	preroll int   // packets
	audio   bool
	hides   bool // the container has edit lists
	over    bool
	held    []packet
}

// take keeps a packet from before the origin. It reports whether it has; if
// not, what was kept is over.
func (l *lead) take(p packet) bool {
	if l.over || p.dts > l.origin {
		return false
	}
	switch {
	case !l.audio && p.key && p.pts <= l.origin:
		l.drop(len(l.held))
	case l.audio && len(l.held) > l.preroll:
		l.drop(1)
	}
	l.held = append(l.held, p)
	return true
}

// drop frees the oldest packets.
func (l *lead) drop(n int) {
	for i := range l.held[:n] {
		l.held[i].free()
	}
	l.held = append(l.held[:0], l.held[n:]...)
}

// release ends the lead and returns what is needed of it.
func (l *lead) release() []packet {
	if n := len(l.held); n > 0 {
		if last := l.held[n-1]; !l.audio {
			l.stand()
		} else if last.pts+last.duration <= l.origin { // nothing is heard at the origin
			l.drop(n)
		}
	}
	held := l.held
	l.over, l.held = true, nil
	return held
}

// standing is the picture that is to be seen at the origin, -1 if none is.
func (l *lead) standing() int {
	at := -1
	for i, p := range l.held {
		if p.pts <= l.origin && (at < 0 || p.pts > l.held[at].pts) {
			at = i
		}
	}
	return at
}

// stand moves what is to be seen at the origin there.
func (l *lead) stand() {
	if at := l.standing(); at >= 0 {
		l.held[at].pts = l.origin
		if at == len(l.held)-1 {
			l.held[at].dts = l.origin
		}
	}
	if l.hides {
		return
	}
	for i := range l.held {
		p := &l.held[i]
		p.dts = l.origin + int64(i)*squeezeStep
		p.pts = max(p.pts, p.dts)
	}
}

// shows reports whether the packet that a ledger knows by a mark will be in the
// file for what it has: of those from before the origin the picture that stands
// there and those that are shown later, and copied audio, which is primed by
// what is hidden.
func (l *lead) shows(mark int64) bool {
	standing := l.standing()
	for i, p := range l.held {
		switch {
		case p.mark != mark:
		case l.audio:
			return p.sample != nil
		default:
			return i == standing || p.pts > l.origin || !l.hides
		}
	}
	return false
}
