package ffmpeg

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/roomkit-live/roomkit-go/media"
)

func probes(kind media.Kind) []probe {
	switch kind {
	case media.KindAudio:
		return []probe{pulseSources, alsaSources}
	case media.KindVideo:
		return []probe{cameras}
	case media.KindScreen:
		return []probe{x11Screen}
	}
	return nil
}

// pulseSources lists the sources of PulseAudio or of PipeWire in its place. It
// looks for the server first, as the library would start one.
func pulseSources(ctx context.Context) ([]Device, error) {
	if err := pulseAnswers(ctx); err != nil {
		return nil, err
	}
	return listed("pulse")
}

// pulseAnswers reports whether there is a server where the library would look
// for it.
func pulseAnswers(ctx context.Context) error {
	var dialer net.Dialer
	var sockets []string
	if server := os.Getenv("PULSE_SERVER"); server != "" {
		// {host}unix:/path tcp:host:port /path; several by spaces
		for _, s := range strings.Fields(server) {
			if i := strings.IndexByte(s, '}'); i >= 0 {
				s = s[i+1:]
			}
			if s = strings.TrimPrefix(s, "unix:"); !strings.HasPrefix(s, "/") {
				return nil // by network: the library shall find out
			}
			sockets = append(sockets, s)
		}
	} else {
		if dir := os.Getenv("PULSE_RUNTIME_PATH"); dir != "" {
			sockets = append(sockets, filepath.Join(dir, "native"))
		}
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			sockets = append(sockets, filepath.Join(dir, "pulse", "native"))
		}
		sockets = append(sockets, fmt.Sprintf("/run/user/%d/pulse/native", os.Getuid()), "/run/pulse/native", "/var/run/pulse/native")
	}
	err := os.ErrNotExist
	for _, s := range sockets {
		conn, dialErr := dialer.DialContext(ctx, "unix", s)
		if dialErr == nil {
			return conn.Close()
		}
		err = dialErr
	}
	return err
}

func cameras(context.Context) ([]Device, error) {
	if nodes, _ := filepath.Glob("/dev/video*"); len(nodes) == 0 {
		return nil, nil
	}
	devices, err := listed("v4l2")
	slices.SortFunc(devices, func(a, b Device) int { // video2 before video10
		if n := len(a.Name) - len(b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(devices) > 0 {
		devices[0].Default = true
	}
	return devices, err
}

// x11Screen is the display of the session, whose size is known from opening
// it.
func x11Screen(ctx context.Context) ([]Device, error) {
	display := os.Getenv("DISPLAY")
	if display == "" {
		return nil, nil
	}
	in, err := OpenInput(ctx, display, InputOptions{Format: "x11grab"})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	d := Device{Format: "x11grab", Name: display, Description: "X11 display " + display, Default: true}
	if s := in.Streams(); len(s) > 0 {
		d.Description += fmt.Sprintf(", %dx%d", s[0].Video.Width, s[0].Video.Height)
	}
	return []Device{d}, nil
}
