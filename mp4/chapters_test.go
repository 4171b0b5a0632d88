package mp4

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// Chapters may be as far apart as a recording is long, and the last one lasts
// to its end.
func TestChaptersOfADay(t *testing.T) {
	d := trouble.NewDisk(nil)
	w, _, b := newTestWriter(t, d, Options{})
	const hour = 3600 * 50 // packets
	for _, n := range []int64{0, 24 * hour, 48 * hour} {
		if err := b.Write(t.Context(), opusAt(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.AddChapter(t.Context(), 0, "a"), w.AddChapter(t.Context(), 20*time.Hour, "b")); err != nil {
		t.Fatal(err)
	}
	if err := w.AddChapter(t.Context(), -1, "before"); !errors.Is(err, ErrSample) {
		t.Errorf("before the file: %v", err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m, err := Read(bytes.NewReader(d.Bytes()), d.Size())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.Chapters); got != "[{0s a} {20h0m0s b}]" {
		t.Error(got)
	}
	if end := w.titles.index.end(); end != 48*3600*1000+20 {
		t.Errorf("the last chapter ends at %d ms", end)
	}
}

// Chapters that come from several goroutines are in one track.
func TestChaptersAtOnce(t *testing.T) {
	for range 50 {
		w, err := NewWriter(discard{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() { _ = w.AddChapter(t.Context(), time.Duration(n)*time.Second, "x") })
		}
		all.Wait()
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.tracks) != 1 || int64(len(w.chapters)) != w.titles.index.samples {
			t.Errorf("%d tracks, %d chapters, %d titles", len(w.tracks), len(w.chapters), w.titles.index.samples)
		}
	}
}

// Times at the ends of what 64 bits hold are refused.
func TestExtremeTimes(t *testing.T) {
	w, err := NewWriter(discard{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	track, err := w.AddTrack(TrackConfig{Codec: VP8{Width: 16, Height: 16}, Timescale: math.MaxUint32})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{math.MinInt64, math.MaxInt64} {
		if err := track.Write(t.Context(), Sample{DTS: at, PTS: at, Data: []byte{1}}); !errors.Is(err, ErrSample) {
			t.Errorf("at %d: %v", at, err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
