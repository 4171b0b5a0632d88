package device

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/standin"
	"github.com/roomkit-live/roomkit-go/media"
)

func TestSpeechThroughPulseAudio(t *testing.T) {
	speak, play := judge.Tool(t, "espeak-ng"), judge.Tool(t, "paplay")
	standin.Microphone(t)
	voice := filepath.Join(t.TempDir(), "voice.wav")
	if out, err := exec.Command(speak, "-w", voice, "one two three four five six").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	var loud time.Duration
	c := listen(t, func(s media.Sample) {
		if level(s.PCM) > 0.02 {
			loud += s.PCM.Duration()
		}
	})
	conn := connect(t, NewMicrophone(Options{}), c)
	until(t, "the first audio", func() bool { return c.count() > 0 })
	if out, err := exec.Command(play, voice).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	until(t, "the speech", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return loud > 500*ms })
	closes(t, conn)

	audio := c.last - c.first
	if got := time.Duration(c.frames) * time.Second / 48000; (got - audio).Abs() > 200*ms {
		t.Errorf("%v of audio is stamped as %v", got, audio)
	}
	if each := time.Duration(c.frames/c.samples) * time.Second / 48000; each > 50*ms {
		t.Errorf("a sample lasts %v, want about 20ms", each)
	}
}

// level returns the root mean square of s16 audio, of full scale.
func level(p *media.PCM) float64 {
	var sum float64
	for i := 0; i+1 < len(p.Data); i += 2 {
		v := float64(int16(binary.LittleEndian.Uint16(p.Data[i:]))) / math.MaxInt16
		sum += v * v
	}
	return math.Sqrt(sum / float64(max(1, len(p.Data)/2)))
}

func TestMicrophonesByName(t *testing.T) {
	standin.Microphone(t)
	var all []Info
	until(t, "the list of microphones", func() bool {
		var err error
		if all, err = List(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(all) > 0
	})
	if all[0].Kind != media.KindAudio || all[0].Device != "pulse:vmic.monitor" || !all[0].Default {
		t.Errorf("devices %+v, want the one of the server first", all)
	}
	for _, name := range []string{all[0].Device, "vmic.monitor", "0", "null output"} {
		c := listen(t, nil)
		conn := connect(t, NewMicrophone(Options{Device: name, Rate: 16000, Channels: 2}), c)
		until(t, "audio of "+name, func() bool { return c.count() > 0 })
		closes(t, conn)
		if f := c.Tracks()[0].Audio; f.Rate != 16000 || f.Channels != 2 {
			t.Errorf("%s: format %v", name, f)
		}
	}
	_, err := NewMicrophone(Options{Device: "nobody"}).Connect(t.Context(), sinktest.Session(media.NewRealClock()), sinktest.New(nil))
	if !errors.Is(err, backend.ErrNotFound) || !strings.Contains(err.Error(), "vmic.monitor") {
		t.Errorf("unknown microphone: %v", err)
	}
}

// A server that stops answering must not hold Close up.
func TestCloseWhileTheSoundServerHangs(t *testing.T) {
	t.Cleanup(func() { // runs when the server is gone, which frees what Close left behind
		until(t, "the end of the call that hung", func() bool { return ffmpeg.LiveObjects() == 0 })
	})
	server := standin.Microphone(t)
	c := listen(t, nil)
	conn := connect(t, NewMicrophone(Options{}), c)
	until(t, "audio", func() bool { return c.count() > 0 })
	if err := server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestNothingToCaptureFrom(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"} {
		t.Setenv(name, dir)
	}
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(dir, "nothing"))
	t.Setenv("DISPLAY", ":97")
	tries := []*Backend{NewScreen(Options{}), NewCamera(Options{Device: "/dev/video97"}), NewCamera(Options{Device: "97"})}
	if cards, _ := filepath.Glob("/dev/snd/pcmC*c"); len(cards) == 0 {
		tries = append(tries, NewMicrophone(Options{}))
	}
	for _, b := range tries {
		begin := time.Now()
		_, err := b.Connect(t.Context(), sinktest.Session(media.NewRealClock()), sinktest.New(nil))
		if !errors.Is(err, backend.ErrNotFound) || !strings.HasPrefix(err.Error(), "no ") {
			t.Errorf("%s: %v", b.Name(), err)
		}
		t.Log(err)
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s: it took %v to find nothing", b.Name(), took)
		}
	}
}

func TestScreenOfX11(t *testing.T) {
	t.Setenv("DISPLAY", standin.Screen(t))
	red := 0
	c := listen(t, func(s media.Sample) {
		p := s.Picture.Planes[0]
		if f := s.Picture.Format; f.Pixel != media.BGRA || f.Width != 320 || f.Height != 240 {
			t.Errorf("picture of %v, want 320x240 bgra", f)
			return
		}
		if px := p.Data[10*p.Stride+4*10:]; px[0] < 10 && px[1] < 10 && px[2] > 245 {
			red++
		}
	})
	conn := connect(t, NewScreen(Options{FPS: 20}), c)
	until(t, "ten pictures of the window", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return red >= 10 })
	closes(t, conn)
	mean := (c.last - c.first) / time.Duration(c.samples-1)
	if mean < 45*ms || mean > 200*ms {
		t.Errorf("a picture each %v, want 50ms", mean)
	}
	if got := c.Tracks()[0]; got.Kind != media.KindScreen || got.Video.Rate != 20 || got.Video.Pixel != media.BGRA {
		t.Errorf("track %+v", got)
	}
}

func TestPartOfAScreen(t *testing.T) {
	name := standin.Screen(t)
	c := listen(t, nil)
	conn := connect(t, NewScreen(Options{Device: name + "+32,16", Width: 64, Height: 48, HideCursor: true}), c)
	until(t, "a picture", func() bool { return c.count() > 0 })
	closes(t, conn)
	if f := c.Tracks()[0].Video; f.Width != 64 || f.Height != 48 {
		t.Errorf("format %v", f)
	}
}

func TestConnectHonoursItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := NewScreen(Options{}).Connect(ctx, sinktest.Session(media.NewRealClock()), sinktest.New(nil))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
