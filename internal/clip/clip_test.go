package clip

import "testing"

func TestEncode(t *testing.T) {
	for _, codec := range []string{"h264", "hevc", "vp8", "vp9", "av1", "aac", "opus"} {
		t.Run(codec, func(t *testing.T) {
			c := Encode(t, codec, Options{BFrames: 2})
			bytes, sync := 0, 0
			for i, s := range c.Samples {
				bytes += len(s.Data)
				if s.Sync {
					sync++
				}
				if i > 0 && s.DTS <= c.Samples[i-1].DTS {
					t.Errorf("sample %d has DTS %d after %d", i, s.DTS, c.Samples[i-1].DTS)
				}
			}
			want := 30
			if c.Rate > 0 {
				want = 140
			}
			if len(c.Samples) < want || !c.Samples[0].Sync || c.Width > 0 && sync != 3 {
				t.Errorf("%d samples, %d of them sync", len(c.Samples), sync)
			}
			t.Logf("%d samples, %d bytes, %d bytes of configuration, priming %d, first at %d/%d",
				len(c.Samples), bytes, len(c.Extra), c.Priming, c.Samples[0].DTS, c.Samples[0].PTS)
		})
	}
}
