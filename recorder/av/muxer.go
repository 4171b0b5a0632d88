package av

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// muxer is the one goroutine that touches the file. Lanes add their streams
// and hand it packets; a slow disk holds the lanes up, and they their queues.
//
// Packets are held until the origin is known. Where the container fixes its
// streams when it begins, that is put off for all of the start timeout, so that
// whoever joins within it is in the file. Encoded media of a few seconds is
// small.
type muxer struct {
	gate    *gate
	open    bool          // the container takes tracks at any time, and hides what is before its zero
	holdOff time.Duration // how long after the first sample the file begins at the latest
	rotate  recorder.Rotate
	create  func(*outputFile) (fileWriter, error)
	packets *packetQueue
	taken   atomic.Int64  // bytes of media so far, written or on their way
	cut     atomic.Int64  // time zero of the next part, in nanoseconds from the gate's; noCut if none is planned
	done    chan struct{} // closed when the goroutine has ended

	// The goroutine has these for itself.
	begun  bool
	held   []packet
	inFile packet    // what is being written, here so that it need not be allocated
	known  []*stream // those that have had a packet
	number int       // of the part that is being written
	latest time.Duration
	bytes  int // held for the next part
	tick   int

	mu       sync.Mutex
	part     *part // nil after the last
	outcomes []outcome
	streams  []*stream
	fixed    bool // no stream can be added or changed any more
	failed   error
}

const (
	// packetQueueLimit is how many packets may wait for the disk: about ten
	// seconds of a room of four, encoded.
	packetQueueLimit = 2048
	// tickInterval is how often the muxer looks after what stands still, in
	// real time.
	tickInterval = 250 * time.Millisecond
	// quietTicks is after how many ticks without a packet a stream counts as
	// silent: nobody waits for it any more.
	quietTicks = 8

	noCut = math.MaxInt64
)

var errNoMemory = errors.New("av: out of memory")

// start begins the muxer's work with the first file.
func (m *muxer) start(first *part) {
	m.part, m.number = first, 1
	m.packets, m.done = newPacketQueue(), make(chan struct{})
	m.cut.Store(noCut)
	go m.run()
}

// addStream adds a stream; the muxer takes over its form. It fails with
// [recorder.ErrLateTrack] once the streams are fixed.
func (m *muxer) addStream(f *form, name, language string, l *ledger) (*stream, error) {
	s := &stream{muxer: m, form: f, forms: []*form{f}, name: name, language: language, ledger: l,
		audio: f.audio, rate: f.rate}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fixed {
		f.close()
		return nil, recorder.ErrLateTrack
	}
	m.streams = append(m.streams, s)
	return s, nil
}

// redeclare replaces what describes a stream that has had no packets. The muxer
// takes over the form. It fails as addStream does.
func (m *muxer) redeclare(s *stream, f *form) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fixed {
		f.close()
		return recorder.ErrLateTrack
	}
	s.form.close()
	s.form, s.forms = f, []*form{f}
	s.rate, s.audio = f.rate, f.audio
	return nil
}

// change lets the packets that follow in a stream have another form, which the
// muxer takes over: s.form is that, or one of the latest which says the same. A
// camera may go to and fro between two for days.
func (m *muxer) change(s *stream, f *form) {
	const latest = 64
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, old := range s.forms[max(len(s.forms)-latest, 0):] {
		if old.same(f) {
			f.close()
			s.form = old
			return
		}
	}
	s.form, s.forms = f, append(s.forms, f)
}

func (m *muxer) isFixed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fixed
}

func (m *muxer) err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

// fail ends the recording's file: whoever still has samples is told that the
// recording cannot go on.
func (m *muxer) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = recorder.Broken(err)
	}
}

// close finishes the file after the last packet. No write may follow. Wait for
// done, then outcomes tells what became of it.
func (m *muxer) close() { m.packets.close() }

func (m *muxer) run() {
	defer close(m.done)
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	var batch []packet
	for closed := false; !closed; {
		select {
		case <-m.packets.wake:
			batch, closed = m.packets.take(batch)
			for _, p := range batch {
				m.take(p)
			}
			clear(batch) // what they refer to is not held any longer
		case <-ticker.C:
			m.lookAfter()
		}
	}
	m.end()
}

func (m *muxer) take(p packet) {
	if m.begun {
		m.put(p)
		m.turnIfDue()
		return
	}
	m.held = append(m.held, p)
	if m.open && m.gate.isSettled() || !p.isEnd() && p.time() >= leadIn+m.holdOff {
		m.begin()
	}
}

// begin begins the first file with the streams that are there, and writes what
// was held.
func (m *muxer) begin() {
	m.begun = true
	m.part.start = m.gate.settle()
	m.beginPart()
	m.replay()
}

func (m *muxer) replay() {
	held := m.held
	m.held, m.bytes = nil, 0
	for _, p := range held {
		m.put(p)
	}
}

