package rtp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/rtpin"
)

// A payload is what packets of one payload type carry.
type payload struct {
	number    uint8
	name      string // as the description says it, such as "H264/90000"
	clockRate int
	// format is zero for what is no media of its own, and for codecs that are
	// not supported beside others that are.
	format media.EncodedFormat
	// auxiliary: tones, comfort noise, repair. It is passed over in silence.
	auxiliary bool
	fmtp      string // parameters of the format
}

// known reports whether the payload is media that can be recorded.
func (p payload) known() bool { return !p.format.IsZero() }

// encodings are the names that rtpmap gives the codecs, in lower case.
var encodings = map[string]media.Codec{
	"h264": media.H264, "h265": media.HEVC, "vp8": media.VP8, "vp9": media.VP9, "av1": media.AV1,
	"opus": media.Opus, "mpeg4-generic": media.AAC, "pcmu": media.PCMU, "pcma": media.PCMA, "g722": media.G722,
}

const (
	videoEncodings = "H264, H265, VP8, VP9, AV1"
	audioEncodings = "opus, MPEG4-GENERIC, PCMU, PCMA, G722"
)

// auxiliaries come beside media: tones (RFC 4733), comfort noise (RFC 3389),
// retransmission (RFC 4588) and repair (RFC 2198, 5109, 8627).
var auxiliaries = []string{"telephone-event", "tone", "cn", "rtx", "red", "ulpfec", "flexfec", "flexfec-03", "parityfec"}

// statics are the payload types that need no rtpmap (RFC 3551, section 6), of
// those that can be recorded or passed over.
var statics = map[uint8]string{0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000", 13: "CN/8000"}

// readPayloads works out what the payload types of the m= line are. At least
// one must be a codec that is supported.
func (r *sectionReader) readPayloads(numbers []uint8) error {
	allowed := audioEncodings
	if r.kind.IsPicture() {
		allowed = videoEncodings
	}
	found := false
	var refused []string
	for _, n := range numbers {
		p, err := r.readPayload(n)
		if err != nil {
			return err
		}
		if p.known() && p.format.Codec.IsPicture() != r.kind.IsPicture() {
			p.format.Codec = 0
		}
		if !p.known() && !p.auxiliary {
			refused = append(refused, p.name)
		}
		found = found || p.known()
		r.payloads = append(r.payloads, p)
	}
	if !found {
		return r.line.errorf("codec is %s (allowed for %s: %s)", strings.Join(refused, ", "), strings.Fields(r.line.value)[0], allowed)
	}
	return nil
}

// readPayload works out what one payload type is.
func (r *sectionReader) readPayload(n uint8) (payload, error) {
	p := payload{number: n}
	l, mapped := r.rtpmaps[n]
	if mapped {
		_, p.name, _ = strings.Cut(l.value, " ")
	} else if p.name = statics[n]; p.name == "" {
		p.name = "payload type " + strconv.Itoa(int(n)) + " without an rtpmap"
		return p, nil
	} else {
		l = r.line
	}
	p.name = strings.TrimSpace(p.name)
	parts := strings.Split(p.name, "/")
	name := strings.ToLower(parts[0])
	p.auxiliary = slices.Contains(auxiliaries, name)
	codec, ok := encodings[name]
	if p.auxiliary || !ok {
		return p, nil
	}
	if err := p.readRate(l, codec, parts); err != nil {
		return p, err
	}
	if fmtp, ok := r.fmtps[n]; ok {
		l = fmtp
		_, p.fmtp, _ = strings.Cut(l.value, " ")
	}
	return p, p.check(l)
}

// fixedRates are the clock rates that a codec's packets have, where there is
// but one. That of G.722, 8000, is a mistake that became the standard (RFC
// 3551, section 4.5.2): it has 16000 samples a second.
var fixedRates = map[media.Codec]uint32{
	media.H264: 90000, media.HEVC: 90000, media.VP8: 90000, media.VP9: 90000, media.AV1: 90000,
	media.Opus: 48000, media.G722: 8000,
}

// maxClockRate bounds the clock rate of audio, in Hz.
const maxClockRate = 384000

// readRate reads <encoding>/<clock rate>[/<channels>] of an rtpmap.
func (p *payload) readRate(l line, codec media.Codec, parts []string) error {
	if len(parts) < 2 {
		return l.errorf("no clock rate (allowed: as in %s/90000)", parts[0])
	}
	rate, err := strconv.ParseUint(parts[1], 10, 32)
	if want := fixedRates[codec]; want != 0 && rate != uint64(want) {
		return l.errorf("clock rate is %q (allowed: %d)", parts[1], want)
	}
	if err != nil || rate == 0 || rate > maxClockRate {
		return l.errorf("clock rate is %q (allowed: 1 to %d)", parts[1], maxClockRate)
	}
	channels := uint64(1)
	if len(parts) > 2 {
		channels, err = strconv.ParseUint(parts[2], 10, 8)
	}
	p.clockRate = int(rate)
	p.format = media.EncodedFormat{Codec: codec}
	switch {
	case codec.IsPicture():
		return nil
	case codec == media.Opus:
		// Always said to have 2; what it really has the packets tell.
		p.format.Rate = 48000
		return nil
	case codec == media.G722:
		rate = 16000
	}
	p.format.Rate, p.format.Channels = int(rate), int(channels)
	if bad := p.format.Validate(); err != nil || channels == 0 || bad != nil {
		return l.errorf("%s channels (allowed: 1, or 2 where the codec has them)", parts[len(parts)-1])
	}
	return nil
}

// check makes a receiver for nothing but to hear what the format's parameters
// add to it, which a track is announced with, or what is wrong with them, which
// is to be said of the line they stand in.
func (p *payload) check(l line) error {
	r, err := rtpin.NewReceiver(p.config(rtpin.NewParticipant().NewTrack(p.clockRate), func(s media.Sample) { s.Release() }))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDescription, l, err)
	}
	p.format = *r.Format()
	return nil
}

// config describes a receiver for packets of this type.
func (p *payload) config(clock *rtpin.TrackClock, deliver func(media.Sample)) rtpin.Config {
	return rtpin.Config{
		Format: &p.format, ClockRate: p.clockRate, FMTP: p.fmtp, PayloadTypes: []uint8{p.number},
		Clock: clock, Deliver: deliver,
	}
}
