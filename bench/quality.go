package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var ssimAll = regexp.MustCompile(`SSIM .*All:([0-9.]+)`)

// similarity compares a recording picture by picture with its source, by
// FFmpeg's ssim filter, in YUV 4:2:0. RGB is brought there by FFmpeg's own
// conversion, which favours recordings made by it.
func similarity(ctx context.Context, recording string, p picture, raw string) (float64, error) {
	const pair = "[0:v]settb=1/30,setpts=N,format=yuv420p[a];[1:v]settb=1/30,setpts=N,format=yuv420p[b];[a][b]ssim"
	said, err := ffmpegRun(ctx, "-i", recording, "-f", "rawvideo", "-pix_fmt", p.pixel, "-s", p.size(), "-r", fmt.Sprint(fps), "-i", raw,
		"-an", "-lavfi", pair, "-f", "null", "-")
	if err != nil {
		return 0, err
	}
	m := ssimAll.FindStringSubmatch(said)
	if m == nil {
		return 0, fmt.Errorf("no similarity in what ffmpeg said about %s", recording)
	}
	return strconv.ParseFloat(m[1], 64)
}

// x264Settings returns the settings that x264 wrote into a file, by name.
func x264Settings(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// They stand in the first picture. Nothing large is read here: see measure.
	data, err := io.ReadAll(io.LimitReader(f, 256<<10))
	if err != nil {
		return nil, err
	}
	_, text, ok := bytes.Cut(data, []byte(" - options: "))
	if !ok {
		return nil, fmt.Errorf("no x264 settings in %s", filepath.Base(path))
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	settings := map[string]string{}
	for field := range strings.FieldsSeq(string(text)) {
		name, value, _ := strings.Cut(field, "=")
		settings[name] = value
	}
	return settings, nil
}

// settingsDiffer names the settings in which two recordings differ.
func settingsDiffer(a, b string) (string, error) {
	ours, err := x264Settings(a)
	if err != nil {
		return "", err
	}
	theirs, err := x264Settings(b)
	if err != nil {
		return "", err
	}
	var diff []string
	for name := range ours {
		if ours[name] != theirs[name] {
			diff = append(diff, fmt.Sprintf("%s %s/%s", name, ours[name], theirs[name]))
		}
	}
	if len(diff) == 0 {
		return "equal", nil
	}
	slices.Sort(diff)
	return "equal but for " + strings.Join(diff, ", "), nil
}

// encoderSetting is one row of the table behind the default settings.
type encoderSetting struct {
	name string
	args []string
}

var encoderSettings = []encoderSetting{
	{"x264 ultrafast, CRF 23", []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "23"}},
	{"x264 superfast, CRF 25", []string{"-c:v", "libx264", "-preset", "superfast", "-crf", "25"}},
	{"x264 superfast, CRF 25, no CABAC (default)", []string{"-c:v", "libx264", "-preset", "superfast", "-crf", "25", "-x264-params", "cabac=0"}},
	{"x264 veryfast, CRF 23", []string{"-c:v", "libx264", "-preset", "veryfast", "-crf", "23"}},
	{"x265 ultrafast, CRF 28", []string{"-c:v", "libx265", "-preset", "ultrafast", "-crf", "28", "-x265-params", "log-level=none:pools=none:frame-threads=1"}},
}

// compareEncoders prints what speed and size the settings give. It runs
// FFmpeg's command: the encoders are the same, and the table is of them.
func compareEncoders(ctx context.Context, o options, m material) error {
	p := picture{854, 480, "yuv420p"}
	raw, err := m.video(ctx, p)
	if err != nil {
		return err
	}
	defer os.Remove(raw)
	cpu := make([]series, len(encoderSettings))
	path := func(i int) string { return filepath.Join(m.dir, fmt.Sprintf("encoder%d.mp4", i)) }
	for range o.runs {
		for i, e := range encoderSettings {
			args := []string{"-f", "rawvideo", "-pix_fmt", p.pixel, "-s", p.size(), "-r", fmt.Sprint(fps), "-i", raw,
				"-tune", "zerolatency", "-threads", "1", "-g", fmt.Sprint(2 * fps)}
			u, err := measure(ffmpegCommand(ctx, append(append(args, e.args...), path(i))...))
			if err != nil {
				return err
			}
			cpu[i] = append(cpu[i], u.cpu)
		}
	}
	fmt.Printf("\n### Encoders at %s I420, one thread, zerolatency\n\n| settings | CPU s (median, min–max) | MB | SSIM |\n| --- | --- | --- | --- |\n", p.size())
	for i, e := range encoderSettings {
		ssim, err := similarity(ctx, path(i), p, raw)
		if err != nil {
			return err
		}
		info, err := os.Stat(path(i))
		if err != nil {
			return err
		}
		fmt.Printf("| %s | %s | %.2f | %.4f |\n", e.name, cpu[i].show("%.2f"), float64(info.Size())/1e6, ssim)
	}
	return nil
}
