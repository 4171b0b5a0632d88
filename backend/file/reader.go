package file

import (
	"context"
	"errors"
	"io"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
)

// maxAhead bounds the bytes of packets that are read while looking for those
// of another stream. Files with streams one behind the other would otherwise
// be taken into memory whole.
const maxAhead = 64 << 20

// reader reads a file's streams side by side.
type reader struct {
	in    *ffmpeg.Input
	lanes []*lane
	// windows is what lanes that read by index read, else nil.
	windows *windows

	ended   bool  // all has been read
	failure error // why, if not by reaching the end
}

// next returns the lane whose next sample is due first, nil after the last one. The error is that of ctx.
func (r *reader) next(ctx context.Context) (*lane, error) {
	var earliest *lane
	for earliest == nil && !r.done() {
		for _, l := range r.lanes {
			if err := r.fill(ctx, l); err != nil {
				return nil, err
			}
			if l.ready && (earliest == nil || l.next.due < earliest.next.due) {
				earliest = l
			}
		}
	}
	return earliest, nil
}

// peek reads until each lane has a packet, has none, or that would be too far.
func (r *reader) peek(ctx context.Context) error {
	for _, l := range r.lanes {
		for l.packets.len() == 0 && !l.deserted && !r.ended && r.ahead() <= maxAhead {
			if err := r.read(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) done() bool {
	for _, l := range r.lanes {
		if !l.ended || l.ready {
			return false
		}
	}
	return true
}

// deserted reports whether nobody takes samples any more.
func (r *reader) deserted() bool {
	for _, l := range r.lanes {
		if !l.deserted {
			return false
		}
	}
	return true
}

// fill reads until the lane has a sample, has ended, or would have to read
// too far ahead of the others.
func (r *reader) fill(ctx context.Context, l *lane) error {
	for !l.ready && !l.ended {
		if !l.receive() {
			continue
		}
		switch {
		case l.packets.len() > 0:
			l.feed()
		case r.ended:
			l.flush()
		case r.ahead() > maxAhead:
			return nil
		default:
			if err := r.read(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// ahead returns the bytes of packets that wait.
func (r *reader) ahead() int {
	n := 0
	for _, l := range r.lanes {
		n += l.packets.bytes
	}
	return n
}

// read reads one packet and gives it to its lane.
func (r *reader) read(ctx context.Context) error {
	p := ffmpeg.NewPacket()
	stream, err := r.in.Read(p)
	if err != nil {
		p.Free()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.ended = true
		if !errors.Is(err, io.EOF) {
			r.failure = err
		}
		return nil
	}
	for _, l := range r.lanes {
		if l.stream.Index == stream && !l.ended {
			l.packets.push(p)
			return nil
		}
	}
	p.Free()
	return nil
}

func (r *reader) close() {
	for _, l := range r.lanes {
		l.close()
	}
	r.in.Close()
	r.unindex()
}

// unindex ends reading by index.
func (r *reader) unindex() {
	if r.windows != nil {
		r.windows.close()
		r.windows = nil
	}
}
