package file

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

// All of one stream before all of the other is the poorest interleave there
// is; samples must come in the order of time all the same.
func TestPoorInterleave(t *testing.T) {
	path := oneStreamAfterTheOther(t)
	last := time.Duration(0)
	h := play(t, path, func(_ media.Kind, s media.Sample) {
		if s.Time < last-ms {
			t.Errorf("a sample of %v after one of %v", s.Time, last)
		}
		last = s.Time
	})
	h.endedWell(t)
	if len(h.pictures) != 50 || h.frames < 95000 {
		t.Errorf("%d pictures, %d frames", len(h.pictures), h.frames)
	}
}

func oneStreamAfterTheOther(t *testing.T) string {
	t.Helper()
	from, err := ffmpeg.OpenInput(t.Context(), clip(t, "clip.mkv", "-c:v", "libx264", "-c:a", "aac"), ffmpeg.InputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var packets [2][]*ffmpeg.Packet
	for {
		p := ffmpeg.NewPacket()
		stream, err := from.Read(p)
		if err != nil {
			p.Free()
			break
		}
		packets[stream] = append(packets[stream], p)
	}
	path := filepath.Join(t.TempDir(), "poor.nut")
	writeAll(t, path, from, packets)
	return path
}

// writeAll writes all packets of the first stream and then those of the
// second.
func writeAll(t *testing.T, path string, from *ffmpeg.Input, packets [2][]*ffmpeg.Packet) {
	t.Helper()
	// A delta of the smallest unit makes the muxer write what it has instead
	// of waiting for the other stream.
	m, err := ffmpeg.CreateMuxer(path, "nut", nil, map[string]string{"max_interleave_delta": "1"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range packets {
		p := from.Params(i)
		if _, err := m.AddStream(p, ffmpeg.StreamOptions{}); err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	if err := m.WriteHeader(); err != nil {
		t.Fatal(err)
	}
	for i, stream := range packets {
		for _, p := range stream {
			if err := m.Write(i, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.Finish(); err != nil {
		t.Fatal(err)
	}
}
