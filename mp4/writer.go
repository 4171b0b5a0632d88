package mp4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Writer writes one hybrid MP4 file. It is safe for concurrent use; samples
// of one track have to come in the order of decoding.
//
// Samples are gathered until [Options.Fragment] of them is there. Then they go
// as one fragment to a goroutine that writes them; errors of the disk show
// with later calls and with [Writer.Close].
type Writer struct {
	o    Options
	disk *disk
	size atomic.Int64

	mu       sync.Mutex
	tracks   []*Track
	slots    slots
	sequence uint32
	newest   int64  // end of the newest sample of all tracks, in nanoseconds
	pending  int    // bytes of samples not cut yet
	journal  []byte // a box for the next fragment, see splitSecret
	chapters []Chapter
	titles   *Track // of the chapters
	closed   bool
	spare    []*fragment

	// Whoever has the disk's turn has these for itself.
	end       int64 // of what is written, where the next fragment goes
	allocated int64 // disk space held, counted from the file's beginning
	policy    syncPolicy
	begun     bool      // the front of the file is written
	hidden    []int64   // where the types of moofs are that are not shown yet
	untold    []Written // of these
	abort     bool
	outcome   error
}

// A Track is one track of a [Writer].
type Track struct {
	w      *Writer
	id     uint32
	c      TrackConfig
	frame  int64 // bytes of one frame of PCM, 0 otherwise
	frames int64 // of PCM so far
	entry  uint32
	boxes  [][]byte // sample entries
	shown  [2]int   // width and height
	placed int      // how many of boxes are on the disk
	inSlot int      // how many of them in the moov that readers see

	any       bool
	base      int64 // decode time of the first sample, from which the media's timeline counts
	shownFrom int64 // presentation time at which the track begins to be seen or heard
	firstPTS  int64
	last      indexSample // the latest
	cur       *piece
	free      []*piece // to be used again

	index index // of what is on the disk; see Writer
}

// NewWriter begins a file, which must be empty. Nothing is written before the
// first samples. [Writer.Close] or [Writer.Abort] has to be called; the file
// stays the caller's to close.
func NewWriter(f File, o Options) (*Writer, error) {
	if f == nil {
		return nil, fmt.Errorf("%w: no file to write to", ErrConfig)
	}
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	w := &Writer{o: o, disk: newDisk(f, o.BufferBytes, o.Direct), policy: syncPolicy{interval: o.SyncInterval}}
	go w.run()
	return w, nil
}

// AddTrack adds a track, at any time. It is in the file from its first sample
// on. Errors wrap [ErrConfig] or [ErrClosed].
func (w *Writer) AddTrack(c TrackConfig) (*Track, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.newTrack(c)
}

func (w *Writer) newTrack(c TrackConfig) (*Track, error) {
	if c.Codec == nil || c.Timescale == 0 {
		return nil, fmt.Errorf("%w: track %q needs a codec and a timescale", ErrConfig, c.Name)
	}
	if c.Language != "" && !isLanguage(c.Language) {
		return nil, fmt.Errorf("%w: language %q of track %q (allowed: three lower-case letters)", ErrConfig, c.Language, c.Name)
	}
	if c.Priming < 0 || c.Priming > maxOffset {
		return nil, fmt.Errorf("%w: priming %d of track %q (allowed: 0 to %d)", ErrConfig, c.Priming, c.Name, int64(maxOffset))
	}
	t := &Track{w: w, c: c}
	box, err := t.sampleEntry(c.Codec)
	if err != nil {
		return nil, err
	}
	t.describe(c.Codec, box)
	if w.closed {
		return nil, ErrClosed
	}
	t.id = uint32(len(w.tracks) + 1)
	w.tracks = append(w.tracks, t)
	return t, nil
}

