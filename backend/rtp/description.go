package rtp

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
)

// ErrDescription: an SDP that cannot be understood, or that describes what is
// not supported. The text says which line, and what is allowed.
var ErrDescription = errors.New("rtp: wrong session description")

// Bounds of a description: far more than any real one needs.
const (
	maxDescription = 256 << 10 // bytes
	maxSections    = 32
	maxSources     = 64 // ssrc attributes of a section that are kept
)

// A description is what an SDP (RFC 8866) says of the streams of audio and
// video that are to be received: a section for each m= line.
type description struct {
	sections []*section
}

// A section is one stream: where it arrives and how it may be coded.
type section struct {
	line     line // the m= line
	kind     media.Kind
	address  netip.Addr // of c=; invalid if there is none
	port     uint16
	rtcpPort uint16 // equal to port when both share it (RFC 5761)
	payloads []payload
	// sources are the SSRCs that the description names (RFC 5576).
	sources []uint32
	keys    *keys // nil without encryption
	// nack, and fir without pli, are the feedback that the sender asks for in
	// rtcp-fb attributes (RFC 4585, RFC 5104).
	nack, fir bool
}

func (s *section) mux() bool { return s.rtcpPort == s.port }

// String names the section for logs and errors.
func (s *section) String() string { return fmt.Sprintf("%s on port %d", s.kind, s.port) }

// A line of a description, "t=value".
type line struct {
	number int
	typ    byte
	value  string
}

// maxShown is how much of a line an error repeats.
const maxShown = 100

// String repeats the line, but never a key.
func (l line) String() string {
	value := l.value
	if f := strings.Fields(value); strings.HasPrefix(value, "crypto:") && len(f) > 2 {
		value = f[0] + " " + f[1] + " …"
	}
	if len(value) > maxShown {
		value = value[:maxShown] + "…"
	}
	return fmt.Sprintf("line %d, %q", l.number, string(l.typ)+"="+value)
}

// errorf says what is wrong with the line.
func (l line) errorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrDescription, l, fmt.Sprintf(format, args...))
}

// lines splits a description. What FFmpeg prints ahead of it on the terminal
// is passed over.
func lines(text []byte) ([]line, error) {
	if len(text) > maxDescription {
		return nil, fmt.Errorf("%w: %d bytes (allowed: %d)", ErrDescription, len(text), maxDescription)
	}
	var all []line
	number := 0
	for raw := range bytes.Lines(text) {
		number++
		s := strings.TrimSpace(string(raw))
		if s == "" || s == "SDP:" && len(all) == 0 {
			continue
		}
		if len(s) < 2 || s[1] != '=' || s[0] < 'a' || s[0] > 'z' {
			return nil, fmt.Errorf("%w: line %d, %q (allowed: a letter, = and a value, as in v=0)", ErrDescription, number, s[:min(len(s), maxShown)])
		}
		all = append(all, line{number, s[0], strings.TrimSpace(s[2:])})
	}
	if len(all) == 0 || all[0].typ != 'v' {
		return nil, fmt.Errorf("%w: it does not begin with v=0", ErrDescription)
	}
	return all, nil
}

// parse reads a description. Media other than audio and video, and what is
// declared inactive or has port 0, is passed over; it is an error if nothing
// is left.
func parse(text []byte) (*description, error) {
	all, err := lines(text)
	if err != nil {
		return nil, err
	}
	var blocks [][]line // of the session, then of each m= line
	begin := 0
	for i, l := range all {
		if l.typ == 'm' {
			blocks = append(blocks, all[begin:i])
			begin = i
		}
	}
	blocks = append(blocks, all[begin:])
	session, err := readCommon(blocks[0])
	if err != nil {
		return nil, err
	}
	d := &description{}
	for _, block := range blocks[1:] {
		s, err := readSection(block, session)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		if len(d.sections) == maxSections {
			return nil, s.line.errorf("too many streams (allowed: %d)", maxSections)
		}
		d.sections = append(d.sections, s)
	}
	if len(d.sections) == 0 {
		return nil, fmt.Errorf("%w: no stream of audio or video in it (wanted: a line such as m=video 5004 RTP/AVP 96, with a port that is not 0, and not a=inactive)", ErrDescription)
	}
	return d, d.checkPorts()
}

