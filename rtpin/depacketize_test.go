package rtpin

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// TestAgainstPion: of whole access units our depacketisers make what Pion's
// do, on the payloads of its packetisers with packets of all sizes.
func TestAgainstPion(t *testing.T) {
	type pion interface{ Unmarshal([]byte) ([]byte, error) }
	for codec, c := range map[string]struct {
		payloader func() rtp.Payloader
		pion      func() pion
		ours      depacketizer
	}{
		"h264": {func() rtp.Payloader { return &codecs.H264Payloader{} }, func() pion { return &codecs.H264Packet{} }, &h264{}},
		"hevc": {func() rtp.Payloader { return &codecs.H265Payloader{} }, func() pion { return &codecs.H265Depacketizer{} }, &hevc{}},
		"av1":  {func() rtp.Payloader { return &codecs.AV1Payloader{} }, func() pion { return &codecs.AV1Depacketizer{} }, &av1{}},
	} {
		t.Run(codec, func(t *testing.T) {
			m := newMaterial(t, codec)
			for mtu := uint16(20); mtu < 1500; mtu = mtu*5/4 + 1 {
				payloader, theirs := c.payloader(), c.pion()
				for i, sent := range m.units {
					var u unit
					var want []byte
					c.ours.reset()
					for _, p := range payloader.Payload(mtu, sent.want) {
						data, err := theirs.Unmarshal(bytes.Clone(p))
						if err != nil {
							t.Fatal(err)
						}
						want = append(want, data...)
						if _, err := c.ours.add(&u, p); err != nil {
							t.Fatalf("mtu %d, unit %d: %v", mtu, i, err)
						}
					}
					if err := c.ours.finish(&u); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(u.data, want) {
						t.Fatalf("mtu %d, unit %d: %x, Pion has %x", mtu, i, u.data, want)
					}
				}
			}
		})
	}
}
