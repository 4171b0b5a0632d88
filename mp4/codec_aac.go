package mp4

import "fmt"

// AAC is stored as mp4a (ISO/IEC 14496-14). A sample is one raw frame,
// without ADTS header.
type AAC struct {
	// Config is the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), from which
	// rate and channels are taken.
	Config []byte
}

func (AAC) handler() string { return "soun" }

func (AAC) size() (width, height int) { return 0, 0 }

func (c AAC) entry(quickTime bool) ([]byte, error) {
	s, err := parseAudioConfig(c.Config)
	if err != nil {
		return nil, err
	}
	esds, err := esdsBox(c.Config)
	if err != nil {
		return nil, err
	}
	if !quickTime {
		return audioEntry("mp4a", s, esds)
	}
	return quickTimeAudio("mp4a", s, waveBox("mp4a", codecBox("mp4a", make([]byte, 4)), esds))
}

func (AAC) appendSample(dst, data []byte) ([]byte, error) { return appendWhole(dst, data, "AAC") }

// esdsBox describes the stream by the descriptors of ISO/IEC 14496-1, 7.2.6:
//
//	ES_Descriptor               ES_ID 0, as a file has it
//	  DecoderConfigDescriptor   bit rates and buffer 0: unknown
//	    DecoderSpecificInfo     the config
//	  SLConfigDescriptor        predefined 2: MP4
func esdsBox(config []byte) ([]byte, error) {
	const most = 1 << 20
	if len(config) > most {
		return nil, fmt.Errorf("%w: AAC config of %d bytes, must be at most %d", ErrConfig, len(config), most)
	}
	const esTag, decoderTag, specificTag, syncTag = 3, 4, 5, 6
	const audioMPEG4 = uint8(0x40)
	const audioStream = uint8(5<<2 | 1) // streamType 5, upStream 0, reserved 1
	decoder := descriptor(decoderTag, beBytes(audioMPEG4, audioStream, make([]byte, 3), uint32(0), uint32(0),
		descriptor(specificTag, config)))
	stream := descriptor(esTag, beBytes(uint16(0), uint8(0), decoder, descriptor(syncTag, []byte{2})))
	return codecBox("esds", make([]byte, 4), stream), nil
}

// descriptor has its size in four bytes of seven bits, which is what every
// reader has seen.
func descriptor(tag byte, body []byte) []byte {
	n := len(body)
	return beBytes(tag, byte(n>>21&0x7F|0x80), byte(n>>14&0x7F|0x80), byte(n>>7&0x7F|0x80), byte(n&0x7F), body)
}

// parseAudioConfig reads an AudioSpecificConfig as far as rate and channels
// go. The rate is that of what is heard, where SBR is signalled explicitly.
func parseAudioConfig(config []byte) (sound, error) {
	r := &bitReader{data: config}
	object := audioObject(r)
	s := sound{bits: 16, packed: true, frames: 1024}
	s.rate = audioRate(r)
	layout := r.bits(4)
	const sbr, ps = 5, 29
	extended := object
	if object == sbr || object == ps {
		s.rate = audioRate(r)
		object = audioObject(r)
	}
	channels := [...]int{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0}
	s.channels = channels[layout]
	if layout == 0 && generalAudio(object) {
		s.channels = programChannels(r)
	}
	if extended == ps && s.channels == 1 {
		s.channels = 2
	}
	if r.over {
		return sound{}, fmt.Errorf("%w: AAC config of %d bytes ends early", ErrConfig, len(config))
	}
	if object == 0 || s.rate == 0 || s.channels == 0 {
		return sound{}, fmt.Errorf("%w: AAC config % x: object type %d, rate %d, channel configuration %d, none of which may be unknown",
			ErrConfig, config[:min(len(config), 16)], object, s.rate, layout)
	}
	return s, nil
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
	rates := [...]uint32{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350, 0, 0}
	i := r.bits(4)
	if i == escape {
		return r.bits(24)
	}
	return rates[i]
}

// generalAudio are the object types with a GASpecificConfig.
func generalAudio(object uint32) bool {
	switch object {
	case 1, 2, 3, 4, 6, 7, 17, 19, 20, 21, 22, 23:
		return true
	}
	return false
}

// programChannels counts the channels of the program_config_element (ISO/IEC
// 14496-3, 4.4.1.1) in a GASpecificConfig.
func programChannels(r *bitReader) int {
	r.flag()      // frameLengthFlag
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
