package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// rtpSender is FFmpeg's command that sends a flash and a beep each second as
// H.264 and Opus to four ports from the first on, and describes that.
func rtpSender(port int, sdp string, seconds float64) []string {
	return []string{"-nostdin", "-v", "error", "-y",
		"-re", "-f", "lavfi", "-i", "color=black:s=320x240:r=25,drawbox=color=white:t=fill:enable='lt(mod(t,1),0.1)'",
		"-re", "-f", "lavfi", "-i", "aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000",
		"-t", fmt.Sprint(seconds), "-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25",
		"-f", "rtp", "-rtpflags", "send_bye", fmt.Sprintf("rtp://127.0.0.1:%d", port),
		"-t", fmt.Sprint(seconds), "-map", "1:a", "-c:a", "libopus",
		"-f", "rtp", "-rtpflags", "send_bye", fmt.Sprintf("rtp://127.0.0.1:%d", port+2), "-sdp_file", sdp}
}

// fourPorts returns the first of four UDP ports in a row that are free.
func fourPorts(t *testing.T) int {
	t.Helper()
	for port := 42000; port < 60000; port += 4 {
		free := true
		for i := range 4 {
			free = free && !taken(port+i)
		}
		if free {
			return port
		}
	}
	t.Skip("no free ports")
	return 0
}

func taken(port int) bool {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err == nil {
		c.Close()
	}
	return err != nil
}

// What FFmpeg sends is in the file as it was sent, in step, and decodes without
// a warning. The recording ends when FFmpeg says goodbye.
func TestRecordRTP(t *testing.T) {
	trouble.NothingLeft(t)
	ffmpeg := judge.Tool(t, "ffmpeg")
	judge.Need(t, "ffprobe")
	port, sdp, dir := fourPorts(t), filepath.Join(t.TempDir(), "x.sdp"), t.TempDir()
	judge.Run(t, ffmpeg, rtpSender(port, sdp, 0.1)...)

	type outcomeOf struct {
		code           int
		stdout, stderr string
	}
	done := make(chan outcomeOf, 1)
	go func() {
		code, stdout, stderr := execute(t, "record", "--participant", "cam=rtp:"+sdp, "--duration", "60", "--output", dir, "--json", "--verbose")
		done <- outcomeOf{code, stdout, stderr}
	}()
	for n := 0; !taken(port + 3); n++ {
		if n == 500 {
			t.Fatal("the ports are not opened")
		}
		time.Sleep(10 * time.Millisecond)
	}
	judge.Run(t, ffmpeg, rtpSender(port, filepath.Join(t.TempDir(), "again.sdp"), 3.5)...)
	out := <-done
	if out.code != exitDone {
		t.Fatalf("exit code %d\n%s", out.code, out.stderr)
	}
	t.Log(out.stderr)
	var o printed
	if err := json.Unmarshal([]byte(out.stdout), &o); err != nil {
		t.Fatal(err)
	}
	judge.DecodesClean(t, o.Path)
	f := judge.Probe(t, o.Path)
	video, audio := f.Of("video"), f.Of("audio")
	if len(video) != 1 || len(audio) != 1 || video[0].Codec != "h264" || audio[0].Codec != "opus" || audio[0].Tags["handler_name"] != "cam" {
		t.Fatalf("streams %+v", f.Streams)
	}
	if d := f.Length(); (d - 3500*time.Millisecond).Abs() > 150*time.Millisecond {
		t.Errorf("file lasts %v, want 3.5 s", d)
	}
	for _, tr := range o.Tracks {
		// FFmpeg may go on hurrying behind the second that is awaited: packets
		// of sound are left out then so that it stays in step.
		if lost := tr.SamplesIn - tr.SamplesWritten; tr.SamplesIn == 0 || lost != tr.Dropped["clock drift"] || lost > 3 {
			t.Errorf("%s: %d in, %d written, lost %v", tr.Kind, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
	// FFmpeg's sender reports tie the streams together to within what its
	// muxers are opened one after the other.
	for _, d := range judge.FlashBeep(t, o.Path) {
		t.Logf("beep %v after the flash", d)
		if d.Abs() > 60*time.Millisecond {
			t.Errorf("beep %v after the flash", d)
		}
	}
}

// Nothing comes: the error says where it was awaited.
func TestRecordRTPSilent(t *testing.T) {
	sdp := filepath.Join(t.TempDir(), "x.sdp")
	text := fmt.Sprintf("v=0\nc=IN IP4 127.0.0.1\nm=audio %d RTP/AVP 0\n", fourPorts(t))
	if err := os.WriteFile(sdp, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := execute(t, "record", "--participant", "cam=rtp:"+sdp, "--duration", "300ms", "--output", t.TempDir())
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, sdp) || !strings.Contains(stderr, "does the sender run") {
		t.Errorf("exit code %d, %q\n%s", code, stdout, stderr)
	}
}

// A port that is taken is named, with what to do.
func TestRecordRTPPortInUse(t *testing.T) {
	port, sdp := fourPorts(t), filepath.Join(t.TempDir(), "x.sdp")
	text := fmt.Sprintf("v=0\nc=IN IP4 127.0.0.1\nm=audio %d RTP/AVP 0\n", port)
	if err := os.WriteFile(sdp, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	code, _, stderr := execute(t, "record", "--participant", "cam=rtp:"+sdp, "--duration", "1", "--output", t.TempDir())
	if code != exitFailed || !strings.Contains(stderr, fmt.Sprint("UDP port ", port+1)) || !strings.Contains(stderr, "m= line") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
