package device

import (
	"context"
	"strconv"
	"strings"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// sources: all capture is AVFoundation's, which opens a picture and a voice
// together by a name of the form "video:audio", where each may be a number, a
// name, "default" or "none".
func sources(_ context.Context, kind media.Kind, o Options) ([]source, error) {
	wish, options := o.Device, map[string]string{}
	if kind == media.KindAudio {
		if wish == "" {
			wish = "default"
		}
		return []source{{"avfoundation", "none:" + wish, options}}, nil
	}
	if wish == "" {
		wish = "default"
		if kind == media.KindScreen {
			wish = "Capture screen 0"
		}
	}
	fps := o.FPS
	if fps == 0 {
		fps = 30 // AVFoundation refuses the rate that FFmpeg asks for by itself
	}
	options["framerate"] = strconv.FormatFloat(fps, 'f', -1, 64)
	if o.Width > 0 {
		options["video_size"] = strconv.Itoa(o.Width) + "x" + strconv.Itoa(o.Height)
	}
	if kind == media.KindScreen {
		if _, err := strconv.Atoi(wish); err == nil {
			wish = "Capture screen " + wish
		}
		if !o.HideCursor {
			options["capture_cursor"] = "1"
		}
	}
	return []source{{"avfoundation", wish + ":none", options}}, nil
}

// deviceOf returns how a listed device is called in [Options.Device].
func deviceOf(d ffmpeg.Device) string {
	video, audio, _ := strings.Cut(d.Name, ":")
	if d.Kind == media.KindAudio {
		return audio
	}
	return video
}
