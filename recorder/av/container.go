package av

// container tells what a format can hold of what we can make.
type container struct {
	muxer string // FFmpeg's short name
	// editLists: what lies before the file's time zero can be in it, hidden.
	editLists bool
	video     []string
	audio     []string
	// autoVideo is what "auto" encodes raw video with, best first.
	autoVideo []string
}

var (
	h264Encoders = []string{"h264_nvenc", "libx264"}
	h26xEncoders = []string{"libx264", "h264_nvenc", "libx265"}
	containers   = map[string]container{
		"mp4":  {"mp4", true, h26xEncoders, []string{"aac", "libopus"}, h264Encoders},
		"mov":  {"mov", true, h26xEncoders, []string{"aac"}, h264Encoders},
		"mkv":  {"matroska", false, h26xEncoders, []string{"aac", "libopus"}, h264Encoders},
		"webm": {"webm", false, []string{"libvpx-vp9"}, []string{"libopus"}, []string{"libvpx-vp9"}},
		"ts":   {"mpegts", false, h26xEncoders, []string{"aac"}, h264Encoders},
	}
	aacRates  = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000}
	opusRates = []int{8000, 12000, 16000, 24000, 48000}
)
