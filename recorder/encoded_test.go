package recorder

import (
	"context"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

var (
	h264 = &media.EncodedFormat{Codec: media.H264, Width: 64, Height: 48}
	opus = &media.EncodedFormat{Codec: media.Opus, Rate: 48000, Channels: 2}
)

func encodedAt(t time.Duration, f *media.EncodedFormat) media.Sample {
	return media.Sample{Time: t, Encoded: &media.Encoded{Format: f, Data: make([]byte, 10)}}
}

// gated is a mock that takes the first sample and then nothing until release.
func gated() (m *Mock, entered, release chan struct{}) {
	entered, release = make(chan struct{}, 1), make(chan struct{})
	m = &Mock{OnWrite: func(Track, media.Sample) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		return nil
	}}
	return m, entered, release
}

func TestEncodedQueue(t *testing.T) {
	for name, c := range map[string]struct {
		format *media.EncodedFormat
		track  Track
		fits   int
	}{
		"pictures": {h264, cameraTrack, 2 * 60 * 8}, // 2 s at 60 fps of eight NAL units
		"audio":    {opus, voiceTrack, 60 * 50},     // a minute of 20 ms
	} {
		t.Run(name, func(t *testing.T) {
			m, entered, release := gated()
			f := openFeed(t, m)
			in := f.AddTrack(c.track)
			in.Push(encodedAt(0, c.format))
			<-entered
			for i := range c.fits {
				in.Push(encodedAt(time.Duration(i), c.format))
			}
			close(release)
			wantTrack(t, f.Stop(context.Background()).Tracks[0], int64(c.fits)+1, int64(c.fits)+1, "", 0)
		})
	}
}

func TestEncodedQueueIsBounded(t *testing.T) {
	m, entered, release := gated()
	f := openFeed(t, m, func(b *Binding) { b.QueueBytes = 1 << 20 })
	many, big := f.AddTrack(cameraTrack), f.AddTrack(Track{ID: "big", Kind: media.KindVideo})
	many.Push(encodedAt(0, h264))
	<-entered
	for range pushEncodedPictures + 3 {
		many.Push(encodedAt(0, h264))
	}
	keyframe := media.Sample{Encoded: &media.Encoded{Format: h264, Data: make([]byte, 400<<10)}}
	big.Push(keyframe)
	for !big.isBusy() {
		time.Sleep(time.Millisecond) // until the worker has taken it out
	}
	for range 4 {
		big.Push(keyframe) // two of them have 800 KiB
	}
	close(release)
	r := f.Stop(context.Background())
	wantTrack(t, r.Tracks[0], pushEncodedPictures+4, pushEncodedPictures+1, DropQueueFull, 3)
	wantTrack(t, r.Tracks[1], 5, 3, DropQueueFull, 2)
}

// A source that can wait is let no further ahead with small pictures than with
// large ones in bytes.
func TestEncodedWaits(t *testing.T) {
	m, entered, release := gated()
	f := openFeed(t, m)
	in := f.AddTrack(cameraTrack)
	in.Push(encodedAt(0, h264))
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for in.Wait(ctx, encodedAt(0, h264)) == nil {
		n++
	}
	if n != waitEncodedPictures {
		t.Errorf("%d samples taken ahead, want %d", n, waitEncodedPictures)
	}
	close(release)
	f.Stop(context.Background())
}

// A worker that is asleep is woken for a handful of encoded samples, and for
// fewer after a moment: none waits for another one for ever.
func TestEncodedSamplesAreHandedOnByTheHandful(t *testing.T) {
	got := make(chan struct{}, 2*handful)
	f := openFeed(t, &stub{write: func(media.Sample) error { got <- struct{}{}; return nil }})
	defer f.Stop(context.Background())
	in := f.AddTrack(cameraTrack)
	asleep := func() bool {
		in.mu.Lock()
		defer in.mu.Unlock()
		return in.asleep
	}
	await := func(samples int) {
		t.Helper()
		for range samples {
			select {
			case <-got:
			case <-time.After(10 * time.Second):
				t.Fatal("samples are not handed on")
			}
		}
		for !asleep() {
			time.Sleep(time.Millisecond)
		}
	}
	for range 2 { // the alarm is set again
		await(0)
		began := time.Now()
		in.Push(encodedAt(0, h264))
		if !asleep() && time.Since(began) < moment {
			t.Error("woken for one sample")
		}
		await(1)
	}
	for range handful {
		in.Push(encodedAt(0, h264))
	}
	if asleep() && len(got) == 0 {
		t.Error("not woken for a handful")
	}
	await(handful)
	in.Push(pictureAt(0))
	if asleep() && len(got) == 0 {
		t.Error("not woken for a raw picture")
	}
	await(1)
}

