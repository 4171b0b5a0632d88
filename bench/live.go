package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

const (
	liveTitle = "A live source never waits"
	liveFPS   = 60
	// tooSlow is how many frame times the encoder takes for each picture.
	tooSlow = 10
	// pushLimit is what the 99.9th percentile of a push may take.
	pushLimit = time.Millisecond
)

// recordLive records a live source, 60 pictures and 50 pieces of audio a
// second, with an encoder ten times too slow for it.
func recordLive(ctx context.Context, j job) (outcome, error) {
	rec, err := av.NewRecorder()
	if err != nil {
		return outcome{}, err
	}
	src := &liveSource{video: j.Video, format: j.Format, length: j.Live}
	o, err := recordFrom(ctx, roomkit.New(), src, recorder.Binding{Recorder: slowRecorder{rec}, Config: j.Config})
	for _, d := range slices.Concat(src.pushes[:]...) {
		o.PushMicros = append(o.PushMicros, float64(d)/float64(time.Microsecond))
	}
	return o, err
}

// liveSource is a backend that never waits.
type liveSource struct {
	video  string
	format media.VideoFormat
	length time.Duration
	pushes [2][]time.Duration // how long each took: pictures, audio
}

// Name implements [backend.Backend].
func (s *liveSource) Name() string { return "live test source" }

// Connect implements [backend.Backend].
func (s *liveSource) Connect(_ context.Context, sess backend.Session, sink backend.Sink) (backend.Conn, error) {
	v, err := sink.AddTrack(backend.Track{Kind: media.KindVideo, Video: s.format})
	if err != nil {
		return nil, err
	}
	a, err := sink.AddTrack(backend.Track{Kind: media.KindAudio, Audio: audioFormat})
	if err != nil {
		return nil, err
	}
	file, err := os.Open(s.video)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &rawConn{cancel: cancel}
	var both sync.WaitGroup
	begin := sess.Clock.Now()
	both.Go(func() { s.pictures(ctx, sess.Clock, begin, v, file) })
	both.Go(func() { s.audio(ctx, sess.Clock, begin, a) })
	c.running.Go(func() {
		both.Wait()
		file.Close()
		if ctx.Err() == nil {
			sink.End(nil)
		}
	})
	return c, nil
}

func (s *liveSource) pictures(ctx context.Context, clock media.Clock, begin time.Duration, to backend.TrackSink, file *os.File) {
	var pool media.PicturePool
	s.pushes[0] = s.pace(ctx, clock, begin, time.Second/liveFPS, to, func() media.Sample {
		p := pool.Get(s.format)
		if readPicture(file, p) != nil { // the end: begin anew
			_, _ = file.Seek(0, 0)
			_ = readPicture(file, p)
		}
		return media.Sample{Picture: p}
	})
}

func (s *liveSource) audio(ctx context.Context, clock media.Clock, begin time.Duration, to backend.TrackSink) {
	var pool media.PCMPool
	s.pushes[1] = s.pace(ctx, clock, begin, piece, to, func() media.Sample {
		p := pool.Get(audioFormat, int(audioRate*piece/time.Second))
		clear(p.Data)
		return media.Sample{PCM: p}
	})
}

// pace delivers samples in step with the clock and returns how long each push
// took.
func (s *liveSource) pace(ctx context.Context, clock media.Clock, begin, step time.Duration, to backend.TrackSink, next func() media.Sample) []time.Duration {
	pacer := clock.NewPacer()
	defer pacer.Close()
	took := make([]time.Duration, 0, s.length/step+1)
	for at := time.Duration(0); at < s.length; at += step {
		if pacer.SleepUntil(ctx, begin+at) != nil {
			return took
		}
		sample := next()
		sample.Time = begin + at
		t := time.Now()
		to.Push(sample)
		took = append(took, time.Since(t))
	}
	return took
}

// slowRecorder makes a recorder's encoding of pictures too slow.
type slowRecorder struct{ recorder.Recorder }

// Start implements [recorder.Recorder].
func (r slowRecorder) Start(ctx context.Context, cfg recorder.Config) (recorder.Recording, error) {
	rec, err := r.Recorder.Start(ctx, cfg)
	return slowRecording{rec}, err
}

type slowRecording struct{ recorder.Recording }

// AddTrack implements [recorder.Recording].
func (r slowRecording) AddTrack(t recorder.Track) (recorder.TrackWriter, error) {
	w, err := r.Recording.AddTrack(t)
	if err == nil && t.Kind.IsPicture() {
		w = slowWriter{w}
	}
	return w, err
}

type slowWriter struct{ recorder.TrackWriter }

// WriteSample implements [recorder.TrackWriter].
func (w slowWriter) WriteSample(s media.Sample) error {
	done := time.Now().Add(tooSlow * time.Second / liveFPS)
	err := w.TrackWriter.WriteSample(s)
	time.Sleep(time.Until(done))
	return err
}

// showLive prints what the source had to wait, and what the result counts.
func showLive(ctx context.Context, o options, m material) error {
	p := picture{640, 480, "rgb24"}
	m.seconds = min(m.seconds, 5) // repeated
	raw, err := m.video(ctx, p)
	if err != nil {
		return err
	}
	defer os.Remove(raw)
	c := contest{group: group{picture: p}, video: raw, dir: filepath.Join(m.dir, "recordings")}
	defer os.RemoveAll(c.dir)
	j := c.job(equalSettings())
	j.Live = o.live
	out, u, err := record(ctx, j)
	if err != nil {
		return err
	}
	push := series(out.PushMicros)
	p999 := push.percentile(0.999)
	fmt.Printf("\n### %s\n\n", liveTitle)
	fmt.Printf("%d pushes in %v at real pace (%d pictures of %s RGB24 and 50 pieces of audio a second), an encoder that takes %d frame times for each picture.\n\n",
		len(push), o.live, liveFPS, p.size(), tooSlow)
	fmt.Printf("| what | µs | target | met? |\n| --- | --- | --- | --- |\n")
	fmt.Printf("| push, median | %.1f | | |\n| push, 99th percentile | %.1f | | |\n", push.median(), push.percentile(0.99))
	fmt.Printf("| push, 99.9th percentile | %.1f | < %d | %s |\n", p999, pushLimit.Microseconds(), verdict(p999 < float64(pushLimit.Microseconds())))
	fmt.Printf("| push, longest | %.1f | | |\n\nLosses in the result:\n\n", slices.Max(push))
	for kind, n := range out.SamplesIn {
		fmt.Printf("- %s: %d samples in, lost %v\n", kind, n, out.Lost[kind])
	}
	fmt.Printf("\nPeak memory with the queue full: %.0f MiB.\n", u.mib)
	return nil
}
