package device

import (
	"context"
	"strconv"
	"strings"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// Info is a device that is there.
type Info struct {
	Kind media.Kind `json:"kind"`
	// Device is what [Options.Device] takes for it.
	Device string `json:"device"`
	// Description is for people.
	Description string `json:"description"`
	// Default marks the one that is taken if none is named.
	Default bool `json:"default"`
}

// List returns all microphones, cameras and screens. Systems that do not
// answer within some seconds are left out; the only error is that of ctx.
func List(ctx context.Context) ([]Info, error) {
	var all []Info
	for _, kind := range []media.Kind{media.KindAudio, media.KindVideo, media.KindScreen} {
		devices, err := ffmpeg.Devices(ctx, kind)
		if err != nil {
			return nil, err
		}
		for i, d := range devices {
			all = append(all, Info{kind, deviceOf(d), d.Description, i == preferred(devices)})
		}
	}
	return all, nil
}

// preferred returns the index of the device to take if none is named, -1 if
// there is none. The systems come in order of preference, each with a default.
func preferred(devices []ffmpeg.Device) int {
	for i, d := range devices {
		if d.Default {
			return i
		}
	}
	return min(0, len(devices)-1)
}

// lookUp returns the listed device that people mean by its number, its name
// or, where only one fits, a part of its description.
func lookUp(devices []ffmpeg.Device, wish string) (ffmpeg.Device, bool) {
	if n, err := strconv.Atoi(wish); err == nil && n >= 0 && n < len(devices) {
		return devices[n], true
	}
	var fits []ffmpeg.Device
	for _, d := range devices {
		if d.Name == wish || strings.EqualFold(d.Description, wish) {
			return d, true
		}
		if strings.Contains(strings.ToLower(d.Description+"\n"+d.Name), strings.ToLower(wish)) {
			fits = append(fits, d)
		}
	}
	if len(fits) != 1 {
		return ffmpeg.Device{}, false
	}
	return fits[0], true
}

// names lists devices for an error.
func names(devices []ffmpeg.Device) string {
	if len(devices) == 0 {
		return "none"
	}
	var all []string
	for _, d := range devices {
		all = append(all, deviceOf(d)+" ("+d.Description+")")
	}
	return strings.Join(all, ", ")
}