func (m *muxer) beginPart() {
	m.cut.Store(noCut)
	if m.rotate.Duration > 0 {
		m.cut.Store(int64(m.part.start + m.rotate.Duration))
	}
	over := func(s *stream) bool { return s.ended && s.away && s.part != m.number }
	m.mu.Lock()
	m.fixed = !m.open
	err := m.part.writer.begin(slices.DeleteFunc(slices.Clone(m.streams), over))
	m.mu.Unlock()
	if err != nil {
		m.fail(fmt.Errorf("av: file cannot be begun: %w", err))
	}
}

// put takes a packet once the origin is known.
func (m *muxer) put(p packet) {
	s := p.stream
	if !s.known {
		if p.isEnd() || m.err() != nil { // it may still become another one, or there may be no file
			s.ended = p.isEnd()
			p.free()
			return
		}
		m.meet(s)
	}
	s.seen = m.tick
	s.ended = p.isEnd() // until it goes on, if it does
	switch {
	case s.ended:
		m.release(s)
	case !s.lead.take(p):
		m.release(s)
		m.route(p)
	}
}

// meet prepares for a stream's first packet.
func (m *muxer) meet(s *stream) {
	s.known = true
	m.known = append(m.known, s)
	s.lead = lead{origin: timeline.Ticks(m.gate.settle(), s.rate), audio: s.audio, hides: m.open}
	if m.open {
		s.lead.preroll = decoderPreroll
		m.mu.Lock()
		s.priming = s.form.priming
		m.mu.Unlock()
	}
	if s.part = 1; m.number > 1 {
		s.part = m.number - 1 // it comes into this one by its time, as those left behind
	}
	s.base, s.last = timeline.Ticks(m.part.start, s.rate), math.MinInt64
}

// release lets out what is needed of a stream from before the origin.
func (m *muxer) release(s *stream) {
	if s.lead.over {
		return
	}
	s.ledger.trim(s.lead.origin, s.lead.shows)
	for _, p := range s.lead.release() {
		m.route(p)
	}
}

// write writes a packet at its time on the file's timeline.
func (m *muxer) write(p packet) {
	s := p.stream
	if !s.audio && p.dts <= s.last { // behind the picture that stands at the origin: see lookAfter
		p.dts = s.last + m.closest()
		p.pts = max(p.pts, p.dts)
	}
	s.last = p.dts
	m.part.any, m.part.end = true, max(m.part.end, timeline.TimeOf(p.pts+p.duration, s.rate))
	m.inFile = p
	m.inFile.pts -= s.base
	m.inFile.dts -= s.base
	if err := m.part.writer.write(&m.inFile); err != nil {
		m.fail(fmt.Errorf("av: file cannot be written: %w", err))
	}
	p.coded, p.data = m.inFile.coded, m.inFile.data // unless the writer has taken them
	m.inFile = packet{}
	m.leave(p)
}

// closest is how far apart pictures are at least that can be told apart in the
// file, in ticks.
func (m *muxer) closest() int64 {
	if m.open {
		return 1
	}
	return squeezeStep
}

// lookAfter does what no packet is the occasion for.
func (m *muxer) lookAfter() {
	m.tick++
	if !m.begun {
		if m.open && len(m.held) > 0 && m.gate.isSettled() {
			m.begin()
		}
		return
	}
	for _, s := range m.known {
		// A picture that stands may be the last for an hour: it shall be in
		// the file. Should its lane only be behind, those that still come
		// from before the origin follow on it at once.
		if m.isQuiet(s) {
			m.release(s)
		}
	}
	if m.err() == nil {
		if err := m.part.writer.tick(); err != nil {
			m.fail(fmt.Errorf("av: file cannot be written: %w", err))
		}
	}
	m.turnIfDue()
}

func (m *muxer) isQuiet(s *stream) bool { return m.tick-s.seen >= quietTicks }

// end writes what is left and finishes the file.
func (m *muxer) end() {
	if !m.begun && len(m.held) > 0 {
		m.begin()
	}
	for _, s := range m.known {
		m.release(s)
	}
	m.turnAtEnd()
	if m.part != nil {
		m.finishPart()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.part = nil
	for _, s := range m.streams {
		s.forget()
		for _, f := range s.forms {
			f.close()
		}
	}
}

// result tells, after done, why the recording is not whole, nil if it is.
func (m *muxer) result() error {
	var errs []error
	for _, o := range m.outcomes {
		errs = append(errs, o.err)
	}
	if err := errors.Join(errs...); err != nil {
		return err // of which the failure below is the cause or the first one
	}
	return m.failed
}

// published returns the finished files, with times counted from the gate's
// zero.
func (m *muxer) published() (parts []recorder.Part) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.outcomes {
		if o.published {
			parts = append(parts, o.Part)
		}
	}
	return parts
}

// onDisk returns the size of all files.
func (m *muxer) onDisk() (size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, o := range m.outcomes {
		size += o.Size
	}
	if m.part != nil {
		if info, err := os.Stat(m.part.file.partial); err == nil {
			size += info.Size()
		}
	}
	return size
}
