package recorder

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

func TestConfigAfterLoss(t *testing.T) {
	if got := (Config{}).WithDefaults().Video.AfterLoss; got != AfterLossAuto {
		t.Errorf("default %q", got)
	}
	for _, v := range []AfterLoss{"", "auto", "freeze", "keep"} {
		if err := (Config{Video: VideoOptions{AfterLoss: v}}).WithDefaults().Validate(); err != nil {
			t.Errorf("%q: %v", v, err)
		}
	}
	err := Config{Video: VideoOptions{AfterLoss: "Keep"}}.WithDefaults().Validate()
	if want := `Video.AfterLoss is "Keep" (allowed: auto, freeze, keep)`; !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// The names under which a configuration comes from a file.
func TestConfigFromJSON(t *testing.T) {
	var c Config
	text := `{"video_codec": "copy", "video": {"after_loss": "freeze"}, "audio": {"reencode": true}}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	if c.VideoCodec != "copy" || c.Video.AfterLoss != AfterLossFreeze || !c.Audio.Reencode {
		t.Errorf("config %+v", c)
	}
}

func TestTrackResultInJSON(t *testing.T) {
	r := TrackResult{
		Track:        Track{ID: "s/video", Kind: media.KindVideo, Encoded: media.EncodedFormat{Codec: media.VP8}, RequestKeyFrame: func() {}},
		LostOnTheWay: 7, KeyframeRequests: 2,
	}
	r.Drop(DropAfterLoss, 5)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"lost_on_the_way":7`, `"keyframe_requests":2`, `"dropped":{"after loss":5}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
	text, err = json.Marshal(TrackResult{})
	if err != nil || strings.Contains(string(text), "keyframe_requests") || strings.Contains(string(text), "lost_on_the_way") {
		t.Errorf("of a track of raw media: %s, %v", text, err)
	}
}

func TestConfigName(t *testing.T) {
	for in, want := range map[string]string{
		"": "-", "alice": "alice", "Zoë/../x": "Zo--..-x", "..": "-.", ".hidden": "-hidden",
		strings.Repeat("a", 80): strings.Repeat("a", 64),
	} {
		got := FileName(in)
		if got != want {
			t.Errorf("FileName(%q) = %q, want %q", in, got, want)
		}
		if err := (Config{Name: got}).WithDefaults().Validate(); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
	for _, bad := range []string{"a/b", "..", ".a", "a b", strings.Repeat("a", 65)} {
		if err := (Config{Name: bad}).WithDefaults().Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestBindingLimits(t *testing.T) {
	for field, b := range map[string]Binding{
		"Limits.MaxDuration": {Limits: Limits{MaxDuration: -1}},
		"Limits.MaxSize":     {Limits: Limits{MaxSize: -1}},
		"Limits.IdleTimeout": {Limits: Limits{IdleTimeout: 1<<63 - 1}},
		"Limits.MinFree":     {Limits: Limits{MinFree: -1}},
		"Binding.QuietAfter": {QuietAfter: 1<<63 - 1},
	} {
		b.Recorder = &Mock{}
		var wrong *ConfigError
		if err := b.WithDefaults().Validate(); !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := (Binding{Recorder: &Mock{}, QuietAfter: -1}).WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
}