// What one recorder misses it is told with the next sample; its neighbour,
// which shares the payloads, is told nothing.
func TestMissedIsTold(t *testing.T) {
	slow, entered, release := gated()
	quick := &Mock{}
	behind, abreast := openFeed(t, slow), openFeed(t, quick)
	a, b := behind.AddTrack(cameraTrack), abreast.AddTrack(cameraTrack)
	push := func(n int) {
		for range n {
			s := encodedAt(0, h264)
			a.Push(s)
			if err := b.Wait(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			s.Release()
		}
	}
	push(1)
	<-entered
	push(pushEncodedPictures + 5)
	close(release)
	for a.queued() > 0 {
		time.Sleep(time.Millisecond)
	}
	push(2)
	a.Drop(DropRejected)
	a.Drop(DropRejected)
	push(1)
	behind.Stop(context.Background())
	abreast.Stop(context.Background())

	told := missed(slow.Recordings()[0].Samples(cameraTrack.ID))
	last := pushEncodedPictures + 1
	if len(told) != 2 || told[last] != 5 || told[last+2] != 2 {
		t.Errorf("the slow recorder is told %v, want 5 before sample %d and 2 before %d", told, last, last+2)
	}
	if told := missed(quick.Recordings()[0].Samples(cameraTrack.ID)); len(told) != 0 {
		t.Errorf("its neighbour is told %v", told)
	}
}

// missed returns what is told to be missing, by the sample it is missing before.
func missed(samples []media.Sample) map[int]int {
	told := map[int]int{}
	for i, s := range samples {
		if s.Missed != 0 {
			told[i] = s.Missed
		}
	}
	return told
}

func (in *Input) queued() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.queue.n
}

// What is lost on the way is counted for every recorder, also where the sample
// that tells of it is lost as well, and over all visits.
func TestLostOnTheWayIsCounted(t *testing.T) {
	lossy := encodedAt(0, h264)
	lossy.Encoded.Lost = 3
	own := TrackResult{Track: cameraTrack, LostOnTheWay: 1, KeyframeRequests: 2}
	f := openFeed(t, &stub{
		write:  func(media.Sample) error { return media.ErrFormat },
		result: Result{ID: "own", Tracks: []TrackResult{own}},
	})
	in := f.AddTrack(cameraTrack)
	in.Push(lossy)
	in.Push(encodedAt(0, h264))
	in.Close()
	in.Push(lossy)
	f.AddTrack(cameraTrack).Push(lossy)
	tr := f.Stop(context.Background()).Tracks[0]
	if tr.LostOnTheWay != 9 || tr.KeyframeRequests != 2 {
		t.Errorf("%d lost on the way, %d requests; want 9 and 2", tr.LostOnTheWay, tr.KeyframeRequests)
	}
}

func TestMockKeepsEncoded(t *testing.T) {
	m := &Mock{}
	r, err := m.Start(context.Background(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	camera, _ := r.AddTrack(cameraTrack)
	voice, _ := r.AddTrack(voiceTrack)
	s := media.Sample{Time: time.Second, Missed: 4, Encoded: &media.Encoded{
		Format: h264, Data: []byte{0, 0, 0, 1, 0x65}, Lead: time.Second / 25, Duration: time.Second / 20, Key: media.KeyFrame, Whole: true, Lost: 2,
	}}
	packet := media.Sample{Time: 2 * time.Second, Encoded: &media.Encoded{Format: opus, Data: []byte{0xfc}}}
	for _, err := range []error{camera.WriteSample(s), voice.WriteSample(packet)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Encoded.Data[4] = 0
	e := m.Recordings()[0].Samples(cameraTrack.ID)[0]
	if k := e.Encoded; e.Time != time.Second || e.Missed != 4 || k.Format != h264 || k.Data[4] != 0x65 ||
		k.Lead != time.Second/25 || k.Duration != time.Second/20 || k.Key != media.KeyFrame || !k.Whole || k.Lost != 2 {
		t.Errorf("kept %+v of %+v", k, e)
	}
	result, err := r.Stop(context.Background())
	if err != nil || result.Duration != time.Second {
		t.Errorf("duration %v, %v", result.Duration, err)
	}
	if tr := result.Tracks[0]; tr.Codec != "h264" || tr.Format != "h264 64x48" || tr.Last != time.Second/20 || tr.LostOnTheWay != 2 || tr.Bytes != 5 {
		t.Errorf("camera %+v", tr)
	}
	if tr := result.Tracks[1]; tr.Codec != "opus" || tr.First != time.Second || tr.Last != time.Second {
		t.Errorf("voice %+v", tr)
	}
}
