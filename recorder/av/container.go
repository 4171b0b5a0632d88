package av

// container tells what a format can hold of what we can make.
type container struct {
	muxer string // libavformat's short name; empty for those that package mp4 writes
	video []string
	audio []string
	// autoVideo is what "auto" encodes raw video with, best first.
	autoVideo []string
}

// isHybrid reports whether package mp4 writes the format: tracks may join at
// any time, and what lies before the file's time zero is in it, hidden.
func (c container) isHybrid() bool { return c.muxer == "" }

var (
	h264Encoders = []string{"h264_nvenc", "libx264"}
	h26xEncoders = []string{"libx264", "h264_nvenc", "libx265"}
	containers   = map[string]container{
		"mp4":  {"", h26xEncoders, []string{"aac", "libopus"}, h264Encoders},
		"mov":  {"", h26xEncoders, []string{"aac"}, h264Encoders},
		"mkv":  {"matroska", h26xEncoders, []string{"aac", "libopus"}, h264Encoders},
		"webm": {"webm", []string{"libvpx-vp9"}, []string{"libopus"}, []string{"libvpx-vp9"}},
		"ts":   {"mpegts", h26xEncoders, []string{"aac"}, h264Encoders},
	}
	aacRates  = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
	opusRates = []int{8000, 12000, 16000, 24000, 48000}
)
