package recorder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

var (
	voiceFormat   = media.AudioFormat{Rate: 16000, Channels: 1}
	pictureFormat = media.VideoFormat{Pixel: media.I420, Width: 64, Height: 48}
	voiceTrack    = Track{ID: "s/audio", Kind: media.KindAudio, Participant: "ann"}
	cameraTrack   = Track{ID: "s/video", Kind: media.KindVideo, Participant: "ann"}
)

func voiceAt(t time.Duration) media.Sample {
	return media.Sample{Time: t, PCM: &media.PCM{Format: voiceFormat, Data: make([]byte, 640)}}
}

func pictureAt(t time.Duration) media.Sample {
	return media.Sample{Time: t, Picture: media.NewPicture(pictureFormat)}
}

func openFeed(t testing.TB, r Recorder, change ...func(*Binding)) *Feed {
	t.Helper()
	b := Binding{Recorder: r}
	for _, c := range change {
		c(&b)
	}
	f, err := OpenFeed(context.Background(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func stallAfter(d time.Duration) func(*Binding) { return func(b *Binding) { b.StallTimeout = d } }

// balanced fails unless every sample is written or counted as lost.
func balanced(t *testing.T, r Result) {
	t.Helper()
	for _, tr := range r.Tracks {
		if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
			t.Errorf("track %s: %d in, %d written, dropped %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
}

func wantTrack(t *testing.T, tr TrackResult, in, written int64, reason DropReason, dropped int64) {
	t.Helper()
	if tr.SamplesIn != in || tr.SamplesWritten != written || tr.Dropped[reason] != dropped || tr.Losses() != dropped {
		t.Errorf("track %s: %d in, %d written, dropped %v; want %d in, %d written, %d %q",
			tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped, in, written, dropped, reason)
	}
}

func TestFeedDeliversInOrderAndCounts(t *testing.T) {
	m := &Mock{}
	f := openFeed(t, m, func(b *Binding) { b.Name = "main" })
	voice, camera := f.AddTrack(voiceTrack), f.AddTrack(cameraTrack)
	for i := range 50 {
		voice.Push(voiceAt(time.Duration(i) * 20 * time.Millisecond))
		if err := camera.Wait(context.Background(), pictureAt(time.Duration(i)*40*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	voice.Close()
	r := f.Stop(context.Background())
	if r.Err != nil || r.Binding != "main" || r.Recorder != "mock" || r.ID != "mock-1" || r.Started.IsZero() {
		t.Errorf("result %+v", r)
	}
	balanced(t, r)
	wantTrack(t, r.Tracks[0], 50, 50, "", 0)
	wantTrack(t, r.Tracks[1], 50, 50, "", 0)
	got := m.Recordings()[0].Samples("s/audio")
	if !slices.IsSortedFunc(got, func(a, b media.Sample) int { return int(a.Time - b.Time) }) {
		t.Error("samples out of order")
	}
	if !m.Recordings()[0].Ended("s/audio") || !m.Recordings()[0].Ended("s/video") {
		t.Error("tracks not closed")
	}
	if want := 49*40*time.Millisecond + frame; r.Duration != want {
		t.Errorf("duration %v, want %v", r.Duration, want)
	}
	again := f.Stop(context.Background())
	if len(again.Tracks) != 2 || again.Tracks[0].SamplesWritten != 50 {
		t.Errorf("second Stop: %+v", again)
	}
}

func TestFeedAddsTracksInOrder(t *testing.T) {
	m := &Mock{}
	f := openFeed(t, m)
	for i := range 20 {
		f.AddTrack(Track{ID: fmt.Sprint(i), Kind: media.KindAudio})
	}
	f.Stop(context.Background())
	for i, tr := range m.Recordings()[0].Tracks() {
		if tr.ID != fmt.Sprint(i) {
			t.Fatalf("track %d is %s", i, tr.ID)
		}
	}
}

func TestOpenFeedErrors(t *testing.T) {
	boom := errors.New("boom")
	hang := make(chan struct{})
	defer close(hang)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		b    Binding
		ctx  context.Context
		want error
		says string
	}{
		"no recorder":  {b: Binding{}, want: ErrConfig, says: "Binding.Recorder"},
		"wrong config": {b: Binding{Recorder: &Mock{}, Config: Config{Format: "avi"}}, want: ErrConfig, says: `Format is "avi" (allowed: mp4`},
		"error":        {b: Binding{Recorder: &Mock{OnStart: func(context.Context, Config) error { return boom }}}, want: boom, says: `"mock" cannot start`},
		"panic":        {b: Binding{Recorder: &Mock{OnStart: func(context.Context, Config) error { panic("ouch") }}}, want: ErrPanic, says: "ouch"},
		"nil pointer":  {b: Binding{Recorder: (*Mock)(nil)}, want: ErrPanic},
		"nothing":      {b: Binding{Recorder: stub{}}, says: "neither a recording nor an error"},
		"hangs": {b: Binding{Recorder: &Mock{OnStart: func(context.Context, Config) error { <-hang; return boom }},
			StallTimeout: 20 * time.Millisecond}, want: ErrUnresponsive, says: "Start"},
		"context": {b: Binding{Recorder: &Mock{OnStart: func(ctx context.Context, _ Config) error { <-hang; return boom }}}, ctx: ended, want: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := c.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			_, err := OpenFeed(ctx, c.b, nil)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v saying %q", err, c.want, c.says)
			}
		})
	}
}

// A recording that comes after OpenFeed has given up must not run on.
func TestOpenFeedStopsLateRecording(t *testing.T) {
	release := make(chan struct{})
	stopped := make(chan struct{})
	m := &Mock{
		OnStart: func(context.Context, Config) error { <-release; return nil },
		OnStop:  func(context.Context) error { close(stopped); return nil },
	}
	if _, err := OpenFeed(context.Background(), Binding{Recorder: m, StallTimeout: 10 * time.Millisecond}, nil); !errors.Is(err, ErrUnresponsive) {
		t.Fatal(err)
	}
	close(release)
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Error("late recording was not stopped")
	}
}

func TestFeedCountsWhatTheRecorderRefuses(t *testing.T) {
	boom := errors.New("disk full")
	for _, c := range []struct {
		err    error
		reason DropReason
		broken bool // the recording is not whole
	}{
		{boom, DropWriteError, true},
		{ErrTrackEnded, DropTrackEnded, false},
		{fmt.Errorf("picture: %w", media.ErrLength), DropRejected, false},
		{media.ErrFormat, DropRejected, false},
		{media.ErrPayload, DropRejected, false},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			n := 0
			m := &Mock{OnWrite: func(Track, media.Sample) error {
				if n++; n%2 == 0 {
					return fmt.Errorf("sample %d: %w", n, c.err)
				}
				return nil
			}}
			f := openFeed(t, m)
			in := f.AddTrack(voiceTrack)
			for i := range 10 {
				in.Push(voiceAt(time.Duration(i) * 20 * time.Millisecond))
			}
			r := f.Stop(context.Background())
			wantTrack(t, r.Tracks[0], 10, 5, c.reason, 5)
			if err := r.Tracks[0].Err; !errors.Is(err, c.err) || !strings.Contains(err.Error(), "sample 2") {
				t.Errorf("track error %v, want the first", err)
			}
			if (r.Err != nil) != c.broken || c.broken && !errors.Is(r.Err, c.err) {
				t.Errorf("result error %v", r.Err)
			}
		})
	}
}

func TestFeedKeepsTrackThatTheRecorderRefuses(t *testing.T) {
	for err, reason := range map[error]DropReason{
		ErrLateTrack:           DropTooLate,
		errors.New("no codec"): DropWriteError,
	} {
		m := &Mock{OnAddTrack: func(tr Track) error {
			if tr.ID == cameraTrack.ID {
				return err
			}
			return nil
		}}
		f := openFeed(t, m)
		voice, camera := f.AddTrack(voiceTrack), f.AddTrack(cameraTrack)
		for i := range 5 {
			voice.Push(voiceAt(time.Duration(i)))
			if err := camera.Wait(context.Background(), pictureAt(time.Duration(i))); err != nil {
				t.Fatal(err)
			}
		}
		r := f.Stop(context.Background())
		wantTrack(t, r.Tracks[0], 5, 5, "", 0)
		wantTrack(t, r.Tracks[1], 5, 0, reason, 5)
		if !errors.Is(r.Err, err) || !errors.Is(r.Tracks[1].Err, err) || r.Tracks[0].Err != nil {
			t.Errorf("errors: result %v, tracks %v and %v", r.Err, r.Tracks[0].Err, r.Tracks[1].Err)
		}
	}
}

func TestFeedSurvivesPanics(t *testing.T) {
	ouch := func() { panic("ouch") }
	for name, m := range map[string]*Mock{
		"AddTrack":    {OnAddTrack: func(Track) error { ouch(); return nil }},
		"WriteSample": {OnWrite: func(Track, media.Sample) error { ouch(); return nil }},
		"Close":       {OnClose: func(Track) error { ouch(); return nil }},
		"Stop":        {OnStop: func(context.Context) error { ouch(); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			f := openFeed(t, m)
			in := f.AddTrack(voiceTrack)
			for i := range 10 {
				in.Push(voiceAt(time.Duration(i)))
			}
			r := f.Stop(context.Background())
			if !errors.Is(r.Err, ErrPanic) || !strings.Contains(r.Err.Error(), "ouch") || !strings.Contains(r.Err.Error(), "feed_test.go") {
				t.Errorf("error %v", r.Err)
			}
			balanced(t, r)
			if name == "WriteSample" || name == "AddTrack" {
				wantTrack(t, r.Tracks[0], 10, 0, DropFailed, 10)
				if !errors.Is(f.Err(), ErrPanic) {
					t.Errorf("feed error %v", f.Err())
				}
				in.Push(voiceAt(0))
				if err := in.Wait(context.Background(), voiceAt(0)); err != nil {
					t.Error(err)
				}
			}
			if name != "Stop" && !m.Recordings()[0].Stopped() {
				t.Error("recording not stopped, so its file is not closed")
			}
		})
	}
}

func TestFeedCutsOffWhatHangs(t *testing.T) {
	for _, name := range []string{"AddTrack", "WriteSample", "Close", "Stop"} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			block := func(call string) {
				if call == name {
					<-release
				}
			}
			m := &Mock{
				OnAddTrack: func(Track) error { block("AddTrack"); return nil },
				OnWrite:    func(Track, media.Sample) error { block("WriteSample"); return nil },
				OnClose:    func(Track) error { block("Close"); return nil },
				OnStop:     func(context.Context) error { block("Stop"); return nil },
			}
			f := openFeed(t, m, stallAfter(50*time.Millisecond))
			in := f.AddTrack(voiceTrack)
			for i := range 10 {
				in.Push(voiceAt(time.Duration(i)))
			}
			begun := time.Now()
			r := f.Stop(context.Background())
			if took := time.Since(begun); took > 2*time.Second {
				t.Errorf("Stop took %v", took)
			}
			if !errors.Is(r.Err, ErrUnresponsive) || !strings.Contains(r.Err.Error(), name+" takes longer than 50ms") {
				t.Errorf("error %v", r.Err)
			}
			wantTrack(t, r.Tracks[0], 10, 0, DropFailed, 10) // nobody knows what of it is kept
			if name != "Stop" && m.Recordings()[0].Stopped() {
				t.Error("Recording.Stop was called while a call hung")
			}
			close(release)
			<-in.done
		})
	}
}

