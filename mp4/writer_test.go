package mp4

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

func pcm() Codec { return PCM{Rate: 8000, Channels: 1, Bits: 16} }

// newTestWriter begins a file in memory with a track of PCM at 8 kHz and one
// of Opus.
func newTestWriter(t testing.TB, d *trouble.Disk, o Options) (*Writer, *Track, *Track) {
	t.Helper()
	w, err := NewWriter(d, o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.AddTrack(TrackConfig{Codec: pcm(), Timescale: 8000, Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.AddTrack(TrackConfig{Codec: Opus{Channels: 1, PreSkip: 312, InputRate: 48000}, Timescale: 48000, Name: "b", Priming: 312})
	if err != nil {
		t.Fatal(err)
	}
	return w, a, b
}

func opusAt(n int64) Sample {
	return Sample{DTS: n * 960, PTS: n * 960, Duration: 960, Sync: true, Data: []byte{0xf8, 1, 2, 3}}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{
		{Fragment: time.Nanosecond}, {FragmentBytes: 3}, {SlotBytes: 5}, {FastStart: -1}, {BufferBytes: 9},
	} {
		_, err := NewWriter(trouble.NewDisk(nil), o)
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "allowed") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestNoFile(t *testing.T) {
	if _, err := NewWriter(nil, Options{}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}

// Audio can be begun anywhere, whether its source says so or not.
func TestSoundIsSync(t *testing.T) {
	w, _, b := newTestWriter(t, trouble.NewDisk(nil), Options{})
	s := opusAt(0)
	s.Sync = false
	if err := errors.Join(b.Write(t.Context(), s), w.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !b.index.isAllSync() {
		t.Error("not a sync sample")
	}
}

func TestTracksAreChecked(t *testing.T) {
	w, a, _ := newTestWriter(t, trouble.NewDisk(nil), Options{})
	for _, c := range []TrackConfig{
		{Timescale: 1}, {Codec: pcm()}, {Codec: pcm(), Timescale: 8000, Language: "English"},
		{Codec: pcm(), Timescale: 8000, Priming: -1}, {Codec: pcm(), Timescale: 90000}, {Codec: AVC{}, Timescale: 90000},
	} {
		if _, err := w.AddTrack(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := a.SetCodec(VP8{Width: 16, Height: 16}); !errors.Is(err, ErrConfig) {
		t.Errorf("sound becomes pictures: %v", err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := w.AddTrack(TrackConfig{Codec: pcm(), Timescale: 8000}); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := a.SetCodec(pcm()); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// What is refused is in no way in the file, and what follows is as before.
func TestSamplesAreChecked(t *testing.T) {
	w, a, b := newTestWriter(t, trouble.NewDisk(nil), Options{})
	write := func(tr *Track, s Sample) error { return tr.Write(t.Context(), s) }
	if err := errors.Join(write(b, opusAt(0)), write(b, opusAt(1)), write(a, Sample{Data: make([]byte, 320)})); err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]Sample{
		"DTS is 960":      {DTS: 960, PTS: 960, Data: []byte{1}},
		"size is 0":       {DTS: 2000, PTS: 2000},
		"PTS - DTS":       {DTS: 2000, PTS: 1 << 40, Data: []byte{1}},
		"duration is -1":  {DTS: 2000, PTS: 2000, Duration: -1, Data: []byte{1}},
		"within 2^32 sec": {DTS: 1 << 60, PTS: 1 << 60, Data: []byte{1}},
		"at most 2^32":    {DTS: 1 << 33, PTS: 1 << 33, Data: []byte{1}},
	} {
		if err := write(b, s); !errors.Is(err, ErrSample) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := write(a, Sample{DTS: 160, PTS: 160, Data: make([]byte, 3)}); !errors.Is(err, ErrSample) {
		t.Errorf("half a frame: %v", err)
	}
	if err := write(a, Sample{DTS: 159, PTS: 159, Data: make([]byte, 2)}); !errors.Is(err, ErrSample) {
		t.Errorf("within the packet before: %v", err)
	}
	frames := a.frames
	a.frames = maxFrames - 1 // as after 24 hours at 48 kHz
	if err := write(a, Sample{DTS: 160, PTS: 160, Data: make([]byte, 4)}); !errors.Is(err, ErrSample) || !strings.Contains(err.Error(), "frames") {
		t.Errorf("more frames than tables can count: %v", err)
	}
	a.frames = frames
	if err := errors.Join(write(b, opusAt(2)), w.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if a.index.samples != 160 || b.index.samples != 3 {
		t.Errorf("%d and %d samples", a.index.samples, b.index.samples)
	}
	if err := write(b, opusAt(3)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// Fragments are cut by the time of their media, in which a track that is
// silent has no say, and by size.
func TestFragmentsAreCut(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		size int
		want int
	}{
		"by time": {Options{Fragment: 200 * time.Millisecond}, 4, 10}, // 2 s
		"by size": {Options{FragmentBytes: 10 << 10}, 1 << 10, 10},
	} {
		t.Run(name, func(t *testing.T) {
			d := trouble.NewDisk(nil)
			w, _, b := newTestWriter(t, d, c.o)
			for i := range int64(100) {
				s := opusAt(i)
				s.Data = make([]byte, c.size)
				if err := b.Write(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(d.Bytes(), []byte("moof")); n != c.want {
				t.Errorf("%d fragments, want %d", n, c.want)
			}
		})
	}
}

// Written tells of every sample once, in order, when it has been written.
func TestWritten(t *testing.T) {
	var got []Written
	d := trouble.NewDisk(nil)
	w, a, b := newTestWriter(t, d, Options{Fragment: 100 * time.Millisecond, Written: func(x Written) { got = append(got, x) }})
	for i := range int64(50) {
		if err := errors.Join(b.Write(t.Context(), opusAt(i)),
			a.Write(t.Context(), Sample{DTS: i * 160, PTS: i * 160, Data: make([]byte, 320)})); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	samples, size := map[*Track]int{}, map[*Track]int64{}
	through := map[*Track]int64{a: -1, b: -1}
	for _, x := range got {
		if x.Through <= through[x.Track] {
			t.Errorf("through %d after %d", x.Through, through[x.Track])
		}
		through[x.Track] = x.Through
		samples[x.Track] += x.Samples
		size[x.Track] += x.Bytes
	}
	if samples[a] != 50 || samples[b] != 50 || size[a] != 50*320 || size[b] != 50*4 || through[a] != 49*160 || through[b] != 49*960 {
		t.Errorf("samples %v, bytes %v, through %v", samples, size, through)
	}
	if w.Size() != int64(len(d.Bytes())) {
		t.Errorf("size %d, is %d", w.Size(), len(d.Bytes()))
	}
}

// While the disk does nothing, samples are taken until the buffer is full;
// then Write waits, as long as its context allows, and nothing is lost.
func TestSlowDisk(t *testing.T) {
	d := trouble.NewDisk(nil)
	w, _, b := newTestWriter(t, d, Options{Fragment: 20 * time.Millisecond, BufferBytes: 64 << 10})
	d.Hold()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	n := int64(0)
	var err error
	for ; err == nil; n++ {
		s := opusAt(n)
		s.Data = make([]byte, 8<<10)
		err = b.Write(ctx, s)
	}
	if !errors.Is(err, context.DeadlineExceeded) || n < 8 || n > 12 {
		t.Errorf("after %d samples of 8 KiB: %v", n, err)
	}
	if err := w.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close: %v", err)
	}
	d.Release()
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if b.index.samples != n-1 {
		t.Errorf("%d of %d samples", b.index.samples, n-1)
	}
}

// Abort leaves the file as it is on the disk.
func TestAbort(t *testing.T) {
	d := trouble.NewDisk(nil)
	w, _, b := newTestWriter(t, d, Options{Fragment: 20 * time.Millisecond})
	for i := range int64(10) {
		if err := b.Write(t.Context(), opusAt(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if err := w.Flush(); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
	if err := w.Close(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Close says that all is in the file: %v", err)
	}
	if bytes.Count(d.Bytes(), []byte("stco")) > 2 { // of the slot's two tracks at most
		t.Error("the file was finished")
	}
}

// A writer without samples leaves an empty file.
func TestNothingWritten(t *testing.T) {
	d := trouble.NewDisk(nil)
	w, _, _ := newTestWriter(t, d, Options{})
	if err := w.Close(t.Context()); err != nil || len(d.Bytes()) != 0 {
		t.Errorf("%d bytes, %v", len(d.Bytes()), err)
	}
}

// A disk without room ends the file with everything that the disk had taken,
// since room for the index was set aside.
func TestReserveKeepsRoomForTheIndex(t *testing.T) {
	d := trouble.NewDisk(trouble.Capacity(3<<20, true))
	w, _, b := newTestWriter(t, d, Options{})
	var err error
	n := int64(0)
	for ; err == nil && n < 10_000; n++ {
		s := opusAt(n)
		s.Data = make([]byte, 4<<10)
		err = b.Write(t.Context(), s)
	}
	if !errors.Is(err, ErrWrite) {
		t.Errorf("after %d samples: %v", n, err)
	}
	err = w.Close(t.Context())
	if !errors.Is(err, ErrWrite) || errors.Is(err, ErrFragmented) {
		t.Errorf("Close: %v", err)
	}
	if b.index.samples == 0 || !bytes.Contains(d.Bytes()[:48], []byte("mdat")) {
		t.Errorf("%d samples; not finished", b.index.samples)
	}
}

// Steady work allocates per fragment, not per sample.
func TestWriteDoesNotAllocate(t *testing.T) {
	w, err := NewWriter(discard{}, Options{FragmentBytes: 1 << 20, Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.AddTrack(TrackConfig{Codec: Opus{Channels: 1, InputRate: 48000}, Timescale: 48000})
	if err != nil {
		t.Fatal(err)
	}
	n, ctx := int64(0), t.Context()
	s := opusAt(0)
	write := func() {
		for range 1000 {
			s.DTS, s.PTS = n*960, n*960
			n++
			if err := b.Write(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	write()
	// 1000 packets are 40 fragments, and each may cost what wakes the disk.
	if got := testing.AllocsPerRun(20, write); got > 400 {
		t.Errorf("%.0f allocations per 1000 samples", got)
	}
	if err := w.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// discard is a disk that takes everything.
type discard struct{}

func (discard) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (discard) Sync() error                            { return nil }
func (discard) Truncate(int64) error                   { return nil }

// BenchmarkWriteSecond writes a second of a room: two cameras at 30 pictures
// per second and two voices.
func BenchmarkWriteSecond(b *testing.B) {
	w, write := benchRoom(b)
	b.ReportAllocs()
	for i := range b.N {
		write(int64(i))
	}
	b.StopTimer()
	if err := w.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCloseHour finishes an hour of that room. The disk costs nothing
// here: what is measured is the work beyond it.
func BenchmarkCloseHour(b *testing.B) {
	for range b.N {
		b.StopTimer()
		w, write := benchRoom(b)
		for i := range int64(3600) {
			write(i)
		}
		b.StartTimer()
		if err := w.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// benchRoom returns a writer, and what writes the nth second.
func benchRoom(b *testing.B) (w *Writer, second func(n int64)) {
	w, err := NewWriter(discard{}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	var tracks []*Track
	for i := range 4 {
		c := TrackConfig{Codec: Codec(VP8{Width: 640, Height: 480}), Timescale: 90000}
		if i > 1 {
			c = TrackConfig{Codec: Opus{Channels: 1, InputRate: 48000}, Timescale: 48000}
		}
		t, err := w.AddTrack(c)
		if err != nil {
			b.Fatal(err)
		}
		tracks = append(tracks, t)
	}
	data := make([]byte, 16<<10)
	return w, func(n int64) {
		for i := range int64(30) {
			at := (n*30+i)*3000 + (n+i)%7 // cameras are never exact
			for _, t := range tracks[:2] {
				benchWrite(b, t, Sample{DTS: at, PTS: at, Sync: i == 0, Data: data[:8000+100*i]})
			}
		}
		for i := range int64(50) {
			at := (n*50 + i) * 960
			for _, t := range tracks[2:] {
				benchWrite(b, t, Sample{DTS: at, PTS: at, Duration: 960, Sync: true, Data: data[:60+i]})
			}
		}
	}
}

func benchWrite(b *testing.B, t *Track, s Sample) {
	if err := t.Write(b.Context(), s); err != nil {
		b.Fatal(err)
	}
}
