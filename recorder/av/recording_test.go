package av_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

func start(t *testing.T, cfg recorder.Config) recorder.Recording {
	t.Helper()
	if cfg.Storage == "" {
		cfg.Storage = t.TempDir()
	}
	if cfg.VideoCodec == "" {
		cfg.VideoCodec = "libx264"
	}
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	r, err := rec.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func addTrack(t *testing.T, r recorder.Recording, track recorder.Track) recorder.TrackWriter {
	t.Helper()
	w, err := r.AddTrack(track)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func stop(t *testing.T, r recorder.Recording) recorder.Result {
	t.Helper()
	result, err := r.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func write(t *testing.T, w recorder.TrackWriter, s media.Sample) {
	t.Helper()
	if err := w.WriteSample(s); err != nil {
		t.Fatal(err)
	}
}

// sine is a packet of a continuous tone.
func sine(f media.AudioFormat, at, length time.Duration, hz float64) media.Sample {
	n := int(int64(f.Rate) * int64(length) / int64(time.Second))
	pcm := &media.PCM{Format: f, Data: make([]byte, 0, n*f.FrameBytes())}
	for i := range n {
		v := 0.5 * math.Sin(2*math.Pi*hz*(at.Seconds()+float64(i)/float64(f.Rate)))
		for range f.Channels {
			pcm.Data = appendValue(pcm.Data, f.Sample, v)
		}
	}
	return media.Sample{Time: at, PCM: pcm}
}

func appendValue(b []byte, f media.SampleFormat, v float64) []byte {
	switch f {
	case media.U8:
		return append(b, byte(128+int(v*127)))
	case media.S8:
		return append(b, byte(int8(v*127)))
	case media.S32:
		return binary.LittleEndian.AppendUint32(b, uint32(int32(v*math.MaxInt32)))
	case media.F32:
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return binary.LittleEndian.AppendUint16(b, uint16(int16(v*math.MaxInt16)))
}

// gray is a picture of one brightness in any format.
func gray(f media.VideoFormat, at time.Duration, v byte) media.Sample {
	p := media.NewPicture(f)
	for i, plane := range p.Planes {
		fill := v
		if i > 0 {
			fill = 128
		}
		for j := range plane.Data {
			plane.Data[j] = fill
		}
	}
	return media.Sample{Time: at, Picture: p}
}

var mono16k = media.AudioFormat{Rate: 16000, Channels: 1}

func vga(p media.PixelFormat) media.VideoFormat {
	return media.VideoFormat{Pixel: p, Width: 640, Height: 480, Rate: 30}
}

// record writes seconds of a tone and of gray pictures, each second brighter.
func record(t *testing.T, r recorder.Recording, a, v recorder.TrackWriter, af media.AudioFormat, vf media.VideoFormat, from, length time.Duration) {
	t.Helper()
	for at := from; at < from+length; at += 20 * time.Millisecond {
		if a != nil {
			write(t, a, sine(af, at, 20*time.Millisecond, 440))
		}
		for n := (at*30 + time.Second - 1) / time.Second; v != nil && n*time.Second/30 < at+20*time.Millisecond; n++ {
			pt := n * time.Second / 30
			write(t, v, gray(vf, pt, byte(40+20*int((pt-from).Seconds()))))
		}
	}
}

func near(t *testing.T, what string, got, want, tolerance time.Duration) {
	t.Helper()
	if (got - want).Abs() > tolerance {
		t.Errorf("%s is %v, want %v ± %v", what, got, want, tolerance)
	}
}

// Every container takes picture and sound, and foreign tools accept it.
func TestContainers(t *testing.T) {
	for _, format := range recorder.Formats() {
		t.Run(format, func(t *testing.T) {
			cfg := recorder.Config{Format: format, VideoCodec: "auto", Title: "my-room"}
			r := start(t, cfg)
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
			v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Video: vga(media.RGB24)})
			record(t, r, a, v, mono16k, vga(media.RGB24), 5*time.Second, 4*time.Second)
			result := stop(t, r)

			near(t, "result's duration", result.Duration, 4*time.Second, 40*time.Millisecond)
			if !strings.HasSuffix(result.Path, "."+format) {
				t.Errorf("path is %s", result.Path)
			}
			f := judge.Probe(t, result.Path)
			// Containers without edit lists play the encoder's priming, 64 ms
			// of AAC at 16 kHz, and shift everything by it.
			near(t, "file's duration", f.Length(), 4*time.Second, 100*time.Millisecond)
			if len(f.Of("audio")) != 1 || len(f.Of("video")) != 1 {
				t.Errorf("streams: %+v", f.Streams)
			}
			judge.DecodesClean(t, result.Path)
			if n := len(judge.Pictures(t, result.Path, 0)); n != 120 {
				t.Errorf("%d pictures, want 120", n)
			}
			for _, tr := range result.Tracks {
				if tr.Losses() != 0 || tr.SamplesIn != tr.SamplesWritten || tr.SamplesIn == 0 {
					t.Errorf("track %s: %d in, %d written, lost %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(result.Path), "*")); len(left) != 2 {
				t.Errorf("directory holds %v, want the file and its manifest", left)
			}
		})
	}
}

// Every raw format of picture and sound goes in.
func TestRawFormats(t *testing.T) {
	av.Calculates(t)
	for _, pixel := range []media.PixelFormat{media.I420, media.NV12, media.RGB24, media.BGR24, media.RGBA, media.BGRA} {
		for _, size := range [][2]int{{640, 480}, {321, 241}} {
			vf := media.VideoFormat{Pixel: pixel, Width: size[0], Height: size[1]}
			t.Run(vf.String(), func(t *testing.T) {
				r := start(t, recorder.Config{})
				v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
				record(t, r, nil, v, mono16k, vf, 0, time.Second)
				result := stop(t, r)
				judge.DecodesClean(t, result.Path)
				want := 40.0 // luma of YUV formats; RGB is scaled to 16 … 235
				if pixel != media.I420 && pixel != media.NV12 {
					want = 16 + 40*219/255.0
				}
				for _, p := range judge.Pictures(t, result.Path, 0) {
					if math.Abs(float64(p.Luma)-want) > 3 {
						t.Fatalf("luma %d, want %.0f", p.Luma, want)
					}
				}
			})
		}
	}
	for _, sample := range []media.SampleFormat{media.S8, media.U8, media.S16, media.S32, media.F32} {
		for _, channels := range []int{1, 2} {
			af := media.AudioFormat{Rate: 22050, Channels: channels, Sample: sample}
			t.Run(af.String(), func(t *testing.T) {
				r := start(t, recorder.Config{})
				a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: af})
				record(t, r, a, nil, af, vga(media.I420), 0, 2*time.Second)
				result := stop(t, r)
				judge.DecodesClean(t, result.Path)
				s := judge.Probe(t, result.Path).Of("audio")[0]
				if s.Channels != channels || s.SampleRate != "16000" {
					t.Errorf("%d channels at %s Hz", s.Channels, s.SampleRate)
				}
				pcm := judge.Audio(t, result.Path, 0, 16000)
				if rms := rms(pcm[8000:24000]); math.Abs(rms-0.5/math.Sqrt2) > 0.02 {
					t.Errorf("level %.3f, want %.3f", rms, 0.5/math.Sqrt2)
				}
			})
		}
	}
}

func rms(pcm []float64) float64 {
	sum := 0.0
	for _, v := range pcm {
		sum += v * v
	}
	return math.Sqrt(sum / float64(len(pcm)))
}

// The codecs that can be chosen by name are in the file.
func TestCodecs(t *testing.T) {
	for video, want := range map[string]string{"libx264": "h264", "libx265": "hevc"} {
		for audio, wantAudio := range map[string]string{"aac": "aac", "libopus": "opus"} {
			t.Run(video+"+"+audio, func(t *testing.T) {
				r := start(t, recorder.Config{VideoCodec: video, AudioCodec: audio})
				a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
				v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
				record(t, r, a, v, mono16k, vga(media.I420), 0, 3*time.Second)
				result := stop(t, r)
				f := judge.Probe(t, result.Path)
				if got := f.Of("video")[0].Codec; got != want {
					t.Errorf("video is %s, want %s", got, want)
				}
				if got := f.Of("audio")[0].Codec; got != wantAudio {
					t.Errorf("audio is %s, want %s", got, wantAudio)
				}
				near(t, "file's duration", f.Length(), 3*time.Second, 40*time.Millisecond)
				judge.DecodesClean(t, result.Path)
			})
		}
	}
}

// A keyframe comes at least every two seconds, at any capture rate.
func TestKeyframeInterval(t *testing.T) {
	for _, fps := range []int{5, 60} {
		r := start(t, recorder.Config{})
		v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
		for n := range 9 * fps {
			write(t, v, gray(vga(media.I420), time.Duration(n)*time.Second/time.Duration(fps), byte(n)))
		}
		result := stop(t, r)
		out := string(judge.Run(t, "ffprobe", "-v", "error", "-select_streams", "v", "-skip_frame", "nokey",
			"-show_entries", "frame=pts_time", "-of", "csv=p=0", result.Path))
		if got := len(strings.Fields(out)); got < 5 {
			t.Errorf("%d keyframes in 9 s at %d pictures per second: %q", got, fps, out)
		}
	}
}

// A picture of another size in mid-stream is fitted into the track, not
// misread.
func TestSizeChange(t *testing.T) {
	r := start(t, recorder.Config{})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	sizes := [][2]int{{640, 480}, {1280, 720}, {480, 640}}
	for n := range 90 {
		f := media.VideoFormat{Width: sizes[n/30][0], Height: sizes[n/30][1], Color: media.BT601}
		write(t, v, gray(f, time.Duration(n)*time.Second/30, 200))
	}
	result := stop(t, r)
	judge.DecodesClean(t, result.Path)
	// The share of the track's 4:3 that the picture fills; the rest is black.
	for i, share := range []float64{1, 0.75, 0.5625} {
		want := 16 + (200-16)*share
		for n, p := range judge.Pictures(t, result.Path, 0)[i*30 : i*30+30] {
			if math.Abs(float64(p.Luma)-want) > 4 {
				t.Fatalf("size %v: picture %d has luma %d, want %.0f", sizes[i], n, p.Luma, want)
			}
		}
	}
}

// Known colours come out right for every colour coding, by FFmpeg's decoder
// and converter. Tolerance 6 of 255: 4:2:0, 8 bit rounding and quantisation.
func TestColors(t *testing.T) {
	av.Calculates(t)
	judge.Need(t, "ffmpeg")
	rgb := [][3]int{{220, 30, 40}, {30, 200, 60}, {40, 50, 210}, {128, 128, 128}, {240, 230, 30}}
	for _, c := range []struct {
		format     media.VideoFormat
		space, rng string
		kr, kb     float64
		full       bool
	}{
		{format: media.VideoFormat{Pixel: media.RGB24, Width: 320, Height: 240}, space: "smpte170m", rng: "tv"},
		{format: media.VideoFormat{Pixel: media.BGRA, Width: 1280, Height: 720}, space: "smpte170m", rng: "tv"},
		{format: media.VideoFormat{Pixel: media.I420, Width: 320, Height: 240}, space: "smpte170m", rng: "tv", kr: 0.299, kb: 0.114},
		{format: media.VideoFormat{Pixel: media.I420, Width: 1280, Height: 720}, space: "bt709", rng: "tv", kr: 0.2126, kb: 0.0722},
		{format: media.VideoFormat{Pixel: media.NV12, Width: 320, Height: 240, Color: media.BT709}, space: "bt709", rng: "tv", kr: 0.2126, kb: 0.0722},
		{format: media.VideoFormat{Pixel: media.I420, Width: 320, Height: 240, Color: media.BT601FullRange}, space: "smpte170m", rng: "pc", kr: 0.299, kb: 0.114, full: true},
	} {
		t.Run(c.format.String()+" "+c.format.ResolvedColor().String(), func(t *testing.T) {
			for _, want := range rgb {
				r := start(t, recorder.Config{Video: recorder.VideoOptions{CRF: 5}})
				v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
				for n := range 3 {
					write(t, v, media.Sample{Time: time.Duration(n) * time.Second / 30, Picture: colored(c.format, want, c.kr, c.kb, c.full)})
				}
				path := stop(t, r).Path
				s := judge.Probe(t, path).Of("video")[0]
				if s.ColorSpace != c.space || s.ColorRange != c.rng {
					t.Errorf("tagged %s %s, want %s %s", s.ColorSpace, s.ColorRange, c.space, c.rng)
				}
				out := judge.Run(t, "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-frames:v", "1",
					"-vf", "crop=2:2:100:100,scale=flags=accurate_rnd+full_chroma_int+bitexact,format=rgb24", "-f", "rawvideo", "-")
				for i := range 3 {
					if d := int(out[i]) - want[i]; d < -6 || d > 6 {
						t.Errorf("colour %v comes out as %v", want, out[:3])
						break
					}
				}
			}
		})
	}
}

// colored is a picture of one colour; kr and kb are the coefficients of the
// coding (ITU-R BT.601 and BT.709) for YUV formats.
func colored(f media.VideoFormat, rgb [3]int, kr, kb float64, full bool) *media.Picture {
	p := media.NewPicture(f)
	r, g, b := float64(rgb[0])/255, float64(rgb[1])/255, float64(rgb[2])/255
	y := kr*r + (1-kr-kb)*g + kb*b
	cb, cr := (b-y)/(2*(1-kb)), (r-y)/(2*(1-kr))
	Y, U, V := byte(16+219*y+.5), byte(128+224*cb+.5), byte(128+224*cr+.5)
	if full {
		Y, U, V = byte(255*y+.5), byte(min(128+255*cb+.5, 255)), byte(min(128+255*cr+.5, 255))
	}
	pattern := [3][]byte{{Y}, {U}, {V}}
	switch f.Pixel {
	case media.NV12:
		pattern[1] = []byte{U, V}
	case media.RGB24:
		pattern[0] = []byte{byte(rgb[0]), byte(rgb[1]), byte(rgb[2])}
	case media.BGRA:
		pattern[0] = []byte{byte(rgb[2]), byte(rgb[1]), byte(rgb[0]), 255}
	}
	for i, plane := range p.Planes {
		for j := range plane.Data {
			plane.Data[j] = pattern[i][j%len(pattern[i])]
		}
	}
	return p
}

// Somebody who comes a second after the start is at the right moment.
func TestLateTrackKeepsItsTime(t *testing.T) {
	r := start(t, recorder.Config{})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	record(t, r, a, nil, mono16k, vga(media.I420), 0, time.Second)
	b := addTrack(t, r, recorder.Track{ID: "b", Kind: media.KindAudio, Participant: "bob"})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "bob"})
	record(t, r, b, v, mono16k, vga(media.I420), 1500*time.Millisecond, 2*time.Second)
	result := stop(t, r)
	judge.DecodesClean(t, result.Path)
	pcm := judge.Audio(t, result.Path, 1, 16000)
	onset := slices.IndexFunc(pcm, func(v float64) bool { return math.Abs(v) > 0.2 })
	near(t, "voice's onset", time.Duration(onset)*time.Second/16000, 1500*time.Millisecond, 5*time.Millisecond)
	near(t, "camera's first picture", judge.Pictures(t, result.Path, 0)[0].Time, 1500*time.Millisecond, time.Millisecond)
	near(t, "result's first", result.Tracks[1].First, 1500*time.Millisecond, time.Millisecond)
	near(t, "result's duration", result.Duration, 3500*time.Millisecond, 35*time.Millisecond)
}