// A recorder that hangs while the feed is stopped, and comes back, is stopped
// then: it has a file, encoders and goroutines to let go.
func TestStopReachesARecorderThatComesBack(t *testing.T) {
	back := make(chan struct{})
	mock := &Mock{OnWrite: func(Track, media.Sample) error { <-back; return nil }}
	f := openFeed(t, mock, stallAfter(20*time.Millisecond))
	f.AddTrack(voiceTrack).Push(voiceAt(0))
	if f.Stop(context.Background()); f.Err() == nil {
		t.Fatal("the recorder was not cut off")
	}
	r := mock.Recordings()[0]
	if r.Stopped() {
		t.Fatal("Stop was called while another call hangs")
	}
	close(back)
	for deadline := time.Now().Add(5 * time.Second); !r.Stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the recording is never stopped")
		}
	}
}

// A feed that was cut off goes on counting and neither blocks nor keeps memory.
func TestFeedAfterCutOff(t *testing.T) {
	release := make(chan struct{})
	m := &Mock{OnWrite: func(Track, media.Sample) error { <-release; return nil }}
	f := openFeed(t, m, stallAfter(20*time.Millisecond))
	in := f.AddTrack(cameraTrack)
	waited := make(chan error)
	go func() {
		var err error
		for i := range 20 {
			if err = in.Wait(context.Background(), pictureAt(time.Duration(i))); err != nil {
				break
			}
		}
		waited <- err
	}()
	if err := <-waited; err != nil {
		t.Errorf("Wait: %v", err)
	}
	late := f.AddTrack(voiceTrack)
	late.Push(voiceAt(0))
	r := f.Report()
	wantTrack(t, r.Tracks[0], 20, 0, DropFailed, 20)
	wantTrack(t, r.Tracks[1], 1, 0, DropFailed, 1)
	close(release) // the call comes back: now the recording can be stopped after all
	<-in.done
	r = f.Stop(context.Background())
	if !m.Recordings()[0].Stopped() {
		t.Error("recording was not stopped")
	}
	balanced(t, r)
	if !errors.Is(r.Err, ErrUnresponsive) {
		t.Errorf("error %v", r.Err)
	}
}

