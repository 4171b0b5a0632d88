package av

import "github.com/roomkit-live/roomkit-go/media"

// container tells what a format can hold of what we can make.
type container struct {
	muxer string // libavformat's short name; empty for those that package mp4 writes
	video []string
	audio []string
	// autoVideo is what "auto" encodes raw video with, best first.
	autoVideo []string
	// holds is what is copied into it when it arrives encoded. G.711 and G.722
	// never are: some containers have them, few players of those do.
	holds []media.Codec
}

// isHybrid reports whether package mp4 writes the format: tracks may join at
// any time, and what lies before the file's time zero is in it, hidden.
func (c container) isHybrid() bool { return c.muxer == "" }

var (
	h264Encoders = []string{"h264_nvenc", "libx264"}
	h26xEncoders = []string{"libx264", "h264_nvenc", "libx265"}
	anyCodec     = []media.Codec{media.H264, media.HEVC, media.VP8, media.VP9, media.AV1, media.Opus, media.AAC}
	mpegCodecs   = []media.Codec{media.H264, media.HEVC, media.AAC}
	webCodecs    = []media.Codec{media.VP8, media.VP9, media.AV1, media.Opus}
	containers   = map[string]container{
		"mp4":  {"", h26xEncoders, []string{"aac", "libopus"}, h264Encoders, anyCodec},
		"mov":  {"", h26xEncoders, []string{"aac"}, h264Encoders, mpegCodecs},
		"mkv":  {"matroska", h26xEncoders, []string{"aac", "libopus"}, h264Encoders, anyCodec},
		"webm": {"webm", []string{"libvpx-vp9"}, []string{"libopus"}, []string{"libvpx-vp9"}, webCodecs},
		"ts":   {"mpegts", h26xEncoders, []string{"aac"}, h264Encoders, mpegCodecs},
	}
	aacRates  = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
	opusRates = []int{8000, 12000, 16000, 24000, 48000}
)
