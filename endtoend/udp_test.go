package endtoend_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend/rtp"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// What is sent. Pictures are encoded before, so that a busy machine keeps up.
var (
	encoders = map[string][]string{
		"h264":  slices.Concat(x264, []string{"-x264-params", "keyint=25:min-keyint=25:scenecut=0:sliced-threads=0"}),
		"h264b": {"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-x264-params", "keyint=25:min-keyint=25:scenecut=0", "-b:v", "250k"},
		"hevc":  {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=25:bframes=2:log-level=none"},
		"vp8":   {"-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-g", "25", "-lag-in-frames", "0"},
		"vp9":   {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "400k", "-g", "25", "-lag-in-frames", "0"},
		"opus":  {"-c:a", "libopus"},
		"aac":   {"-c:a", "aac"},
		"pcmu":  {"-c:a", "pcm_mulaw", "-ar", "8000"},
		"pcma":  {"-c:a", "pcm_alaw", "-ar", "8000"},
		"g722":  {"-c:a", "g722", "-ar", "16000"},
	}
	pictureOf = map[string]media.Codec{"h264": media.H264, "h264b": media.H264, "hevc": media.HEVC, "vp8": media.VP8, "vp9": media.VP9}
)

const filmSeconds = 6

// film encodes pictures to a file, with sound as it is.
func film(t *testing.T, video string) string {
	t.Helper()
	return judge.Make(t, "film.mkv", slices.Concat([]string{"-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", fmt.Sprint(filmSeconds)},
		encoders[video], []string{"-c:a", "pcm_s16le"})...)
}

// A program sends what an SDP says.
type program struct {
	name, video, audio string
	sdp                []byte
	command            []string
}

// FFmpeg and GStreamer send in each codec to one room, all at once, over UDP.
// Everything that they send is in the file, in step.
func TestUDP(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe", "gst-launch-1.0", "chromium")
	var programs []*program
	for _, p := range [][3]string{{"h264", "opus", "opus"}, {"h264b", "aac", "aac"}, {"hevc", "pcmu", "pcma"}, {"vp8", "pcma", "pcmu"}, {"vp9", "g722", "g722"}} {
		path := film(t, p[0])
		programs = append(programs, ffmpegSends(t, path, p[0], p[1]), gstreamerSends(t, path, p[0], p[2]))
	}
	r := newRoom(t, media.NewRealClock(), recorder.Config{StartTimeout: 10 * time.Second})
	for _, p := range programs {
		b, err := rtp.New(p.name, p.sdp, rtp.Options{})
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.name, err, p.sdp)
		}
		r.join(p.name, b)
	}
	var running sync.WaitGroup
	for _, p := range programs {
		running.Go(func() { p.run(t) })
	}
	running.Wait()
	time.Sleep(200 * time.Millisecond) // for what is on its way
	r.leave()
	result := r.close()
	file := judge.Probe(t, result.Path)
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) { p.check(t, result, file) })
	}
	plays(t, result.Path, len(programs), len(programs))
	playsInBrowser(t, result)
}

// run sends all. GStreamer sometimes waits at its end for nobody knows what; it
// is stopped then. That all has been sent is seen by what arrives.
func (p *program) run(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), (filmSeconds+8)*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, p.command[0], p.command[1:]...).CombinedOutput()
	if err != nil && ctx.Err() == nil {
		t.Errorf("%s: %v\n%s", p.name, err, out)
	}
}

func (p *program) check(t *testing.T, result recorder.Result, file judge.File) {
	video, audio := trackOf(t, result, p.name, media.KindVideo), trackOf(t, result, p.name, media.KindAudio)
	for _, tr := range []recorder.TrackResult{video, audio} {
		// Time zero is when all have begun. On a busy machine what was sent late at
		// first may be brought to its time by leaving out a little sound.
		if tr.LostOnTheWay != 0 || tr.Losses() != tr.Dropped[recorder.DropBeforeStart]+tr.Dropped[recorder.DropSurplus] || tr.Dropped[recorder.DropSurplus] > 3 {
			t.Errorf("%s: %d lost on the way, dropped %v", tr.Kind, tr.LostOnTheWay, tr.Dropped)
		}
	}
	if want := pictureOf[p.video].String(); video.Codec != want {
		t.Errorf("pictures recorded as %s, want %s", video.Codec, want)
	}
	if p.audio == "opus" || p.audio == "aac" {
		if audio.Codec != p.audio {
			t.Errorf("sound recorded as %s, want %s", audio.Codec, p.audio)
		}
	}
	if video.SamplesIn != filmSeconds*25 {
		t.Errorf("%d pictures, want %d", video.SamplesIn, filmSeconds*25)
	}
	flashes := judge.Flashes(t, result.Path, streamOf(t, file, p.name, "video"))
	beeps := judge.Beeps(t, result.Path, streamOf(t, file, p.name, "audio"))
	apart := pairs(flashes, beeps)
	t.Logf("video %v to %v, audio %s %v to %v, %d flashes, %d beeps, %v apart", video.First, video.Last, audio.Codec, audio.First, audio.Last, len(flashes), len(beeps), apart)
	if len(apart) < filmSeconds-3 {
		t.Fatalf("%d flashes and %d beeps make %d pairs", len(flashes), len(beeps), len(apart))
	}
	// GStreamer leaves AAC's priming of 21 ms in. FFmpeg's reports take each
	// stream to begin when its encoder was opened.
	allowed := 40 * time.Millisecond
	if p.command[0] == "ffmpeg" {
		allowed = 120 * time.Millisecond
	}
	for i, d := range apart {
		if d.Abs() > allowed {
			t.Errorf("beep %d is heard %v behind its flash", i, d)
		}
	}
}

