package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

func TestEncodedSamples(t *testing.T) {
	feed, err := recorder.OpenFeed(t.Context(), recorder.Binding{Recorder: &rawRecorder{}, Config: recorder.Config{Storage: t.TempDir()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	track := recorder.Track{ID: "s/video", Kind: media.KindVideo, RequestKeyFrame: func() { asked++ }}
	in := feed.AddTrack(track)
	format := &media.EncodedFormat{Codec: media.H264}
	for _, x := range []struct {
		at   time.Duration
		data string
		lost int
	}{{3, "key", 0}, {5, "after loss", 2}, {4, "b", 0}} {
		in.Push(media.Sample{Time: x.at, Encoded: &media.Encoded{Format: format, Data: []byte(x.data), Lost: x.lost}})
	}
	r := feed.Stop(t.Context())
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	got, err := os.ReadFile(filepath.Join(r.Path, fileName(track, 1)))
	want := []byte("\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x03key" +
		"\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x0aafter loss" +
		"\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01b")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has %q, %v", got, err)
	}
	tr := r.Tracks[0]
	if tr.SamplesWritten != 3 || tr.Last != 2 || tr.Format != "h264" || tr.LostOnTheWay != 2 || tr.KeyframeRequests != 1 || asked != 1 {
		t.Errorf("asked %d times, track %+v", asked, tr)
	}
}
