package av

import (
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder/internal/timeline"
)

// packet is a packet of a stream on its way into the file; without data it is
// the stream's end. Its times count in the stream's ticks from the gate's zero,
// and in the file's writer from the file's.
type packet struct {
	stream             *stream
	form               *form
	pts, dts, duration int64
	// mark is up to where the track is in the file with this packet, as its
	// ledger counts: for audio its end. A picture counts by when it begins, or
	// is decoded where it was copied: its end is when the next one begins,
	// which is not written yet.
	mark int64
	key  bool
	data []byte

	// One of these lends data.
	coded  *ffmpeg.Packet
	sample *media.Encoded
}

// encodedPacket is one that an encoder gives out, taken over.
func encodedPacket(p *ffmpeg.Packet, mark int64) packet {
	return packet{pts: p.PTS(), dts: p.DTS(), duration: p.Duration(), mark: mark, key: p.IsKey(), data: p.Data(), coded: p}
}

// isEnd reports whether it is no packet but a stream's end.
func (p packet) isEnd() bool { return p.data == nil }

// free gives the data back.
func (p *packet) free() {
	if p.coded != nil {
		p.coded.Free()
	}
	if p.sample != nil {
		p.sample.Release()
	}
	p.coded, p.sample, p.data = nil, nil, nil
}

// native returns the packet as libavformat takes it, and leaves it to the
// caller.
func (p *packet) native() (*ffmpeg.Packet, error) {
	if n := p.coded; n != nil {
		p.coded, p.data = nil, nil
		n.SetPTS(p.pts)
		n.SetDTS(p.dts)
		n.SetDuration(p.duration)
		return n, nil
	}
	n := ffmpeg.NewPacket()
	if n == nil {
		return nil, errNoMemory
	}
	if err := n.SetData(p.data, p.pts, p.dts, p.duration, p.key); err != nil {
		n.Free()
		return nil, err
	}
	return n, nil
}

// time is the packet's, counted from the gate's zero.
func (p packet) time() time.Duration { return timeline.TimeOf(p.pts, p.stream.rate) }

// packetQueue is what the muxer has not looked at yet. It is emptied as a
// whole, so that a burst costs one wake-up.
type packetQueue struct {
	wake chan struct{} // there is something new

	mu     sync.Mutex
	room   sync.Cond
	list   []packet
	closed bool
}

func newPacketQueue() *packetQueue {
	q := &packetQueue{wake: make(chan struct{}, 1)}
	q.room.L = &q.mu
	return q
}

// put waits while the queue is full.
func (q *packetQueue) put(p packet) {
	q.mu.Lock()
	for len(q.list) >= packetQueueLimit {
		q.room.Wait()
	}
	q.list = append(q.list, p)
	first := len(q.list) == 1
	q.mu.Unlock()
	if first {
		q.signal()
	}
}

// close says that nothing will be put any more.
func (q *packetQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *packetQueue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns all there is. The list given is used for what comes next.
func (q *packetQueue) take(spare []packet) (list []packet, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.list = q.list, spare[:0]
	if len(list) >= packetQueueLimit {
		q.room.Broadcast()
	}
	return list, q.closed
}
