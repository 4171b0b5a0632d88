package av

import (
	"fmt"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// videoEncoderConfig is the one place that knows how each encoder is set up
// for recording in real time. The defaults were chosen by measuring speed,
// size and SSIM on film; docs/user/quality.md has the table.
func videoEncoderConfig(name string, cfg recorder.Config, f media.VideoFormat) ffmpeg.VideoEncoderConfig {
	v := cfg.Video
	rate := f.Rate
	if rate <= 0 {
		rate = float64(cfg.VideoFPS)
	}
	out := ffmpeg.VideoEncoderConfig{
		Codec: name, Width: f.Width, Height: f.Height, Color: f.Color,
		FrameRate: rate,
		BitRate:   int64(v.BitRate),
		// Keyframes are placed by time (see videoLane), which holds at any
		// capture rate. This bound by count is for encoders' own planning.
		GOP:     int(v.KeyframeInterval.Seconds()*maxCaptureRate + 0.5),
		Threads: v.Threads,
		Options: map[string]string{"forced-idr": "1"},
	}
	if out.Threads == 0 {
		out.Threads = defaultThreads(f)
	}
	encoderSettings[name](out.Options, v)
	return out
}

const maxCaptureRate = 240

// defaultThreads keeps one encoder on one core up to 720p, which a core does
// several times faster than real time; further threads only cost.
func defaultThreads(f media.VideoFormat) int {
	switch pixels := f.Width * f.Height; {
	case pixels <= 1280*720:
		return 1
	case pixels <= 1920*1088:
		return 2
	}
	return 4
}

// encoderSettings fills in the private options of each encoder.
var encoderSettings = map[string]func(map[string]string, recorder.VideoOptions){
	"libx264": func(o map[string]string, v recorder.VideoOptions) {
		o["tune"] = "zerolatency" // no lookahead, no B-frames: no delay, least memory
		quality(o, "crf", v, 25)
		if o["preset"] = v.Preset; v.Preset == "" {
			// superfast without CABAC: at equal SSIM 0.42 times the size of
			// ultrafast for 1.3 times its CPU time.
			o["preset"], o["x264-params"] = "superfast", "cabac=0"
		}
	},
	"libx265": func(o map[string]string, v recorder.VideoOptions) {
		o["tune"] = "zerolatency"
		o["x265-params"] = "log-level=none"
		quality(o, "crf", v, 28)
		preset(o, v, "ultrafast")
	},
	"h264_nvenc": func(o map[string]string, v recorder.VideoOptions) {
		o["rc"] = "vbr"
		o["delay"] = "0"
		quality(o, "cq", v, 25)
		preset(o, v, "p4")
	},
	"libvpx-vp9": func(o map[string]string, v recorder.VideoOptions) {
		delete(o, "forced-idr")
		o["deadline"], o["cpu-used"], o["lag-in-frames"] = "realtime", "8", "0"
		quality(o, "crf", v, 33)
		if v.Preset != "" {
			o["cpu-used"] = v.Preset
		}
	},
}

// quality sets the option for constant quality unless a bit rate was asked for.
func quality(o map[string]string, option string, v recorder.VideoOptions, otherwise int) {
	if v.BitRate > 0 {
		return
	}
	if v.CRF > 0 {
		otherwise = v.CRF
	}
	o[option] = fmt.Sprint(otherwise)
}

func preset(o map[string]string, v recorder.VideoOptions, otherwise string) {
	if v.Preset != "" {
		otherwise = v.Preset
	}
	o["preset"] = otherwise
}

func audioEncoderConfig(name string, cfg recorder.Config, channels int) ffmpeg.AudioEncoderConfig {
	bitRate := audioBitRate(name, cfg.AudioSampleRate)
	if cfg.Audio.BitRate > 0 {
		bitRate = int64(cfg.Audio.BitRate)
	}
	return ffmpeg.AudioEncoderConfig{
		Codec: name, Rate: cfg.AudioSampleRate, Channels: channels, BitRate: bitRate * int64(channels),
	}
}

// audioBitRate is the default bit rate per channel: transparent for speech,
// good for music, growing with the band the sample rate leaves.
func audioBitRate(codec string, rate int) int64 {
	perChannel := int64(rate) * 3 // AAC: 48 kbit/s at 16 kHz, 144 at 48 kHz
	if codec == "libopus" {
		perChannel = 32_000
	}
	return min(max(perChannel, 24_000), 96_000)
}

// packetDuration is the nominal length of one picture.
func packetDuration(cfg recorder.Config, f media.VideoFormat) time.Duration {
	rate := f.Rate
	if rate <= 0 {
		rate = float64(cfg.VideoFPS)
	}
	return time.Duration(float64(time.Second) / rate)
}
