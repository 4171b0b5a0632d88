package rtp

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
)

// ffmpegSender is FFmpeg's command that sends streams, each to its port, for so
// many seconds.
func ffmpegSender(seconds float64, outputs ...[]string) []string {
	args := []string{"-nostdin", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25",
		"-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"}
	for _, o := range outputs {
		args = append(append(args, "-t", fmt.Sprint(seconds)), o...)
	}
	return args
}

// ffmpegSDP lets FFmpeg describe what it would send.
func ffmpegSDP(t *testing.T, outputs ...[]string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stream.sdp")
	ffmpegSend(t, append(ffmpegSender(0.1, outputs...), "-sdp_file", path))
	sdp, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sdp
}

// ffmpegSend lets FFmpeg send to the end. What an FFmpeg cannot encode or
// send is skipped.
func ffmpegSend(t *testing.T, args []string) {
	t.Helper()
	ffmpeg := judge.Tool(t, "ffmpeg")
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), ffmpeg, args...)
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		if strings.Contains(said.String(), "Unknown encoder") || strings.Contains(said.String(), "Unsupported codec") {
			t.Skip(said.String())
		}
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
}

func toPort(port int) string { return fmt.Sprintf("rtp://127.0.0.1:%d", port) }

var (
	x264 = []string{"-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-f", "rtp"}
	opus = []string{"-map", "1:a", "-c:a", "libopus", "-f", "rtp"}
)

func output(o []string, more ...string) []string { return append(slices.Clone(o), more...) }

// What FFmpeg sends arrives whole, decodes, and has the times it was made at.
func TestFFmpeg(t *testing.T) {
	for name, c := range map[string]struct {
		output []string
		codec  media.Codec
	}{
		"h264":            {x264, media.H264},
		"h264 parameters": {output(x264, "-flags", "+global_header"), media.H264},
		"h264 slices":     {output(x264, "-x264-params", "slices=4"), media.H264},
		"h265": {[]string{"-map", "0:v", "-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency",
			"-x265-params", "keyint=25:log-level=none", "-f", "rtp"}, media.HEVC},
		"vp8":  {[]string{"-map", "0:v", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-f", "rtp"}, media.VP8},
		"vp9":  {[]string{"-map", "0:v", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-strict", "-2", "-f", "rtp"}, media.VP9},
		"opus": {opus, media.Opus},
		"aac":  {[]string{"-map", "1:a", "-c:a", "aac", "-f", "rtp"}, media.AAC},
		"pcmu": {[]string{"-map", "1:a", "-ar", "8000", "-c:a", "pcm_mulaw", "-f", "rtp"}, media.PCMU},
		"pcma": {[]string{"-map", "1:a", "-ar", "8000", "-c:a", "pcm_alaw", "-f", "rtp"}, media.PCMA},
		"g722": {[]string{"-map", "1:a", "-ar", "16000", "-c:a", "g722", "-f", "rtp"}, media.G722},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sends := output(c.output, toPort(freePorts(t, 2)))
			b, err := New(name, ffmpegSDP(t, sends), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := collect()
			conn := connect(t, b, got)
			const seconds = 2
			ffmpegSend(t, ffmpegSender(seconds, sends))
			conn.Close()
			checkStream(t, got, c.codec, seconds, 25)
		})
	}
}

// checkStream judges a stream of so many seconds that nothing disturbed.
func checkStream(t *testing.T, got *collected, codec media.Codec, seconds, fps int) {
	t.Helper()
	if tracks := got.Tracks(); len(tracks) != 1 || tracks[0].Encoded.Codec != codec {
		t.Fatalf("tracks announced: %+v", tracks)
	}
	kind := got.Tracks()[0].Kind
	pieces := got.of(kind)
	frames, length := decoded(t, pieces)
	want := time.Duration(seconds) * time.Second
	first, last := pieces[0].time, pieces[len(pieces)-1].time
	t.Logf("%d samples, %d pictures, %v of sound, from %v to %v", len(pieces), frames, length, first, last)
	if codec.IsPicture() && (frames != seconds*fps || len(pieces) != frames) {
		t.Errorf("%d samples, %d pictures decoded, want %d", len(pieces), frames, seconds*fps)
	}
	// FFmpeg fills the last frame up. Of AAC it gathers several in a packet, and
	// leaves those out that it has when it ends.
	if codec.IsAudio() && (length < want-100*time.Millisecond || length > want+50*time.Millisecond) {
		t.Errorf("%v of sound decoded, want %v", length, want)
	}
	if span := last - first; span < want-200*time.Millisecond || span > want+50*time.Millisecond {
		t.Errorf("samples from %v to %v, want %v", first, last, want)
	}
	for i, p := range pieces {
		if p.lost > 0 || i > 0 && p.time < pieces[i-1].time {
			t.Errorf("sample %d at %v, before %v, %d lost", i, p.time, pieces[max(i-1, 0)].time, p.lost)
		}
	}
}

// One SDP with sound and picture; FFmpeg says goodbye, and the session ends by
// itself. Nothing of it is left.
func TestFFmpegSoundAndPicture(t *testing.T) {
	trouble.NothingLeft(t)
	port := freePorts(t, 4)
	sends := [][]string{output(x264, "-rtpflags", "send_bye", toPort(port)), output(opus, "-rtpflags", "send_bye", toPort(port+2))}
	b, err := New("both", ffmpegSDP(t, sends...), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := collect()
	conn := connect(t, b, got)
	begun := time.Now()
	ffmpegSend(t, ffmpegSender(2, sends...))
	sent := time.Since(begun)
	if !got.WaitEnd(3*time.Second) || got.Ends()[0] != nil {
		t.Fatalf("session does not end by itself, or by %v", got.Ends())
	}
	t.Logf("sent in %v, ended %v later", sent, time.Since(begun)-sent)
	conn.Close()
	if frames, _ := decoded(t, got.of(media.KindVideo)); frames != 50 {
		t.Errorf("%d pictures, want 50", frames)
	}
	if _, length := decoded(t, got.of(media.KindAudio)); (length - 2*time.Second).Abs() > 60*time.Millisecond {
		t.Errorf("%v of sound, want 2 s", length)
	}
}

// FFmpeg's SRTP, which it describes as RTP/AVP with a key.
func TestFFmpegSRTP(t *testing.T) {
	port := freePorts(t, 2)
	key := "aGVsbG93b3JsZGhlbGxvd29ybGRoZWxsb3dvcmxk"
	sends := output(opus, "-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", key, fmt.Sprintf("srtp://127.0.0.1:%d", port))
	b, err := New("srtp", ffmpegSDP(t, sends), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := collect()
	conn := connect(t, b, got)
	ffmpegSend(t, ffmpegSender(1, sends))
	conn.Close()
	checkStream(t, got, media.Opus, 1, 0)
}
