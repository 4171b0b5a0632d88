package av

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/mp4"
)

// hybridFile is a file that package mp4 writes: it plays at every instant, and
// streams join it whenever they come.
type hybridFile struct {
	file   *outputFile
	writer *mp4.Writer
	tracks map[*stream]*hybridTrack
	order  []*hybridTrack

	mu      sync.Mutex
	owner   map[*mp4.Track]*hybridTrack
	waiting int // packets that the writer has
	written int // packets that are in the file
	seen    int // written at the latest tick
	idle    int // ticks for which packets have waited and none was written
}

// hybridTrack is a stream's track.
type hybridTrack struct {
	stream *stream
	track  *mp4.Track
	form   *form // of the latest packet
	broken error // why there is none
	last   int64 // what the latest packet accounts for
	any    bool  // it has had a packet

	// Under the file's lock: what the packets that the writer has account
	// for, oldest first.
	way  []int64
	head int
}

// fragment is the longest piece of media that is in memory only. With what it
// takes an encoder to fill a packet, the other direction of a voice to arrive
// and the disk to sync, a crash costs well under a second.
const fragment = 250 * time.Millisecond

// Of a recording that is made faster than it plays a fragment may be longer:
// it is in memory for milliseconds. And little may wait for the disk. The source
// has all the time there is, while buffers that are used again stay in the
// processor's cache.
const (
	directFragment = 5 * time.Second
	directBytes    = 512 << 10
)

// frontSpace is the space kept at the front of a file for the index of a
// recording of the given length: of two cameras of 30 irregular pictures a
// second, at 12 bytes each, and two voices of 47 packets, at 4. What the index
// does not need of it stays in the file.
func frontSpace(length time.Duration) int64 {
	if length == 0 {
		return 0
	}
	const perSecond = 2*30*12 + 2*47*4
	return 64<<10 + perSecond*int64(length/time.Second)
}

// flushTicks is for how many ticks packets wait before they are written
// although there are too few for a fragment: as many as a second has.
const flushTicks = int(time.Second/tickInterval) - 1

// Alternate groups: a player plays one track of each.
const (
	pictureGroup = 1 + iota
	voiceGroup
)

func newHybridFile(f *outputFile, o mp4.Options) (*hybridFile, error) {
	h := &hybridFile{file: f, tracks: map[*stream]*hybridTrack{}, owner: map[*mp4.Track]*hybridTrack{}}
	o.Written, o.Fragment = h.confirm, fragment
	if o.Direct {
		o.Fragment, o.FragmentBytes, o.BufferBytes = directFragment, directBytes, 4*directBytes
	}
	writer, err := mp4.NewWriter(f.opened, o)
	if err != nil {
		return nil, err
	}
	h.writer = writer
	return h, nil
}

// begin adds the tracks of those who are there, so that they have the order in
// which they came. The others get theirs with their first packet.
func (h *hybridFile) begin(streams []*stream) error {
	for _, s := range streams {
		if s.media {
			h.add(s, s.form)
		}
	}
	return nil
}

// add adds a stream's track. One that cannot be in the file costs itself only.
func (h *hybridFile) add(s *stream, f *form) *hybridTrack {
	t := &hybridTrack{stream: s, form: f}
	h.tracks[s] = t
	if t.track, t.broken = h.newTrack(s, f); t.broken != nil {
		s.ledger.fault(fmt.Errorf("av: no track can be made: %w", t.broken))
		return t
	}
	h.order = append(h.order, t)
	h.mu.Lock()
	h.owner[t.track] = t
	h.mu.Unlock()
	return t
}

func (h *hybridFile) newTrack(s *stream, f *form) (*mp4.Track, error) {
	codec, err := f.sampleEntry()
	if err != nil {
		return nil, err
	}
	group := uint16(pictureGroup)
	if s.audio {
		group = voiceGroup
	}
	return h.writer.AddTrack(mp4.TrackConfig{
		Codec: codec, Timescale: uint32(s.rate), Name: s.name, Language: s.language,
		Disabled: h.first(s.audio) != nil, Group: group, Priming: s.priming,
	})
}

