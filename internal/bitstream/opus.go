package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// Samples at 48 kHz.
const (
	opusShortest = 120      // 2.5 ms
	opusLongest  = 48 * 120 // of a packet, RFC 6716, 3.2.5
)

// OpusDuration returns how long a packet lasts, in samples at 48 kHz. Errors
// wrap media.ErrLength or media.ErrFormat for what RFC 6716, section 3.4, says
// is no packet.
func OpusDuration(packet []byte) (samples int, err error) {
	if len(packet) == 0 {
		return 0, fmt.Errorf("%w: empty packet of Opus", media.ErrLength)
	}
	frames, rest := 1, packet[1:]
	ok := len(rest) <= maxOpusFrame
	switch packet[0] & 3 {
	case 1:
		frames, ok = 2, len(rest)%2 == 0 && len(rest)/2 <= maxOpusFrame
	case 2:
		frames = 2
		n, after, fits := cutOpusLength(rest)
		ok = fits && n <= len(after) && len(after)-n <= maxOpusFrame
	case 3:
		frames, ok = opusFrames(rest)
	}
	if !ok {
		return 0, fmt.Errorf("%w: packet of Opus of %d bytes with %d frames (code %d) that do not fit", media.ErrLength, len(packet), frames, packet[0]&3)
	}
	samples = frames * opusFrameLength(packet[0])
	if frames == 0 || samples > opusLongest {
		return 0, fmt.Errorf("%w: packet of Opus with %d frames, %d samples (allowed: 1 frame to %d samples)", media.ErrFormat, frames, samples, opusLongest)
	}
	return samples, nil
}

// maxOpusFrame is the most that a frame may have, in bytes.
const maxOpusFrame = 1275

// opusFrameLength is the length of each frame by the configuration in the TOC
// byte, table 2.
func opusFrameLength(toc byte) int {
	config := int(toc >> 3)
	switch {
	case config < 12: // SILK: 10, 20, 40, 60 ms
		return [...]int{480, 960, 1920, 2880}[config&3]
	case config < 16: // hybrid: 10, 20 ms
		return 480 << (config & 1)
	}
	return opusShortest << (config & 3) // CELT: 2.5, 5, 10, 20 ms
}

// opusFrames counts the frames of code 3, section 3.2.5, and checks that they
// fit.
func opusFrames(data []byte) (frames int, ok bool) {
	if len(data) == 0 {
		return 0, false
	}
	const variable, padded, count = 0x80, 0x40, 0x3F
	head, data := data[0], data[1:]
	frames = int(head & count)
	if head&padded != 0 {
		if data, ok = withoutPadding(data); !ok {
			return frames, false
		}
	}
	if frames == 0 {
		return 0, true // another error than a length
	}
	if head&variable == 0 {
		return frames, len(data)%frames == 0 && len(data)/frames <= maxOpusFrame
	}
	sum := 0
	for range frames - 1 {
		n, rest, ok := cutOpusLength(data)
		if !ok {
			return frames, false
		}
		sum, data = sum+n, rest
	}
	return frames, sum <= len(data) && len(data)-sum <= maxOpusFrame
}

// withoutPadding takes off the padding: 254 bytes for each 255 and as many as
// the byte says that is none.
func withoutPadding(data []byte) (_ []byte, ok bool) {
	const more = 255
	padding := 0
	for i, b := range data {
		if b == more {
			padding += more - 1
			continue
		}
		padding += int(b)
		data = data[i+1:]
		if padding > len(data) {
			return nil, false
		}
		return data[:len(data)-padding], true
	}
	return nil, false
}

// cutOpusLength reads the length of a frame, 3.2.1.
func cutOpusLength(data []byte) (n int, rest []byte, ok bool) {
	const short = 252
	switch {
	case len(data) == 0:
		return 0, nil, false
	case data[0] < short:
		return int(data[0]), data[1:], true
	case len(data) == 1:
		return 0, nil, false
	}
	return int(data[0]) + 4*int(data[1]), data[2:], true
}

// OpusChannels returns how many channels a packet codes, 1 or 2. A decoder of
// either number decodes packets of both.
func OpusChannels(packet []byte) int {
	const stereo = 4
	if len(packet) > 0 && packet[0]&stereo != 0 {
		return 2
	}
	return 1
}

// AppendOpusSilence appends a packet that decodes to silence, of 20, 10, 5 or
// 2.5 ms: the longest of at most so many samples at 48 kHz. It returns how many
// it has, 0 where 120 do not fit. Channels are 1 or 2. So a gap is filled:
//
//	for left := samples; left >= 120; {
//		packet, n := bitstream.AppendOpusSilence(packet[:0], left, channels)
//		left -= n
//	}
//
// It is a CELT frame whose first symbol is the silence flag (RFC 6716, 4.3, table
// 56: its probability is 1/32768, the lowest code of the range coder). What was
// heard before fades out within 2.5 ms.
func AppendOpusSilence(dst []byte, samples, channels int) (packet []byte, n int) {
	packet, n = AppendOpusConceal(dst, samples, channels)
	if n == 0 {
		return dst, 0
	}
	return append(packet, 0xFF, 0xFE), n
}

// AppendOpusConceal appends a packet like AppendOpusSilence, but with which the
// decoder is to make up what was lost: no frame follows the TOC byte, as an
// encoder's discontinuous transmission has it (RFC 6716, 3.2.1). libopus and
// Chromium go on with what was heard before and let it fade, which takes half a
// second and more: after about 60 ms it is better to be silent. FFmpeg's own
// decoder is silent at once.
func AppendOpusConceal(dst []byte, samples, channels int) (packet []byte, n int) {
	const celtFullBand = 28 // the configuration of 2.5 ms; those of 5, 10, 20 follow
	if samples < opusShortest {
		return dst, 0
	}
	size := 3
	for opusShortest<<size > samples {
		size--
	}
	toc := byte(celtFullBand+size) << 3
	if channels > 1 {
		toc |= 4
	}
	return append(dst, toc), opusShortest << size
}
