package rtp

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// gstreamer begins a pipeline. What lacks an element is skipped.
func gstreamer(t *testing.T, pipeline string) *exec.Cmd {
	t.Helper()
	launch := judge.Tool(t, "gst-launch-1.0")
	for part := range strings.SplitSeq(pipeline, "!") {
		element := strings.Fields(part)[0]
		if strings.ContainsAny(element, "/.") { // caps, pads
			continue
		}
		if err := exec.Command("gst-inspect-1.0", "--exists", element).Run(); err != nil {
			t.Skipf("GStreamer has no %s", element)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, launch, append([]string{"-q"}, strings.Fields(pipeline)...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s", pipeline, said.String())
		}
	})
	return cmd
}

const (
	gstVideo = "videotestsrc is-live=true num-buffers=50 ! video/x-raw,width=320,height=240,framerate=25/1 ! "
	gstAudio = "audiotestsrc is-live=true num-buffers=100 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=2 ! "
)

func sdpFor(kind string, port int, rtpmap string, more ...string) []byte {
	lines := []string{"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
		fmt.Sprintf("m=%s %d RTP/AVP 96", kind, port), "a=rtpmap:96 " + rtpmap}
	return []byte(strings.Join(append(lines, more...), "\r\n") + "\r\n")
}

// What GStreamer sends arrives whole and decodes.
func TestGStreamer(t *testing.T) {
	// One slice a picture: between two, GStreamer 1.22 repeats the parameter
	// sets, which FFmpeg's decoder does not take.
	film := t.TempDir() + "/film.mp4"
	judge.Run(t, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2",
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-x264-params", "sliced-threads=0", "-g", "25", film)
	for name, c := range map[string]struct {
		pipeline string
		codec    media.Codec
		rtpmap   string
		more     []string
	}{
		"h264":        {"filesrc location=" + film + " ! qtdemux ! h264parse ! rtph264pay pt=96 config-interval=-1 !", media.H264, "H264/90000", nil},
		"h264 single": {"filesrc location=" + film + " ! qtdemux ! h264parse ! rtph264pay pt=96 config-interval=-1 aggregate-mode=none mtu=60000 !", media.H264, "H264/90000", []string{"a=fmtp:96 packetization-mode=0"}},
		"h265":        {gstVideo + "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=25 ! h265parse ! rtph265pay pt=96 config-interval=-1 !", media.HEVC, "H265/90000", nil},
		"vp8":         {gstVideo + "vp8enc deadline=1 ! rtpvp8pay pt=96 picture-id-mode=15-bit !", media.VP8, "VP8/90000", nil},
		"vp9":         {gstVideo + "vp9enc deadline=1 cpu-used=8 ! rtpvp9pay pt=96 picture-id-mode=15-bit !", media.VP9, "VP9/90000", nil},
		"av1":         {gstVideo + "av1enc cpu-used=8 usage-profile=realtime lag-in-frames=0 ! rtpav1pay pt=96 !", media.AV1, "AV1/90000", nil},
		"opus":        {gstAudio + "opusenc ! rtpopuspay pt=96 !", media.Opus, "opus/48000/2", []string{"a=fmtp:96 sprop-stereo=1"}},
		"aac": {gstAudio + "avenc_aac ! rtpmp4gpay pt=96 !", media.AAC, "MPEG4-GENERIC/48000/2",
			[]string{"a=fmtp:96 mode=AAC-hbr;config=1190;sizelength=13;indexlength=3;indexdeltalength=3"}},
		"pcmu": {gstAudio + "audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay pt=96 !", media.PCMU, "PCMU/8000", nil},
		"g722": {gstAudio + "audioconvert ! audioresample ! audio/x-raw,rate=16000,channels=1 ! avenc_g722 ! rtpg722pay pt=96 !", media.G722, "G722/8000", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := "audio"
			if c.codec.IsPicture() {
				kind = "video"
			}
			port := freePorts(t, 2)
			b, err := New(name, sdpFor(kind, port, c.rtpmap, c.more...), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := collect()
			conn := connect(t, b, got)
			send := gstreamer(t, fmt.Sprintf("%s udpsink host=127.0.0.1 port=%d", c.pipeline, port))
			if err := send.Wait(); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			checkStream(t, got, c.codec, 2, 25)
		})
	}
}

// GStreamer's encoder makes a keyframe when we ask for it: an encoder that
// makes none by itself.
func TestGStreamerKeyFrameOnRequest(t *testing.T) {
	port, back := freePorts(t, 2), freePorts(t, 2)
	b, err := New("pli", sdpFor("video", port, "VP8/90000"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := collect()
	conn := connect(t, b, got)
	gstreamer(t, fmt.Sprintf("rtpbin name=bin "+
		"videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! vp8enc deadline=1 keyframe-max-dist=9999 ! rtpvp8pay pt=96 ! bin.send_rtp_sink_0 "+
		"bin.send_rtp_src_0 ! udpsink host=127.0.0.1 port=%d bind-port=%d sync=false "+
		"udpsrc port=%d ! bin.recv_rtcp_sink_0", port, back, back+1))
	request := got.Tracks()[0].RequestKeyFrame
	await(t, func() bool { return len(got.of(media.KindVideo)) > 25 })
	before := keyFrames(got.of(media.KindVideo))
	request()
	await(t, func() bool { return keyFrames(got.of(media.KindVideo)) > before })
	conn.Close()
	if before != 1 {
		t.Errorf("%d keyframes before one was asked for, want the first", before)
	}
}

// await waits for what is to happen soon.
func await(t *testing.T, happened func() bool) {
	t.Helper()
	for range 1000 {
		if happened() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("does not happen in 10 s")
}

// keyFrames counts those of VP8 (RFC 6386, section 9.1: a bit that is 0).
func keyFrames(pieces []piece) (n int) {
	for _, p := range pieces {
		if p.data[0]&1 == 0 {
			n++
		}
	}
	return n
}
