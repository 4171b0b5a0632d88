// Package decode turns encoded samples into raw ones: audio of Opus, AAC,
// G.711 and G.722 into PCM, pictures of H.264, HEVC, VP8, VP9 and AV1 into
// pictures, each with its capture time.
//
// Decoders are used by one goroutine at a time. What they give out is pooled;
// they allocate nothing once they run.
package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Why a sample gave nothing. What is damaged has FFmpeg's own error, which
// wraps [ffmpeg.ErrInvalidData].
var (
	// ErrNoKeyframe: pictures before the first that decoding can begin with.
	ErrNoKeyframe = errors.New("decode: no keyframe yet")
	// ErrAfterLoss: pictures that need what was lost on the way.
	ErrAfterLoss = errors.New("decode: needs what was lost")
	// ErrNothing: the decoder took it and gave out nothing.
	ErrNothing = errors.New("decode: gives no media")
	// ErrTooLong: an access unit longer than [maxUnit].
	ErrTooLong = errors.New("decode: access unit is too long")
)

// nanoseconds is the time base in which times pass through decoders.
const nanoseconds = 1_000_000_000

// sameFormat reports whether samples of one format go on where those of the
// other ended.
func sameFormat(a, b *media.EncodedFormat) bool {
	return a == b || a != nil && b != nil && a.Codec == b.Codec && a.Packing == b.Packing &&
		a.Width == b.Width && a.Height == b.Height && a.Rate == b.Rate && a.Channels == b.Channels &&
		bytes.Equal(a.Config, b.Config)
}

// send gives a decoder data with its time in nanoseconds. No decoding time is
// told: where FFmpeg has one it may prefer that to the time of presentation.
func send(d *ffmpeg.Decoder, data []byte, at int64, key bool) error {
	p := ffmpeg.NewPacket()
	defer p.Free()
	if err := p.SetData(data, at, noTime, 0, key); err != nil {
		return err
	}
	return d.Send(p)
}

// noTime is AV_NOPTS_VALUE.
const noTime = int64(ffmpeg.NoPTS)

// unsupported names a codec that is of the other sort.
func unsupported(c media.Codec, allowed string) error {
	return fmt.Errorf("%w: codec %s cannot be decoded here (allowed: %s)", media.ErrFormat, c, allowed)
}

// ended reports whether a decoder only has nothing more to give by now.
func ended(err error) bool { return errors.Is(err, ffmpeg.ErrAgain) || errors.Is(err, io.EOF) }
