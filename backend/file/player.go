package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// player delivers a file's samples, each at its time. One goroutine does all
// of it, in the order of time whatever the order in the file, so that no
// stream can hold up another that is needed to go on.
type player struct {
	path   string
	loop   bool
	log    *slog.Logger
	gate   *running.Gate
	pacer  media.Pacer
	reader reader
}

func (p *player) run(ctx context.Context) error {
	defer func() { p.reader.close() }()
	t0, err := p.gate.Wait(ctx)
	if err != nil {
		return err
	}
	for {
		length, err := p.playOnce(ctx, t0)
		if err != nil {
			return err
		}
		if length <= 0 {
			return fmt.Errorf("file %s: nothing in it could be decoded", p.path)
		}
		if !p.loop || p.reader.deserted() {
			return nil
		}
		t0 += length
		if err := p.rewind(ctx); err != nil {
			return err
		}
	}
}

// playOnce delivers the file with its time zero at t0, and returns how long it
// is. It returns when that time has passed.
func (p *player) playOnce(ctx context.Context, t0 time.Duration) (length time.Duration, err error) {
	for {
		l, err := p.reader.next(ctx)
		if err != nil {
			return 0, err
		}
		if l == nil {
			break
		}
		s := l.take()
		length = max(length, s.Time+l.lasts)
		s.Time += t0
		if err := p.pacer.SleepUntil(ctx, s.Time); err != nil {
			s.Release()
			return 0, err
		}
		if err := l.track.Wait(ctx, s); errors.Is(err, backend.ErrEnded) {
			l.desert()
		} else if err != nil {
			return 0, err
		}
	}
	for _, l := range p.reader.lanes {
		l.report()
	}
	if err := p.pacer.SleepUntil(ctx, t0+length); err != nil {
		return 0, err
	}
	if p.reader.failure != nil {
		return 0, fmt.Errorf("file %s: after %v: %w", p.path, length.Round(time.Millisecond), p.reader.failure)
	}
	return length, nil
}

// rewind opens the file anew: unlike seeking that works for every format and
// brings the same samples as the first time.
func (p *player) rewind(ctx context.Context) error {
	in, err := openInput(ctx, p.path)
	if err != nil {
		return fmt.Errorf("file %s: %w", p.path, err)
	}
	p.reader.in.Close()
	p.reader.in, p.reader.ended = in, false
	for _, l := range p.reader.lanes {
		if l.deserted {
			continue
		}
		dec, err := in.NewDecoder(l.stream.Index, ffmpeg.DecoderOptions{})
		if err != nil {
			return fmt.Errorf("file %s: %w", p.path, err)
		}
		l.rewind(dec)
	}
	return nil
}
