package mp4_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// codecOf describes a clip to the writer.
func codecOf(t testing.TB, c clip.Clip) mp4.Codec {
	t.Helper()
	var codec mp4.Codec
	var err error
	switch c.Codec {
	case "vp9":
		codec, err = mp4.VP9FromFrame(c.Samples[0].Data)
	case "av1":
		codec, err = mp4.AV1FromSequenceHeader(c.Samples[0].Data)
	default:
		codec, err = mp4.CodecFromExtradata(c.Codec, c.Extra, c.Width, c.Height, c.Rate, c.Channels)
	}
	if err != nil {
		t.Fatal(err)
	}
	return codec
}

// A part is a clip that begins at some time of a session.
type part struct {
	clip  clip.Clip
	name  string
	start time.Duration
}

// step is the next thing to be done in a session: a sample of part n.
type step struct {
	n, sample int
	at        time.Duration
}

// steps puts all samples of all parts in the order of their times.
func steps(parts []part) []step {
	var all []step
	for n, p := range parts {
		for i, s := range p.clip.Samples {
			at := p.start + time.Duration(s.DTS)*time.Second/time.Duration(p.clip.Timescale)
			all = append(all, step{n, i, at})
		}
	}
	slices.SortStableFunc(all, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return all
}

// feed writes parts as a live session would: a track is added when its first
// sample comes. It goes on until the writer fails, and returns that error.
func feed(t testing.TB, w *mp4.Writer, parts []part) error {
	t.Helper()
	tracks := make([]*mp4.Track, len(parts))
	for _, st := range steps(parts) {
		p := parts[st.n]
		if tracks[st.n] == nil {
			track, err := w.AddTrack(mp4.TrackConfig{
				Codec: codecOf(t, p.clip), Timescale: p.clip.Timescale, Name: p.name, Priming: p.clip.Priming,
			})
			if err != nil {
				t.Fatal(err)
			}
			tracks[st.n] = track
		}
		s, shift := p.clip.Samples[st.sample], int64(p.start.Seconds()*float64(p.clip.Timescale))
		err := tracks[st.n].Write(t.Context(), mp4.Sample{
			DTS: s.DTS + shift, PTS: s.PTS + shift, Duration: s.Duration, Sync: s.Sync, Data: s.Data,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// record writes a whole session to a file and returns what Close says.
func record(t testing.TB, f mp4.File, o mp4.Options, parts []part) error {
	t.Helper()
	w, err := mp4.NewWriter(f, o)
	if err != nil {
		t.Fatal(err)
	}
	fed := feed(t, w, parts)
	closed := w.Close(context.WithoutCancel(t.Context()))
	if fed != nil && closed == nil {
		t.Errorf("Write failed with %v, Close with nothing", fed)
	}
	return closed
}

// A ledger keeps what [mp4.Options.Written] tells.
type ledger struct {
	disk *trouble.Disk

	mu        sync.Mutex
	more      *sync.Cond
	samples   map[*mp4.Track]int
	total     int
	fragments []fragment
}

// fragment is the state of the disk after one: its size, and how often it has
// been called.
type fragment struct {
	end   int64
	calls int
}

func newLedger(d *trouble.Disk) *ledger {
	l := &ledger{disk: d, samples: map[*mp4.Track]int{}}
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *ledger) written(w mp4.Written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.samples[w.Track] += w.Samples
	l.total += w.Samples
	f := fragment{l.disk.Size(), len(l.disk.Calls())}
	if n := len(l.fragments); n == 0 || l.fragments[n-1] != f {
		l.fragments = append(l.fragments, f)
	}
	l.more.Broadcast()
}

// await waits until so many samples of all tracks have been written.
func (l *ledger) await(total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.total < total {
		l.more.Wait()
	}
}

// eachFragment is the interval of syncing that lets no two fragments share one.
const eachFragment = time.Nanosecond

// unfinished is a file as it is while being written.
type unfinished struct {
	data []byte
	*ledger
}

// recordUnfinished writes a session whose end never comes: all samples are in
// fragments, and the file has no final index.
func recordUnfinished(t testing.TB, o mp4.Options, parts []part) unfinished {
	t.Helper()
	d := trouble.NewDisk(nil)
	l := newLedger(d)
	o.Written, o.SyncInterval = l.written, eachFragment
	w, err := mp4.NewWriter(d, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort(context.WithoutCancel(t.Context()))
	if err := feed(t, w, parts); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	l.await(len(steps(parts)))
	return unfinished{d.Bytes(), l}
}

// A packet as libavformat reads it, times in ticks of its track after the edit
// list.
type packet struct {
	PTS  int64
	Size int
	Key  bool
}

// A reading is what libavformat and libavcodec make of a file.
type reading struct {
	streams []ffmpeg.Stream
	packets [][]packet
	frames  []int // decoded pictures, or frames of PCM
	err     error // that ended the reading, or the first of a decoder
}

// read opens a file; the error is that of opening. With decode, all streams are
// decoded.
func read(t testing.TB, path string, decode bool) (reading, error) {
	t.Helper()
	in, err := ffmpeg.OpenInput(t.Context(), path, ffmpeg.InputOptions{})
	if err != nil {
		return reading{}, err
	}
	defer in.Close()
	r := &reader{in: in, decoders: map[int]*ffmpeg.Decoder{}, decode: decode}
	defer r.close()
	r.run()
	r.out.streams = in.Streams()
	r.grow(len(r.out.streams) - 1)
	return r.out, nil
}

type reader struct {
	in       *ffmpeg.Input
	decode   bool
	decoders map[int]*ffmpeg.Decoder
	pictures media.PicturePool
	sounds   media.PCMPool
	out      reading
}

func (r *reader) grow(stream int) {
	for len(r.out.packets) <= stream {
		r.out.packets = append(r.out.packets, nil)
		r.out.frames = append(r.out.frames, 0)
	}
}

func (r *reader) run() {
	p := ffmpeg.NewPacket()
	defer p.Free()
	for {
		n, err := r.in.Read(p)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.fail(err)
			}
			break
		}
		r.grow(n)
		r.out.packets[n] = append(r.out.packets[n], packet{p.PTS(), len(p.Data()), p.IsKey()})
		if r.decode && r.in.Streams()[n].Kind != media.KindUnknown {
			r.feed(n, p)
		}
	}
	for n := range r.decoders {
		r.feed(n, nil)
	}
}

func (r *reader) feed(n int, p *ffmpeg.Packet) {
	d := r.decoders[n]
	if d == nil {
		var err error
		if d, err = r.in.NewDecoder(n, ffmpeg.DecoderOptions{Threads: 1}); err != nil {
			r.fail(err)
			return
		}
		r.decoders[n] = d
	}
	if err := d.Send(p); err != nil {
		r.fail(err)
	}
	for {
		got, err := r.receive(n, d)
		if err != nil {
			if !errors.Is(err, ffmpeg.ErrAgain) && !errors.Is(err, io.EOF) {
				r.fail(err)
			}
			return
		}
		r.out.frames[n] += got
	}
}

func (r *reader) receive(n int, d *ffmpeg.Decoder) (int, error) {
	if r.in.Streams()[n].Kind == media.KindVideo {
		picture, _, err := d.ReceivePicture(&r.pictures)
		if err != nil {
			return 0, err
		}
		picture.Release()
		return 1, nil
	}
	pcm, _, err := d.ReceivePCM(&r.sounds)
	if err != nil {
		return 0, err
	}
	defer pcm.Release()
	return pcm.Frames(), nil
}

func (r *reader) fail(err error) {
	if r.out.err == nil {
		r.out.err = err
	}
}

func (r *reader) close() {
	for _, d := range r.decoders {
		d.Close()
	}
}

// scratch returns the path of a new file in memory, where there is such a
// file system.
func scratch(t testing.TB, data []byte) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "roomkit")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "scratch.mp4")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}