// sampleEntry returns the codec's box, if the track can have it.
func (t *Track) sampleEntry(c Codec) ([]byte, error) {
	if pcm, ok := c.(PCM); ok && int64(pcm.Rate) != int64(t.c.Timescale) { // a frame is a tick
		return nil, fmt.Errorf("%w: timescale %d of track %q with PCM (allowed: its rate, %d)", ErrConfig, t.c.Timescale, t.c.Name, pcm.Rate)
	}
	return c.entry(t.w.o.QuickTime)
}

// describe takes over a codec with its sample entry. One that was there before
// is used again, so that a camera that is turned to and fro fills no slot.
func (t *Track) describe(c Codec, box []byte) {
	n := slices.IndexFunc(t.boxes, func(b []byte) bool { return bytes.Equal(b, box) })
	if n < 0 {
		n = len(t.boxes)
		t.boxes = append(t.boxes, box)
	}
	t.entry = uint32(n + 1)
	t.c.Codec, t.frame = c, 0
	width, height := c.size()
	t.shown = [2]int{max(t.shown[0], width), max(t.shown[1], height)}
	if pcm, ok := c.(PCM); ok {
		t.frame = int64(pcm.Channels * pcm.Bits / 8)
	}
}

// SetCodec changes how the track's samples are coded from the next one on: new
// parameter sets, another size. Where there is an error, all stays as it was;
// it wraps [ErrConfig] or [ErrClosed].
func (t *Track) SetCodec(c Codec) error {
	if c == nil {
		return fmt.Errorf("%w: track %q needs a codec", ErrConfig, t.c.Name)
	}
	box, err := t.sampleEntry(c)
	if err != nil {
		return err
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	if c.handler() != t.c.Codec.handler() {
		return fmt.Errorf("%w: track %q of type %s cannot become one of type %s", ErrConfig, t.c.Name, t.c.Codec.handler(), c.handler())
	}
	if t.w.closed {
		return ErrClosed
	}
	if !t.any { // nobody needs the first description
		t.boxes, t.shown = nil, [2]int{}
	}
	if t.cur != nil {
		t.w.cut(t)
	}
	t.describe(c, box)
	return nil
}

// SetDisabled changes whether players leave the track out unless it is chosen.
func (t *Track) SetDisabled(disabled bool) {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	t.c.Disabled = disabled
}

// chapterTimescale lets a chapter last 49 days, which a sample's duration of 32
// bits must hold.
const chapterTimescale = 1000

// AddChapter names a point of the timeline from which on a chapter lasts, to
// the next one. Chapters come in order, a millisecond apart at least. Errors
// are as for [Track.Write].
func (w *Writer) AddChapter(ctx context.Context, at time.Duration, title string) error {
	if at < 0 {
		return fmt.Errorf("%w: chapter %q begins at %v (allowed: 0 or later)", ErrSample, title, at)
	}
	if err := w.disk.awaitRoom(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.titles == nil {
		titles, err := w.newTrack(TrackConfig{Codec: Text{}, Timescale: chapterTimescale, Name: "Chapters", Disabled: true})
		if err != nil {
			return err
		}
		w.titles = titles
	}
	start := rescale(int64(at), uint32(time.Second), chapterTimescale)
	if err := w.titles.take(Sample{DTS: start, PTS: start, Sync: true, Data: []byte(title)}); err != nil {
		return err
	}
	w.chapters = append(w.chapters, Chapter{at, title})
	return nil
}

// Write adds a sample. It waits while more than [Options.BufferBytes] wait for
// the disk, as long as ctx allows; a sample that was not taken is in no way in
// the file. Errors wrap [ErrSample], [ErrWrite], [ErrClosed] or that of ctx.
func (t *Track) Write(ctx context.Context, s Sample) error {
	if err := t.w.disk.awaitRoom(ctx); err != nil {
		return err
	}
	t.w.mu.Lock()
	before := t.w.sequence
	err := t.take(s)
	after := t.w.sequence
	t.w.mu.Unlock()
	if before != after {
		t.w.help()
	}
	return err
}

// take is Write behind its waits, under the lock.
func (t *Track) take(s Sample) error {
	if t.w.closed {
		return ErrClosed
	}
	if err := t.w.disk.err(); err != nil {
		return err
	}
	if err := t.check(s); err != nil {
		return err
	}
	return t.add(s)
}

const (
	maxSample = 1 << 28   // bytes
	maxLength = 1<<32 - 1 // of a sample's duration, in ticks: the field's width
	maxFrames = 1<<32 - 1 // of PCM in a track, each of which is a sample to the tables
	maxOffset = 1<<31 - 1 // of PTS - DTS
	farTick   = 1 << 61   // of a DTS: no difference of two times overflows
	farTime   = 1 << 32   // seconds: as nanoseconds that still fits into 64 bits
)

func (t *Track) check(s Sample) error {
	fault := func(what string, v, allowed any) error {
		return fmt.Errorf("%w: track %q: %s is %v (allowed: %v)", ErrSample, t.c.Name, what, v, allowed)
	}
	switch {
	case len(s.Data) == 0 || len(s.Data) > maxSample:
		return fault("size", len(s.Data), "1 to 256 MiB")
	case t.frame > 0 && int64(len(s.Data))%t.frame != 0:
		return fault("size", len(s.Data), fmt.Sprintf("whole frames of %d bytes", t.frame))
	case s.DTS/int64(t.c.Timescale) < -farTime || s.DTS/int64(t.c.Timescale) > farTime:
		return fault("DTS", s.DTS, "within 2^32 seconds")
	case s.DTS < -farTick || s.DTS > farTick:
		return fault("DTS", s.DTS, "within 2^61 ticks")
	case s.PTS-s.DTS > maxOffset || s.PTS-s.DTS < -maxOffset:
		return fault("PTS - DTS", s.PTS-s.DTS, "within 2^31 ticks")
	case t.frame > 0 && t.frames+int64(len(s.Data))/t.frame > maxFrames:
		return fault("PCM so far", fmt.Sprintf("%d frames", t.frames), "2^32 - 1 frames, 24 hours at 48 kHz")
	case s.Duration < 0 || s.Duration > maxLength:
		return fault("duration", s.Duration, "0 to 2^32 - 1 ticks")
	case t.any && s.DTS < t.last.dts+t.last.count: // of PCM the end, of all else the next tick
		return fault("DTS", s.DTS, fmt.Sprintf("%d or more", t.last.dts+t.last.count))
	case t.any && s.DTS-t.last.dts > maxLength:
		return fault("DTS", s.DTS, fmt.Sprintf("at most 2^32 - 1 ticks behind %d", t.last.dts))
	}
	return nil
}

// isSound reports whether every sample is one to begin at. Players that find
// none that is do not play the track.
func (t *Track) isSound() bool {
	_, kept := t.c.Codec.(Entry) // of which nothing is known
	return !kept && t.c.Codec.handler() == "soun"
}

// add takes a sample that is in order.
func (t *Track) add(s Sample) error {
	x := indexSample{dts: s.DTS, offset: s.PTS - s.DTS, duration: s.Duration, size: int64(len(s.Data)), count: 1, sync: s.Sync || t.isSound()}
	if t.frame > 0 {
		x.size, x.count, x.duration = t.frame, x.size/t.frame, 1
	}
	p, whole := t.cur, t.mustCut(x)
	if p == nil || whole {
		p = t.w.newPiece(t)
	}
	before := len(p.data)
	data, err := t.c.Codec.appendSample(p.data, s.Data)
	if err != nil { // nothing has been changed yet
		if p != t.cur {
			t.w.recyclePiece(p)
		}
		return fmt.Errorf("%w: track %q at %d", err, t.c.Name, s.DTS)
	}
	t.settleLast(x.dts)
	if whole {
		t.w.cut(t)
	}
	t.cur = p
	if t.frame == 0 {
		x.size = int64(len(data) - before)
	}
	p.data, p.samples = data, append(p.samples, x)
	t.w.pending += len(data) - before
	t.begin(x)
	t.last = x
	if t.frame > 0 {
		t.frames += x.count
	}
	t.w.newest = max(t.w.newest, rescale(x.dts+x.count*x.duration, t.c.Timescale, uint32(time.Second)))
	return nil
}

// begin notes where the track's media and its presentation start.
func (t *Track) begin(first indexSample) {
	if t.any {
		return
	}
	t.any = true
	t.firstPTS = first.dts + first.offset
	t.base = first.dts
	// No edit can show what lies before the media's beginning, which is where
	// the first sample is when it is shown before it is decoded.
	t.shownFrom = max(t.firstPTS+t.c.Priming, t.base, 0)
}

// mustCut reports whether the pending media is a whole fragment before a
// sample is added to it.
func (t *Track) mustCut(x indexSample) bool {
	p := t.cur
	switch {
	case p == nil:
		return false
	case t.w.pending >= t.w.o.FragmentBytes:
		return true
	case t.frame > 0 && x.dts != t.last.dts+t.last.count: // PCM with a gap: the run of samples ends
		return true
	}
	return p.span(x.dts) >= rescale(int64(t.w.o.Fragment), uint32(time.Second), t.c.Timescale)
}

// settleLast gives the sample before one at dts its true duration.
func (t *Track) settleLast(dts int64) {
	if t.cur == nil || t.frame > 0 {
		return
	}
	last := &t.cur.samples[len(t.cur.samples)-1]
	last.duration = dts - last.dts
	t.last = *last
}

// Flush gives everything that is pending to the goroutine that writes it,
// without waiting for that. Without it a track that is silent but for a
// picture now and then would have its last one in memory only.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	w.cut(nil)
	return w.disk.err()
}

// Size returns the bytes written so far, those of the finished file after
// Close.
func (w *Writer) Size() int64 { return w.size.Load() }

// Err returns why nothing is written any more, nil if all is well.
func (w *Writer) Err() error { return w.disk.err() }

// Close writes everything that is pending, then the index, and makes the file
// an ordinary MP4. When ctx ends first, that goes on in the background, and
// Close may be called again to wait for it.
//
// The error wraps [ErrWrite] if not all samples could be written: the file
// ends before those. It wraps [ErrFragmented] if the index could not be: the
// file is left as it was while being written. Both play. After [Writer.Abort]
// it is [ErrClosed].
func (w *Writer) Close(ctx context.Context) error {
	w.stop(false)
	if err := w.disk.awaitEnd(ctx); err != nil {
		return err
	}
	return w.outcome
}

// Abort ends the writer without finishing the file, which stays as it is on
// the disk. It waits for a write that is under way, as long as ctx allows.
// After Close it changes nothing but waits for it.
func (w *Writer) Abort(ctx context.Context) error {
	w.stop(true)
	return w.disk.awaitEnd(ctx)
}

func (w *Writer) stop(abort bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	if w.abort = abort; !abort {
		w.cut(nil)
	}
	w.disk.close(abort)
}

func (o Options) validate() error {
	limits := []struct {
		name           string
		v, least, most int64
	}{
		{"Fragment", int64(o.Fragment), int64(time.Millisecond), int64(time.Minute)},
		{"FragmentBytes", int64(o.FragmentBytes), 1 << 10, 1 << 28},
		{"SlotBytes", int64(o.SlotBytes), 1 << 10, 1 << 24},
		{"FastStart", o.FastStart, 0, 1 << 31},
		{"Reserve", o.Reserve, -1 << 62, 1 << 40},
		{"BufferBytes", o.BufferBytes, 1 << 16, 1 << 40},
	}
	var errs []error
	for _, l := range limits {
		if l.v < l.least || l.v > l.most {
			errs = append(errs, fmt.Errorf("%w: %s is %d (allowed: %d to %d)", ErrConfig, l.name, l.v, l.least, l.most))
		}
	}
	return errors.Join(errs...)
}
