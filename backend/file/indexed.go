package file

import (
	"bytes"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

// indexed is a coder that delivers the packets of an MP4 or QuickTime file as
// they are without reading them through FFmpeg, which would allocate and copy
// each. FFmpeg's index says where they are, its edit lists applied; what it does
// not say is by how much pictures are shown later than they are decoded: that is
// from package mp4. Where the two differ in anything, packets are read as of any
// other file; see newIndexed.
type indexed struct {
	reader  *reader
	windows *windows
	format  *media.EncodedFormat
	stream  int
	start   time.Duration // the file's, in its own times
	again   bool          // see copying

	// leads are how many ticks later each sample is shown than it is decoded;
	// nil if that is the same for all.
	leads []int32
	lead  int64
	tail  int64 // how many ticks the last sample lasts

	batch  []ffmpeg.IndexEntry // of the index, from the next sample on
	buffer [indexBatch]ffmpeg.IndexEntry
	number int // of the sample behind the batch

	pool media.EncodedPool
}

// indexBatch is how many entries of an index are fetched with one call into C.
const indexBatch = 256

// index goes over to reading by index, if all lanes can. It is called once each
// has its first packet.
func (r *reader) index(path string, again bool) {
	movie, file := openMovie(r.in, path)
	if movie == nil {
		return
	}
	w := &windows{file: file}
	coders := map[*lane]*indexed{}
	for _, l := range r.lanes {
		if l.deserted {
			continue
		}
		x := newIndexed(r, l, movie, w)
		if x == nil {
			w.close()
			return
		}
		x.again, coders[l] = again, x
	}
	r.windows = w
	for l, x := range coders {
		l.packets.clear()
		l.coder.close()
		l.coder = x
	}
}

// openMovie reads the index of a file that has it whole, else it returns nil.
func openMovie(in *ffmpeg.Input, path string) (*mp4.Movie, *os.File) {
	if !strings.HasPrefix(in.Format(), "mov,") {
		return nil, nil
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil
	}
	movie, err := mp4.Read(file, info.Size())
	if err != nil || !movie.Finished {
		_ = file.Close()
		return nil, nil
	}
	return movie, file
}

// newIndexed returns a coder for a lane, nil if the lane's packets are not
// simply the track's samples.
func newIndexed(r *reader, l *lane, movie *mp4.Movie, w *windows) *indexed {
	st := l.stream.Index
	if l.format == nil || l.packets.len() == 0 || st >= len(movie.Tracks) {
		return nil
	}
	x := &indexed{reader: r, windows: w, format: l.format, stream: st, start: startOf(r.in)}
	if !x.compare(movie.Tracks[st]) || !x.begins(l.packets.first()) {
		return nil
	}
	x.batch, x.number = nil, 0
	return x
}

// compare goes through the samples of a track and reports whether the packets
// are just these: none left out by an edit list, joined, or divided. It keeps
// what the index does not have.
func (x *indexed) compare(t *mp4.TrackInfo) bool {
	var shift, last int64
	n, count := 0, int(t.SampleCount)
	for s, err := range t.Samples() {
		e, ok := x.next()
		if err != nil || !ok || e.Pos != s.Offset || int64(e.Size) != s.Size || e.IsKey() != s.Sync || s.Entry != 0 {
			return false
		}
		lead := s.PTS - s.DTS
		if n == 0 {
			shift, last, x.lead = e.Time-s.DTS, e.Time, lead
		}
		if e.Time-s.DTS != shift || e.Time < last || lead != int64(int32(lead)) {
			return false
		}
		if lead != x.lead && x.leads == nil {
			x.leads = make([]int32, n, count)
			for i := range x.leads {
				x.leads[i] = int32(x.lead)
			}
		}
		if x.leads != nil {
			x.leads = append(x.leads, int32(lead))
		}
		n, last, x.tail = n+1, e.Time, s.Duration
	}
	_, more := x.next()
	// The latest time there can be is one that fits.
	return n > 0 && !more && x.reader.in.TicksToTime(x.stream, last+math.MaxInt32) != ffmpeg.NoPTS
}

// begins compares the first packet with the first sample, by which it finds out
// how edit lists have moved the times.
func (x *indexed) begins(p *ffmpeg.Packet) bool {
	x.batch, x.number = nil, 0
	e, ok := x.next()
	if !ok || p.DTS() != e.Time || int(e.Size) != len(p.Data()) || p.NewExtraData() != nil {
		return false
	}
	// What FFmpeg adds to the leads of all is in the first packet's.
	moved := p.PTS() - p.DTS() - x.lead
	if x.leads != nil {
		moved = p.PTS() - p.DTS() - int64(x.leads[0])
	}
	x.move(moved)
	data, err := x.windows.lend(&x.pool, x.format, e.Pos, int(e.Size))
	if err != nil {
		return false
	}
	defer data.Release()
	return bytes.Equal(data.Data, p.Data())
}

// move adds to all leads.
func (x *indexed) move(by int64) {
	x.lead += by
	for i := range x.leads {
		x.leads[i] += int32(by)
	}
}

// next returns the next entry of the index.
func (x *indexed) next() (ffmpeg.IndexEntry, bool) {
	if !x.fetch() {
		return ffmpeg.IndexEntry{}, false
	}
	e := x.batch[0]
	x.batch = x.batch[1:]
	return e, true
}

// fetch reports whether there is another entry.
func (x *indexed) fetch() bool {
	if len(x.batch) > 0 {
		return true
	}
	n := x.reader.in.Index(x.stream, x.number, x.buffer[:])
	x.number += n
	x.batch = x.buffer[:n]
	return n > 0
}

// send implements coder. There is no need of packets.
func (x *indexed) send(p *ffmpeg.Packet) error {
	p.Free()
	return nil
}

// receive implements coder. Where the file cannot be read any further it ends.
func (x *indexed) receive() (unit, error) {
	for {
		e, ok := x.next()
		if !ok {
			return unit{}, io.EOF
		}
		u := x.times(e)
		if e.Size == 0 || x.again && x.format.Codec.IsAudio() && u.Time < 0 {
			continue
		}
		payload, err := x.windows.lend(&x.pool, x.format, e.Pos, int(e.Size))
		if err != nil {
			x.reader.failure = err
			return unit{}, io.EOF
		}
		payload.Lead, payload.Duration, payload.Key, payload.Whole = u.Time-u.due, u.lasts, media.DeltaFrame, true
		if e.IsKey() {
			payload.Key = media.KeyFrame
		}
		u.Encoded = payload
		return u, nil
	}
}

// times returns a unit with the times of an entry, the one before the batch.
func (x *indexed) times(e ffmpeg.IndexEntry) (u unit) {
	lead, lasts := x.lead, x.tail
	if x.fetch() {
		lasts = x.batch[0].Time - e.Time
	}
	if x.leads != nil {
		lead = int64(x.leads[x.number-len(x.batch)-1])
	}
	in := x.reader.in
	u.due = in.TicksToTime(x.stream, e.Time) - x.start
	u.Time = u.due
	if lead != 0 {
		u.Time = max(in.TicksToTime(x.stream, e.Time+lead)-x.start, u.due)
	}
	u.lasts = max(in.TicksToTime(x.stream, lasts), 0)
	return u
}

func (x *indexed) close() {}
