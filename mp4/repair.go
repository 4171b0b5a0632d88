package mp4

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"
)

// RepairOptions say how a file is repaired.
type RepairOptions struct {
	// FastStart puts the index in front of the media. A file that needs no
	// repair is then rewritten too.
	FastStart bool
	// Progress, where set, is called now and then with how many of how many
	// bytes have been copied.
	Progress func(done, total int64)
}

// A RepairReport says what a repair has kept and what not.
type RepairReport struct {
	// Whole: the file is an ordinary one that lacks nothing. Without FastStart,
	// nothing was written.
	Whole bool
	// Output is the path of what was written, where there is one.
	Output string
	// Size is that of the new file.
	Size int64
	// Duration is where the last track ends on the timeline.
	Duration time.Duration
	// Tracks are all the file describes, those without samples too.
	Tracks []RepairedTrack
	// Damage is where the file was found to be odd.
	Damage []Trouble
}

// Dropped returns how many samples could not be kept.
func (r RepairReport) Dropped() (samples int64) {
	for _, t := range r.Tracks {
		for _, d := range t.Dropped {
			samples += d.Samples
		}
	}
	return samples
}

// Repair writes to dst an ordinary MP4 with all samples of an unfinished or
// damaged file, of whatever producer, that are whole. The file of size bytes is
// only read. Where the error wraps [ErrDamaged] or [ErrNotMP4], nothing was
// written and nothing can be done. Memory is that of the new index.
func Repair(ctx context.Context, dst io.Writer, src io.ReaderAt, size int64, o RepairOptions) (RepairReport, error) {
	s, err := findAll(src, size)
	if err != nil {
		return RepairReport{}, err
	}
	return s.write(ctx, dst, o)
}

func (s *salvage) write(ctx context.Context, dst io.Writer, o RepairOptions) (RepairReport, error) {
	report := s.summary()
	if s.whole && !o.FastStart {
		return report, nil
	}
	from, to := s.extent()
	out := &counter{w: dst}
	front, err := s.front()
	if err == nil {
		_, err = out.Write(front)
	}
	if err == nil && o.FastStart {
		err = s.writeFront(out, from)
	}
	shift := out.n + switchSize - from
	if err == nil {
		_, err = out.Write(largeHead(to - from + switchSize))
	}
	if err == nil {
		err = s.copy(ctx, out, from, to, o.Progress)
	}
	if err == nil && !o.FastStart {
		err = s.writeMoov(out, shift)
	}
	report.Size = out.n
	if err != nil {
		return report, fmt.Errorf("mp4: repair: %w", err)
	}
	return report, nil
}

// counter counts what was written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (s *salvage) summary() RepairReport {
	r := RepairReport{Whole: s.whole, Damage: s.m.Trouble}
	for _, v := range s.tracks {
		r.Tracks = append(r.Tracks, *v.result)
		if v.index.samples > 0 {
			r.Duration = max(r.Duration, ticksToTime(s.plan(v).shown, s.m.Timescale))
		}
	}
	return r
}

// front returns the file's own ftyp, or one.
func (s *salvage) front() ([]byte, error) {
	if s.l.layout.ftyp.size > 0 {
		return s.m.src.raw(s.l.layout.ftyp)
	}
	return ftyp(false), nil
}

// extent is what is copied. Of a fragmented file that is all there is behind
// ftyp, so that it can be found once more should the new index be damaged.
func (s *salvage) extent() (from, to int64) {
	from = math.MaxInt64
	for _, v := range s.tracks {
		if v.index.samples > 0 {
			from, to = min(from, v.lowest), max(to, v.reach)
		}
	}
	if len(s.m.Fragments) > 0 {
		from = s.l.layout.ftyp.size
	}
	return from, to
}

// writeFront writes the index in front of the media. Where the media then
// lies depends on the index's size, and that, by the width of offsets, on
// where the media lies.
func (s *salvage) writeFront(out *counter, from int64) error {
	size := int64(0)
	for range 4 {
		var b boxBuffer
		if err := s.moov(&b, out.n+size+switchSize-from); err != nil {
			return err
		}
		if b.size() == size {
			return b.writeTo(out)
		}
		size = b.size()
	}
	return fmt.Errorf("%w: the size of the index does not settle", ErrDamaged)
}

func (s *salvage) writeMoov(out io.Writer, shift int64) error {
	var b boxBuffer
	if err := s.moov(&b, shift); err != nil {
		return err
	}
	return b.writeTo(out)
}

const copyBytes = 1 << 20

func (s *salvage) copy(ctx context.Context, out io.Writer, from, to int64, progress func(done, total int64)) error {
	buf := make([]byte, min(copyBytes, to-from))
	for off := from; off < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := buf[:min(int64(len(buf)), to-off)]
		if err := s.m.src.fill(p, off); err != nil {
			return err
		}
		if _, err := out.Write(p); err != nil {
			return err
		}
		off += int64(len(p))
		if progress != nil {
			progress(off-from, to-from)
		}
	}
	return nil
}
