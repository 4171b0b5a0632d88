package main

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// A disk of 20 MB that fills up in the middle of a recording: the command
// fails, says why, and leaves a file under its final name that plays to its
// end. The result counts each sample as written or as lost.
func TestDiskFillsUp(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	disk := trouble.SmallDisk(t, "20m")
	noise := judge.Make(t, "noise.mp4", "-f", "lavfi", "-i", "testsrc2=s=640x480:r=25:d=16,noise=alls=100:allf=t",
		"-f", "lavfi", "-i", "sine=d=16", "-c:v", "libx264", "-preset", "ultrafast", "-b:v", "20M", "-c:a", "aac", "-shortest")
	code, stdout, stderr := execute(t, "record", "-p", "a=file:"+noise, "-p", "b=test", "--fast", "--duration", "16", "--json", "--output", disk)
	var o printed
	if err := json.Unmarshal([]byte(stdout), &o); err != nil {
		t.Fatalf("standard output is not one JSON value: %v\n%s\n%s", err, stdout, stderr)
	}
	if code != exitFailed || !strings.Contains(o.Error, "no space left") || !strings.Contains(stderr, "no space left") {
		t.Errorf("exit code %d, error %q\n%s", code, o.Error, stderr)
	}
	for _, tr := range o.Tracks {
		lost := int64(0)
		for _, n := range tr.Dropped {
			lost += n
		}
		if tr.SamplesWritten == 0 || lost == 0 || tr.SamplesIn != tr.SamplesWritten+lost {
			t.Errorf("%s of %s: %d in, %d written, lost %v", tr.Kind, tr.Participant, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(disk, "*.partial")); len(left) > 0 || !strings.HasSuffix(o.Path, ".mp4") {
		t.Fatalf("path is %q, left behind: %v", o.Path, left)
	}
	judge.DecodesClean(t, o.Path)
	if length := judge.Probe(t, o.Path).Length().Seconds(); o.Duration < 5 || math.Abs(length-o.Duration) > 0.1 {
		t.Errorf("file lasts %.2f s, by the result %.2f", length, o.Duration)
	}
}