// first returns the first track of pictures or of voices.
func (h *hybridFile) first(audio bool) *hybridTrack {
	for _, t := range h.order {
		if t.stream.audio == audio {
			return t
		}
	}
	return nil
}

func (h *hybridFile) write(p *packet) error {
	s := p.stream
	t := h.tracks[s]
	if t == nil {
		t = h.add(s, p.form)
	}
	err := t.broken
	if err == nil {
		err = h.put(t, p)
	}
	if errors.Is(err, mp4.ErrSample) || errors.Is(err, mp4.ErrConfig) || t.broken != nil {
		s.ledger.lose(t.last, p.mark)
		s.ledger.fault(err)
		return nil
	}
	return err
}

func (h *hybridFile) put(t *hybridTrack, p *packet) error {
	if err := t.reform(p.form); err != nil {
		return err
	}
	h.expect(t, p.mark)
	err := t.track.Write(context.Background(), mp4.Sample{
		DTS: p.dts, PTS: p.pts, Duration: p.duration, Sync: t.stream.audio || p.key, Data: p.data,
	})
	if err != nil {
		h.unexpect(t)
		return err
	}
	t.last, t.any = p.mark, true
	return nil
}

// reform describes the samples from here on anew, where they are coded in
// another way.
func (t *hybridTrack) reform(f *form) error {
	if f == t.form {
		return nil
	}
	codec, err := f.sampleEntry()
	if err == nil {
		err = t.track.SetCodec(codec)
	}
	if err == nil {
		t.form = f
	}
	return err
}

// expect notes a packet that the writer is given.
func (h *hybridFile) expect(t *hybridTrack, through int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.head > 64 && 2*t.head > len(t.way) { // reuse the room at the front
		t.way = t.way[:copy(t.way, t.way[t.head:])]
		t.head = 0
	}
	t.way = append(t.way, through)
	h.waiting++
}

// unexpect takes the latest expect back.
func (h *hybridFile) unexpect(t *hybridTrack) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.way = t.way[:len(t.way)-1]
	h.waiting--
}

// confirm takes the writer's word that packets are in the file.
func (h *hybridFile) confirm(w mp4.Written) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.owner[w.Track]
	t.head += w.Samples
	h.waiting -= w.Samples
	h.written += w.Samples
	t.stream.ledger.confirm(t.way[t.head-1], int(w.Bytes))
}

// tick gives the writer what has waited for long: a picture that is the only
// one for a minute shall not be in memory only.
func (h *hybridFile) tick() error {
	if !h.isStale() {
		return nil
	}
	return h.writer.Flush()
}

func (h *hybridFile) isStale() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == 0 || h.written != h.seen {
		h.idle, h.seen = 0, h.written
		return false
	}
	h.idle++
	return h.idle%flushTicks == 0
}

// finish implements fileWriter. What the writer has confirmed plays, whether
// the index could be written or not.
func (h *hybridFile) finish(failed error) (usable bool, err error) {
	h.enable(false)
	h.enable(true)
	err = h.writer.Close(context.Background())
	if failed != nil && !errors.Is(err, mp4.ErrFragmented) {
		err = nil // it says what failed says
	}
	if err = errors.Join(err, h.file.close()); err != nil {
		err = fmt.Errorf("av: file cannot be finished: %w", err)
	}
	return h.written > 0, errors.Join(failed, err)
}

// enable lets players choose the first track of a kind that has anything in
// it, where the first that was there has not.
func (h *hybridFile) enable(audio bool) {
	first := h.first(audio)
	for _, t := range h.order {
		if t.stream.audio == audio && t.any {
			first.track.SetDisabled(true)
			t.track.SetDisabled(false)
			return
		}
	}
}

func (h *hybridFile) abandon() {
	_ = h.writer.Abort(context.Background()) // nothing was given to it that could fail
	_ = h.file.close()
}

func (h *hybridFile) size() int64 { return h.writer.Size() }
