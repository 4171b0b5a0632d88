package file

import (
	"bytes"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Samples keep their data for as long as they are held, whatever comes after
// them: small ones, which share memory, and large ones.
func TestHeldSamplesKeepTheirData(t *testing.T) {
	path := clip(t, "clip.mkv", "-c:v", "libx264", "-g", "5", "-qp", "0", "-vf", "scale=640:480,noise=alls=20:allf=t", "-c:a", "aac")
	var held []media.Sample
	var want [][]byte
	large, enough := 0, make(chan struct{})
	sink := sinktest.New(func(_ media.Kind, s media.Sample, _ bool) {
		if len(want)%3 == 0 { // others are given back at once, and their memory is used again
			s.Retain()
			held = append(held, s)
		} else {
			held = append(held, media.Sample{})
		}
		want = append(want, bytes.Clone(s.Encoded.Data))
		if len(s.Encoded.Data) >= largeData {
			large++
		}
		if len(want) == 600 {
			close(enough)
		}
	})
	conn, err := New(path, Options{Encoded: true, Loop: true}).Connect(t.Context(), sinktest.Session(media.NewVirtualClock()), sink)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-enough:
	case <-time.After(patience):
		t.Fatal("too few samples")
	}
	conn.Close()
	for i, s := range held {
		if s.Encoded == nil {
			continue
		}
		if !bytes.Equal(s.Encoded.Data, want[i]) {
			t.Fatalf("data of sample %d has changed", i)
		}
		s.Release()
	}
	if large == 0 || large == len(want) {
		t.Errorf("%d large samples of %d", large, len(want))
	}
	if n := ffmpeg.LiveObjects(); n != 0 {
		t.Errorf("%d objects of FFmpeg are left", n)
	}
}
