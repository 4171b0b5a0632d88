package rtpin

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

func TestRefusedConfigs(t *testing.T) {
	clock := NewParticipant().NewTrack(8000)
	good := func() Config {
		return Config{Format: &media.EncodedFormat{Codec: media.Opus}, ClockRate: 48000, Clock: clock, Deliver: func(media.Sample) {}}
	}
	if _, err := NewReceiver(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no format":      func(c *Config) { c.Format = nil },
		"no codec":       func(c *Config) { c.Format = &media.EncodedFormat{} },
		"packing":        func(c *Config) { c.Format = &media.EncodedFormat{Codec: media.H264, Packing: media.LengthPrefixed} },
		"no clock":       func(c *Config) { c.Clock = nil },
		"no deliver":     func(c *Config) { c.Deliver = nil },
		"clock rate":     func(c *Config) { c.ClockRate = 0 },
		"delay":          func(c *Config) { c.MaxDelay = -1 },
		"delay too long": func(c *Config) { c.MaxDelay = 2 * time.Minute },
		"packets":        func(c *Config) { c.MaxPackets = 1 << 20 },
		"payload type":   func(c *Config) { c.PayloadTypes = []uint8{200} },
		"interleaved": func(c *Config) {
			c.Format, c.FMTP = &media.EncodedFormat{Codec: media.H264}, "packetization-mode=2"
		},
		"decoding order": func(c *Config) {
			c.Format, c.FMTP = &media.EncodedFormat{Codec: media.HEVC}, "sprop-max-don-diff=1"
		},
		"sets": func(c *Config) {
			c.Format, c.FMTP = &media.EncodedFormat{Codec: media.H264}, "sprop-parameter-sets=%%%"
		},
		"AAC without mode":  func(c *Config) { c.Format = &media.EncodedFormat{Codec: media.AAC} },
		"AAC CELP":          func(c *Config) { c.Format, c.FMTP = &media.EncodedFormat{Codec: media.AAC}, "mode=CELP-cbr" },
		"AAC without sizes": func(c *Config) { c.Format, c.FMTP = &media.EncodedFormat{Codec: media.AAC}, "mode=AAC-hbr" },
		"AAC with DTS": func(c *Config) {
			c.Format, c.FMTP = &media.EncodedFormat{Codec: media.AAC}, "mode=AAC-hbr;sizelength=13;dtsdeltalength=4"
		},
		"AAC config": func(c *Config) {
			c.Format, c.FMTP = &media.EncodedFormat{Codec: media.AAC}, "mode=AAC-hbr;sizelength=13;config=xyz"
		},
	} {
		cfg := good()
		change(&cfg)
		if _, err := NewReceiver(cfg); !errors.Is(err, ErrConfig) && !errors.Is(err, media.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFMTP(t *testing.T) {
	for _, c := range []struct {
		name   string
		format media.EncodedFormat
		fmtp   string
		config string
		want   media.EncodedFormat
	}{
		{"h264", media.EncodedFormat{Codec: media.H264}, "packetization-mode=1; Sprop-Parameter-Sets=Z0IACg==,aM4=; profile-level-id=42000a",
			"0000000167" + "42000a" + "00000001" + "68ce", media.EncodedFormat{Codec: media.H264}},
		{"h264 told", media.EncodedFormat{Codec: media.H264, Config: []byte{1}}, "sprop-parameter-sets=Z0IACg==", "01", media.EncodedFormat{Codec: media.H264}},
		{"hevc", media.EncodedFormat{Codec: media.HEVC}, "sprop-pps=RAE=;sprop-vps=QAE=;sprop-sps=QgE=", "000000014001" + "000000014201" + "000000014401", media.EncodedFormat{Codec: media.HEVC}},
		{"aac", media.EncodedFormat{Codec: media.AAC}, testFMTP, "1188", media.EncodedFormat{Codec: media.AAC}},
		{"opus stereo", media.EncodedFormat{Codec: media.Opus}, "minptime=10;useinbandfec=1;sprop-stereo=1", "", media.EncodedFormat{Codec: media.Opus, Rate: 48000, Channels: 2}},
		{"opus mono", media.EncodedFormat{Codec: media.Opus}, "sprop-stereo=0", "", media.EncodedFormat{Codec: media.Opus, Rate: 48000, Channels: 1}},
		{"opus", media.EncodedFormat{Codec: media.Opus}, "stereo=1", "", media.EncodedFormat{Codec: media.Opus, Rate: 48000}},
	} {
		p, err := parseFMTP(c.fmtp)
		if err != nil {
			t.Fatal(err)
		}
		got, err := describe(c.format, p)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want, _ := hex.DecodeString(c.config)
		if !bytes.Equal(got.Config, want) {
			t.Errorf("%s: configuration %x, want %x", c.name, got.Config, want)
		}
		if got.Rate != c.want.Rate || got.Channels != c.want.Channels {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestAACDuration(t *testing.T) {
	for config, want := range map[string]int{
		"1190": 1024, // 48 kHz
		"1194": 960,  // with frames of 960
		"1310": 2048, // core at 24 kHz, clock at 48
		"":     1024,
		"178c": 1024, // a rate that is spelt out
	} {
		c, err := hex.DecodeString(config)
		if err != nil {
			t.Fatal(err)
		}
		if got := aacDuration(Config{ClockRate: 48000, Format: &media.EncodedFormat{Config: c}}); got != want {
			t.Errorf("%s: %d, want %d", config, got, want)
		}
	}
}

func TestOpusDuration(t *testing.T) {
	for _, c := range []struct {
		packet []byte
		want   int
	}{
		{[]byte{0 << 3}, 10000}, {[]byte{3 << 3}, 60000}, {[]byte{13<<3 | 1}, 40000}, {[]byte{16 << 3}, 2500},
		{[]byte{31<<3 | 3, 6}, 120000}, {[]byte{31<<3 | 3, 0x80 | 0x40 | 3}, 60000},
		{[]byte{31<<3 | 3, 7}, -1}, {[]byte{31<<3 | 3, 0}, -1}, {[]byte{31<<3 | 3}, -1},
	} {
		got, err := opusDuration(c.packet)
		if c.want < 0 {
			if !errors.Is(err, errFrame) {
				t.Errorf("%x: %v", c.packet, err)
			}
		} else if got != c.want || err != nil {
			t.Errorf("%x: %d us, %v", c.packet, got, err)
		}
	}
}
