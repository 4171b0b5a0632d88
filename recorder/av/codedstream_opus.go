package av

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/roomkit-live/roomkit-go/internal/bitstream"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// opusTicks is the rate of all times of Opus, whatever its input was.
const opusTicks = 48000

// opusStream reads Opus and describes it.
//
// The number of channels is not the packets' business: each says for itself
// whether it is mono or stereo, and changes that as it likes, while a decoder
// is opened for one of the two and converts. Mono in two channels loses
// nothing, and RFC 7587 announces all Opus as two. So a track has one channel
// only where the source says one, and no packet speaks against it.
type opusStream struct {
	head     mp4.Opus
	channels int
	fillers  [2][longestOpus/timeline.OpusGrain + 1][]byte // empty and silent packets that have been made, by their grains
}

// newOpusStream reads a format. Several coupled streams are refused: silence
// for them would take as many.
func newOpusStream(f *media.EncodedFormat) (*opusStream, error) {
	s := &opusStream{channels: 2}
	if f.Channels == 1 {
		s.channels = 1
	}
	if len(f.Config) == 0 {
		return s, nil
	}
	head, err := mp4.OpusFromHead(f.Config)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", media.ErrFormat, err)
	}
	if head.Family != 0 {
		return nil, fmt.Errorf("%w: Opus of mapping family %d, %d channels (allowed: family 0)", errNotCopied, head.Family, head.Channels)
	}
	s.head, s.channels = head, head.Channels
	return s, nil
}

// next implements codedStream. A sample is a packet.
func (s *opusStream) next(data []byte) (frame codedFrame, rest []byte, err error) {
	n, err := bitstream.OpusDuration(data)
	if err != nil {
		return codedFrame{}, nil, err
	}
	if bitstream.OpusChannels(data) > s.channels {
		s.channels, frame.changed = 2, true
	}
	frame.data, frame.length = data, int64(n)
	return frame, nil, nil
}

func (s *opusStream) isReady() bool { return true }

func (s *opusStream) timeline() *timeline.Coded { return timeline.NewOpus() }

func (s *opusStream) format() string { return fmt.Sprintf("%d Hz, %d ch", opusTicks, s.channels) }

// form implements codedStream. What is joined in mid-stream has no priming;
// what comes with its OpusHead begins with that.
func (s *opusStream) form(hides bool) (*form, error) {
	f := &form{audio: true, rate: opusTicks, priming: int64(s.head.PreSkip)}
	head := s.head
	head.Channels = s.channels
	if hides {
		f.codec = head
		return f, nil
	}
	var err error
	f.params, err = ffmpeg.NewCodecParams(ffmpeg.ParamsConfig{
		Codec: "opus", ExtraData: opusHead(head), TimeBaseDen: opusTicks,
		Rate: opusTicks, Channels: s.channels, InitialPadding: int(head.PreSkip),
	})
	return f, err
}

// opusHead writes the head of a stream of family 0 (RFC 7845, 5.1).
func opusHead(c mp4.Opus) []byte {
	b := append([]byte("OpusHead"), 1, byte(c.Channels))
	b = binary.LittleEndian.AppendUint16(b, c.PreSkip)
	b = binary.LittleEndian.AppendUint32(b, c.InputRate)
	b = binary.LittleEndian.AppendUint16(b, uint16(c.Gain))
	return append(b, 0)
}

const (
	longestOpus = 5760 // ticks of a packet, 120 ms
	// concealed is how much of a loss a decoder makes up for by what it has
	// heard; from then on it is silent. A source that sends nothing because
	// nobody speaks is made up for until it sends comfort noise anew, which
	// those of WebRTC do each 400 ms.
	concealed = 60 * opusTicks / 1000
	comforted = opusTicks
	// comfort is the most bytes of a packet that says that nobody speaks.
	comfort = 2
)

// filler implements codedStream.
func (s *opusStream) filler() filler { return s }

// fill implements filler.
func (s *opusStream) fill(done, left int64, last int) (data []byte, length int64) {
	limit := int64(concealed)
	if last <= comfort {
		limit = comforted
	}
	if done < limit {
		length = min(left, limit-done, longestOpus)
		return s.frames(0, length), length
	}
	length = min(left, longestOpus)
	return s.frames(1, length), length
}

// frames returns a packet of so many ticks whose frames are empty, by which
// decoders conceal, or silent. They are as long as the packet can be divided by.
func (s *opusStream) frames(silent int, length int64) []byte {
	made := &s.fillers[silent][length/timeline.OpusGrain]
	if *made != nil {
		return *made
	}
	size := timeline.OpusGrain
	for size < 8*timeline.OpusGrain && length%int64(2*size) == 0 {
		size *= 2
	}
	one, _ := bitstream.AppendOpusConceal(nil, size, 1)
	if silent == 1 {
		one, _ = bitstream.AppendOpusSilence(nil, size, 1)
	}
	if n := int(length) / size; n > 1 {
		const several = 3 // any number of frames, here of one size (RFC 6716, 3.2.5)
		one = append([]byte{one[0] | several, byte(n)}, bytes.Repeat(one[1:], n)...)
	}
	*made = one
	return one
}
