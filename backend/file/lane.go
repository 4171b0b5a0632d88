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

// lane decodes one stream of the file.
type lane struct {
	stream ffmpeg.Stream
	track  backend.TrackSink
	log    *slog.Logger
	dec    *ffmpeg.Decoder

	packets []*ffmpeg.Packet // read and not yet decoded
	bytes   int

	sample  media.Sample // the next one, with its time in the file
	ready   bool
	lasts   time.Duration // how long the last sample taken lasts
	last    time.Duration // time of the last sample decoded
	end     time.Duration // and when it ends
	flushed bool
	ended   bool
	// deserted: the session does not take this stream any more.
	deserted bool

	skipped  int // packets and frames that could not be decoded
	inARow   int
	pictures media.PicturePool
	pcm      media.PCMPool
}

// defaultInterval stands for the unknown time between two pictures.
const defaultInterval = 40 * time.Millisecond

// hopeless is how often in a row a decoder may fail when there is nothing left
// to give to it.
const hopeless = 100

func newLane(st ffmpeg.Stream, dec *ffmpeg.Decoder, track backend.TrackSink, log *slog.Logger) *lane {
	return &lane{stream: st, dec: dec, track: track, log: log.With("stream", st.Index, "codec", st.Codec)}
}

func (l *lane) push(p *ffmpeg.Packet) {
	l.packets = append(l.packets, p)
	l.bytes += len(p.Data())
}

// decode tries to get a sample. It reports whether the decoder wants a packet
// first.
func (l *lane) decode(start time.Duration) (hungry bool) {
	s, pts, err := l.receive()
	switch {
	case err == nil:
		l.inARow = 0
		l.stamp(&s, pts, start)
		l.sample, l.ready = s, true
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

func (l *lane) receive() (s media.Sample, pts time.Duration, err error) {
	if l.stream.Kind == media.KindAudio {
		s.PCM, pts, err = l.dec.ReceivePCM(&l.pcm)
		return s, pts, err
	}
	s.Picture, pts, err = l.dec.ReceivePicture(&l.pictures)
	return s, pts, err
}

// stamp sets the sample's time, counted from the file's start. What has no
// time, or one before its predecessor's, follows on that.
func (l *lane) stamp(s *media.Sample, pts, start time.Duration) {
	s.Time = l.end
	if pts != ffmpeg.NoPTS {
		if start != ffmpeg.NoPTS {
			pts -= start
		}
		s.Time = max(pts, l.last)
	}
	l.last = s.Time
	if s.PCM != nil {
		l.lasts = s.PCM.Duration()
	} else {
		s.Picture.Format.Rate = l.stream.Video.Rate
		l.lasts = defaultInterval
		if r := l.stream.Video.Rate; r > 0 {
			l.lasts = time.Duration(float64(time.Second) / r)
		}
	}
	l.end = s.Time + l.lasts
}

// take hands the sample over.
func (l *lane) take() media.Sample {
	s := l.sample
	l.sample, l.ready = media.Sample{}, false
	return s
}

// feed gives the decoder the next packet.
func (l *lane) feed() {
	p := l.packets[0]
	err := l.dec.Send(p)
	if errors.Is(err, ffmpeg.ErrAgain) && l.inARow == 0 {
		return // there is output to fetch before
	}
	if err != nil {
		l.skip(err)
	}
	l.packets[0] = nil
	l.packets = l.packets[1:]
	l.bytes -= len(p.Data())
	p.Free()
}

// flush lets the decoder bring out what it holds back.
func (l *lane) flush() {
	l.flushed = true
	if err := l.dec.Send(nil); err != nil {
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

// rewind begins anew with another decoder.
func (l *lane) rewind(dec *ffmpeg.Decoder) {
	l.close()
	l.dec, l.last, l.end, l.inARow = dec, 0, 0, 0
	l.flushed, l.ended = false, false
}

func (l *lane) close() {
	if l.ready {
		l.take().Release()
	}
	for _, p := range l.packets {
		p.Free()
	}
	l.packets, l.bytes, l.ended = nil, 0, true
	l.dec.Close()
}