func TestPushNeverWaits(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	entered := make(chan struct{})
	m := &Mock{OnWrite: func(Track, media.Sample) error { once.Do(func() { close(entered) }); <-release; return nil }}
	f := openFeed(t, m)
	in := f.AddTrack(cameraTrack)
	in.Push(pictureAt(0))
	<-entered
	begun := time.Now()
	for i := range 100 {
		in.Push(pictureAt(time.Duration(i)))
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("100 pushes took %v", took)
	}
	if r := f.Report(); r.Tracks[0].Dropped[DropQueueFull] != 100-pushPictures {
		t.Errorf("live report: dropped %v", r.Tracks[0].Dropped)
	}
	close(release)
	r := f.Stop(context.Background())
	wantTrack(t, r.Tracks[0], 101, 1+pushPictures, DropQueueFull, 100-pushPictures)
	if r.Err != nil {
		t.Error(r.Err)
	}
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 100)
	m := &Mock{OnWrite: func(Track, media.Sample) error { entered <- struct{}{}; <-release; return nil }}
	f := openFeed(t, m, func(b *Binding) { b.QueueBytes = 1 << 20 })
	in := f.AddTrack(cameraTrack)
	big := media.Sample{Picture: media.NewPicture(media.VideoFormat{Width: 1280, Height: 720})} // 1.3 MiB each
	in.Push(big)
	<-entered
	in.Push(big) // fits because the queue is empty, though it is larger than the bound
	in.Push(big)
	close(release)
	wantTrack(t, f.Stop(context.Background()).Tracks[0], 3, 2, DropQueueFull, 1)
}

