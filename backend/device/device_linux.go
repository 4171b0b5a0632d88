package device

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// sources: sound comes from PulseAudio (or PipeWire in its place) and else
// from ALSA, cameras are V4L2's, screens X11's.
func sources(ctx context.Context, kind media.Kind, o Options) ([]source, error) {
	switch kind {
	case media.KindAudio:
		return microphones(ctx, o)
	case media.KindVideo:
		return cameras(ctx, o)
	}
	return screens(o)
}

// deviceOf returns how a listed device is called in [Options.Device].
func deviceOf(d ffmpeg.Device) string {
	if d.Kind == media.KindAudio {
		return d.Format + ":" + d.Name
	}
	return d.Name
}

func microphones(ctx context.Context, o Options) ([]source, error) {
	format, name, named := strings.Cut(o.Device, ":")
	if named && (format == "pulse" || format == "alsa") {
		if name == "" {
			name = "default"
		}
		return []source{microphone(format, name, o)}, nil
	}
	devices, err := ffmpeg.Devices(ctx, media.KindAudio)
	if err != nil {
		return nil, err
	}
	if o.Device != "" {
		d, ok := lookUp(devices, o.Device)
		if !ok {
			return nil, notFound(media.KindAudio, "%q is none of those there are: %s", o.Device, names(devices))
		}
		return []source{microphone(d.Format, d.Name, o)}, nil
	}
	var tries []source
	for _, format := range []string{"pulse", "alsa"} {
		for _, d := range devices {
			if d.Format == format {
				// Not the device itself: the system knows its default best.
				tries = append(tries, microphone(format, "default", o))
				break
			}
		}
	}
	if len(tries) == 0 {
		return nil, notFound(media.KindAudio, "no PulseAudio server answers and ALSA lists no capture device")
	}
	return tries, nil
}

// microphone asks for pieces of 20 ms of s16; by itself PulseAudio would
// deliver two seconds at a time. ALSA's driver decides by itself.
func microphone(format, name string, o Options) source {
	options := map[string]string{
		"sample_rate": strconv.Itoa(o.Rate),
		"channels":    strconv.Itoa(o.Channels),
	}
	if format == "pulse" {
		const s16, perSecond = 2, 50
		options["fragment_size"] = strconv.Itoa(max(1, o.Rate/perSecond) * o.Channels * s16)
		options["name"], options["stream_name"] = "RoomKit", "recording"
	}
	return source{format, name, options}
}

func cameras(ctx context.Context, o Options) ([]source, error) {
	if strings.HasPrefix(o.Device, "/") {
		return camera(o, o.Device)
	}
	if n, err := strconv.Atoi(o.Device); err == nil && n >= 0 {
		return camera(o, "/dev/video"+o.Device)
	}
	devices, err := ffmpeg.Devices(ctx, media.KindVideo)
	if err != nil {
		return nil, err
	}
	if len(devices) == 0 {
		return nil, notFound(media.KindVideo, "there is no /dev/video* to capture from")
	}
	if o.Device != "" {
		d, ok := lookUp(devices, o.Device)
		if !ok {
			return nil, notFound(media.KindVideo, "%q is none of those there are: %s", o.Device, names(devices))
		}
		return camera(o, d.Name)
	}
	// A camera has nodes that deliver no pictures as well: try in turn.
	var tries []source
	for _, d := range devices {
		tries = append(tries, source{"v4l2", d.Name, pictureOptions(o)})
	}
	return tries, nil
}

func camera(o Options, path string) ([]source, error) {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return nil, notFound(media.KindVideo, "%s does not exist", path)
	}
	return []source{{"v4l2", path, pictureOptions(o)}}, nil
}

func screens(o Options) ([]source, error) {
	display := o.Device
	if display == "" {
		display = os.Getenv("DISPLAY")
	}
	if display == "" {
		display = ":0"
	}
	options := pictureOptions(o)
	if o.HideCursor {
		options["draw_mouse"] = "0"
	}
	return []source{{"x11grab", display, options}}, nil
}

// pictureOptions asks for size and rate where they are wished for.
func pictureOptions(o Options) map[string]string {
	options := map[string]string{}
	if o.Width > 0 {
		options["video_size"] = strconv.Itoa(o.Width) + "x" + strconv.Itoa(o.Height)
	}
	if o.FPS > 0 {
		options["framerate"] = strconv.FormatFloat(o.FPS, 'f', -1, 64)
	}
	return options
}
