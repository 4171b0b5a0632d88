package rtpin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// foreign is what other senders' packets are made of.
var foreign = []struct {
	codec  string
	file   string
	make   []string // arguments of ffmpeg
	format media.EncodedFormat
	rate   int
	fmtp   string // for GStreamer, which has no SDP
	gst    string // and its elements
	mtu    int    // 0: 400
}{
	{"h264", "a.h264", []string{"-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1", "-c:v", "libx264", "-g", "20", "-bf", "2", "-slices", "3", "-pix_fmt", "yuv420p"},
		media.EncodedFormat{Codec: media.H264}, 90000, "", "h264parse ! rtph264pay aggregate-mode=zero-latency", 0},
	{"hevc", "a.hevc", []string{"-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1", "-c:v", "libx265", "-x265-params", "log-level=none:keyint=20", "-pix_fmt", "yuv420p"},
		media.EncodedFormat{Codec: media.HEVC}, 90000, "", "h265parse ! rtph265pay aggregate-mode=zero-latency", 0},
	{"vp8", "a.webm", []string{"-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1", "-c:v", "libvpx", "-deadline", "realtime", "-g", "20"},
		media.EncodedFormat{Codec: media.VP8}, 90000, "", "matroskademux ! rtpvp8pay", 0},
	{"vp9", "a.webm", []string{"-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=1", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "20"},
		media.EncodedFormat{Codec: media.VP9}, 90000, "", "matroskademux ! rtpvp9pay", 0},
	{"opus", "a.ogg", []string{"-f", "lavfi", "-i", "sine=d=1:r=48000", "-c:a", "libopus", "-ac", "2", "-b:a", "48k"},
		media.EncodedFormat{Codec: media.Opus}, 48000, "", "oggdemux ! opusparse ! rtpopuspay", 0},
	{"aac, several frames in a packet", "a.aac", []string{"-f", "lavfi", "-i", "sine=d=1:r=48000", "-c:a", "aac", "-b:a", "96k"},
		media.EncodedFormat{Codec: media.AAC}, 48000, testFMTP, "aacparse ! rtpmp4gpay max-ptime=80000000", 1200},
	{"aac, frames in fragments", "a.aac", []string{"-f", "lavfi", "-i", "sine=d=1:r=48000", "-c:a", "aac", "-b:a", "96k"},
		media.EncodedFormat{Codec: media.AAC}, 48000, testFMTP, "aacparse ! rtpmp4gpay", 150},
	{"pcm_mulaw", "a.wav", []string{"-f", "lavfi", "-i", "sine=d=1:r=8000", "-c:a", "pcm_mulaw"},
		media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}, 8000, "", "wavparse ! rtppcmupay", 0},
}

// TestForeignSenders takes what FFmpeg and GStreamer send through a socket.
func TestForeignSenders(t *testing.T) {
	for _, f := range foreign {
		mtu := cmp.Or(f.mtu, 400)
		t.Run(f.codec, func(t *testing.T) {
			path := judge.Make(t, f.file, f.make...)
			t.Run("ffmpeg", func(t *testing.T) {
				conn, port := listen(t)
				source, unsent := path, 0
				if f.format.Codec == media.AAC {
					// FFmpeg sends it from files with a global header only, and
					// keeps what it has gathered for a packet at the end.
					source = judge.Make(t, "a.m4a", "-i", path, "-c", "copy", "-bsf:a", "aac_adtstoasc")
					unsent = mtu / 150
				}
				out := judge.Run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", source, "-c", "copy", "-payload_type", "96", "-strict", "experimental",
					"-max_delay", "100000", "-f", "rtp", fmt.Sprintf("rtp://127.0.0.1:%d?pkt_size=%d", port, mtu))
				fmtp := ""
				if m := regexp.MustCompile(`(?m)^a=fmtp:96 (.*?)\r?$`).FindSubmatch(out); m != nil {
					fmtp = string(m[1])
				}
				compare(t, path, f.format, f.rate, fmtp, conn, unsent)
			})
			t.Run("gstreamer", func(t *testing.T) {
				gst := judge.Tool(t, "gst-launch-1.0")
				conn, port := listen(t)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				args := strings.Fields(fmt.Sprintf("-q filesrc location=%s ! %s mtu=%d ! udpsink host=127.0.0.1 port=%d sync=false", path, f.gst, mtu, port))
				if out, err := exec.CommandContext(ctx, gst, args...).CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				compare(t, path, f.format, f.rate, f.fmtp, conn, 0)
			})
		})
	}
}

// listen opens a socket with room for a whole clip.
func listen(t *testing.T) (conn *net.UDPConn, port int) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadBuffer(8 << 20); err != nil {
		t.Fatal(err)
	}
	return conn, conn.LocalAddr().(*net.UDPAddr).Port
}

// compare receives what lies in the socket, and holds it against the file, of
// which up to so many packets at the end were not sent.
func compare(t *testing.T, path string, format media.EncodedFormat, rate int, fmtp string, conn *net.UDPConn, unsent int) {
	t.Helper()
	var got []byte
	samples := 0
	r, err := NewReceiver(Config{
		Format: &format, ClockRate: rate, FMTP: fmtp, Clock: NewParticipant().NewTrack(rate),
		Deliver: func(s media.Sample) {
			got = append(got, s.Encoded.Data...)
			samples++
			s.Release()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 2000)
	for n := 0; ; n++ {
		// Everything has been sent: what is not there now will not come.
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		size, err := conn.Read(packet)
		if err != nil {
			break
		}
		if err := r.Push(packet[:size], time.Duration(n)*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	r.Flush()
	s := r.Stats()
	if s.Received == 0 || s.Lost > 0 || s.DamagedFrames > 0 {
		t.Fatalf("%+v", s)
	}
	args := []string{"-v", "error", "-i", path, "-map", "0", "-c", "copy"}
	if format.Codec == media.AAC {
		args = append(args, "-bsf:a", "aac_adtstoasc") // without the headers of its file
	}
	want := judge.Run(t, "ffmpeg", append(args, "-f", "data", "-")...)
	if c := format.Codec; c == media.H264 || c == media.HEVC {
		got, want = normal(c.String(), got), normal(c.String(), want)
	}
	if unsent > 0 && len(got) < len(want) {
		want = want[:len(got)]
	}
	if !bytes.Equal(got, want) {
		at := 0
		for at < len(got) && at < len(want) && got[at] == want[at] {
			at++
		}
		t.Errorf("%d bytes, the file has %d; the first %d are the same; %+v", len(got), len(want), at, s)
	}
	if format.Codec == media.PCMU {
		return // cut anew
	}
	count := judge.Run(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path)
	if n, err := strconv.Atoi(strings.Trim(string(count), "\r\n,")); err != nil || samples > n || samples < n-unsent {
		t.Errorf("%d samples, the file has %s", samples, count)
	}
	t.Logf("%d packets, %d samples", s.Received, samples)
}
