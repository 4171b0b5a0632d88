package ffmpeg

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/roomkit-live/roomkit-go/media"
)

func x264(w, h int) VideoEncoderConfig {
	return VideoEncoderConfig{Codec: "libx264", Width: w, Height: h, FrameRate: 30, Color: media.BT601, GOP: 30, Threads: 1,
		Options: map[string]string{"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}}
}

func TestEncoderErrors(t *testing.T) {
	noLeak(t)
	cfg := x264(64, 48)
	cfg.Options["presett"] = "fast"
	if _, err := NewVideoEncoder(cfg); err == nil || !strings.Contains(err.Error(), `"presett"`) {
		t.Errorf("unknown option: %v", err)
	}
	cfg = x264(64, 48)
	cfg.Options["preset"] = "warp"
	if _, err := NewVideoEncoder(cfg); err == nil || !strings.Contains(err.Error(), "warp") {
		t.Errorf("wrong option value: %v", err)
	}
	if _, err := NewVideoEncoder(VideoEncoderConfig{Codec: "nonesuch", Width: 64, Height: 48}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown encoder: %v", err)
	}
	if _, err := NewVideoEncoder(VideoEncoderConfig{Codec: "aac", Width: 64, Height: 48}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("encoder of another kind: %v", err)
	}
	if _, err := NewVideoEncoder(x264(63, 48)); !errors.Is(err, media.ErrFormat) {
		t.Errorf("odd size: %v", err)
	}
	if _, err := NewAudioEncoder(AudioEncoderConfig{Codec: "aac", Rate: 12345, Channels: 1}); err == nil {
		t.Error("aac at 12345 Hz opened")
	}
}

// The error tells what is missing, not only that it failed.
func TestNVENCReason(t *testing.T) {
	noLeak(t)
	if !HasEncoder("h264_nvenc") {
		t.Skip("no h264_nvenc in this FFmpeg")
	}
	e, err := NewVideoEncoder(VideoEncoderConfig{Codec: "h264_nvenc", Width: 640, Height: 480})
	if err == nil {
		e.Close()
		t.Skip("there is an NVIDIA GPU")
	}
	var fe *Error
	if !errors.As(err, &fe) || !strings.Contains(fe.Text, "(") {
		t.Errorf("no reason in %v", err)
	}
	t.Log(err)
}

// encodeFile makes a file of n pictures at uneven times and of as much audio,
// and returns the pictures' times.
func encodeFile(t testing.TB, path, format, vcodec, acodec string, n int) []int64 {
	t.Helper()
	cfg := x264(96, 64)
	if cfg.Codec = vcodec; vcodec != "libx264" {
		cfg.Options = nil
	}
	ve := must(NewVideoEncoder(cfg))(t)
	defer ve.Close()
	const rate = 48000
	ae := must(NewAudioEncoder(AudioEncoderConfig{Codec: acodec, Rate: rate, Channels: 2, BitRate: 96000}))(t)
	defer ae.Close()
	m := must(CreateMuxer(path, format, map[string]string{"title": "a room"}, nil))(t)
	defer m.Close()
	vp, ap := ve.Params(), ae.Params()
	v := must(m.AddStream(vp, StreamOptions{Name: "anna", Default: true}))(t)
	a := must(m.AddStream(ap, StreamOptions{Name: "bert", Language: "eng"}))(t)
	vp.Close()
	ap.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(m.WriteHeader())

	c, f := NewConverter(), must(NewVideoFrame(96, 64, media.BT601))(t)
	defer c.Close()
	defer f.Close()
	toVideo := func(p *Packet) error { return m.Write(v, p) }
	toAudio := func(p *Packet) error { return m.Write(a, p) }
	samples := make([]float32, 2*ae.FrameSize())
	var times []int64
	var audio int64
	for i := range n {
		pic := paint(media.VideoFormat{Pixel: media.RGB24, Width: 96, Height: 64}, 0, func(x, y int) rgb { return quarters(96, 64)(x+i, y) })
		check(c.Convert(f, pic))
		pts := int64(i)*3000 + int64(i%3)*137
		times = append(times, pts)
		check(ve.Encode(f, pts, i == 7, toVideo))
		for audio*VideoTimeBase < pts*rate {
			for j := range ae.FrameSize() {
				s := float32(0.5 * math.Sin(2*math.Pi*440*float64(audio+int64(j))/rate))
				samples[2*j], samples[2*j+1] = s, -s
			}
			check(ae.Encode(samples, audio, toAudio))
			audio += int64(ae.FrameSize())
		}
	}
	check(ae.Encode(samples[:200], audio, toAudio)) // the last may be short
	check(ve.Flush(toVideo))
	check(ae.Flush(toAudio))
	check(m.Finish())
	if st := must(os.Stat(path))(t); st.Size() != m.Size() || st.Size() == 0 {
		t.Errorf("Size() is %d, the file has %d bytes", m.Size(), st.Size())
	}
	return times
}

func TestMuxAgainstFFprobe(t *testing.T) {
	ffprobe := haveTool(t, "ffprobe")
	for _, c := range []struct{ format, vcodec, acodec, v, a string }{
		{"mp4", "libx264", "aac", "h264", "aac"},
		{"mov", "libx265", "aac", "hevc", "aac"},
		{"matroska", "libx264", "libopus", "h264", "opus"},
		{"mpegts", "libx264", "aac", "h264", "aac"},
		{"webm", "libvpx", "libopus", "vp8", "opus"},
	} {
		t.Run(c.format, func(t *testing.T) {
			noLeak(t)
			if !HasEncoder(c.vcodec) || !HasEncoder(c.acodec) {
				t.Skip("no encoder")
			}
			path := filepath.Join(t.TempDir(), "a:b."+c.format) // no URL
			times := encodeFile(t, path, c.format, c.vcodec, c.acodec, 40)
			out, err := exec.Command(ffprobe, "-v", "error", "-of", "json", "-count_frames", "-show_streams", "-show_format", "file:"+path).Output()
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Streams []struct {
					CodecName  string `json:"codec_name"`
					Tag        string `json:"codec_tag_string"`
					Frames     string `json:"nb_read_frames"`
					Level      int
					ColorSpace string `json:"color_space"`
					ColorRange string `json:"color_range"`
					Tags       map[string]string
					Rate       string `json:"avg_frame_rate"`
				}
			}
			if err := json.Unmarshal(out, &got); err != nil || len(got.Streams) != 2 {
				t.Fatal(err, string(out))
			}
			v, a := got.Streams[0], got.Streams[1]
			if v.CodecName != c.v || a.CodecName != c.a {
				t.Errorf("codecs %s, %s", v.CodecName, a.CodecName)
			}
			if v.Frames != "40" {
				t.Errorf("%s of %d pictures", v.Frames, len(times))
			}
			if c.v == "h264" && (v.Level > 31 || v.ColorSpace != "smpte170m" || v.ColorRange != "tv") {
				t.Errorf("level %d, colour %s %s", v.Level, v.ColorSpace, v.ColorRange)
			}
			if c.v == "hevc" && v.Tag != "hvc1" {
				t.Errorf("HEVC as %s", v.Tag)
			}
			if c.format != "mpegts" && v.Tags["title"] != "anna" && v.Tags["handler_name"] != "anna" {
				t.Errorf("names: %v", v.Tags)
			}
		})
	}
}

func TestMuxerErrors(t *testing.T) {
	noLeak(t)
	dir := t.TempDir()
	if _, err := CreateMuxer(filepath.Join(dir, "no", "x.mp4"), "mp4", nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := CreateMuxer(filepath.Join(dir, "x"), "nonesuch", nil, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown format: %v", err)
	}
	e := must(NewVideoEncoder(x264(64, 48)))(t)
	defer e.Close()
	p := e.Params()
	defer p.Close()
	m := must(CreateMuxer(filepath.Join(dir, "x.mp4"), "mp4", nil, map[string]string{"movflaggs": "faststart"}))(t)
	must(m.AddStream(p, StreamOptions{}))(t)
	if err := m.Write(0, NewPacket()); err == nil {
		t.Error("written without a header")
	}
	if err := m.WriteHeader(); err == nil || !strings.Contains(err.Error(), `"movflaggs"`) {
		t.Errorf("unknown option: %v", err)
	}
	if err := m.Finish(); err == nil {
		t.Error("finished without a header")
	}
	m.Close()
	if err := m.Write(0, NewPacket()); !errors.Is(err, ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

// A full disk is an error in every format, at the latest from Finish.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	for _, format := range []string{"mp4", "matroska", "mpegts"} {
		for _, n := range []int{1, 200} {
			noLeak(t)
			e := must(NewVideoEncoder(x264(96, 64)))(t)
			m := must(CreateMuxer("/dev/full", format, nil, nil))(t)
			p := e.Params()
			must(m.AddStream(p, StreamOptions{}))(t)
			p.Close()
			err := m.WriteHeader()
			f := must(NewVideoFrame(96, 64, media.BT601))(t)
			for i := 0; i < n && err == nil; i++ {
				err = e.Encode(f, int64(i)*3000, true, func(p *Packet) error { return m.Write(0, p) })
			}
			if err == nil {
				err = m.Finish()
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("%s, %d pictures: %v", format, n, err)
			}
			m.Close()
			f.Close()
			e.Close()
		}
	}
}

func TestFormatSupports(t *testing.T) {
	for _, c := range []struct {
		format, codec string
		want          bool
	}{
		{"mp4", "libx264", true}, {"mp4", "h264_nvenc", true}, {"mp4", "hevc", true}, {"mp4", "aac", true},
		{"mp4", "libopus", true}, {"mp4", "vp8", false}, {"mp4", "vp9", true}, {"mp4", "pcm_mulaw", false},
		{"mov", "libx265", true}, {"webm", "vp8", true}, {"webm", "libopus", true}, {"webm", "h264", false},
		{"webm", "aac", false}, {"matroska", "vp8", true}, {"matroska", "libx264", true}, {"matroska", "aac", true},
		{"mpegts", "h264", true}, {"mpegts", "aac", true}, {"mpegts", "vp8", false}, {"nonesuch", "h264", false}, {"mp4", "nonesuch", false},
	} {
		if got := FormatSupports(c.format, c.codec); got != c.want {
			t.Errorf("%s in %s: %v", c.codec, c.format, got)
		}
	}
}

// Converting and encoding leave the garbage collector nothing to do.
func TestEncodeAllocations(t *testing.T) {
	noLeak(t)
	c, f := NewConverter(), must(NewVideoFrame(96, 64, media.BT601))(t)
	defer c.Close()
	defer f.Close()
	e := must(NewVideoEncoder(x264(96, 64)))(t)
	defer e.Close()
	ae := must(NewAudioEncoder(AudioEncoderConfig{Codec: "aac", Rate: 16000, Channels: 1}))(t)
	defer ae.Close()
	m := must(CreateMuxer(filepath.Join(t.TempDir(), "x.mkv"), "matroska", nil, nil))(t)
	defer m.Close()
	for _, p := range []*CodecParams{e.Params(), ae.Params()} {
		must(m.AddStream(p, StreamOptions{}))(t)
		p.Close()
	}
	if err := m.WriteHeader(); err != nil {
		t.Fatal(err)
	}
	pic := paint(media.VideoFormat{Pixel: media.RGB24, Width: 95, Height: 63}, 0, quarters(96, 64))
	own := paint(media.VideoFormat{Width: 96, Height: 64}, 0, quarters(96, 64))
	samples := make([]float32, ae.FrameSize())
	var pts, apts int64
	var n int
	toVideo := func(p *Packet) error { n += len(p.Data()); return m.Write(0, p) }
	toAudio := func(p *Packet) error { n += len(p.Data()); return m.Write(1, p) }
	got := testing.AllocsPerRun(100, func() {
		err := errors.Join(c.Convert(f, pic), e.Encode(f, pts, false, toVideo),
			e.EncodePicture(own, pts+2880, false, toVideo), ae.Encode(samples, apts, toAudio))
		if err != nil {
			t.Error(err)
		}
		pts += 5760
		apts += int64(len(samples))
	})
	if got != 0 || n == 0 {
		t.Errorf("%v allocations per picture, %d bytes", got, n)
	}
}

// The encoder keeps what it was given although the frame is drawn over: with
// look-ahead it holds many pictures at once.
func TestEncoderHoldsPictures(t *testing.T) {
	noLeak(t)
	cfg := x264(96, 64)
	cfg.Threads, cfg.MaxBFrames = 2, 2
	cfg.Options = map[string]string{"preset": "fast"}
	e := must(NewVideoEncoder(cfg))(t)
	defer e.Close()
	f := must(NewVideoFrame(96, 64, media.BT601))(t)
	defer f.Close()
	c := NewConverter()
	defer c.Close()
	var packets int
	keys := map[int64]bool{}
	emit := func(p *Packet) error {
		packets++
		if p.IsKey() {
			keys[p.PTS()/3000] = true
		}
		if p.PTS() < p.DTS() || p.PTS() == noPTS {
			t.Errorf("PTS %d, DTS %d", p.PTS(), p.DTS())
		}
		p.Free()
		return nil
	}
	for i := range 60 {
		pic := paint(media.VideoFormat{Width: 96, Height: 64}, 0, func(int, int) rgb { return rgb{float64(4 * i), 80, 80} })
		if err := errors.Join(c.Convert(f, pic), e.Encode(f, int64(i)*3000, i == 13, emit)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := e.Flush(emit); err != nil {
			t.Fatal(err)
		}
	}
	if packets != 60 || !keys[0] || !keys[13] {
		t.Errorf("%d packets, keyframes %v", packets, keys)
	}
}

// An encoder that works on several pictures at once refers to their buffers:
// the next picture must go into another one.
func TestFrameIsNotOverwritten(t *testing.T) {
	noLeak(t)
	if !HasEncoder("ffvhuff") {
		t.Skip("no ffvhuff")
	}
	e := must(NewVideoEncoder(VideoEncoderConfig{Codec: "ffvhuff", Width: 640, Height: 480, Threads: 4}))(t)
	defer e.Close()
	p := e.Params()
	defer p.Close()
	d := must(NewDecoder(p, DecoderOptions{Threads: 1}))(t)
	defer d.Close()
	f, c := must(NewVideoFrame(640, 480, media.BT601))(t), NewConverter()
	defer f.Close()
	defer c.Close()
	var pool media.PicturePool
	n := 0
	emit := func(p *Packet) error {
		defer p.Free()
		if err := d.Send(p); err != nil {
			return err
		}
		pic, _, err := d.ReceivePicture(&pool)
		if err != nil {
			return err
		}
		defer pic.Release()
		for _, i := range []int{0, len(pic.Planes[0].Data) - 1} {
			if got := pic.Planes[0].Data[i]; got != byte(4*n+20) {
				t.Errorf("picture %d has a Y of %d, want %d", n, got, 4*n+20)
			}
		}
		n++
		return nil
	}
	pic := media.NewPicture(media.VideoFormat{Width: 640, Height: 480})
	for i := range 50 {
		for j := range pic.Planes[0].Data {
			pic.Planes[0].Data[j] = byte(4*i + 20)
		}
		if err := errors.Join(c.Convert(f, pic), e.Encode(f, int64(i)*3000, false, emit)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(emit); err != nil || n != 50 {
		t.Errorf("%d pictures, %v", n, err)
	}
}

func TestAudioEncoder(t *testing.T) {
	noLeak(t)
	for _, c := range []struct {
		codec                      string
		rate, frameSize, mostDelay int
	}{{"aac", 16000, 1024, 1024}, {"libopus", 48000, 960, 960}, {"pcm_s16le", 8000, 0, 0}} {
		e := must(NewAudioEncoder(AudioEncoderConfig{Codec: c.codec, Rate: c.rate, Channels: 1}))(t)
		if e.FrameSize() != c.frameSize || e.InitialPadding() < 0 || e.InitialPadding() > c.mostDelay {
			t.Errorf("%s: frame size %d, padding %d", c.codec, e.FrameSize(), e.InitialPadding())
		}
		first := int64(math.MaxInt64)
		var total int64
		emit := func(p *Packet) error {
			first = min(first, p.PTS())
			total += p.Duration()
			p.Free()
			return nil
		}
		size := max(c.frameSize, 500)
		for i := range 10 {
			if err := e.Encode(make([]float32, size), int64(i*size), emit); err != nil {
				t.Fatal(err)
			}
		}
		if c.frameSize > 0 {
			if err := e.Encode(make([]float32, size+1), 0, emit); !errors.Is(err, media.ErrLength) {
				t.Errorf("%s: too long a frame: %v", c.codec, err)
			}
		}
		if err := e.Flush(emit); err != nil {
			t.Fatal(err)
		}
		if first != -int64(e.InitialPadding()) || total < int64(10*size) {
			t.Errorf("%s: first PTS %d, padding %d, %d frames of %d", c.codec, first, e.InitialPadding(), total, 10*size)
		}
		e.Close()
	}
}

func TestVersion(t *testing.T) {
	t.Log(Version())
	if v := Version(); !strings.HasPrefix(v, "libavcodec ") || strings.Count(v, ".") != 12 {
		t.Error(v)
	}
}
