package wav

import (
	"encoding/binary"
	"math"
	"strings"
	"time"
)

// header is what stands before the audio of a file. Its length never changes:
//
//	RIFF or RF64  size            WAVE
//	├── JUNK or ds64   28 bytes   room for ds64, and ds64 from 4 GiB on
//	│                             (EBU Tech 3306, 2.3: it follows on WAVE)
//	├── fmt            16 bytes   S16: WAVE_FORMAT_PCM
//	│                  40         S24, S32: WAVE_FORMAT_EXTENSIBLE
//	│                  18         F32: WAVE_FORMAT_IEEE_FLOAT, cbSize 0
//	├── fact            4         F32: frames, as all but PCM must say
//	├── LIST INFO
//	│   ├── INAM                  title, if there is one
//	│   ├── IART                  participant, if there is one
//	│   ├── ISFT                  RoomKit
//	│   └── ICRD                  when the recording was started, in UTC
//	└── data           size       frames
//
// Chunks have even lengths; what is odd is followed by a zero that its size does
// not count. RIFF's size is that of all behind it, pad included. In an RF64 file
// it is 0xFFFFFFFF, as are those of data and fact, and the true ones are in ds64.
type header struct {
	data       []byte // as it is in the file
	factAt     int    // of fact's number of frames, 0 without it
	sizeAt     int    // of data's size
	frameBytes int
	most       int64 // the largest size that RIFF may have
}

// tags is what LIST INFO says.
type tags struct {
	title, artist string
	created       time.Time
}

const (
	junkAt   = 12
	ds64Size = 28 // RIFF's size, data's, frames, each of 8 bytes, and no table
	// mostRIFF is the largest size that a RIFF file can have: one more means
	// that it is in ds64.
	mostRIFF = math.MaxUint32 - 1

	formatPCM        = 1
	formatFloat      = 3
	formatExtensible = 0xFFFE
)

// newHeader makes the header of a file without frames, which is RIFF up to a
// size of most.
func newHeader(f SampleFormat, rate, channels int, t tags, most int64) *header {
	h := &header{most: most, frameBytes: channels * f.bytes()}
	b := append([]byte(nil), "RIFF\x00\x00\x00\x00WAVE"...)
	b = appendChunk(b, "JUNK", make([]byte, ds64Size))
	b = appendChunk(b, "fmt ", formatChunk(f, rate, channels))
	if f == F32 {
		h.factAt = len(b) + 8
		b = appendChunk(b, "fact", make([]byte, 4))
	}
	b = appendChunk(b, "LIST", infoList(t))
	b = append(b, "data\x00\x00\x00\x00"...)
	h.sizeAt = len(b) - 4
	h.data = b
	h.claim(0)
	return h
}

// claim sets the sizes for a file of so many frames.
func (h *header) claim(frames int64) {
	size := frames * int64(h.frameBytes)
	riff := int64(len(h.data)-8) + size + size&1
	le := binary.LittleEndian
	if riff <= h.most {
		copy(h.data, "RIFF")
		copy(h.data[junkAt:], "JUNK")
		le.PutUint32(h.data[4:], uint32(riff))
		le.PutUint32(h.data[h.sizeAt:], uint32(size))
		if h.factAt > 0 {
			le.PutUint32(h.data[h.factAt:], uint32(frames))
		}
		return
	}
	copy(h.data, "RF64")
	copy(h.data[junkAt:], "ds64")
	le.PutUint32(h.data[4:], math.MaxUint32)
	le.PutUint32(h.data[h.sizeAt:], math.MaxUint32)
	if h.factAt > 0 {
		le.PutUint32(h.data[h.factAt:], math.MaxUint32)
	}
	le.PutUint64(h.data[junkAt+8:], uint64(riff))
	le.PutUint64(h.data[junkAt+16:], uint64(size))
	le.PutUint64(h.data[junkAt+24:], uint64(frames))
}

// appendChunk appends a chunk with its pad.
func appendChunk(b []byte, id string, body []byte) []byte {
	b = append(b, id...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, body...)
	if len(body)&1 == 1 {
		b = append(b, 0)
	}
	return b
}

// pcmGUID is KSDATAFORMAT_SUBTYPE_PCM behind its first two bytes, which are the
// format.
const pcmGUID = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

// formatChunk is WAVEFORMATEX, or WAVEFORMATEXTENSIBLE for integers of more
// than 16 bits.
func formatChunk(f SampleFormat, rate, channels int) []byte {
	format, bits := formatPCM, 8*f.bytes()
	switch f {
	case S24, S32:
		format = formatExtensible
	case F32:
		format = formatFloat
	}
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(format))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*channels*f.bytes()))
	b = le.AppendUint16(b, uint16(channels*f.bytes()))
	b = le.AppendUint16(b, uint16(bits))
	switch format {
	case formatFloat:
		b = le.AppendUint16(b, 0)
	case formatExtensible:
		const left, right, centre = 1, 2, 4
		speakers := uint32(centre)
		if channels == 2 {
			speakers = left | right
		}
		b = le.AppendUint16(b, 22) // of what follows
		b = le.AppendUint16(b, uint16(bits))
		b = le.AppendUint32(b, speakers)
		b = le.AppendUint16(b, formatPCM)
		b = append(b, pcmGUID...)
	}
	return b
}

func infoList(t tags) []byte {
	b := []byte("INFO")
	b = appendText(b, "INAM", t.title)
	b = appendText(b, "IART", t.artist)
	b = appendText(b, "ISFT", "RoomKit")
	return appendText(b, "ICRD", t.created.UTC().Format(time.RFC3339))
}

// mostText bounds a text of LIST INFO, in bytes, so that the header, which has
// 454 bytes then, fits into a sector of 512: a disk writes that whole or not at
// all.
const mostText = 128

// appendText appends a text, which a zero ends, unless it is empty.
func appendText(b []byte, id, text string) []byte {
	text, _, _ = strings.Cut(text, "\x00")
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "")
	}
	if text == "" {
		return b
	}
	return appendChunk(b, id, append([]byte(text), 0))
}
