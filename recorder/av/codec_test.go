package av

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// auto falls back from an encoder that does not open, and says why.
func TestAutoFallsBack(t *testing.T) {
	if probeEncoder("h264_nvenc") == nil {
		t.Skip("this machine has NVENC")
	}
	var log bytes.Buffer
	cfg := recorder.Config{}.WithDefaults()
	p, err := resolveCodecs(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.video, []string{"libx264"}) {
		t.Errorf("encoders %v, want libx264", p.video)
	}
	for _, text := range []string{"h264_nvenc", "reason=", "video encoder chosen", "libx264"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("log does not say %q:\n%s", text, &log)
		}
	}
}

// auto prefers the hardware where it opens, and keeps x264 for the moment in
// which the hardware has no session left.
func TestAutoPrefersTheFirstThatOpens(t *testing.T) {
	for _, name := range []string{"libx265", "libx264"} { // both open everywhere
		if err := probeEncoder(name); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"libx265", "libx264"}
	got, err := usable(names, recorder.Config{}.WithDefaults(), slog.New(slog.DiscardHandler))
	if err != nil || !slices.Equal(got, names) {
		t.Errorf("encoders %v (%v), want %v in this order", got, err, names)
	}
}

// Every encoder that a container may use has its settings.
func TestEveryEncoderHasSettings(t *testing.T) {
	for _, format := range recorder.Formats() {
		c, ok := containers[format]
		if !ok {
			t.Errorf("format %s has no container", format)
		}
		for _, name := range slices.Concat(c.video, c.autoVideo) {
			if encoderSettings[name] == nil {
				t.Errorf("%s in %s has no settings", name, format)
			}
		}
	}
}