// freePorts returns the first of four ports that are free now: RTP and RTCP of
// two streams.
func freePorts(t *testing.T) (video, audio int) {
	t.Helper()
	video, a := listenPair(t)
	audio, b := listenPair(t)
	for _, s := range slices.Concat(a[:], b[:]) {
		s.Close()
	}
	return video, audio
}

// ffmpegSends prepares FFmpeg to send a film as it is encoded; it describes
// itself what it sends.
func ffmpegSends(t *testing.T, path, video, audio string) *program {
	t.Helper()
	p := &program{name: "ffmpeg " + video + " " + audio, video: video, audio: audio}
	pictures, sound := freePorts(t)
	args := func(seconds float64) []string {
		a := []string{"-nostdin", "-v", "error", "-re", "-i", path}
		for _, o := range []struct {
			stream string
			codec  []string
			port   int
		}{{"0:v", []string{"-c", "copy"}, pictures}, {"0:a", encoders[audio], sound}} {
			a = append(append(a, "-t", fmt.Sprint(seconds), "-map", o.stream), o.codec...)
			// Negative times, of B-frames and of priming, stay what they are:
			// by default each output is moved by its own.
			a = append(a, "-avoid_negative_ts", "disabled", "-strict", "-2", "-f", "rtp", "-rtpflags", "send_bye",
				fmt.Sprintf("rtp://127.0.0.1:%d?pkt_size=1200", o.port))
		}
		return a
	}
	sdp := filepath.Join(t.TempDir(), "sdp")
	judge.Run(t, "ffmpeg", append(args(0.1), "-sdp_file", sdp)...)
	var err error
	if p.sdp, err = os.ReadFile(sdp); err != nil {
		t.Fatal(err)
	}
	p.command = append([]string{"ffmpeg"}, args(filmSeconds)...)
	return p
}

var gstPayloaders = map[string]struct{ pipeline, rtpmap, fmtp string }{
	// One slice a picture, and parameter sets with each keyframe.
	"h264":  {"h264parse ! rtph264pay config-interval=-1", "H264/90000", "packetization-mode=1"},
	"h264b": {"h264parse ! rtph264pay config-interval=-1", "H264/90000", "packetization-mode=1"},
	"hevc":  {"h265parse ! rtph265pay config-interval=-1", "H265/90000", ""},
	"vp8":   {"rtpvp8pay picture-id-mode=15-bit", "VP8/90000", ""},
	"vp9":   {"rtpvp9pay picture-id-mode=15-bit", "VP9/90000", ""},
	"opus":  {"opusenc ! rtpopuspay", "opus/48000/2", "sprop-stereo=0"},
	"aac":   {"avenc_aac ! rtpmp4gpay", "MPEG4-GENERIC/48000/1", "mode=AAC-hbr;config=1188;sizelength=13;indexlength=3;indexdeltalength=3"},
	"pcmu":  {"audioresample ! audio/x-raw,rate=8000 ! mulawenc ! rtppcmupay", "PCMU/8000", ""},
	"pcma":  {"audioresample ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay", "PCMA/8000", ""},
	"g722":  {"audioresample ! audio/x-raw,rate=16000 ! avenc_g722 ! rtpg722pay", "G722/8000", ""},
}

// gstreamerSends prepares GStreamer to send a film whose sound it encodes, with
// reports.
func gstreamerSends(t *testing.T, path, video, audio string) *program {
	t.Helper()
	p := &program{name: "gstreamer " + video + " " + audio, video: video, audio: audio}
	pictures, sound := freePorts(t)
	pipeline := fmt.Sprintf("rtpbin name=b filesrc location=%s ! matroskademux name=film", path)
	lines := []string{"v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"}
	for i, s := range []struct {
		codec, kind, pad, before string
		port                     int
	}{{video, "video", "video_0", "", pictures}, {audio, "audio", "audio_0", "audioconvert ! ", sound}} {
		pay := gstPayloaders[s.codec]
		pipeline += fmt.Sprintf(" film.%s ! queue ! %s%s pt=%d ! b.send_rtp_sink_%d"+
			" b.send_rtp_src_%d ! udpsink host=127.0.0.1 port=%d b.send_rtcp_src_%d ! udpsink host=127.0.0.1 port=%d sync=false async=false",
			s.pad, s.before, pay.pipeline, 96+i, i, i, s.port, i, s.port+1)
		lines = append(lines, fmt.Sprintf("m=%s %d RTP/AVP %d", s.kind, s.port, 96+i), fmt.Sprintf("a=rtpmap:%d %s", 96+i, pay.rtpmap))
		if pay.fmtp != "" {
			lines = append(lines, fmt.Sprintf("a=fmtp:%d %s", 96+i, pay.fmtp))
		}
		for part := range strings.SplitSeq(pay.pipeline, "!") {
			element := strings.Fields(part)[0]
			if !strings.Contains(element, "/") && exec.Command("gst-inspect-1.0", "--exists", element).Run() != nil {
				t.Skipf("GStreamer has no %s", element)
			}
		}
	}
	p.sdp = []byte(strings.Join(lines, "\r\n") + "\r\n")
	p.command = append([]string{"gst-launch-1.0", "-q"}, strings.Fields(pipeline)...)
	return p
}
