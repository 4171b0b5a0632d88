package rtpin

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// aac joins the payloads of AAC (RFC 3640, mode AAC-hbr or AAC-lbr, without
// interleaving). A payload holds whole frames, each of which becomes a sample,
// or a fragment of one:
//
//	AU-headers-length in bits (16) | size, index | size, index delta | … | frame | frame | …
type aac struct {
	sizeLength  int   // bits of the size in a header
	indexLength int   // of the index in the first one
	deltaLength int   // and of the index delta in those after it
	duration    int64 // of a frame in ticks
	expected    int   // size of a frame that comes in fragments; 0: none does
}

func newAAC(cfg Config, p fmtp) (*aac, error) {
	mode := p["mode"]
	if !strings.EqualFold(mode, "AAC-hbr") && !strings.EqualFold(mode, "AAC-lbr") {
		return nil, fmt.Errorf("%w: FMTP mode=%q of aac (allowed: AAC-hbr, AAC-lbr)", ErrConfig, mode)
	}
	for _, name := range []string{"ctsdeltalength", "dtsdeltalength", "randomaccessindication", "streamstateindication", "auxiliarydatasizelength"} {
		if n, err := p.number(name, 0, 32); err != nil || n != 0 {
			return nil, fmt.Errorf("%w: FMTP %s=%q of aac (allowed: 0)", ErrConfig, name, p[name])
		}
	}
	a := &aac{}
	for _, f := range []struct {
		name string
		to   *int
	}{{"sizelength", &a.sizeLength}, {"indexlength", &a.indexLength}, {"indexdeltalength", &a.deltaLength}} {
		var err error
		if *f.to, err = p.number(f.name, 0, 32); err != nil {
			return nil, err
		}
	}
	if a.sizeLength == 0 {
		return nil, fmt.Errorf("%w: FMTP without sizelength of aac", ErrConfig)
	}
	duration, err := p.number("constantduration", aacDuration(cfg), 1<<20)
	a.duration = int64(duration)
	return a, err
}

// aacDuration returns how long a frame is in ticks: 1024 samples, or 960 if the
// AudioSpecificConfig (ISO/IEC 14496-3, section 1.6.2.1) says so, at its
// sampling rate. That is half the clock's where spectral band replication is
// announced in the way that old decoders do not see.
func aacDuration(cfg Config) int {
	rates := [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	c := cfg.Format.Config
	if len(c) < 2 {
		return 1024
	}
	// Object type (5 bits), rate (4), channels (4), frameLengthFlag (1).
	object, rate := c[0]>>3, int(c[0]&7)<<1|int(c[1]>>7)
	if rate >= len(rates) {
		return 1024
	}
	samples := 1024
	if object == 2 && c[1]&0x04 != 0 {
		samples = 960
	}
	return samples * cfg.ClockRate / rates[rate]
}

func (a *aac) reset() { a.expected = 0 }

func (*aac) begins([]byte) bool { return true }

func (a *aac) add(u *unit, payload []byte) (whole bool, err error) {
	if len(payload) < 2 {
		return true, fmt.Errorf("%w: AAC payload of %d bytes", errFrame, len(payload))
	}
	headers := int(binary.BigEndian.Uint16(payload))
	length := (headers + 7) / 8
	if headers == 0 || length > len(payload)-2 {
		return true, fmt.Errorf("%w: AAC headers of %d bits in a payload of %d bytes", errFrame, headers, len(payload))
	}
	headerBits := bits{data: payload[2 : 2+length], end: headers}
	data := payload[2+length:]
	u.duration = a.duration
	for n := 0; headerBits.left() > 0; n++ {
		size, err := a.header(&headerBits, n)
		if err != nil {
			return true, err
		}
		if n == 0 && (size > len(data) || a.expected > 0) {
			return a.fragment(u, data, size, headerBits.left())
		}
		if size > len(data) {
			return true, fmt.Errorf("%w: AAC frame of %d bytes with %d left", errFrame, size, len(data))
		}
		u.data = append(u.data, data[:size]...)
		u.cuts = append(u.cuts, cut{end: len(u.data), ticks: int64(n) * a.duration})
		data = data[size:]
	}
	if len(data) > 0 {
		return true, fmt.Errorf("%w: %d bytes behind the AAC frames", errFrame, len(data))
	}
	return true, nil
}

// header reads the n-th header of a payload.
func (a *aac) header(b *bits, n int) (size int, err error) {
	index := a.deltaLength
	if n == 0 {
		index = a.indexLength
	}
	size, ok1 := b.read(a.sizeLength)
	delta, ok2 := b.read(index)
	switch {
	case !ok1 || !ok2:
		return 0, fmt.Errorf("%w: AAC header cut off", errFrame)
	case delta != 0:
		return 0, fmt.Errorf("%w: AAC frames are interleaved", errFrame)
	case size == 0 || size > maxUnit:
		return 0, fmt.Errorf("%w: AAC frame of %d bytes", errFrame, size)
	}
	return size, nil
}

// fragment takes a part of a frame that has a payload for itself.
func (a *aac) fragment(u *unit, data []byte, size, headersLeft int) (whole bool, err error) {
	u.data = append(u.data, data...)
	switch {
	case headersLeft > 0, a.expected > 0 && a.expected != size, len(u.data) > size:
		return true, fmt.Errorf("%w: fragments do not make an AAC frame of %d bytes", errFrame, size)
	case len(u.data) == size:
		a.expected = 0
		return true, nil
	}
	a.expected = size
	return false, nil
}

func (a *aac) finish(*unit) error {
	if a.expected > 0 {
		return fmt.Errorf("%w: AAC frame without its end", errFrame)
	}
	return nil
}

// bits reads numbers bit by bit.
type bits struct {
	data []byte
	at   int
	end  int
}

func (b *bits) left() int { return b.end - b.at }

// read returns the next n bits, up to 32.
func (b *bits) read(n int) (v int, ok bool) {
	if n > b.left() {
		return 0, false
	}
	for range n {
		v = v<<1 | int(b.data[b.at/8]>>(7-b.at%8)&1)
		b.at++
	}
	return v, true
}
