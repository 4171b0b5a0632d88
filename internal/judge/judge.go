// Package judge lets tests ask foreign tools about a recording: ffprobe and
// ffmpeg's decoder, MediaInfo, GStreamer, MP4Box.js, the parser of mp4ff, and a
// real Chromium; others, such as SoX, through Run. That our own reader agrees
// with our own writer would prove nothing.
//
// A test whose tool is not installed is skipped; "make test" installs them all.
package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Need skips the test where a tool is missing.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		Tool(t, tool)
	}
}

// Run runs a tool and returns its standard output; the test ends if it fails.
func Run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	Need(t, name)
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}

// A Stream is what ffprobe says of one.
type Stream struct {
	Index       int               `json:"index"`
	Type        string            `json:"codec_type"`
	Codec       string            `json:"codec_name"`
	Profile     string            `json:"profile"`
	Width       int               `json:"width"`
	Height      int               `json:"height"`
	PixelFormat string            `json:"pix_fmt"`
	ColorSpace  string            `json:"color_space"`
	ColorRange  string            `json:"color_range"`
	Level       int               `json:"level"`
	SampleRate  string            `json:"sample_rate"`
	Channels    int               `json:"channels"`
	StartTime   string            `json:"start_time"`
	Duration    string            `json:"duration"`
	Frames      string            `json:"nb_frames"`
	Tags        map[string]string `json:"tags"`
	Disposition map[string]int    `json:"disposition"`
}

// Start returns the stream's start time.
func (s Stream) Start() time.Duration { return seconds(s.StartTime) }

// Length returns the stream's duration.
func (s Stream) Length() time.Duration { return seconds(s.Duration) }

func seconds(s string) time.Duration {
	v, _ := strconv.ParseFloat(s, 64)
	return time.Duration(v * float64(time.Second))
}

// A File is what ffprobe says of one.
type File struct {
	Streams []Stream `json:"streams"`
	Format  struct {
		Name     string            `json:"format_name"`
		Duration string            `json:"duration"`
		Size     string            `json:"size"`
		Tags     map[string]string `json:"tags"`
	} `json:"format"`
}

// Length returns the file's duration.
func (f File) Length() time.Duration { return seconds(f.Format.Duration) }

// Of returns the streams of a type, "audio" or "video".
func (f File) Of(kind string) []Stream {
	var out []Stream
	for _, s := range f.Streams {
		if s.Type == kind {
			out = append(out, s)
		}
	}
	return out
}

// Probe asks ffprobe.
func Probe(t testing.TB, path string) File {
	t.Helper()
	var f File
	out := Run(t, "ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", path)
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	return f
}

// DecodesClean fails the test unless ffmpeg decodes every stream of the file
// from start to end without a single warning.
func DecodesClean(t testing.TB, path string) {
	t.Helper()
	Need(t, "ffmpeg")
	// Left alone, ffmpeg rounds the times of decoded pictures to the stream's
	// mean rate, and warns about its own doing where a camera was irregular.
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", path, "-map", "0",
		"-enc_time_base:v", "1:90000", "-f", "null", "-")
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Fatalf("ffmpeg does not decode %s cleanly: %v\n%s", path, err, out)
	}
}

// MediaInfo fails the test unless MediaInfo finds the given numbers of audio
// and video tracks and no conformance error.
func MediaInfo(t testing.TB, path string, audio, video int) {
	t.Helper()
	var report struct {
		Media struct {
			Track []struct {
				Type   string `json:"@type"`
				Errors any    `json:"ConformanceErrors"`
			} `json:"track"`
		} `json:"media"`
	}
	if err := json.Unmarshal(Run(t, "mediainfo", "--Output=JSON", path), &report); err != nil {
		t.Fatalf("mediainfo %s: %v", path, err)
	}
	count := map[string]int{}
	for _, track := range report.Media.Track {
		count[track.Type]++
		if track.Errors != nil {
			t.Errorf("mediainfo finds errors in %s: %v", path, track.Errors)
		}
	}
	if count["Audio"] != audio || count["Video"] != video {
		t.Errorf("mediainfo finds %v in %s, want %d audio and %d video tracks", count, path, audio, video)
	}
}

// Audio decodes the nth audio stream to mono at a rate, laid out on the file's
// timeline: element i is at i/rate seconds.
func Audio(t testing.TB, path string, n, rate int) []float64 {
	t.Helper()
	// aresample with first_pts=0 fills what lies before a late start.
	out := Run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", fmt.Sprintf("0:a:%d", n),
		"-af", fmt.Sprintf("aresample=%d:async=1:first_pts=0", rate), "-ac", "1", "-f", "s16le", "-")
	pcm := make([]float64, len(out)/2)
	for i := range pcm {
		pcm[i] = float64(int16(uint16(out[2*i])|uint16(out[2*i+1])<<8)) / 32768
	}
	return pcm
}

// Pictures are shrunk by ffmpeg to this size before their brightness is taken:
// its scaler does not average over a whole picture at once.
const (
	thumbWidth, thumbHeight = 40, 30
	thumbLuma               = thumbWidth * thumbHeight
	thumbSize               = thumbLuma * 3 / 2 // I420
)

// A Picture is the brightness of one decoded picture.
type Picture struct {
	Time time.Duration // on the file's timeline
	Luma byte          // mean, as coded: 16 to 235 in limited range
}

// Pictures decodes the nth video stream.
func Pictures(t testing.TB, path string, n int) []Picture {
	t.Helper()
	yuv := Run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-map", fmt.Sprintf("0:v:%d", n), "-fps_mode", "passthrough",
		"-vf", fmt.Sprintf("scale=%d:%d:flags=area,format=yuv420p", thumbWidth, thumbHeight), "-f", "rawvideo", "-")
	times := strings.Fields(string(Run(t, "ffprobe", "-v", "error", "-select_streams", fmt.Sprintf("v:%d", n),
		"-show_entries", "frame=pts_time", "-of", "csv=p=0", path)))
	if len(times) != len(yuv)/thumbSize {
		t.Fatalf("%s: ffprobe sees %d pictures, ffmpeg decodes %d", path, len(times), len(yuv)/thumbSize)
	}
	pictures := make([]Picture, len(times))
	for i, s := range times {
		sum := 0
		for _, v := range yuv[i*thumbSize:][:thumbLuma] {
			sum += int(v)
		}
		pictures[i] = Picture{seconds(strings.Trim(s, ",")), byte(sum / thumbLuma)}
	}
	return pictures
}
