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
	"slices"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Options say how a file is played. The zero value plays it once, from Connect
// on.
type Options struct {
	// Encoded delivers the streams as they are coded, not decoded, where media
	// has a word for their codec.
	Encoded bool
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

// open opens the file, chooses streams and announces them.
func (b *Backend) open(ctx context.Context, s backend.Session, sink backend.Sink) (*player, error) {
	in, err := openInput(ctx, b.path)
	if err != nil {
		return nil, err
	}
	p := &player{path: b.path, loop: b.opt.Loop, log: s.Log.With("file", b.path), reader: reader{in: in}}
	if err := b.choose(ctx, p, s, sink); err != nil {
		p.reader.close()
		return nil, err
	}
	return p, nil
}

func (b *Backend) choose(ctx context.Context, p *player, s backend.Session, sink backend.Sink) error {
	for _, kind := range []media.Kind{media.KindVideo, media.KindAudio} {
		if s.Wants == nil || s.Wants(kind) {
			p.choose(kind, b.opt.Encoded)
		}
	}
	if b.opt.Encoded {
		if err := p.probe(ctx); err != nil {
			return err
		}
	}
	if err := p.announce(s, sink); err != nil {
		return err
	}
	if len(p.reader.lanes) == 0 {
		return backend.ErrNoMedia
	}
	if b.opt.Encoded {
		p.reader.index(p.path, false)
	}
	return nil
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

// choose makes a lane of the first stream of a kind that can be delivered.
func (p *player) choose(kind media.Kind, encoded bool) {
	for _, st := range p.reader.in.Streams() {
		if st.Kind != kind || st.Codec == textArt {
			continue
		}
		l := &lane{stream: st, log: p.log.With("stream", st.Index, "codec", st.Codec)}
		if encoded {
			l.format = encodedFormat(p.reader.in, st)
		}
		if p.open(l) {
			p.reader.lanes = append(p.reader.lanes, l)
			return
		}
	}
}

// open gives a lane its coder and reports whether there is one.
func (p *player) open(l *lane) bool {
	err := l.open(p.reader.in, false)
	if err != nil {
		l.log.Warn("stream cannot be decoded", "err", err)
	}
	return err == nil
}

// probe looks at the first packets: a stream that cannot be delivered as it is
// coded is decoded.
func (p *player) probe(ctx context.Context) error {
	if err := p.reader.peek(ctx); err != nil {
		return err
	}
	p.reader.lanes = slices.DeleteFunc(p.reader.lanes, func(l *lane) bool {
		if l.format == nil || l.packets.len() == 0 || isComplete(l.format, l.packets.first()) {
			return false
		}
		l.format = nil
		if p.open(l) {
			return false
		}
		l.packets.clear()
		return true
	})
	return nil
}

// isComplete reports whether a stream's packets say all there is to know of
// them. Those of a raw stream, and those of AVI, do not say when pictures are
// shown that are not in order. And what an edit list leaves out in front is
// needed to decode what follows, but is not to be shown: in a copy it would be.
func isComplete(f *media.EncodedFormat, first *ffmpeg.Packet) bool {
	return first.Time() != ffmpeg.NoPTS && !(f.Codec.IsPicture() && first.IsDiscard())
}

// announce announces the lanes' streams and drops what the session does not
// want.
func (p *player) announce(s backend.Session, sink backend.Sink) error {
	lanes := p.reader.lanes
	p.reader.lanes = nil
	var failed error
	for _, l := range lanes {
		if failed == nil {
			l.track, failed = running.Wanted(s, sink, trackOf(l.stream, l.format))
		}
		if l.track == nil {
			l.close()
			continue
		}
		p.reader.lanes = append(p.reader.lanes, l)
	}
	return failed
}
