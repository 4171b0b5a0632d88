//go:build !linux && !darwin

package device

import (
	"context"
	"runtime"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

func sources(_ context.Context, kind media.Kind, _ Options) ([]source, error) {
	return nil, notFound(kind, "capture is supported on Linux and macOS, not on %s", runtime.GOOS)
}

func deviceOf(d ffmpeg.Device) string { return d.Name }
