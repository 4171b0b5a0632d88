package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

const (
	audioRate = 16000
	// piece is how much audio a source delivers at once: what microphones and
	// networks do.
	piece = 20 * time.Millisecond
)

var audioFormat = media.AudioFormat{Rate: audioRate, Channels: 1, Sample: media.S16}

// rawSource is a backend that reads raw files as fast as the recording takes
// them. It allocates nothing once it runs, so that what is counted is the
// library's.
type rawSource struct {
	video  string
	format media.VideoFormat
	audio  []string

	// steady is valid at the end of the session.
	steady allocations
}

// allocations counts what the whole process allocated on the Go heap over a
// number of pictures, and the audio that goes with them.
type allocations struct {
	Pictures, Objects, Bytes uint64
}

// Name implements [backend.Backend].
func (s *rawSource) Name() string { return "raw files" }

// Connect implements [backend.Backend].
func (s *rawSource) Connect(_ context.Context, sess backend.Session, sink backend.Sink) (backend.Conn, error) {
	streams, err := s.open(sink)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &rawConn{cancel: cancel}
	pacer := sess.Clock.NewPacer()
	c.running.Go(func() {
		defer pacer.Close()
		err := s.run(ctx, streams, pacer)
		for _, st := range streams {
			st.file.Close()
		}
		if ctx.Err() == nil {
			sink.End(err)
		}
	})
	return c, nil
}

type rawConn struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Close implements [backend.Conn].
func (c *rawConn) Close() error {
	c.cancel()
	c.running.Wait()
	return nil
}

// rawStream is one file on its way.
type rawStream struct {
	file  *os.File
	audio *bufio.Reader // of small pieces; nil for pictures
	sink  backend.TrackSink
	n     int64
	next  time.Duration // capture time of the next sample
	ended bool
}

func (s *rawSource) open(sink backend.Sink) ([]*rawStream, error) {
	add := func(path string, t backend.Track) (*rawStream, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		ts, err := sink.AddTrack(t)
		return &rawStream{file: f, sink: ts}, err
	}
	v, err := add(s.video, backend.Track{Kind: media.KindVideo, Video: s.format})
	if err != nil {
		return nil, err
	}
	streams := []*rawStream{v}
	for _, path := range s.audio {
		a, err := add(path, backend.Track{Kind: media.KindAudio, Audio: audioFormat})
		if err != nil {
			return nil, err
		}
		a.audio = bufio.NewReader(a.file)
		streams = append(streams, a)
	}
	return streams, nil
}

// run delivers all streams in the order of time.
func (s *rawSource) run(ctx context.Context, streams []*rawStream, pacer media.Pacer) error {
	var pictures media.PicturePool
	var pieces media.PCMPool
	begin, err := s.warmUp(streams[0].file)
	if err != nil {
		return err
	}
	var before, after runtime.MemStats
	for {
		st := earliest(streams)
		if st == nil {
			runtime.ReadMemStats(&after)
			s.steady = allocations{uint64(streams[0].n - begin), after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc}
			return nil
		}
		if st.audio == nil && st.n == begin {
			runtime.ReadMemStats(&before)
		}
		if err := pacer.SleepUntil(ctx, st.next); err != nil {
			return err
		}
		sample := media.Sample{Time: st.next}
		if st.audio == nil {
			sample.Picture = pictures.Get(s.format)
			err = readPicture(st.file, sample.Picture)
		} else {
			sample.PCM = pieces.Get(audioFormat, int(audioRate*piece/time.Second))
			_, err = io.ReadFull(st.audio, sample.PCM.Data)
		}
		if err != nil {
			sample.Release()
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			st.ended = true
			continue
		}
		if err := st.sink.Wait(ctx, sample); err != nil {
			return err
		}
		st.n++
		st.next = st.at()
	}
}

// warmUp returns the picture from which on everything is taken to have the
// memory it needs: a third into the file, well behind the start of the file.
func (s *rawSource) warmUp(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size() / int64(s.format.Bytes()) / 3, nil
}

func (st *rawStream) at() time.Duration {
	if st.audio != nil {
		return time.Duration(st.n) * piece
	}
	return time.Duration(st.n) * time.Second / fps
}

// earliest returns the stream whose turn it is, nil at the end of all.
func earliest(streams []*rawStream) *rawStream {
	var first *rawStream
	for _, st := range streams {
		if !st.ended && (first == nil || st.next < first.next) {
			first = st
		}
	}
	return first
}

// readPicture fills a picture that lies without padding.
func readPicture(r io.Reader, p *media.Picture) error {
	for _, plane := range p.Planes {
		if len(plane.Data) == 0 {
			continue
		}
		if _, err := io.ReadFull(r, plane.Data); err != nil {
			return err
		}
	}
	return nil
}
