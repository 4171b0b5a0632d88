//go:build !linux && !darwin

package ffmpeg

import "github.com/roomkit-live/roomkit-go/media"

func probes(media.Kind) []probe { return nil }