// checkPorts refuses streams that share a port: which of them a packet belongs
// to could only be guessed.
func (d *description) checkPorts() error {
	users := map[uint16]*section{}
	for _, s := range d.sections {
		ports := []uint16{s.port, s.rtcpPort}
		if s.mux() {
			ports = ports[:1]
		}
		for _, port := range ports {
			if other := users[port]; other != nil {
				return s.line.errorf("port %d, for RTP or for the RTCP that goes with it, is that of %s already (allowed: ports two apart, or a=rtcp-mux)", port, other.line)
			}
			users[port] = s
		}
	}
	return nil
}

// common is what may stand for the whole session and be said anew for a
// stream.
type common struct {
	address  netip.Addr
	inactive bool
}

// readCommon reads the lines before the first m= line.
func readCommon(block []line) (common, error) {
	var c common
	for _, l := range block {
		if err := c.read(l); err != nil {
			return c, err
		}
	}
	return c, nil
}

// read takes what the line says of the address and the direction.
//
// Of directions only inactive means that nothing comes: whether recvonly is
// said from the sender's side or from the receiver's depends on who wrote the
// description (RFC 3264 and RFC 8866 differ).
func (c *common) read(l line) (err error) {
	switch {
	case l.typ == 'c':
		c.address, err = readAddress(l)
	case l.typ == 'a' && l.value == "inactive":
		c.inactive = true
	case l.typ == 'a' && (l.value == "sendrecv" || l.value == "sendonly" || l.value == "recvonly"):
		c.inactive = false
	}
	return err
}

// readAddress reads c=<nettype> <addrtype> <address>[/<ttl>][/<number>] (RFC
// 8866, section 5.7).
func readAddress(l line) (netip.Addr, error) {
	const allowed = "(allowed: IN IP4 or IN IP6 and an address, as in IN IP4 127.0.0.1)"
	f := strings.Fields(l.value)
	if len(f) != 3 || f[0] != "IN" || f[1] != "IP4" && f[1] != "IP6" {
		return netip.Addr{}, l.errorf("not an address %s", allowed)
	}
	text, more, _ := strings.Cut(f[2], "/")
	a, err := netip.ParseAddr(text)
	if err != nil || a.Is4() != (f[1] == "IP4") || a.Is4In6() {
		return netip.Addr{}, l.errorf("address is %q %s", text, allowed)
	}
	// Of IPv4 a time to live comes before the number of addresses.
	number := more
	if a.Is4() {
		_, number, _ = strings.Cut(more, "/")
	}
	if number != "" && number != "1" {
		return netip.Addr{}, l.errorf("%s addresses in a row (allowed: one)", number)
	}
	return a, nil
}

// readSection reads an m= line and what follows it. It returns nil for what is
// to be passed over.
func readSection(block []line, c common) (*section, error) {
	r := sectionReader{common: c, section: &section{line: block[0]}}
	numbers, err := r.readMedia(block[0])
	if err != nil || numbers == nil {
		return nil, err
	}
	for _, l := range block[1:] {
		if err := r.common.read(l); err != nil {
			return nil, err
		}
		if l.typ != 'a' {
			continue
		}
		if err := r.readAttribute(l); err != nil {
			return nil, err
		}
	}
	if r.inactive {
		return nil, nil
	}
	return r.finish(numbers)
}

// sectionReader gathers a section: attributes come in any order.
type sectionReader struct {
	common
	*section
	secure     bool // the profile asks for encryption
	rtcpMux    bool
	rtcp       uint16
	pli        bool
	rtpmaps    map[uint8]line
	fmtps      map[uint8]line
	refusedKey error // why a crypto attribute was not taken
}

