package main

import (
	"context"
	"encoding/binary"
	"math"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

var (
	toneFormat    = media.AudioFormat{Rate: 16000, Channels: 1}
	pictureFormat = media.VideoFormat{Pixel: media.RGB24, Width: 160, Height: 120, Rate: 25}
)

// source is a backend that needs no device: a tone of 440 Hz and a picture
// whose brightness changes, live.
type source struct{}

func (source) Name() string { return "tone and picture" }

// Connect implements backend.Backend: it announces its tracks and then
// delivers each from a goroutine until the connection is closed.
func (source) Connect(_ context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	voice, err := sink.AddTrack(backend.Track{Kind: media.KindAudio, Audio: toneFormat})
	if err != nil {
		return nil, err
	}
	camera, err := sink.AddTrack(backend.Track{Kind: media.KindVideo, Video: pictureFormat})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{cancel: cancel}
	var pictures media.PicturePool
	c.running.Go(func() { deliver(ctx, s.Clock, 20*time.Millisecond, voice, tone) })
	c.running.Go(func() {
		deliver(ctx, s.Clock, 40*time.Millisecond, camera, func(n int) media.Sample { return picture(&pictures, n) })
	})
	return c, nil
}

// deliver pushes one sample per period, when it is over, with the instant at
// which it began.
func deliver(ctx context.Context, clock media.Clock, period time.Duration, sink backend.TrackSink, make func(n int) media.Sample) {
	pacer := clock.NewPacer()
	defer pacer.Close()
	start := clock.Now()
	for n := 0; ; n++ {
		at := start + time.Duration(n)*period
		if pacer.SleepUntil(ctx, at+period) != nil {
			return
		}
		s := make(n)
		s.Time = at
		sink.Push(s)
	}
}

// tone returns the n-th 20 ms of 440 Hz.
func tone(n int) media.Sample {
	pcm := &media.PCM{Format: toneFormat, Data: make([]byte, 640)}
	for i := range pcm.Frames() {
		t := float64(n*pcm.Frames()+i) / float64(toneFormat.Rate)
		v := int16(8000 * math.Sin(2*math.Pi*440*t))
		binary.LittleEndian.PutUint16(pcm.Data[2*i:], uint16(v))
	}
	return media.Sample{PCM: pcm}
}

func picture(pool *media.PicturePool, n int) media.Sample {
	p := pool.Get(pictureFormat)
	for i := range p.Planes[0].Data {
		p.Planes[0].Data[i] = byte(i + 4*n)
	}
	return media.Sample{Picture: p}
}

type conn struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// Close implements backend.Conn.
func (c *conn) Close() error {
	c.cancel()
	c.running.Wait()
	return nil
}
