package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// decodeAll reads an input to its end and hands on what its streams hold.
func decodeAll(t testing.TB, in *Input, threads int, picture func(*media.Picture, time.Duration), pcm func(*media.PCM, time.Duration)) {
	t.Helper()
	var pictures media.PicturePool
	var pcms media.PCMPool
	decoders := map[int]*Decoder{}
	defer func() {
		for _, d := range decoders {
			d.Close()
		}
	}()
	receive := func(kind media.Kind, d *Decoder) {
		for {
			var err error
			if kind == media.KindVideo {
				var p *media.Picture
				var pts time.Duration
				if p, pts, err = d.ReceivePicture(&pictures); err == nil {
					if v := p.Validate(); v != nil {
						t.Fatal(v)
					}
					picture(p, pts)
					p.Release()
				}
			} else {
				var p *media.PCM
				var pts time.Duration
				if p, pts, err = d.ReceivePCM(&pcms); err == nil {
					pcm(p, pts)
					p.Release()
				}
			}
			if errors.Is(err, ErrAgain) || errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range in.Streams() {
		if s.Kind != media.KindUnknown {
			decoders[s.Index] = must(in.NewDecoder(s.Index, DecoderOptions{Threads: threads}))(t)
		}
	}
	p := NewPacket()
	defer p.Free()
	for {
		i, err := in.Read(p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := decoders[i]; d != nil {
			if err := d.Send(p); err != nil {
				t.Fatal(err)
			}
			receive(in.Streams()[i].Kind, d)
		}
	}
	for i, d := range decoders {
		if err := d.Send(nil); err != nil {
			t.Fatal(err)
		}
		receive(in.Streams()[i].Kind, d)
	}
}

// What was written is read back: every picture at its time, and the sound.
func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		format, vcodec, acodec string
		tick                   time.Duration // of the container
	}{
		{"mp4", "libx264", "aac", time.Second / 90000}, {"mov", "libx264", "pcm_s16le", time.Second / 90000},
		{"matroska", "libx264", "libopus", time.Millisecond}, {"mpegts", "libx264", "aac", time.Second / 90000},
		{"webm", "libvpx", "libopus", time.Millisecond},
	} {
		t.Run(c.format, func(t *testing.T) {
			noLeak(t)
			if !HasEncoder(c.vcodec) || !HasEncoder(c.acodec) {
				t.Skip("no encoder")
			}
			path := filepath.Join(t.TempDir(), "a:b")
			acodec := c.acodec
			if acodec == "pcm_s16le" {
				acodec = "aac"
			}
			times := encodeFile(t, path, c.format, c.vcodec, acodec, 40)
			in := must(OpenInput(context.Background(), path, InputOptions{}))(t)
			defer in.Close()
			s := in.Streams()
			if len(s) != 2 || s[0].Kind != media.KindVideo || s[1].Kind != media.KindAudio {
				t.Fatalf("streams %+v", s)
			}
			if v := s[0].Video; v.Width != 96 || v.Height != 64 || v.Pixel != media.I420 || (v.Color != media.BT601 && c.vcodec == "libx264") {
				t.Errorf("video %+v", v)
			}
			if want := (media.AudioFormat{Rate: 48000, Channels: 2, Sample: media.F32}); s[1].Audio != want {
				t.Errorf("audio %v", s[1].Audio)
			}
			if c.format != "mpegts" && s[0].Title != "anna" {
				t.Errorf("title %q", s[0].Title)
			}
			var first time.Duration
			var n, frames int
			var energy float64
			decodeAll(t, in, 2, func(p *media.Picture, pts time.Duration) {
				if n == 0 {
					first = pts
				}
				want := time.Duration(times[n]) * time.Second / VideoTimeBase
				if d := pts - first - want; d < -c.tick || d > c.tick {
					t.Errorf("picture %d at %v, want %v", n, pts-first, want)
				}
				// The picture moved left by one column each time.
				y := float64(p.Planes[0].Data[10*p.Planes[0].Stride+2])
				want0 := quarters(96, 64)(2+n, 10).yuv(media.BT601)[0]
				if edge := 96 / 4 * 2; (n+2 < edge-6 || n+2 > edge+6) && math.Abs(y-want0) > 14 {
					t.Errorf("picture %d: Y %v, want %v", n, y, want0)
				}
				n++
			}, func(p *media.PCM, pts time.Duration) {
				frames += p.Frames()
				for i := 0; i < len(p.Data); i += 8 {
					energy += math.Pow(float64(math.Float32frombits(uint32(p.Data[i])|uint32(p.Data[i+1])<<8|uint32(p.Data[i+2])<<16|uint32(p.Data[i+3])<<24)), 2)
				}
			})
			if n != len(times) {
				t.Errorf("%d of %d pictures", n, len(times))
			}
			// About 1.3 s of a sine of 0.5, whose power is 1/8.
			if power := energy / float64(frames); frames < 48000 || math.Abs(power-0.125) > 0.01 {
				t.Errorf("%d frames of audio with power %.3f", frames, power)
			}
			if d := in.Duration(); d < 1300*time.Millisecond || d > 1500*time.Millisecond {
				t.Errorf("duration %v", d)
			}
		})
	}
}

func lavfi(t testing.TB, graph string) *Input {
	t.Helper()
	return must(OpenInput(context.Background(), graph, InputOptions{Format: "lavfi"}))(t)
}

// Pictures of all kinds come out in a format media has, with their colours and
// unskewed, for odd sizes too.
func TestDecodePixelFormats(t *testing.T) {
	noLeak(t)
	for _, c := range []struct {
		name string
		want media.PixelFormat
	}{
		{"yuv420p", media.I420}, {"yuvj420p", media.I420}, {"nv12", media.NV12}, {"rgb24", media.RGB24}, {"bgr24", media.BGR24},
		{"rgba", media.RGBA}, {"rgb0", media.RGBA}, {"bgra", media.BGRA}, {"bgr0", media.BGRA},
		{"yuyv422", media.I420}, {"uyvy422", media.I420}, {"yuv422p", media.I420}, {"yuvj422p", media.I420}, {"yuv444p", media.I420},
		{"yuv420p10le", media.I420}, {"yuv422p10le", media.I420}, {"p010le", media.I420}, {"gbrp", media.I420}, {"argb", media.I420},
		{"yuv411p", media.I420}, {"rgb565le", media.I420},
	} {
		for _, size := range [][2]int{{64, 48}, {63, 47}, {130, 722}} {
			for _, space := range []string{"smpte170m", "bt709"} {
				w, h := size[0], size[1]
				// lavfi does not pass the coding on, the raw stream has none:
				// the picture is made in the one untagged pictures have.
				if (space == "bt709") != (h >= 720) {
					continue
				}
				what := fmt.Sprintf("%s %dx%d", c.name, w, h)
				in := lavfi(t, fmt.Sprintf("color=c=0xE0AC69:s=%dx%d:r=5:d=0.4,format=rgb24,drawbox=0:0:%d:%d:red:fill,"+
					"scale=out_color_matrix=%s:flags=accurate_rnd+full_chroma_int+full_chroma_inp,format=%s", w, h, w/4*2, h, space, c.name))
				n := 0
				decodeAll(t, in, 1, func(p *media.Picture, pts time.Duration) {
					n++
					if f := p.Format; f.Width != w || f.Height != h || f.Pixel != c.want {
						t.Fatalf("%s: %v", what, f)
					}
					if pts != time.Duration(n-1)*200*time.Millisecond {
						t.Errorf("%s: picture %d at %v", what, n, pts)
					}
					to := p.Format.ResolvedColor()
					if c.want >= media.RGB24 {
						to = media.BT601
					}
					conv, f := NewConverter(), must(NewVideoFrame(w+w%2, h+h%2, to))(t)
					defer conv.Close()
					defer f.Close()
					if err := conv.Convert(f, p); err != nil {
						t.Fatal(err)
					}
					if c.name == "rgb565le" || c.name == "yuv411p" {
						return // too coarse for the tolerance
					}
					for _, y := range []int{0, h / 2, h - 1} {
						expect(t, f, 1, y, red.yuv(to), what+p.Format.Color.String())
						expect(t, f, w-1, y, skin.yuv(to), what+p.Format.Color.String())
					}
				}, nil)
				if n != 2 {
					t.Errorf("%s: %d pictures", what, n)
				}
				in.Close()
			}
		}
	}
}

// Audio keeps its rate; integers of 16 bits stay, everything else becomes
// float; more than two channels become two.
func TestDecodePCM(t *testing.T) {
	noLeak(t)
	for _, c := range []struct {
		graph string
		want  media.AudioFormat
		power float64 // of the left channel
	}{
		{"sine=440:sample_rate=16000:duration=0.5", media.AudioFormat{Rate: 16000, Channels: 1, Sample: media.S16}, 0},
		{"aevalsrc=0.5*sin(440*2*PI*t):s=44100:d=0.5,aformat=s16p:channel_layouts=stereo", media.AudioFormat{Rate: 44100, Channels: 2, Sample: media.S16}, 0},
		{"aevalsrc=0.5|0.25:s=44100:d=0.5", media.AudioFormat{Rate: 44100, Channels: 2, Sample: media.F32}, 0.25},
		{"aevalsrc=0.5:s=8000:d=0.5,aformat=u8", media.AudioFormat{Rate: 8000, Channels: 1, Sample: media.F32}, 0.25},
		{"aevalsrc=0|0|0.5|0|0|0:s=48000:d=0.5:c=5.1", media.AudioFormat{Rate: 48000, Channels: 2, Sample: media.F32}, 0.25 * 0.5},
	} {
		in := lavfi(t, c.graph)
		if got := in.Streams()[0].Audio; got.Rate != c.want.Rate || got.Channels != c.want.Channels {
			t.Errorf("%s: declared %v", c.graph, got)
		}
		frames := 0
		var power float64
		next := time.Duration(0)
		decodeAll(t, in, 1, nil, func(p *media.PCM, pts time.Duration) {
			if p.Format != c.want {
				t.Fatalf("%s: %v", c.graph, p.Format)
			}
			if d := pts - next; d < -time.Microsecond || d > time.Microsecond {
				t.Errorf("%s: at %v, want %v", c.graph, pts, next)
			}
			frames += p.Frames()
			next = c.want.Duration(frames)
			if c.want.Sample == media.F32 {
				v := float64(math.Float32frombits(uint32(p.Data[0]) | uint32(p.Data[1])<<8 | uint32(p.Data[2])<<16 | uint32(p.Data[3])<<24))
				power = v * v
			}
		})
		if frames != c.want.Rate/2 || math.Abs(power-c.power) > 0.002 {
			t.Errorf("%s: %d frames, power %.4f, want %.4f", c.graph, frames, power, c.power)
		}
		in.Close()
	}
}

func TestOpenInputErrors(t *testing.T) {
	noLeak(t)
	ctx := context.Background()
	dir := t.TempDir()
	if _, err := OpenInput(ctx, filepath.Join(dir, "none.mp4"), InputOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	junk := filepath.Join(dir, "junk.mp4")
	if err := os.WriteFile(junk, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenInput(ctx, junk, InputOptions{}); !errors.Is(err, ErrInvalidData) {
		t.Errorf("junk: %v", err)
	}
	if _, err := OpenInput(ctx, "x", InputOptions{Format: "nonesuch"}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown format: %v", err)
	}
	if _, err := OpenInput(ctx, "sine", InputOptions{Format: "lavfi", Options: map[string]string{"grapf": "x"}}); err == nil || !errors.As(err, new(*Error)) {
		t.Errorf("unknown option: %v", err)
	}
	if in, err := OpenInput(ctx, "/dev/video99", InputOptions{Format: "v4l2"}); err == nil {
		in.Close()
		t.Error("a camera that is not there")
	} else {
		t.Log(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := OpenInput(cancelled, junk, InputOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// eventuallyNoLeak is for calls that are left behind and end later.
func eventuallyNoLeak(t *testing.T, before int64) {
	t.Helper()
	for range 200 {
		if LiveObjects() == before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d objects left", LiveObjects()-before)
}

// A cancelled context ends an opening and a reading that would last for ever.
func TestCancel(t *testing.T) {
	before := LiveObjects()
	silent := must(net.Listen("tcp", "127.0.0.1:0"))(t) // accepts and says nothing
	defer silent.Close()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	for _, url := range []string{"tcp://" + silent.Addr().String(), fifo} {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		began := time.Now()
		_, err := OpenInput(ctx, url, InputOptions{})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("open %s: %v after %v", url, err, took)
		}
		cancel()
	}
	// Let the opening that is stuck in the pipe go.
	w := must(os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0))(t)
	w.Close()
	eventuallyNoLeak(t, before)

	// A stream that stops in the middle.
	done := make(chan struct{})
	go func() {
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			return
		}
		defer w.Close()
		_, _ = w.Write(make([]byte, 200_000)) // enough for FFmpeg to look at
		<-done
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in := must(OpenInput(ctx, fifo, InputOptions{Format: "s16le", Options: map[string]string{"sample_rate": "8000"}}))(t)
	time.AfterFunc(200*time.Millisecond, cancel)
	p := NewPacket()
	var err error
	n, began := 0, time.Now()
	for err == nil {
		if _, err = in.Read(p); err == nil {
			n += len(p.Data())
		}
	}
	if took := time.Since(began); !errors.Is(err, context.Canceled) || took > 2*time.Second {
		t.Errorf("read: %v after %v", err, took)
	}
	p.Free()
	in.Close()
	in.Close()
	close(done)
	eventuallyNoLeak(t, before)
	if n == 0 {
		t.Error("nothing read before the stop")
	}
}

// Packets from outside: a stream is described by hand, written and decoded.
func TestForeignStream(t *testing.T) {
	noLeak(t)
	path := filepath.Join(t.TempDir(), "x.mkv")
	e := must(NewVideoEncoder(x264(64, 48)))(t)
	own := e.Params()
	p := must(NewCodecParams(ParamsConfig{Codec: "h264", ExtraData: own.ExtraData(), TimeBaseDen: 1000, Width: 64, Height: 48, FrameRate: 30}))(t)
	own.Close()
	if n, d := p.TimeBase(); n != 1 || d != 1000 || p.Codec() != "h264" || p.Width() != 64 || p.Height() != 48 {
		t.Errorf("%s, %d/%d", p, n, d)
	}
	m := must(CreateMuxer(path, "matroska", nil, nil))(t)
	i := must(m.AddStream(p, StreamOptions{}))(t)
	if err := m.WriteHeader(); err != nil {
		t.Fatal(err)
	}
	d := must(NewDecoder(p, DecoderOptions{Threads: 1}))(t)
	p.Close()
	f := must(NewVideoFrame(64, 48, media.BT601))(t)
	var pool media.PicturePool
	pictures := 0
	for k := range 5 {
		err := e.Encode(f, int64(k)*9000, false, func(p *Packet) error {
			q := NewPacket()
			if err := q.SetData(p.Data(), int64(k)*100, int64(k)*100, 100, p.IsKey()); err != nil {
				t.Error(err)
			}
			p.Free()
			if err := d.Send(q); err != nil {
				t.Error(err)
			}
			if pic, pts, err := d.ReceivePicture(&pool); err == nil {
				if pts != time.Duration(pictures)*100*time.Millisecond {
					t.Errorf("picture at %v", pts)
				}
				pictures++
				pic.Release()
			}
			return m.Write(i, q)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := d.ReceivePCM(new(media.PCMPool)); !errors.Is(err, media.ErrFormat) {
		t.Errorf("audio from pictures: %v", err)
	}
	if err := m.Finish(); err != nil {
		t.Fatal(err)
	}
	d.Close()
	f.Close()
	e.Close()
	in := must(OpenInput(context.Background(), path, InputOptions{}))(t)
	defer in.Close()
	decodeAll(t, in, 1, func(*media.Picture, time.Duration) { pictures++ }, nil)
	if pictures < 9 { // the first decoder was not flushed
		t.Errorf("%d pictures", pictures)
	}
}

func TestReadAllocations(t *testing.T) {
	noLeak(t)
	in := lavfi(t, "testsrc2=s=64x48:r=30,format=yuv420p")
	defer in.Close()
	d := must(in.NewDecoder(0, DecoderOptions{Threads: 1}))(t)
	defer d.Close()
	p := NewPacket()
	defer p.Free()
	var pool media.PicturePool
	if n := testing.AllocsPerRun(50, func() {
		if _, err := in.Read(p); err != nil {
			t.Error(err)
		}
		if err := d.Send(p); err != nil {
			t.Error(err)
		}
		pic, _, err := d.ReceivePicture(&pool)
		if err != nil {
			t.Error(err)
			return
		}
		pic.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
