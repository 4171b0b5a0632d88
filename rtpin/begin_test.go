package rtpin

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/media"
)

// A stream that begins with supplemental information, as x264's and
// GStreamer's do, begins with its first access unit; but not if the parameter
// sets, that others send ahead of it, may have been missed.
func TestBeginsWithInformation(t *testing.T) {
	avc := map[string][]byte{"sei": {6, 5, 1, 0, 128}, "sps": {0x67, 66, 0, 13}, "idr": {0x65, 0x88, 1}, "p": {0x41, 0x9a, 2}}
	hevc := map[string][]byte{"sei": {78, 1, 5, 1, 0}, "sps": {64, 1, 12, 1}, "idr": {38, 1, 0x80, 1}, "p": {2, 1, 0x80, 2}}
	for _, c := range []struct {
		what    string
		units   []string
		config  []byte
		samples int
	}{
		{"information ahead of parameter sets", []string{"sei", "sps", "idr"}, nil, 1},
		{"no parameter sets", []string{"sei", "idr"}, nil, 0},
		{"parameter sets by another way", []string{"sei", "idr"}, []byte{0, 0, 0, 1, 0x67, 66, 0, 13}, 1},
		{"no keyframe", []string{"sei", "p"}, nil, 1},
	} {
		for codec, nals := range map[media.Codec]map[string][]byte{media.H264: avc, media.HEVC: hevc} {
			samples := 0
			r, err := NewReceiver(Config{
				Format: &media.EncodedFormat{Codec: codec, Config: c.config}, ClockRate: 90000, FMTP: "packetization-mode=1",
				Clock:   NewParticipant().NewTrack(90000),
				Deliver: func(s media.Sample) { samples++; s.Release() },
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range c.units {
				r.PushPacket(&rtp.Packet{
					Header:  rtp.Header{Version: 2, SequenceNumber: uint16(i), Marker: i == len(c.units)-1},
					Payload: nals[name],
				}, time.Second)
			}
			if samples != c.samples {
				t.Errorf("%s, %s: %d samples, want %d", codec, c.what, samples, c.samples)
			}
		}
	}
}
