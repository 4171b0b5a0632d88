package av

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// muxer is the one goroutine that touches the file. Lanes add their streams
// and hand it packets; a slow disk holds the lanes up, and they their queues.
//
// libavformat fixes the set of streams with the header. So the header is held
// back for the start timeout, and the packets of that time with it: whoever
// joins within it is in the file, and by then the origin is known. Encoded
// media of a few seconds is small.
type muxer struct {
	file      *ffmpeg.Muxer
	gate      *gate
	editLists bool          // see container
	holdOff   time.Duration // how long after the first sample the header is written
	packets   chan packet
	taken     atomic.Int64  // bytes of media so far, written or on their way
	done      chan struct{} // closed when the goroutine has ended
	finished  error         // valid after done
	begun     bool          // the header is written

	mu      sync.Mutex
	streams []*stream
	fixed   bool // the header is being written or has been
	failed  error
}

// packetQueue is how many packets may wait for the disk: about ten seconds of
// a room of four, encoded.
const packetQueue = 2048

// stream is one track of the file.
type stream struct {
	muxer   *muxer
	params  *ffmpeg.CodecParams
	options ffmpeg.StreamOptions
	ledger  *ledger
	index   int   // in the file
	origin  int64 // time zero of the file, in the stream's time base
	// standing is the latest picture from before the origin. Whether it is the
	// last of them, and so what was to be seen at the origin, is only known
	// when the next one comes: a lane may still be behind when the header is
	// written.
	standing *ffmpeg.Packet
}

type packet struct {
	stream *stream
	data   *ffmpeg.Packet
}

func newMuxer(file *ffmpeg.Muxer, editLists bool, g *gate, holdOff time.Duration) *muxer {
	m := &muxer{file: file, editLists: editLists, gate: g, holdOff: holdOff, packets: make(chan packet, packetQueue), done: make(chan struct{})}
	go m.run()
	return m
}

// addStream adds a stream; the muxer takes over params. It fails with
// [recorder.ErrLateTrack] once the header is fixed.
func (m *muxer) addStream(params *ffmpeg.CodecParams, o ffmpeg.StreamOptions, l *ledger) (*stream, error) {
	s := &stream{muxer: m, params: params, options: o, ledger: l}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fixed {
		params.Close()
		return nil, recorder.ErrLateTrack
	}
	m.streams = append(m.streams, s)
	return s, nil
}

// redeclare replaces what describes a stream that has had no packets. The muxer
// takes over params. It fails as addStream does.
func (m *muxer) redeclare(s *stream, params *ffmpeg.CodecParams) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fixed {
		params.Close()
		return recorder.ErrLateTrack
	}
	s.params.Close()
	s.params = params
	return nil
}

// write hands a packet over. It waits while the queue is full and fails with
// the reason once the file has failed.
func (s *stream) write(p *ffmpeg.Packet) error {
	if err := s.muxer.err(); err != nil {
		p.Free()
		return err
	}
	s.muxer.taken.Add(int64(len(p.Data())))
	s.muxer.packets <- packet{s, p}
	return nil
}

func (m *muxer) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

func (m *muxer) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = err
	}
}

// close finishes the file after the last packet. No write may follow. Wait for
// done, then finished tells the outcome.
func (m *muxer) close() { close(m.packets) }

func (m *muxer) run() {
	defer close(m.done)
	var held []packet
	for p := range m.packets {
		if held == nil && m.isFixed() {
			m.put(p)
			continue
		}
		held = append(held, p)
		if p.time() >= leadIn+m.holdOff {
			m.begin(held)
			held = nil
		}
	}
	if !m.isFixed() {
		m.begin(held)
	}
	for _, s := range m.streams {
		if s.standing != nil {
			s.moveToOrigin()
			m.write(packet{s, s.standing})
		}
	}
	m.finished = m.finish()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.streams {
		s.params.Close()
	}
}

func (m *muxer) isFixed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fixed
}

// begin writes the header with the streams that are there, and what was held.
func (m *muxer) begin(held []packet) {
	m.mu.Lock()
	m.fixed = true
	chooseDefaults(m.streams, held)
	var err error
	for _, s := range m.streams {
		if s.index, err = m.file.AddStream(s.params, s.options); err != nil {
			break
		}
	}
	m.mu.Unlock()
	if err == nil && len(m.streams) > 0 {
		err = m.file.WriteHeader()
		m.begun = err == nil
	}
	if err != nil {
		m.fail(fmt.Errorf("av: file cannot be begun: %w", err))
	}
	origin := m.gate.settle()
	for _, s := range m.streams {
		_, den := s.params.TimeBase()
		s.origin = ticks(origin, int64(den))
		s.ledger.trim(s.origin)
	}
	for _, p := range trim(held, m.editLists) {
		m.put(p)
	}
}

// chooseDefaults marks what players show and play by default: of voices and of
// pictures the first that has media by now, or else the first.
func chooseDefaults(streams []*stream, held []packet) {
	alive := map[*stream]bool{}
	for _, p := range held {
		alive[p.stream] = true
	}
	var chosen [2]*stream // pictures, voices
	for _, s := range streams {
		c := &chosen[0]
		if s.isAudio() {
			c = &chosen[1]
		}
		if *c == nil || alive[s] && !alive[*c] {
			*c = s
		}
	}
	for _, s := range chosen {
		if s != nil {
			s.options.Default = true
		}
	}
}

// put writes a packet, and moves the last picture from before the origin there.
func (m *muxer) put(p packet) {
	s, early := p.stream, p.data.PTS() <= p.stream.origin
	if s.standing != nil {
		if !early {
			s.moveToOrigin()
		}
		m.write(packet{s, s.standing})
		s.standing = nil
	}
	if early && !s.isAudio() {
		s.standing = p.data
		return
	}
	m.write(p)
}

func (s *stream) moveToOrigin() {
	s.standing.SetPTS(s.origin)
	s.standing.SetDTS(s.origin)
}

// write writes a packet at its time on the file's timeline.
func (m *muxer) write(p packet) {
	if m.err() != nil {
		p.data.Free()
		return
	}
	through, size := p.through(), len(p.data.Data())
	p.data.SetPTS(p.data.PTS() - p.stream.origin)
	p.data.SetDTS(p.data.DTS() - p.stream.origin)
	if err := m.file.Write(p.stream.index, p.data); err != nil {
		m.fail(fmt.Errorf("av: file cannot be written: %w", err))
		return
	}
	p.stream.ledger.confirm(through, size)
}

func (m *muxer) finish() error {
	if err := m.err(); err != nil || !m.begun {
		m.file.Close()
		return err
	}
	if err := m.file.Finish(); err != nil {
		err = fmt.Errorf("av: file cannot be finished: %w", err)
		m.fail(err)
		return err
	}
	return nil
}

// time returns when the packet is shown, counted from the gate's zero.
func (p packet) time() time.Duration {
	num, den := p.stream.params.TimeBase()
	return timeOf(p.data.PTS()*int64(num), int64(den))
}

// through is up to where the track is in the file with this packet, as the
// ledger counts. A picture counts by when it begins: its end is when the next
// one begins, which is not written yet.
func (p packet) through() int64 {
	if p.stream.isAudio() {
		return p.data.PTS() + p.data.Duration()
	}
	return p.data.PTS()
}
