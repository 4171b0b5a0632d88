package ffmpeg

import (
	"context"

	"github.com/roomkit-live/roomkit-go/media"
)

// probes: AVFoundation does not list its devices through the common interface;
// these are the names it gives to those in first place. It opens a picture and
// a voice together, as "video:audio".
func probes(kind media.Kind) []probe {
	d := Device{Format: "avfoundation", Default: true}
	switch kind {
	case media.KindAudio:
		d.Name, d.Description = ":default", "default microphone"
	case media.KindVideo:
		d.Name, d.Description = "default:none", "default camera"
	case media.KindScreen:
		d.Name, d.Description = "Capture screen 0:none", "main screen"
	default:
		return nil
	}
	return []probe{func(context.Context) ([]Device, error) { return []Device{d}, nil }}
}