func TestWaitLosesNothing(t *testing.T) {
	var written atomic.Int64
	m := &Mock{OnWrite: func(Track, media.Sample) error {
		if written.Add(1)%16 == 0 {
			time.Sleep(time.Millisecond)
		}
		return nil
	}}
	f := openFeed(t, m)
	voice, camera := f.AddTrack(voiceTrack), f.AddTrack(cameraTrack)
	var all sync.WaitGroup
	for range 3 { // one input takes several sources
		all.Go(func() {
			for i := range 300 {
				if err := voice.Wait(context.Background(), voiceAt(time.Duration(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for i := range 300 {
			if err := camera.Wait(context.Background(), pictureAt(time.Duration(i))); err != nil {
				t.Error(err)
			}
			camera.mu.Lock()
			n := camera.queue.n
			camera.mu.Unlock()
			if n > waitPictures {
				t.Fatalf("%d pictures queued for a source that can wait", n)
			}
		}
	})
	all.Wait()
	r := f.Stop(context.Background())
	wantTrack(t, r.Tracks[0], 900, 900, "", 0)
	wantTrack(t, r.Tracks[1], 300, 300, "", 0)
}

func TestWaitEndsWithItsContextAndItsTrack(t *testing.T) {
	release := make(chan struct{})
	m := &Mock{OnWrite: func(Track, media.Sample) error { <-release; return nil }}
	f := openFeed(t, m)
	in := f.AddTrack(cameraTrack)
	for range waitPictures + 1 {
		if err := in.Wait(context.Background(), pictureAt(0)); err != nil {
			t.Fatal(err)
		}
		for f.Report().Tracks[0].SamplesIn == 1 && !in.isBusy() {
			runtime.Gosched() // let the worker take the first one out
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := in.Wait(ctx, pictureAt(0)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait returned %v", err)
	}
	time.AfterFunc(10*time.Millisecond, in.Close)
	if err := in.Wait(context.Background(), pictureAt(0)); err != nil {
		t.Errorf("Wait at the track's end returned %v", err)
	}
	close(release)
	// The sample whose context ended stays with the source: it was not offered.
	wantTrack(t, f.Stop(context.Background()).Tracks[0], waitPictures+2, waitPictures+1, DropTrackEnded, 1)
}

func (in *Input) isBusy() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.busy
}

func TestSamplesAfterTheEndAreCounted(t *testing.T) {
	f := openFeed(t, &Mock{})
	in := f.AddTrack(voiceTrack)
	in.Push(voiceAt(0))
	in.Close()
	in.Close()
	in.Push(voiceAt(1))
	in.Drop(DropRejected)
	r := f.Stop(context.Background())
	balanced(t, r)
	if tr := r.Tracks[0]; tr.SamplesIn != 3 || tr.Dropped[DropTrackEnded] != 1 || tr.Dropped[DropRejected] != 1 {
		t.Errorf("track %+v", tr)
	}
	after := f.AddTrack(cameraTrack) // on a stopped feed: only counts
	after.Push(pictureAt(0))
	if err := after.Wait(context.Background(), pictureAt(0)); err != nil {
		t.Error(err)
	}
}

func TestDiscardedTrackLeavesNothing(t *testing.T) {
	f := openFeed(t, &Mock{})
	f.AddTrack(voiceTrack).Discard()
	in := f.AddTrack(cameraTrack)
	in.Push(pictureAt(0))
	in.Discard() // too late to have never been
	if r := f.Stop(context.Background()); len(r.Tracks) != 1 || r.Tracks[0].ID != cameraTrack.ID || r.Err != nil {
		t.Errorf("result %+v", r)
	}
}

func TestStopIsBoundedByItsContext(t *testing.T) {
	m := &Mock{OnWrite: func(Track, media.Sample) error { time.Sleep(20 * time.Millisecond); return nil }}
	f := openFeed(t, m)
	in := f.AddTrack(voiceTrack)
	for i := range 1000 { // 20 s of work
		in.Push(voiceAt(time.Duration(i)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	r := f.Stop(ctx)
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("Stop took %v", took)
	}
	balanced(t, r)
	if r.Tracks[0].Dropped[DropFailed] < 900 || r.Tracks[0].SamplesWritten == 0 || !errors.Is(r.Err, context.DeadlineExceeded) {
		t.Errorf("track %+v, error %v", r.Tracks[0], r.Err)
	}
	if !m.Recordings()[0].Stopped() {
		t.Error("the recording did not get its moment to close the file")
	}
}

func TestStopAgainWaitsForTheFirst(t *testing.T) {
	m := &Mock{OnStop: func(context.Context) error { time.Sleep(30 * time.Millisecond); return nil }}
	f := openFeed(t, m)
	f.AddTrack(voiceTrack).Push(voiceAt(0))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if r := f.Stop(context.Background()); r.Duration == 0 || len(r.Tracks) != 1 {
				t.Errorf("result %+v", r)
			}
		})
	}
	all.Wait()
}

func TestStopErrorsReachTheResult(t *testing.T) {
	boom := errors.New("cannot close file")
	f := openFeed(t, &Mock{OnStop: func(context.Context) error { return boom }})
	f.AddTrack(voiceTrack).Push(voiceAt(0))
	r := f.Stop(context.Background())
	if !errors.Is(r.Err, boom) {
		t.Errorf("error %v", r.Err)
	}
	wantTrack(t, r.Tracks[0], 1, 1, "", 0) // the recording says so itself

	r = openFeed(t, &Mock{}).Stop(context.Background())
	if r.Err != ErrNoMedia {
		t.Errorf("error without media: %v", r.Err)
	}
}

// A recorder that counts for itself: see the rule at TrackResult.
func TestMergeOfCounts(t *testing.T) {
	boom := errors.New("boom")
	n := 0
	own := TrackResult{Track: voiceTrack, Codec: "aac", SamplesIn: 99, SamplesWritten: 5, Bytes: 77,
		Dropped: map[DropReason]int64{DropLate: 2},
		RatePPM: 12, LargestCorrection: time.Millisecond, Gaps: []Gap{{time.Second, time.Second}}, GapCount: 1, GapTotal: time.Second}
	s := stub{
		write: func(s media.Sample) error {
			if s.Picture != nil {
				return boom
			}
			if n++; n > 8 {
				return boom
			}
			return nil
		},
		result: Result{ID: "own", Path: "file", Tracks: []TrackResult{{Track: Track{ID: "mix"}}, own}},
	}
	f := openFeed(t, &s)
	in := f.AddTrack(voiceTrack)
	silent := f.AddTrack(cameraTrack) // the stub does not list it
	for i := range 10 {
		in.Push(voiceAt(time.Duration(i)))
	}
	silent.Push(pictureAt(0))
	r := f.Stop(context.Background())
	balanced(t, Result{Tracks: r.Tracks[:1]})
	tr := r.Tracks[0]
	want := map[DropReason]int64{DropLate: 2, DropWriteError: 2, DropUnaccounted: 1}
	if tr.ID != voiceTrack.ID || tr.SamplesIn != 10 || tr.SamplesWritten != 5 || tr.Codec != "aac" || tr.Bytes != 77 ||
		fmt.Sprint(tr.Dropped) != fmt.Sprint(want) {
		t.Errorf("track %+v, want dropped %v", tr, want)
	}
	if tr.RatePPM != own.RatePPM || tr.LargestCorrection != own.LargestCorrection || len(tr.Gaps) != 1 ||
		tr.GapCount != own.GapCount || tr.GapTotal != own.GapTotal {
		t.Errorf("figures of the recorder are missing: %+v", tr)
	}
	wantTrack(t, r.Tracks[1], 1, 0, DropWriteError, 1)
	if len(r.Tracks) != 3 || r.Tracks[2].ID != "mix" || r.Path != "file" || r.ID != "own" {
		t.Errorf("result %+v", r)
	}
	if s.result.Tracks[1].Dropped[DropWriteError] != 0 {
		t.Error("the recorder's own result was written to")
	}
}

// A hung Report must not hold up whoever asks for a snapshot.
func TestReportIsBounded(t *testing.T) {
	release := make(chan struct{})
	s := &stub{report: func() Result { <-release; return Result{} }}
	f := openFeed(t, s)
	f.AddTrack(voiceTrack).Push(voiceAt(0))
	begun := time.Now()
	for range 5 {
		if r := f.Report(); len(r.Tracks) != 1 {
			t.Errorf("report %+v", r)
		}
	}
	if took := time.Since(begun); took > 3*reportPatience {
		t.Errorf("five reports took %v", took)
	}
	close(release)
	f.Stop(context.Background())
}

// A recorder that hangs over AddTrack delays only the first call of it.
func TestAddTrackIsBounded(t *testing.T) {
	release := make(chan struct{})
	f := openFeed(t, &Mock{OnAddTrack: func(Track) error { <-release; return nil }})
	begun := time.Now()
	for i := range 5 {
		f.AddTrack(Track{ID: fmt.Sprint(i), Kind: media.KindAudio}).Push(voiceAt(0))
	}
	if took := time.Since(begun); took > 2*addPatience {
		t.Errorf("five calls took %v", took)
	}
	close(release)
	r := f.Stop(context.Background())
	balanced(t, r)
	if len(r.Tracks) != 5 || r.Tracks[4].SamplesWritten != 1 {
		t.Errorf("result %+v", r)
	}
}

func TestQueueKeepsPayloadsAlive(t *testing.T) {
	release := make(chan struct{})
	var got []byte
	m := &Mock{OnWrite: func(_ Track, s media.Sample) error { <-release; got = append(got, s.PCM.Data[0]); return nil }}
	f := openFeed(t, m)
	in := f.AddTrack(voiceTrack)
	var pool media.PCMPool
	var want []byte
	for i := range byte(10) {
		pcm := pool.Get(voiceFormat, 320)
		for j := range pcm.Data {
			pcm.Data[j] = i
		}
		want = append(want, i)
		in.Push(media.Sample{PCM: pcm})
		pcm.Release() // the source is done with it; the queue is not
	}
	close(release)
	f.Stop(context.Background())
	if !bytes.Equal(got, want) {
		t.Errorf("recorder read %v, want %v", got, want)
	}
}

func TestPushDoesNotAllocate(t *testing.T) {
	f := openFeed(t, &stub{write: func(media.Sample) error { return nil }})
	defer f.Stop(context.Background())
	in := f.AddTrack(cameraTrack)
	s := pictureAt(0)
	if n := testing.AllocsPerRun(1000, func() { in.Push(s) }); n != 0 {
		t.Errorf("%v allocations per sample", n)
	}
}

func TestUseFromManyGoroutines(t *testing.T) {
	f := openFeed(t, &Mock{OnWrite: func(_ Track, s media.Sample) error {
		if s.Time == 77 {
			panic("some day")
		}
		return nil
	}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			in := f.AddTrack(Track{ID: fmt.Sprint(i), Kind: media.KindAudio})
			for j := range 100 {
				in.Push(voiceAt(time.Duration(j)))
				_ = in.Wait(context.Background(), voiceAt(time.Duration(j)))
				f.Report()
			}
			in.Close()
		})
	}
	all.Wait()
	balanced(t, f.Stop(context.Background()))
}

// stub is a recorder that keeps nothing and says what the test tells it to.
type stub struct {
	write  func(media.Sample) error
	report func() Result
	result Result
}

func (stub) Name() string { return "stub" }
func (s stub) Start(context.Context, Config) (Recording, error) {
	if s.write == nil && s.report == nil && s.result.ID == "" {
		return nil, nil
	}
	return &s, nil
}
func (s *stub) ID() string                           { return "stub-1" }
func (s *stub) AddTrack(Track) (TrackWriter, error)  { return s, nil }
func (s *stub) Stop(context.Context) (Result, error) { return s.result, nil }
func (s *stub) Close() error                         { return nil }
func (s *stub) WriteSample(m media.Sample) error {
	if s.write != nil {
		return s.write(m)
	}
	return nil
}
func (s *stub) Report() Result {
	if s.report != nil {
		return s.report()
	}
	return s.result
}

// What a recorder says of itself ends the feed's context, and cuts nobody off:
// the recording is still to be stopped, and told why.
func TestBrokenRecording(t *testing.T) {
	full := errors.New("disk full")
	m := &Mock{OnWrite: func(Track, media.Sample) error { return Broken(full) }}
	f := openFeed(t, m)
	in := f.AddTrack(Track{ID: "a", Kind: media.KindAudio})
	if err := f.Context().Err(); err != nil {
		t.Fatalf("ended before anything: %v", err)
	}
	in.Push(voiceAt(0))
	select {
	case <-f.Context().Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told")
	}
	if cause := context.Cause(f.Context()); !errors.Is(cause, ErrBroken) || !errors.Is(cause, full) || cause.Error() != "disk full" {
		t.Errorf("cause %v", cause)
	}
	r := f.Stop(t.Context())
	if !errors.Is(r.Err, full) || r.Tracks[0].Dropped[DropWriteError] != 1 || !m.Recordings()[0].Stopped() || f.Err() != nil {
		t.Errorf("result %+v, cut off because of %v", r, f.Err())
	}
}