// Once a container is begun that fixes its tracks, one that comes is refused,
// clearly.
func TestTooLateTrackIsRefused(t *testing.T) {
	r := start(t, recorder.Config{Format: "mkv"})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	record(t, r, nil, v, mono16k, vga(media.I420), 0, 5*time.Second)
	var err error
	for n := 0; err == nil && n < 1000; n++ { // the muxer begins the file in its own time
		time.Sleep(10 * time.Millisecond)
		_, err = r.AddTrack(recorder.Track{ID: fmt.Sprint("late", n), Kind: media.KindAudio, Participant: "bob"})
	}
	if !errors.Is(err, recorder.ErrLateTrack) {
		t.Errorf("error is %v, want ErrLateTrack", err)
	}
	stop(t, r)
}

func TestStopWithoutMedia(t *testing.T) {
	dir := t.TempDir()
	for _, tracks := range []int{0, 1} {
		r := start(t, recorder.Config{Storage: dir})
		for range tracks {
			addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
		}
		result, err := r.Stop(t.Context())
		if !errors.Is(err, recorder.ErrNoMedia) || result.Path != "" || result.Err == nil {
			t.Errorf("with %d tracks: error %v, path %q", tracks, err, result.Path)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestStopTwice(t *testing.T) {
	r := start(t, recorder.Config{})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	record(t, r, a, nil, mono16k, vga(media.I420), 0, time.Second)
	first := stop(t, r)
	second, err := r.Stop(t.Context())
	if !errors.Is(err, recorder.ErrStopped) || second.Path != first.Path {
		t.Errorf("second stop: %v, %q", err, second.Path)
	}
	if _, err := r.AddTrack(recorder.Track{ID: "b", Kind: media.KindAudio}); !errors.Is(err, recorder.ErrStopped) {
		t.Errorf("track after stop: %v", err)
	}
	if err := a.WriteSample(sine(mono16k, time.Second, 20*time.Millisecond, 440)); !errors.Is(err, recorder.ErrTrackEnded) {
		t.Errorf("sample after stop: %v", err)
	}
}

// What cannot be is refused with a clear error, and what comes after it is
// recorded all the same.
func TestBadSamples(t *testing.T) {
	r := start(t, recorder.Config{})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	good := sine(mono16k, 0, 20*time.Millisecond, 440)
	picture := media.NewPicture(vga(media.I420))
	short := media.NewPicture(vga(media.I420))
	short.Planes[2].Data = short.Planes[2].Data[:100]
	for name, c := range map[string]struct {
		sample media.Sample
		want   error
		text   string
	}{
		"no payload":     {media.Sample{}, media.ErrPayload, "exactly one payload"},
		"two payloads":   {media.Sample{PCM: good.PCM, Picture: picture}, media.ErrPayload, "exactly one payload"},
		"half a frame":   {media.Sample{PCM: &media.PCM{Format: mono16k, Data: make([]byte, 3)}}, media.ErrLength, "3 bytes"},
		"rate of zero":   {media.Sample{PCM: &media.PCM{Format: media.AudioFormat{Channels: 1}, Data: make([]byte, 4)}}, media.ErrFormat, "0 Hz"},
		"seven channels": {media.Sample{PCM: &media.PCM{Format: media.AudioFormat{Rate: 8000, Channels: 7}, Data: make([]byte, 14)}}, media.ErrFormat, "7 audio channels"},
		"short picture":  {media.Sample{Picture: short}, media.ErrLength, "plane 2"},
		"wrong kind":     {media.Sample{Picture: picture}, nil, "another kind"},
	} {
		err := a.WriteSample(c.sample)
		if err == nil || !strings.Contains(err.Error(), c.text) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	record(t, r, a, nil, mono16k, vga(media.I420), 0, time.Second)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.WriteSample(good); !errors.Is(err, recorder.ErrTrackEnded) {
		t.Errorf("after the end: %v", err)
	}
	result := stop(t, r)
	near(t, "duration", result.Duration, time.Second, time.Millisecond)
	if n := result.Tracks[0].SamplesIn; n != 50 {
		t.Errorf("%d samples counted, want those 50 that were taken", n)
	}
}

// Configurations that cannot be are refused before anything is written.
func TestBadConfigurations(t *testing.T) {
	dir := t.TempDir()
	notADirectory := filepath.Join(dir, "file")
	os.WriteFile(notADirectory, nil, 0o666)
	storage := filepath.Join(dir, "recordings")
	for name, c := range map[string]struct {
		cfg  recorder.Config
		text []string
	}{
		"codec":       {recorder.Config{VideoCodec: "vp8"}, []string{"VideoCodec", `"vp8"`, "libx264"}},
		"audio codec": {recorder.Config{AudioCodec: "mp3"}, []string{"AudioCodec", `"mp3"`, "aac"}},
		"format":      {recorder.Config{Format: "avi"}, []string{"Format", `"avi"`, "mp4, mov, mkv, webm, ts"}},
		"combination": {recorder.Config{Format: "webm", VideoCodec: "libx264"}, []string{"VideoCodec", "libx264", "webm"}},
		"opus in ts":  {recorder.Config{Format: "ts", AudioCodec: "libopus"}, []string{"AudioCodec", "libopus", "ts", "aac"}},
		"opus rate":   {recorder.Config{AudioCodec: "libopus", AudioSampleRate: 44100}, []string{"AudioSampleRate", "44100", "48000"}},
		"rate":        {recorder.Config{AudioSampleRate: -1}, []string{"AudioSampleRate", "-1", "8000"}},
		"fps":         {recorder.Config{VideoFPS: -5}, []string{"VideoFPS", "-5", "1 to 240"}},
		"dots":        {recorder.Config{Storage: "a/../b"}, []string{"Storage", "a/../b", ".."}},
		"no encoder":  {recorder.Config{VideoCodec: "h264_nvenc"}, []string{"VideoCodec", "h264_nvenc", "libx264"}},
		"preset":      {recorder.Config{VideoCodec: "libx264", Video: recorder.VideoOptions{CRF: 99}}, []string{"CRF", "99", "51"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "no encoder" && ffmpegHasNVENC() {
				t.Skip("this machine has NVENC")
			}
			if c.cfg.Storage == "" {
				c.cfg.Storage = storage
			}
			rec, _ := av.NewRecorder()
			_, err := rec.Start(t.Context(), c.cfg)
			if !errors.Is(err, recorder.ErrConfig) {
				t.Fatalf("error is %v, want a ConfigError", err)
			}
			for _, text := range c.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			if _, err := os.Stat(storage); err == nil {
				t.Error("something was written")
			}
		})
	}
	rec, _ := av.NewRecorder()
	_, err := rec.Start(t.Context(), recorder.Config{Storage: filepath.Join(notADirectory, "x")})
	if err == nil || !strings.Contains(err.Error(), "cannot be created") {
		t.Errorf("storage below a file: %v", err)
	}
}

func ffmpegHasNVENC() bool {
	enc, err := ffmpeg.NewVideoEncoder(ffmpeg.VideoEncoderConfig{Codec: "h264_nvenc", Width: 256, Height: 144, FrameRate: 30})
	if err == nil {
		enc.Close()
	}
	return err == nil
}

// Nothing of C's memory is left after Stop, whatever was done before.
func TestNothingLeaks(t *testing.T) {
	before := ffmpeg.LiveObjects()
	for _, stopEarly := range []bool{false, true} {
		r := start(t, recorder.Config{})
		a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
		v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Video: vga(media.RGB24)})
		addTrack(t, r, recorder.Track{ID: "silent", Kind: media.KindVideo, Participant: "bob", Video: vga(media.RGB24)})
		if !stopEarly {
			record(t, r, a, v, mono16k, vga(media.NV12), 0, 4*time.Second)
			a.Close()
		}
		r.Stop(context.Background())
	}
	if after := ffmpeg.LiveObjects(); after != before {
		t.Errorf("%d objects of C are left", after-before)
	}
}

// The file begins when the last of those registered at the start begins; what
// was captured before that is trimmed to the sample, and the picture that was
// to be seen then is its first.
func TestTrimsToTheOrigin(t *testing.T) {
	for _, late := range []string{"audio", "video"} {
		t.Run(late+" late", func(t *testing.T) {
			r := start(t, recorder.Config{})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
			v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
			// Half way between two pictures, and inside a packet of audio.
			const origin = 1510 * time.Millisecond
			for at := time.Duration(0); at < 4*time.Second; at += 10 * time.Millisecond {
				if late == "video" || at >= origin {
					write(t, a, sine(mono16k, at, 10*time.Millisecond, 440))
				}
				for n := (at*30 + time.Second - 1) / time.Second; n*time.Second/30 < at+10*time.Millisecond; n++ {
					if pt := n * time.Second / 30; late == "audio" || pt >= origin {
						write(t, v, gray(vga(media.I420), pt, byte(40+n)))
					}
				}
			}
			result := stop(t, r)
			judge.DecodesClean(t, result.Path)
			f := judge.Probe(t, result.Path)
			begin := origin
			if late == "video" {
				begin = 1533333333 // the first picture at or after 1510 ms
			}
			near(t, "file's duration", f.Length(), 4*time.Second-begin, 40*time.Millisecond)
			pictures := judge.Pictures(t, result.Path, 0)
			near(t, "first picture", pictures[0].Time, 0, time.Millisecond)
			if want := 40 + 45 + map[string]int{"audio": 0, "video": 1}[late]; int(pictures[0].Luma) < want-1 || int(pictures[0].Luma) > want+1 {
				t.Errorf("first picture has luma %d, want %d", pictures[0].Luma, want)
			}
			// The tone's phase tells where it was cut.
			pcm := judge.Audio(t, result.Path, 0, 16000)
			if shift := phaseShift(pcm[1600:8000], 440, begin+100*time.Millisecond); shift.Abs() > time.Millisecond/8 {
				t.Errorf("audio is shifted by %v", shift)
			}
			if level := rms(pcm[80:800]); late == "video" && math.Abs(level-0.5/math.Sqrt2) > 0.03 {
				t.Errorf("the first 50 ms have a level of %.2f: the decoder lacks its preroll", level)
			}
			// No more is in the file than what decoding from the origin takes.
			if n := len(packetTimes(t, result.Path, "a:0")); n > 2490*16/1024+decoderPackets {
				t.Errorf("%d packets of audio for 2.49 s", n)
			}
			if times := packetTimes(t, result.Path, "v:0"); !slices.Contains(times, "0.000000") {
				t.Errorf("no picture begins at the origin: %v", times[:5])
			}
			for _, tr := range result.Tracks {
				if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
					t.Errorf("%s: %d in, %d written, lost %v", tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
				}
			}
			dropped := result.Tracks[map[string]int{"audio": 1, "video": 0}[late]].Dropped[recorder.DropBeforeStart]
			if want := map[string]int64{"audio": 45, "video": 153}[late]; dropped != want {
				t.Errorf("%d samples from before the start, want %d", dropped, want)
			}
		})
	}
}

// decoderPackets is how many packets of audio may be in a file beside those
// that are heard: preroll, priming, and the part of one at each end.
const decoderPackets = 8

// packetTimes returns the presentation times of a stream's packets.
func packetTimes(t *testing.T, path, stream string) []string {
	out := judge.Run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0", path)
	return strings.Fields(strings.ReplaceAll(string(out), ",", ""))
}

// phaseShift returns how much later than expected a tone is that was captured
// from a time on, within half of its period.
func phaseShift(pcm []float64, hz float64, from time.Duration) time.Duration {
	var re, im float64
	for i, v := range pcm {
		phase := 2 * math.Pi * hz * (from.Seconds() + float64(i)/16000)
		re, im = re+v*math.Sin(phase), im+v*math.Cos(phase)
	}
	return -time.Duration(math.Atan2(im, re) / (2 * math.Pi * hz) * float64(time.Second))
}

// With StartImmediate nothing is trimmed.
func TestStartImmediate(t *testing.T) {
	r := start(t, recorder.Config{StartPolicy: recorder.StartImmediate})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	record(t, r, nil, v, mono16k, vga(media.I420), 2*time.Second, time.Second)
	record(t, r, a, nil, mono16k, vga(media.I420), 1800*time.Millisecond, time.Second) // captured before, delivered after
	result := stop(t, r)
	judge.DecodesClean(t, result.Path)
	near(t, "duration", result.Duration, 1200*time.Millisecond, 5*time.Millisecond)
	near(t, "first picture", judge.Pictures(t, result.Path, 0)[0].Time, 200*time.Millisecond, time.Millisecond)
	for _, tr := range result.Tracks {
		if tr.Losses() > 0 {
			t.Errorf("%s: lost %v", tr.ID, tr.Dropped)
		}
	}
}

// A recording that is finished has one result, also for who is in a hurry.
func TestStopAgainInAHurry(t *testing.T) {
	r := start(t, recorder.Config{})
	_, _ = r.Stop(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		if _, err := r.Stop(ctx); !errors.Is(err, recorder.ErrStopped) {
			t.Fatal(err)
		}
	}
}
