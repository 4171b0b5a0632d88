package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// call runs the command, for no longer than a mistake that is taken for none
// and records for ever may cost.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, err bytes.Buffer
	code = run(ctx, args, streams{&out, &err})
	if ctx.Err() != nil {
		t.Errorf("roomkit %s does not end", strings.Join(args, " "))
	}
	return code, out.String(), err.String()
}

// Every mistake is told from a failure by the exit code, names what was wrong
// and says what is allowed; standard output stays empty for whoever reads it.
func TestMistakesAndFailures(t *testing.T) {
	trouble.NothingLeft(t)
	dir := t.TempDir()
	text, empty := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "empty.mp4")
	for path, content := range map[string]string{text: strings.Repeat("This is no media. ", 100), empty: ""} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	output := filepath.Join(dir, "recordings")
	demo := func(more ...string) []string {
		return append([]string{"record", "-o", output, "-p", "demo=test", "--fast", "-d", "1"}, more...)
	}
	from := func(source string, more ...string) []string {
		return append([]string{"record", "-o", output, "-d", "1", "-p", "me=" + source}, more...)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"command":          {[]string{"recrod"}, 2, []string{"recrod", "record, inspect, repair, devices"}},
		"extra argument":   {demo("extra"), 2, []string{"extra"}},
		"flag":             {[]string{"record", "--bogus"}, 2, []string{"--bogus", "--participant", "--format"}},
		"participant":      {[]string{"record", "-p", "demo"}, 2, []string{`"demo"`, "NAME=SOURCE", "file:PATH"}},
		"nameless":         {[]string{"record", "-p", "=test"}, 2, []string{`"=test"`, "NAME=SOURCE"}},
		"source":           {[]string{"record", "-p", "demo=tset"}, 2, []string{`"tset"`, "mic[:device]", "avsync"}},
		"argument":         {[]string{"record", "-p", "demo=test:1"}, 2, []string{`"test"`, `"1"`}},
		"no path":          {[]string{"record", "-p", "demo=file:"}, 2, []string{"file", "path"}},
		"no SDP":           {[]string{"record", "-p", "demo=rtp:"}, 2, []string{"rtp", "camera.sdp"}},
		"name twice":       {[]string{"record", "-p", "a=test", "-p", "a=avsync"}, 2, []string{`"a"`, "twice"}},
		"format":           {demo("--format", "avi"), 2, []string{"--format", `"avi"`, "mp4, mov, mkv, webm, ts"}},
		"video codec":      {demo("--video-codec", "vp8"), 2, []string{"--video-codec", `"vp8"`, "libx264"}},
		"audio codec":      {demo("--audio-codec", "mp3"), 2, []string{"--audio-codec", `"mp3"`, "aac"}},
		"combination":      {demo("--format", "webm", "--video-codec", "libx264"), 2, []string{"--video-codec", `"libx264"`, "webm"}},
		"audio in ts":      {demo("--format", "ts", "--audio-codec", "libopus"), 2, []string{"--audio-codec", `"libopus"`, "aac"}},
		"rate":             {demo("--sample-rate", "12345"), 2, []string{"--sample-rate", "12345", "16000"}},
		"rate of zero":     {demo("--sample-rate", "0"), 2, []string{"--sample-rate", "0", "8000"}},
		"preset":           {demo("--preset", "nonsense"), 2, []string{"--preset", `"nonsense"`, "veryfast"}},
		"crf":              {demo("--crf", "77"), 2, []string{"--crf", "77", "51"}},
		"bit rate":         {demo("--bitrate=-1"), 2, []string{"--bitrate", "-1"}},
		"fps":              {demo("--fps", "241"), 2, []string{"--fps", "241", "240"}},
		"device index":     {demo("--device=-1"), 2, []string{"--device", "-1"}},
		"layout":           {demo("--layout", "spiral"), 2, []string{"--layout", "spiral", "none"}},
		"rotation":         {demo("--rotate", "10ms"), 2, []string{"--rotate", "10ms", "1s"}},
		"rotation's size":  {demo("--rotate-size", "1KB"), 2, []string{"--rotate-size", "1000", "1048576"}},
		"size":             {demo("--rotate-size", "much"), 2, []string{"--rotate-size", `"much"`, "500MB"}},
		"room":             {demo("--room", ""), 2, []string{"--room", `""`}},
		"output":           {demo("--output", "a/../b"), 2, []string{"--output", "a/../b", ".."}},
		"negative":         {demo("--duration=-5"), 2, []string{"--duration", "-5", "negative"}},
		"negative, spaced": {demo("--duration", "-5"), 2, []string{"--duration", "-5"}},
		"no number":        {demo("--duration", "soon"), 2, []string{"--duration", `"soon"`, "1m30s"}},
		"not a number":     {demo("--duration", "NaN"), 2, []string{"--duration", `"NaN" is no duration`, "1m30s"}},
		"too long":         {demo("--duration", "1e300"), 2, []string{"--duration", `"1e300" is no duration`, "1m30s"}},
		"fast device":      {from("mic", "--fast"), 2, []string{"--fast", "mic of me", "file:"}},
		"fast default":     {[]string{"record", "--fast"}, 2, []string{"--fast", "mic"}},
		"fast, endless":    {[]string{"record", "-p", "me=test", "--fast"}, 2, []string{"--fast", "never ends", "--duration"}},
		"fast RTP":         {from("rtp:x.sdp", "--fast"), 2, []string{"--fast", "rtp:x.sdp of me", "file:"}},
		"missing SDP":      {from("rtp:" + filepath.Join(dir, "nothere.sdp")), 1, []string{"nothere.sdp", "not found", "ffmpeg", "-sdp_file"}},
		"text, not SDP":    {from("rtp:" + text), 1, []string{"notes.txt", "line 1", "v=0"}},
		"missing file":     {from("file:" + filepath.Join(dir, "nothere.mp4")), 1, []string{"nothere.mp4", "not found"}},
		"missing, json":    {from("file:"+filepath.Join(dir, "nothere.mp4"), "--json"), 1, []string{"nothere.mp4", "not found"}},
		"mistake first":    {from("file:"+filepath.Join(dir, "nothere.mp4"), "--format", "avi"), 2, []string{"--format", `"avi"`}},
		"text file":        {from("file:" + text), 1, []string{"notes.txt", "media"}},
		"empty file":       {from("file:" + empty), 1, []string{"empty.mp4", "not a media file"}},
		"missing camera":   {from("webcam:/dev/nothere"), 1, []string{"/dev/nothere", "--participant demo=test"}},
		"output is a file": {demo("--output", text), 1, []string{"notes.txt"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := call(t, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if stdout != "" {
				t.Errorf("standard output: %s", stdout)
			}
			for _, words := range c.says {
				if !strings.Contains(stderr, words) {
					t.Errorf("message does not say %q:\n%s", words, stderr)
				}
			}
			if strings.Contains(stderr, "roomkit: roomkit:") {
				t.Errorf("stutter:\n%s", stderr)
			}
			if _, err := os.Stat(output); err == nil {
				t.Error("something was written")
				os.RemoveAll(output)
			}
		})
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Second, "0.5": 500 * time.Millisecond, "5s": 5 * time.Second, "1m30s": 90 * time.Second, "250ms": 250 * time.Millisecond,
	} {
		var d duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%q is %v, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"0.5", "500ms"} {
		code, stdout, stderr := call(t, "record", "-o", t.TempDir(), "-p", "demo=test", "--fast", "--duration", text)
		if code != exitDone {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		if got := judge.Probe(t, strings.TrimSpace(stdout)).Length(); (got - 500*time.Millisecond).Abs() > 5*time.Millisecond {
			t.Errorf("--duration %s makes a file of %v", text, got)
		}
	}
}

// A recording that fails has a result all the same: with --json it is the
// whole of standard output, and the exit code tells of the failure.
func TestJSONOfAFailure(t *testing.T) {
	trouble.NothingLeft(t)
	disk := trouble.SmallDisk(t, "64k")
	args := []string{"record", "-o", disk, "-p", "demo=test", "--fast", "--duration", "5"}
	code, stdout, stderr := call(t, append(args, "--json")...)
	var result struct {
		Path, Error string
		Tracks      []struct {
			SamplesIn int64 `json:"samples_in"`
			Dropped   map[string]int64
		}
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatalf("standard output is not one JSON value: %v\n%s", err, stdout)
	}
	if code != exitFailed || !strings.Contains(result.Error, "no space left") || !strings.Contains(stderr, "no space left") {
		t.Errorf("exit code %d, error %q\n%s", code, result.Error, stderr)
	}
	if result.Path != "" || len(result.Tracks) != 2 || result.Tracks[0].Dropped["write error"] != result.Tracks[0].SamplesIn {
		t.Errorf("result is %s", stdout)
	}
	if left, _ := filepath.Glob(filepath.Join(disk, "*")); len(left) > 0 {
		t.Errorf("left behind without a sample in it: %v", left)
	}
	if code, stdout, _ := call(t, args...); code != exitFailed || stdout != "" {
		t.Errorf("without --json: exit code %d, standard output %q", code, stdout)
	}
}

// The help of each command mentions each of its flags.
func TestHelp(t *testing.T) {
	flags := map[string][]string{
		"record": {"participant", "output", "duration", "fps", "device", "format", "video-codec", "audio-codec",
			"sample-rate", "layout", "room", "crf", "bitrate", "preset", "rotate", "rotate-size", "fast", "json", "verbose"},
		"inspect": {"json", "fragments", "verbose"}, "repair": {"output", "in-place", "fast-start", "json"},
		"devices": {"json"}, "completion": {"code"}, "version": {},
	}
	_, top, _ := call(t, "--help")
	for command, names := range flags {
		if !strings.Contains(top, "\n  "+command+" ") {
			t.Errorf("roomkit --help does not mention %s", command)
		}
		code, help, stderr := call(t, command, "--help")
		if code != exitDone || stderr != "" {
			t.Errorf("%s --help: exit code %d, standard error %q", command, code, stderr)
		}
		for _, name := range names {
			if !strings.Contains(help, "--"+name) {
				t.Errorf("%s --help does not mention --%s", command, name)
			}
		}
	}
	_, _, unknown := call(t, "record", "--no-such-flag")
	for _, name := range flags["record"] {
		if !strings.Contains(unknown, "--"+name) {
			t.Errorf("list of flags does not have --%s", name)
		}
	}
	if code, bare, _ := call(t); code != exitDone || bare != top {
		t.Error("roomkit without arguments does not show the help")
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, stdout, stderr := call(t, "completion", "-c", shell)
		if code != exitDone || !strings.Contains(stdout, "complete") || !strings.Contains(stdout, "roomkit") {
			t.Errorf("%s: exit code %d, %q\n%s", shell, code, stdout, stderr)
		}
	}
}

// binary builds the command.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "roomkit")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// process is a running command.
type process struct {
	*exec.Cmd
	stdout bytes.Buffer
	said   bytes.Buffer // standard error
}

func begin(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), path, args...)}
	p.Stdout, p.Stderr = &p.stdout, &p.said
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// end waits for the process and returns its exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	err := p.Wait()
	if err != nil && p.ProcessState == nil {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// A signal in the middle of a recording finishes the file.
func TestSignalFinishesTheFile(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	path := binary(t)
	for _, format := range []string{"mp4", "mkv"} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(fmt.Sprint(format, " ", sig), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				begun := time.Now()
				p := begin(t, path, "record", "-p", "demo=test", "-o", dir, "--format", format, "--json")
				awaitFile(t, dir)
				time.Sleep(2 * time.Second)
				if err := p.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				code, took := p.end(t), time.Since(begun)
				var result struct {
					Path     string
					Duration float64
					Reason   string
				}
				if err := json.Unmarshal(p.stdout.Bytes(), &result); err != nil || code != exitDone || result.Reason != "shut down" {
					t.Fatalf("exit code %d, %v\n%s%s", code, err, p.stdout.String(), p.said.String())
				}
				judge.DecodesClean(t, result.Path)
				length := judge.Probe(t, result.Path).Length()
				// Matroska has the encoder's priming, 64 ms, in its length.
				if length < 1500*time.Millisecond || length > took+100*time.Millisecond || (length.Seconds()-result.Duration) > 0.1 {
					t.Errorf("file lasts %v, by the result %v s, of %v", length, result.Duration, took)
				}
			})
		}
	}
}

// awaitFile waits until a recording has begun.
func awaitFile(t *testing.T, dir string) {
	t.Helper()
	for range 1000 {
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no recording begins")
}

// The second signal ends the process at once, even if it comes with the first.
func TestSecondSignalGivesUp(t *testing.T) {
	path, dir := binary(t), t.TempDir()
	p := begin(t, path, "record", "-p", "demo=test", "-o", dir)
	awaitFile(t, dir)
	time.Sleep(time.Second)
	// Signals to a process that is stopped wait for it, so that the second one
	// is there before the file can be finished.
	for _, sig := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCONT} {
		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	code := p.end(t)
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	if code != exitFailed || len(left) != 1 || !strings.HasSuffix(left[0], ".partial") {
		t.Errorf("exit code %d, left behind %v\n%s", code, left, p.said.String())
	}
	if p.stdout.Len() > 0 {
		t.Errorf("standard output: %s", p.stdout.String())
	}
}
