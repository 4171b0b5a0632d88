package rtpin

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
)

// fmtp is a format's parameters, by name in lower case.
type fmtp map[string]string

// maxFMTP is far more than parameter sets need.
const maxFMTP = 1 << 16

// parseFMTP reads "name=value; name=value" (RFC 8866, section 6.15).
func parseFMTP(s string) (fmtp, error) {
	if len(s) > maxFMTP {
		return nil, fmt.Errorf("%w: FMTP of %d bytes (allowed: up to %d)", ErrConfig, len(s), maxFMTP)
	}
	p := fmtp{}
	for field := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(field, "=") // base64 ends in further ones
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			p[name] = strings.TrimSpace(value)
		}
	}
	return p, nil
}

// number returns a parameter that is a number from 0 to most, or what is
// usual if it is absent.
func (p fmtp) number(name string, usual, most int) (int, error) {
	s, ok := p[name]
	if !ok {
		return usual, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%w: FMTP %s=%q (allowed: 0 to %d)", ErrConfig, name, s, most)
	}
	return n, nil
}

// parameterSets returns the NAL units of these parameters, base64 with commas
// in between, as a byte stream.
func (p fmtp) parameterSets(names ...string) ([]byte, error) {
	var out []byte
	for _, name := range names {
		for s := range strings.SplitSeq(p[name], ",") {
			nal, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return nil, fmt.Errorf("%w: FMTP %s: %w", ErrConfig, name, err)
			}
			if len(nal) > 0 {
				out = append(append(out, 0, 0, 0, 1), nal...)
			}
		}
	}
	return out, nil
}

// describe returns the format with what the parameters add to it.
func describe(f media.EncodedFormat, p fmtp) (*media.EncodedFormat, error) {
	var err error
	config := []byte(nil)
	switch f.Codec {
	case media.H264: // RFC 6184, section 8.1
		config, err = p.parameterSets("sprop-parameter-sets")
	case media.HEVC: // RFC 7798, section 7.1
		config, err = p.parameterSets("sprop-vps", "sprop-sps", "sprop-pps")
	case media.AAC: // RFC 3640, section 4.1
		if config, err = hex.DecodeString(p["config"]); err != nil {
			err = fmt.Errorf("%w: FMTP config: %w", ErrConfig, err)
		}
	case media.Opus: // RFC 7587, section 6.1: it is for the packets to say if absent
		if s, ok := p["sprop-stereo"]; ok && f.Channels == 0 {
			f.Channels = 1
			if s == "1" {
				f.Channels = 2
			}
		}
		if f.Rate == 0 {
			f.Rate = 48000
		}
	}
	if err != nil {
		return nil, err
	}
	if len(f.Config) == 0 && len(config) > 0 {
		f.Config = config
	}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("rtpin: %w", err)
	}
	return &f, nil
}
