package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
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
	slept  time.Duration // until when, at the latest
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
			return fmt.Errorf("file %s: nothing in it could be read", p.path)
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

// slack is how much earlier than they are due encoded samples may be
// delivered: with so much of them, a packet of audio, sleeping for each of them
// would cost as much as reading it.
const slack = 20 * time.Millisecond

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
		u := l.take()
		length = max(length, u.Time+u.lasts)
		u.Time += t0
		if err := p.await(ctx, t0+u.due, u.Encoded != nil); err != nil {
			u.Release()
			return 0, err
		}
		if err := l.track.Wait(ctx, u.Sample); errors.Is(err, backend.ErrEnded) {
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

// await sleeps until a sample is due, or nearly so if it is encoded.
func (p *player) await(ctx context.Context, due time.Duration, encoded bool) error {
	if encoded && due <= p.slept+slack {
		return ctx.Err()
	}
	p.slept = due
	return p.pacer.SleepUntil(ctx, due)
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
	indexed := p.reader.windows != nil
	p.reader.unindex()
	for _, l := range p.reader.lanes {
		if l.deserted {
			continue
		}
		if err := l.rewind(in); err != nil {
			return fmt.Errorf("file %s: %w", p.path, err)
		}
	}
	if !indexed {
		return nil
	}
	if err := p.reader.peek(ctx); err != nil {
		return err
	}
	p.reader.index(p.path, true)
	return nil
}
