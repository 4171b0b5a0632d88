package roomkit_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

func listDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Minutes of a room in seconds: nothing is lost, nothing grows, and the time
// in the file is exact to the end.
func TestSoak(t *testing.T) { soak(t, 5*time.Minute) }

// An hour, by "make soak".
func TestSoakHour(t *testing.T) {
	if os.Getenv("ROOMKIT_SOAK") == "" {
		t.Skip("make soak runs it")
	}
	begun := time.Now()
	soak(t, time.Hour)
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("an hour took %v, want less than a minute", took)
	}
}

func soak(t *testing.T, length time.Duration) {
	trouble.NothingLeft(t)
	const fps = 5
	o := testpattern.Options{Width: 160, Height: 120, FPS: fps, Rate: 16000, Duration: length}
	room := newPatternRoom(t, media.NewVirtualClock(), o, avBinding(t, "main", recorder.Config{VideoCodec: "libx264"}))

	peak := watchHeap(t)
	results, err := room.play("ann", "bob")
	grown := peak()
	if err != nil {
		t.Fatal(err)
	}
	// Queues, held packets and the pattern's own buffers take a few megabytes
	// at any length; kept per sample, an hour would be more than this.
	if grown > 24<<20 {
		t.Errorf("heap in use grew by %d MB", grown>>20)
	}
	r := results[0]
	wantBalance(t, r)
	if len(r.Tracks) != 4 {
		t.Fatalf("%d tracks", len(r.Tracks))
	}
	for _, tr := range r.Tracks {
		want := int64(length / (20 * time.Millisecond))
		if tr.Kind.IsPicture() {
			want = int64(length.Seconds() * fps)
		}
		if tr.SamplesIn != want || tr.SamplesWritten != want {
			t.Errorf("track %s: %d in, %d written, dropped %v; want %d", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped, want)
		}
		if (tr.Last - length).Abs() > time.Second/fps {
			t.Errorf("track %s ends at %v", tr.ID, tr.Last)
		}
	}
	if (r.Duration - length).Abs() > time.Second/fps {
		t.Errorf("duration is %v, want %v", r.Duration, length)
	}
	if got := judge.Probe(t, r.Path).Length(); (got - length).Abs() > time.Second/fps {
		t.Errorf("file lasts %v, want %v", got, length)
	}
	for i, s := range judge.Probe(t, r.Path).Streams {
		if (s.Length() - length).Abs() > time.Second/fps {
			t.Errorf("stream %d lasts %v, want %v", i, s.Length(), length)
		}
	}
}

// watchHeap returns a function that tells by how much the heap in use was ever
// larger than now.
func watchHeap(t *testing.T) func() uint64 {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(50 * time.Millisecond):
				most = max(most, heap())
			}
		}
	}()
	return func() uint64 {
		close(quit)
		<-done
		t.Logf("heap in use: %d kB before, %d kB at most", before>>10, most>>10)
		return max(most, before) - before
	}
}
