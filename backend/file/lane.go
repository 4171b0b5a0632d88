package file

import (
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// A coder makes samples of the packets of one stream.
type coder interface {
	// send takes the next packet over, nil after the last one, and with an
	// error too, but for ffmpeg.ErrAgain: then there are samples to receive
	// before.
	send(p *ffmpeg.Packet) error
	// receive returns the next sample, ffmpeg.ErrAgain where that takes another
	// packet, and io.EOF after the last one.
	receive() (unit, error)
	close()
}

// A unit is a sample with its times in the file, which begins at zero.
type unit struct {
	media.Sample
	// due is when it is to be delivered: when it is shown or heard, and what
	// is encoded when it is to be decoded. It never decreases.
	due time.Duration
	// lasts is how long it is shown or heard.
	lasts time.Duration
}

// lane makes samples of one stream of the file.
type lane struct {
	stream ffmpeg.Stream
	track  backend.TrackSink
	log    *slog.Logger
	coder  coder
	// format is that of a stream that is delivered as it is coded, else nil.
	format *media.EncodedFormat

	packets packetQueue // read and not yet sent

	next    unit
	ready   bool          // there is a next one
	end     time.Duration // of what came last
	flushed bool
	ended   bool
	// deserted: the session does not take this stream any more.
	deserted bool

	skipped int // packets and frames that could not be decoded
	inARow  int
}

// hopeless is how often in a row a coder may fail when there is nothing left
// to give to it.
const hopeless = 100

// receive tries to get a sample. It reports whether the coder wants a packet
// first.
func (l *lane) receive() (hungry bool) {
	u, err := l.coder.receive()
	switch {
	case err == nil:
		l.inARow = 0
		l.next, l.ready, l.end = u, true, u.Time+u.lasts
		return false
	case errors.Is(err, io.EOF):
		l.ended = true
		return false
	case !errors.Is(err, ffmpeg.ErrAgain):
		l.skip(err)
	}
	if l.flushed && (errors.Is(err, ffmpeg.ErrAgain) || l.inARow > hopeless) {
		l.ended = true
	}
	return !l.flushed
}

// take hands the sample over.
func (l *lane) take() unit {
	u := l.next
	l.next, l.ready = unit{}, false
	return u
}

// feed gives the coder the next packet.
func (l *lane) feed() {
	p := l.packets.first()
	size := len(p.Data())
	err := l.coder.send(p)
	if errors.Is(err, ffmpeg.ErrAgain) {
		if l.inARow == 0 {
			return // there is output to fetch before
		}
		p.Free()
	}
	l.packets.drop(size)
	if err != nil {
		l.skip(err)
	}
}

// flush lets the coder bring out what it holds back.
func (l *lane) flush() {
	l.flushed = true
	if err := l.coder.send(nil); err != nil {
		l.skip(err)
	}
}

// skip notes that a part of the file is damaged. Only the first such part is
// logged by itself.
func (l *lane) skip(err error) {
	if l.skipped == 0 {
		l.log.Warn("damaged part of the file is skipped", "at", l.end.Round(time.Millisecond), "err", err)
	}
	l.skipped++
	l.inARow++
}

func (l *lane) report() {
	if l.skipped > 1 {
		l.log.Warn("damaged parts of the file were skipped", "count", l.skipped)
	}
	l.skipped = 0
}

// desert ends the lane because nobody takes its samples.
func (l *lane) desert() {
	l.deserted = true
	l.close()
}

// open gives the lane its coder.
func (l *lane) open(in *ffmpeg.Input, again bool) error {
	if l.format != nil {
		c := newCopying(in, l.stream, l.format)
		c.again = again
		l.coder = c
		return nil
	}
	d, err := newDecoding(in, l.stream)
	if err == nil {
		l.coder = d
	}
	return err
}

// rewind begins anew, with the file opened another time.
func (l *lane) rewind(in *ffmpeg.Input) error {
	l.close()
	l.coder = nil
	l.end, l.inARow, l.flushed, l.ended = 0, 0, false, false
	return l.open(in, true)
}

func (l *lane) close() {
	if l.ready {
		l.take().Release()
	}
	l.packets.clear()
	l.ended = true
	if l.coder != nil {
		l.coder.close()
	}
}

// packetQueue holds packets in order and owns them. It allocates no more than
// it was ever filled with.
type packetQueue struct {
	list  []*ffmpeg.Packet
	head  int
	bytes int
}

func (q *packetQueue) len() int { return len(q.list) - q.head }

func (q *packetQueue) first() *ffmpeg.Packet { return q.list[q.head] }

func (q *packetQueue) push(p *ffmpeg.Packet) {
	if q.head > 0 && len(q.list) == cap(q.list) { // use the room in front again
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, p)
	q.bytes += len(p.Data())
}

// drop takes the first packet out, which has another owner now.
func (q *packetQueue) drop(size int) {
	q.list[q.head] = nil
	q.head++
	q.bytes -= size
}

func (q *packetQueue) clear() {
	for _, p := range q.list[q.head:] {
		p.Free()
	}
	*q = packetQueue{}
}
