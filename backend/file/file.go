// Package file lets any media file take part in a room: its sound and its
// pictures are delivered at the pace of the session's clock, in step as they
// are in the file. On a virtual clock that is as fast as the recorders take
// them, without loss either way.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Options say how a file is played. The zero value plays it once, from Connect
// on.
type Options struct {
	// Loop begins again at the end, endlessly.
	Loop bool
	// Start, if it is not nil, holds the file back until it is closed; the
	// file's time zero is the clock's reading then. It lets sessions for the
	// sound and for the pictures of one file begin together. A virtual clock
	// stands still until that.
	Start <-chan struct{}
}

// Backend plays a file to each session from its beginning. It is safe for
// concurrent use.
type Backend struct {
	path string
	opt  Options
}

var _ backend.Backend = (*Backend)(nil)

// New returns a backend for a file in any format that FFmpeg reads. The file
// is opened by Connect.
func New(path string, o Options) *Backend { return &Backend{path, o} }

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "file " + b.path }

// Connect implements [backend.Backend]. It announces the first audio and the
// first video stream, as far as they are wanted; pictures of a cover are no
// video. The error wraps [backend.ErrNotFound] if there is no such file, and
// [backend.ErrNoMedia] if it has no stream of the kinds wanted.
//
// Damaged parts of the file are skipped and logged. Where reading fails the
// source ends with the reason, after all that could be read before.
func (b *Backend) Connect(ctx context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	if s.Clock == nil {
		return nil, errors.New("file: session has no clock")
	}
	conn := running.New(ctx, sink)
	pacer := s.Clock.NewPacer() // from here on a virtual clock waits for us
	p, err := b.open(conn.Context(), s, sink)
	if err != nil {
		pacer.Close()
		conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	p.pacer, p.gate = pacer, running.NewGate(s.Clock, b.opt.Start)
	return conn.Start(ctx, running.Stream{Pacer: pacer, Run: p.run})
}

// open opens the file and announces its tracks.
func (b *Backend) open(ctx context.Context, s backend.Session, sink backend.Sink) (*player, error) {
	in, err := openInput(ctx, b.path)
	if err != nil {
		return nil, err
	}
	p := &player{path: b.path, loop: b.opt.Loop, log: s.Log.With("file", b.path), reader: reader{in: in}}
	for _, kind := range []media.Kind{media.KindVideo, media.KindAudio} {
		if err := p.announce(kind, s, sink); err != nil {
			p.reader.close()
			return nil, err
		}
	}
	if len(p.reader.lanes) == 0 {
		p.reader.close()
		return nil, backend.ErrNoMedia
	}
	return p, nil
}

func openInput(ctx context.Context, path string) (*ffmpeg.Input, error) {
	in, err := ffmpeg.OpenInput(ctx, path, ffmpeg.InputOptions{})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, backend.ErrNotFound
	case errors.Is(err, ffmpeg.ErrInvalidData):
		return nil, fmt.Errorf("not a media file: %w", err)
	}
	return in, err
}

// textArt is the codec as which FFmpeg would show any text file.
const textArt = "ansi"

// announce opens a decoder for the first stream of a kind that has one, and
// announces it if the session wants it.
func (p *player) announce(kind media.Kind, s backend.Session, sink backend.Sink) error {
	if s.Wants != nil && !s.Wants(kind) {
		return nil
	}
	for _, st := range p.reader.in.Streams() {
		if st.Kind != kind || st.Codec == textArt {
			continue
		}
		dec, err := p.reader.in.NewDecoder(st.Index, ffmpeg.DecoderOptions{})
		if err != nil {
			p.log.Warn("stream cannot be decoded", "stream", st.Index, "codec", st.Codec, "err", err)
			continue
		}
		track, err := running.Wanted(s, sink, trackOf(st))
		if track == nil {
			dec.Close()
			return err
		}
		p.reader.lanes = append(p.reader.lanes, newLane(st, dec, track, p.log))
		return nil
	}
	return nil
}

// trackOf describes a stream, without a format where it is known too little.
func trackOf(st ffmpeg.Stream) backend.Track {
	t := backend.Track{Kind: st.Kind}
	if st.Kind == media.KindAudio && st.Audio.Validate() == nil {
		t.Audio = st.Audio
	}
	if st.Kind == media.KindVideo && st.Video.Validate() == nil {
		t.Video = st.Video
	}
	return t
}
