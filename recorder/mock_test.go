package recorder

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

func TestMockKeepsCopies(t *testing.T) {
	m := &Mock{Label: "mine"}
	r, err := m.Start(context.Background(), Config{Title: "room"})
	if err != nil || m.Name() != "mine" || m.Recordings()[0] != r {
		t.Fatal(err, m.Name())
	}
	rec := m.Recordings()[0]
	if rec.Config().Title != "room" {
		t.Errorf("config %+v", rec.Config())
	}
	voice, _ := r.AddTrack(voiceTrack)
	camera, _ := r.AddTrack(cameraTrack)
	if _, err := r.AddTrack(voiceTrack); !errors.Is(err, ErrTrackExists) {
		t.Errorf("same track again: %v", err)
	}
	a, p := voiceAt(time.Second), pictureAt(1500*time.Millisecond)
	for _, err := range []error{voice.WriteSample(a), camera.WriteSample(p), camera.WriteSample(p)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := voice.WriteSample(media.Sample{}); !errors.Is(err, media.ErrPayload) {
		t.Errorf("empty sample: %v", err)
	}
	a.PCM.Data[0], p.Picture.Planes[0].Data[0] = 9, 9
	if rec.Samples("s/audio")[0].PCM.Data[0] != 0 || rec.Samples("s/video")[0].Picture.Planes[0].Data[0] != 0 {
		t.Error("samples are not copies")
	}
	if rec.Samples("nobody") != nil || len(rec.Tracks()) != 2 || rec.Ended("s/audio") || rec.Stopped() {
		t.Error("wrong accessors")
	}
	if err := voice.Close(); err != nil || !rec.Ended("s/audio") {
		t.Error("not ended", err)
	}
	if err := voice.WriteSample(voiceAt(0)); !errors.Is(err, ErrTrackEnded) {
		t.Errorf("after the end: %v", err)
	}
	result, err := r.Stop(context.Background())
	if err != nil || result.Duration != 500*time.Millisecond+frame || len(result.Tracks) != 2 {
		t.Errorf("result %+v, %v", result, err)
	}
	if tr := result.Tracks[1]; tr.First != 500*time.Millisecond || tr.SamplesWritten != 2 || tr.Bytes != 2*64*48*3/2 || tr.Format != "64x48 i420" {
		t.Errorf("camera %+v", tr)
	}
	again, err := r.Stop(context.Background())
	if !errors.Is(err, ErrStopped) || again.Duration != result.Duration {
		t.Errorf("second Stop: %+v, %v", again, err)
	}
	if _, err := r.AddTrack(Track{ID: "late"}); !errors.Is(err, ErrStopped) {
		t.Errorf("track after Stop: %v", err)
	}
}
