package media

import "fmt"

// Codec is how encoded media is coded.
type Codec uint8

// The codecs that encoded samples may have.
const (
	CodecUnknown Codec = iota
	H264
	HEVC
	VP8
	VP9
	AV1
	Opus
	AAC
	PCMU // G.711 µ-law
	PCMA // G.711 A-law
	G722
)

// String returns the name that FFmpeg has for the codec, such as "h264",
// "pcm_mulaw" or "adpcm_g722".
func (c Codec) String() string {
	names := [...]string{"unknown", "h264", "hevc", "vp8", "vp9", "av1", "opus", "aac", "pcm_mulaw", "pcm_alaw", "adpcm_g722"}
	if int(c) < len(names) {
		return names[c]
	}
	return names[0]
}

// IsPicture reports whether it is a codec of pictures.
func (c Codec) IsPicture() bool { return H264 <= c && c <= AV1 }

// IsAudio reports whether it is a codec of audio.
func (c Codec) IsAudio() bool { return Opus <= c && c <= G722 }

// Packing is how the units of a stream lie in the data of its samples. Codecs
// that have one way only take [PackingDefault].
type Packing uint8

// The packings.
const (
	// PackingDefault: of H.264 and HEVC a byte stream with start codes (annex
	// B of either), of AV1 OBUs in the low-overhead format, of AAC raw frames.
	PackingDefault Packing = iota
	// LengthPrefixed: before each NAL unit of H.264 or HEVC its length, in as
	// many bytes as the avcC or hvcC in Config says, or in four without one.
	LengthPrefixed
	// ADTS: AAC frames with their headers, one or several in a sample.
	ADTS
)

// String returns "default", "length-prefixed" or "adts".
func (p Packing) String() string {
	names := [...]string{"default", "length-prefixed", "adts"}
	if int(p) < len(names) {
		return names[p]
	}
	return "unknown"
}

// EncodedFormat describes an encoded stream. What can be read off the stream
// itself counts for more than what is said here.
type EncodedFormat struct {
	Codec   Codec
	Packing Packing
	// Config is the codec's configuration where it is not in the stream, or
	// not only: of H.264 and HEVC parameter sets as a byte stream, or the
	// payload of avcC or hvcC; of AV1 a sequence header OBU or the payload of
	// av1C; of AAC the AudioSpecificConfig; of Opus the OpusHead. It is read
	// only.
	Config []byte
	// Width and Height are the pictures' size, 0 if only the stream tells.
	Width, Height int
	// Rate and Channels are those of decoded audio, 0 if only the stream
	// tells. PCMU and PCMA need both, G722 the channels; its rate is 16000.
	Rate, Channels int
}

// IsZero reports whether nothing is declared.
func (f EncodedFormat) IsZero() bool { return f.Codec == CodecUnknown }

// maxConfig is far more than any codec's configuration needs.
const maxConfig = 1 << 20

// Validate returns an error that wraps [ErrFormat] for an impossible format.
func (f EncodedFormat) Validate() error {
	switch {
	case !f.Codec.IsPicture() && !f.Codec.IsAudio():
		return fmt.Errorf("%w: codec %d (allowed: h264, hevc, vp8, vp9, av1, opus, aac, pcm_mulaw, pcm_alaw, adpcm_g722)", ErrFormat, f.Codec)
	case f.Packing > ADTS,
		f.Packing == LengthPrefixed && f.Codec != H264 && f.Codec != HEVC,
		f.Packing == ADTS && f.Codec != AAC:
		return fmt.Errorf("%w: packing %s of %s (allowed: default; length-prefixed with h264 and hevc; adts with aac)", ErrFormat, f.Packing, f.Codec)
	case len(f.Config) > maxConfig:
		return fmt.Errorf("%w: configuration of %d bytes of %s (allowed: up to %d)", ErrFormat, len(f.Config), f.Codec, maxConfig)
	case f.Width < 0 || f.Height < 0 || f.Width > maxSide || f.Height > maxSide:
		return fmt.Errorf("%w: picture size %dx%d (allowed: 0x0 to %dx%d)", ErrFormat, f.Width, f.Height, maxSide, maxSide)
	case f.Rate < 0 || f.Rate > maxRate || f.Channels < 0 || f.Channels > maxChannels:
		return fmt.Errorf("%w: %d Hz, %d channels (allowed: up to %d Hz and %d channels)", ErrFormat, f.Rate, f.Channels, maxRate, maxChannels)
	}
	return f.validateUnframed()
}

// maxChannels bounds what a container's description can hold and any encoder
// makes.
const maxChannels = 255

// validateUnframed checks what the bits of a codec do not tell by themselves.
func (f EncodedFormat) validateUnframed() error {
	switch f.Codec {
	case PCMU, PCMA:
		if f.Rate == 0 || f.Channels < 1 || f.Channels > 2 {
			return fmt.Errorf("%w: %d Hz, %d channels of %s (allowed: a rate, and 1 or 2 channels)", ErrFormat, f.Rate, f.Channels, f.Codec)
		}
	case G722:
		if f.Rate != 0 && f.Rate != 16000 || f.Channels != 1 {
			return fmt.Errorf("%w: %d Hz, %d channels of %s (allowed: 16000 Hz, 1 channel)", ErrFormat, f.Rate, f.Channels, f.Codec)
		}
	}
	return nil
}

// String returns for example "h264 640x480" or "opus 48000 Hz, 2 ch".
func (f EncodedFormat) String() string {
	switch {
	case f.Width > 0:
		return fmt.Sprintf("%s %dx%d", f.Codec, f.Width, f.Height)
	case f.Rate > 0:
		return fmt.Sprintf("%s %d Hz, %d ch", f.Codec, f.Rate, f.Channels)
	}
	return f.Codec.String()
}