// readMedia reads m=<media> <port> <proto> <fmt> … (RFC 8866, section 5.14). It
// returns the payload types, nil for what is to be passed over.
func (r *sectionReader) readMedia(l line) ([]uint8, error) {
	f := strings.Fields(l.value)
	if len(f) < 4 {
		return nil, l.errorf("not complete (allowed: as in m=video 5004 RTP/AVP 96)")
	}
	switch f[0] {
	case "audio":
		r.kind = media.KindAudio
	case "video":
		r.kind = media.KindVideo
	default:
		return nil, nil
	}
	portText, count, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(portText, 10, 16)
	switch {
	case err != nil:
		return nil, l.errorf("port is %q (allowed: 1 to 65535)", f[1])
	case count != "" && count != "1":
		return nil, l.errorf("%s ports in a row (allowed: one)", count)
	case port == 0: // an offered stream that was refused
		return nil, nil
	}
	r.port = uint16(port)
	switch f[2] {
	case "RTP/AVP", "RTP/AVPF":
	case "RTP/SAVP", "RTP/SAVPF":
		r.secure = true
	default:
		return nil, l.errorf("transport is %s (allowed: RTP/AVP, RTP/AVPF, and RTP/SAVP, RTP/SAVPF with a=crypto)", f[2])
	}
	var numbers []uint8
	for _, text := range f[3:] {
		n, ok := payloadNumber(text)
		if !ok {
			return nil, l.errorf("payload type is %q (allowed: 0 to 127)", text)
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

func payloadNumber(text string) (uint8, bool) {
	n, err := strconv.ParseUint(text, 10, 7)
	return uint8(n), err == nil
}

// readAttribute reads an a= line.
func (r *sectionReader) readAttribute(l line) error {
	name, value, _ := strings.Cut(l.value, ":")
	value = strings.TrimSpace(value)
	switch name {
	case "rtpmap":
		return keep(&r.rtpmaps, l, value)
	case "fmtp":
		return keep(&r.fmtps, l, value)
	case "rtcp-mux":
		r.rtcpMux = true
	case "rtcp":
		return r.readRTCP(l, value)
	case "rtcp-fb":
		r.readFeedback(value)
	case "ssrc":
		return r.readSource(l, value)
	case "crypto":
		return r.readCrypto(l, value)
	case "content": // RFC 4796
		if r.kind == media.KindVideo && strings.Contains(","+value+",", ",slides,") {
			r.kind = media.KindScreen
		}
	}
	return nil
}

// keep stores an attribute that begins with a payload type.
func keep(in *map[uint8]line, l line, value string) error {
	number, _, _ := strings.Cut(value, " ")
	n, ok := payloadNumber(number)
	if !ok {
		return l.errorf("payload type is %q (allowed: 0 to 127)", number)
	}
	if *in == nil {
		*in = map[uint8]line{}
	}
	(*in)[n] = l
	return nil
}

// readRTCP reads a=rtcp:<port> [<address>] (RFC 3605). The address is the
// stream's.
func (r *sectionReader) readRTCP(l line, value string) error {
	text, _, _ := strings.Cut(value, " ")
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return l.errorf("port is %q (allowed: 1 to 65535)", text)
	}
	r.rtcp = uint16(port)
	return nil
}

// readFeedback reads a=rtcp-fb:<payload type> <feedback> [<parameter>] (RFC
// 4585, section 4.2). What one payload type may be asked all may.
func (r *sectionReader) readFeedback(value string) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return
	}
	switch strings.Join(f[1:], " ") {
	case "nack":
		r.nack = true
	case "nack pli":
		r.pli = true
	case "ccm fir":
		r.fir = true
	}
}

// readSource reads a=ssrc:<ssrc> … (RFC 5576).
func (r *sectionReader) readSource(l line, value string) error {
	text, _, _ := strings.Cut(value, " ")
	ssrc, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return l.errorf("SSRC is %q (allowed: 0 to %d)", text, uint32(1<<32-1))
	}
	if len(r.sources) < maxSources && !r.lists(uint32(ssrc)) {
		r.sources = append(r.sources, uint32(ssrc))
	}
	return nil
}

// lists reports whether the description names the source.
func (s *section) lists(ssrc uint32) bool { return slices.Contains(s.sources, ssrc) }

// finish works out what depends on several attributes.
func (r *sectionReader) finish(numbers []uint8) (*section, error) {
	s := r.section
	s.address = r.common.address
	switch {
	case r.rtcpMux:
		s.rtcpPort = s.port
	case r.rtcp != 0:
		s.rtcpPort = r.rtcp
	case s.port == 1<<16-1:
		return nil, s.line.errorf("no port for RTCP follows %d (allowed: up to 65534, or a=rtcp or a=rtcp-mux)", s.port)
	default:
		s.rtcpPort = s.port + 1
	}
	s.fir = s.fir && !r.pli
	if s.keys == nil && r.refusedKey != nil {
		return nil, r.refusedKey
	}
	if r.secure && s.keys == nil {
		return nil, s.line.errorf("encrypted, but without a key (wanted: a line such as a=crypto:1 %s inline:…)", suites[0].name)
	}
	return s, r.readPayloads(numbers)
}
