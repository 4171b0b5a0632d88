package mp4

import (
	"fmt"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
)

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
	rate, channels, _, err := bitstream.ParseAAC(c.Config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	s := sound{channels: channels, bits: 16, rate: uint32(rate), packed: true, frames: 1024}
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
