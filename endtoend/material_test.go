package endtoend_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// flow is one RTP stream as FFmpeg has sent it.
type flow struct {
	format    media.EncodedFormat
	clockRate int
	begins    time.Duration // when the first packet's content was captured
	packets   []*rtp.Packet
}

// at returns when what a packet holds was captured, from the beginning.
func (f flow) at(i int) time.Duration {
	return f.begins + time.Duration(int32(f.packets[i].Timestamp-f.packets[0].Timestamp))*time.Second/time.Duration(f.clockRate)
}

// What FFmpeg sends: a picture that is white in the first tenth of each second,
// and sound that beeps then. A keyframe each second is the first white picture.
const (
	picture = "testsrc2=s=192x144:r=25,lutyuv=y=val*0.4,drawbox=t=fill:color=white:enable='lt(mod(t,1),0.1)'"
	sound   = "aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000"
)

var x264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", "keyint=25:min-keyint=25:scenecut=0", "-b:v", "250k"}

func h264Flow(t *testing.T, seconds int, more ...string) flow {
	return capture(t, picture, seconds, flow{format: media.EncodedFormat{Codec: media.H264}, clockRate: 90000}, slices.Concat(x264, more)...)
}

func opusFlow(t *testing.T, seconds int) flow {
	const priming = 312 * time.Second / 48000 // libopus puts so much before the first sample
	return capture(t, sound, seconds, flow{format: media.EncodedFormat{Codec: media.Opus, Channels: 1}, clockRate: 48000, begins: -priming}, "-c:a", "libopus", "-b:a", "24k")
}

// capture lets FFmpeg encode and send, faster than it plays, and takes what it
// sends. Nothing may be missing: what is lost later is for the test to say.
func capture(t *testing.T, source string, seconds int, f flow, encoder ...string) flow {
	t.Helper()
	port, sockets := listenPair(t)
	var packets []*rtp.Packet
	var reader sync.WaitGroup
	reader.Go(func() { packets = receiveAll(sockets[0]) })
	args := slices.Concat([]string{"-nostdin", "-v", "error", "-readrate", "60", "-f", "lavfi", "-i", source, "-t", fmt.Sprint(seconds)},
		encoder, []string{"-f", "rtp", fmt.Sprintf("rtp://127.0.0.1:%d?pkt_size=500", port), "-sdp_file", filepath.Join(t.TempDir(), "sdp")})
	out, err := exec.CommandContext(t.Context(), judge.Tool(t, "ffmpeg"), args...).CombinedOutput()
	time.Sleep(50 * time.Millisecond) // for what is in the socket
	sockets[0].SetReadDeadline(time.Now())
	reader.Wait()
	if err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	for i, p := range packets {
		if i > 0 && p.SequenceNumber != packets[i-1].SequenceNumber+1 {
			t.Skipf("the machine is too busy to take what FFmpeg sends: packet %d behind %d", p.SequenceNumber, packets[i-1].SequenceNumber)
		}
	}
	if len(packets) < seconds {
		t.Fatalf("FFmpeg sent %d packets", len(packets))
	}
	f.packets = packets
	return f
}

// listenPair opens a port for RTP and the next for RTCP.
func listenPair(t *testing.T) (port int, sockets [2]*net.UDPConn) {
	t.Helper()
	for range 50 {
		a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		port = a.LocalAddr().(*net.UDPAddr).Port
		b, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port + 1})
		if port%2 == 1 || err != nil {
			a.Close()
			if err == nil {
				b.Close()
			}
			continue
		}
		a.SetReadBuffer(4 << 20)
		t.Cleanup(func() { a.Close(); b.Close() })
		return port, [2]*net.UDPConn{a, b}
	}
	t.Fatal("no two ports in a row are free")
	return 0, sockets
}

func receiveAll(c *net.UDPConn) []*rtp.Packet {
	var packets []*rtp.Packet
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			return packets
		}
		p := &rtp.Packet{}
		if err == nil && p.Unmarshal(slices.Clone(buf[:n])) == nil {
			packets = append(packets, p)
		}
	}
}
