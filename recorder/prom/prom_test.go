package prom_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/prom"
)

func scrape(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	s := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer s.Close()
	r, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r.Status, string(text), err)
	}
	return string(text)
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("%q is missing in\n%s", line, text)
		}
	}
}

func TestMetrics(t *testing.T) {
	registry, m := prometheus.NewRegistry(), prom.New()
	registry.MustRegister(m)
	voice := recorder.TrackResult{
		Track: recorder.Track{ID: "a", Kind: media.KindAudio}, Codec: "aac",
		SamplesIn: 50, SamplesWritten: 45, Bytes: 4000, WriteTime: 1500 * time.Millisecond,
		SamplesQueued: 3, BytesQueued: 1920, RatePPM: -120, LargestCorrection: 4 * time.Millisecond,
	}
	voice.Drop(recorder.DropQueueFull, 2)
	tell := func(before, now recorder.TrackResult, recording string, last bool) {
		o := recorder.Observe(before, now)
		o.ID, o.Recorder, o.Last = recording, "av", last
		m.Observe(o)
	}
	tell(recorder.TrackResult{}, voice, "1", false)
	later := voice
	later.SamplesIn, later.Dropped = 100, map[recorder.DropReason]int64{recorder.DropQueueFull: 5}
	tell(voice, later, "1", false)
	other := voice
	other.RatePPM, other.Dropped, other.SamplesQueued = 80, nil, 1
	tell(recorder.TrackResult{}, other, "2", false)

	text := scrape(t, registry)
	wantLines(t, text,
		`roomkit_samples_total{kind="audio",recorder="av"} 150`,
		`roomkit_samples_written_total{kind="audio",recorder="av"} 90`,
		`roomkit_samples_dropped_total{kind="audio",reason="queue full",recorder="av"} 5`,
		`roomkit_media_bytes_total{codec="aac",kind="audio",recorder="av"} 8000`,
		`roomkit_write_seconds_total{kind="audio",recorder="av"} 3`,
		`roomkit_tracks{kind="audio",recorder="av"} 2`,
		`roomkit_queue_samples{kind="audio",recorder="av"} 4`,
		`roomkit_audio_drift_ppm{kind="audio",recorder="av"} -120`,
		`roomkit_audio_correction_seconds{kind="audio",recorder="av"} 0.004`)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}

	tell(later, later, "1", true)
	tell(other, other, "2", true)
	text = scrape(t, registry)
	wantLines(t, text, `roomkit_samples_total{kind="audio",recorder="av"} 150`)
	if strings.Contains(text, "roomkit_tracks{") {
		t.Errorf("tracks of recordings that have ended:\n%s", text)
	}
}
