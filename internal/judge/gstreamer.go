package judge

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Decoded stream is what GStreamer made of one.
type Decoded struct {
	Kind    string // "audio" or "video"
	Buffers int    // pictures, or pieces of audio: about
	// Last is the time stamp of the last of them, which counts from the
	// stream's first sample and not from the edit list's beginning.
	Last time.Duration
}

// GStreamerReport is what GStreamer says of a file.
type GStreamerReport struct {
	Streams []Decoded
	// Complaints are its errors and warnings, a line each.
	Complaints []string
}

// gstreamerTime bounds one run: a pipeline that waits for a stream which
// never comes does not end by itself.
const gstreamerTime = 60 * time.Second

// GStreamer decodes so many audio and video streams of a file to their ends.
// The test fails if it does not come to the end; what else it says against the
// file is in the report.
func GStreamer(t testing.TB, path string, audio, video int) GStreamerReport {
	t.Helper()
	r, err := gstreamer(t, path, audio, video)
	if err != nil {
		t.Errorf("GStreamer does not decode %s to the end: %v\n%s", path, err, strings.Join(r.Complaints, "\n"))
	}
	return r
}

func gstreamer(t testing.TB, path string, audio, video int) (GStreamerReport, error) {
	t.Helper()
	Need(t, "gst-launch-1.0")
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-v", "uridecodebin", "name=file", "uri=" + (&url.URL{Scheme: "file", Path: path}).String()}
	for i := range audio + video {
		kind, n := "audio", i
		if i >= audio {
			kind, n = "video", i-audio
		}
		args = append(args, "file.", "!", kind+"/x-raw", "!", "queue", "!",
			"fakesink", fmt.Sprintf("name=%s%d", kind, n), "silent=false", "sync=false")
	}
	ctx, cancel := context.WithTimeout(t.Context(), gstreamerTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "gst-launch-1.0", args...)
	// Level 1: also errors that do not stop the pipeline. Level 2 would warn
	// of every box it need not know.
	cmd.Env = append(os.Environ(), "GST_DEBUG=1", "GST_DEBUG_NO_COLOR=1", "LC_ALL=C")
	out := gstOutput{failed: cancel}
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	r := readGStreamer(out.String(), audio, video)
	if err == nil && !strings.Contains(out.String(), "Got EOS from element") {
		err = fmt.Errorf("no end of stream")
	}
	return r, err
}

// gstOutput gathers what gst-launch prints and stops it at the first error: it
// would wait for the sinks that never got a stream.
type gstOutput struct {
	bytes.Buffer
	failed func()
}

func (o *gstOutput) Write(p []byte) (int, error) {
	n, err := o.Buffer.Write(p)
	if bytes.Contains(o.Bytes()[max(0, o.Len()-len(p)-len("ERROR: ")):], []byte("ERROR: ")) {
		o.failed()
	}
	return n, err
}

var (
	gstBuffer    = regexp.MustCompile(`\((audio|video)(\d+):sink\) \(\d+ bytes, dts: [^,]*, pts: (\d+):(\d+):([\d.]+)`)
	gstComplaint = regexp.MustCompile(`^(ERROR|WARNING):|\sERROR +\w`)
)

func readGStreamer(out string, audio, video int) GStreamerReport {
	r := GStreamerReport{Streams: make([]Decoded, audio+video)}
	for i := range r.Streams {
		r.Streams[i].Kind = "audio"
		if i >= audio {
			r.Streams[i].Kind = "video"
		}
	}
	for line := range strings.Lines(out) {
		if m := gstBuffer.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[2])
			if m[1] == "video" {
				n += audio
			}
			d := &r.Streams[n]
			d.Buffers++
			hours, _ := strconv.Atoi(m[3])
			minutes, _ := strconv.Atoi(m[4])
			d.Last = time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute + seconds(m[5])
		} else if gstComplaint.MatchString(line) {
			r.Complaints = append(r.Complaints, strings.TrimSpace(line))
		}
	}
	return r
}
