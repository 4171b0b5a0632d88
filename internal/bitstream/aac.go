package bitstream

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/media"
)

// Audio object types, ISO/IEC 14496-3, table 1.17.
const (
	aacLC  = 2
	aacSBR = 5
	aacLD  = 23
	aacPS  = 29
	aacELD = 39
)

// An aacConfig is an AudioSpecificConfig, as far as it is read.
type aacConfig struct {
	object     uint32 // of the core
	coreRate   uint32
	rate       uint32 // of what is heard
	layout     uint32 // channelConfiguration
	channels   int
	coreLength int // samples of a frame at coreRate
	parametric bool
}

// ParseAAC reads an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) as far as
// rate and channels go. The rate in Hz is that of what is heard, where SBR is
// signalled explicitly, and frameLength counts samples at that rate.
func ParseAAC(config []byte) (rate, channels, frameLength int, err error) {
	c, err := parseAAC(config)
	if err != nil {
		return 0, 0, 0, err
	}
	return int(c.rate), c.channels, int(int64(c.coreLength) * int64(c.rate) / int64(c.coreRate)), nil
}

func parseAAC(config []byte) (aacConfig, error) {
	r := &bitReader{data: config}
	var c aacConfig
	c.object = audioObject(r)
	c.coreRate = audioRate(r)
	c.rate, c.layout = c.coreRate, r.bits(4)
	if c.object == aacSBR || c.object == aacPS {
		c.parametric = c.object == aacPS
		c.rate = audioRate(r)
		c.object = audioObject(r)
	}
	channels := [...]int{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0}
	c.channels = channels[c.layout]
	c.readSpecific(r)
	if c.parametric && c.channels == 1 {
		c.channels = 2
	}
	if r.over {
		return aacConfig{}, fmt.Errorf("%w: AAC config of %d bytes ends early", media.ErrLength, len(config))
	}
	if c.object == 0 || c.coreRate == 0 || c.rate == 0 || c.channels == 0 {
		return aacConfig{}, fmt.Errorf("%w: AAC config % x: object type %d, rate %d, channel configuration %d, none of which may be unknown",
			media.ErrFormat, config[:min(len(config), 16)], c.object, c.rate, c.layout)
	}
	return c, nil
}

func audioObject(r *bitReader) uint32 {
	const escape = 31
	if t := r.bits(5); t != escape {
		return t
	}
	return 32 + r.bits(6)
}

func audioRate(r *bitReader) uint32 {
	const escape = 15
	i := r.bits(4)
	if i == escape {
		return r.bits(24)
	}
	return indexedRate(i)
}

// indexedRate is the rate of a sampling frequency index, table 1.18, 0 if there
// is none.
func indexedRate(i uint32) uint32 {
	rates := [16]uint32{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	return rates[i&15]
}

// readSpecific reads the configuration of the object type: that of general
// audio (4.4.1), or of ELD (4.6.20.3). Of others the frames are taken to be of
// 1024 samples.
func (c *aacConfig) readSpecific(r *bitReader) {
	c.coreLength = 1024
	switch c.object {
	case 1, aacLC, 3, 4, 6, 7, 17, 19, 20, 21, 22:
		if r.flag() { // frameLengthFlag
			c.coreLength = 960
		}
	case aacLD, aacELD:
		c.coreLength = 512
		if r.flag() {
			c.coreLength = 480
		}
	}
	if c.layout == 0 && generalAudio(c.object) {
		c.channels = programChannels(r)
	}
}

// generalAudio are the object types with a GASpecificConfig.
func generalAudio(object uint32) bool {
	switch object {
	case 1, aacLC, 3, 4, 6, 7, 17, 19, 20, 21, 22, aacLD:
		return true
	}
	return false
}

// programChannels counts the channels of the program_config_element (ISO/IEC
// 14496-3, 4.4.1.1) in a GASpecificConfig whose frameLengthFlag has been read.
func programChannels(r *bitReader) int {
	if r.flag() { // dependsOnCoreCoder
		r.bits(14)
	}
	r.flag()              // extensionFlag
	r.bits(4 + 2 + 4)     // element_instance_tag, object_type, sampling_frequency_index
	elements := r.bits(4) // front
	elements += r.bits(4) // side
	elements += r.bits(4) // back
	channels := r.bits(2) // low frequency
	r.bits(3 + 4)         // associated data, coupling
	for range 2 {         // mono and stereo mixdown
		if r.flag() {
			r.bits(4)
		}
	}
	if r.flag() { // matrix mixdown
		r.bits(3)
	}
	for range elements {
		channels += 1 + r.bits(1) // element_is_cpe
		r.bits(4)
	}
	return int(channels)
}
