package device

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// generated returns a backend whose device is a filter graph of FFmpeg, which
// takes the same way as every device.
func generated(b *Backend, graph string) *Backend {
	b.find = func(context.Context, media.Kind, Options) ([]source, error) {
		return []source{{"lavfi", graph, nil}}, nil
	}
	return b
}

// captured is what a device delivered.
type captured struct {
	*sinktest.Sink
	clock *media.RealClock

	mu      sync.Mutex
	samples int
	frames  int
	first   time.Duration
	last    time.Duration
}

func (c *captured) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.samples
}

// listen returns a sink that checks what holds for every device.
func listen(t *testing.T, also func(media.Sample)) *captured {
	c := &captured{clock: media.NewRealClock()}
	c.Sink = sinktest.New(func(_ media.Kind, s media.Sample, waited bool) {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if waited {
			t.Error("a device waited")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.samples > 0 && s.Time < c.last {
			t.Errorf("a sample of %v after one of %v", s.Time, c.last)
		}
		end := s.Time
		if s.PCM != nil {
			end += s.PCM.Duration()
			c.frames += s.PCM.Frames()
		}
		if now := c.clock.Now(); end > now {
			t.Errorf("a sample that ends at %v was delivered at %v", end, now)
		}
		if c.samples++; c.samples == 1 {
			c.first = s.Time
		}
		c.last = s.Time
		if also != nil {
			also(s)
		}
	})
	return c
}

func connect(t *testing.T, b *Backend, c *captured) backend.Conn {
	t.Helper()
	conn, err := b.Connect(t.Context(), sinktest.Session(c.clock), c)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// until waits for a condition with a bound that only a broken device reaches.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * ms) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// closes checks that Close is quick and leaves nothing behind.
func closes(t *testing.T, conn backend.Conn) {
	t.Helper()
	begin := time.Now()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("Close took %v", took)
	}
	if n := ffmpeg.LiveObjects(); n != 0 {
		t.Errorf("%d objects of FFmpeg are left", n)
	}
}

func TestMicrophonePath(t *testing.T) {
	c := listen(t, nil)
	conn := connect(t, generated(NewMicrophone(Options{}), "sine=frequency=440:sample_rate=48000:samples_per_frame=960,arealtime"), c)
	until(t, "a second of audio", func() bool { return c.count() >= 50 })
	closes(t, conn)
	want := []backend.Track{{Kind: media.KindAudio, Audio: media.AudioFormat{Rate: 48000, Channels: 1}}}
	if got := c.Tracks(); !reflect.DeepEqual(got, want) {
		t.Errorf("tracks %+v, want %+v", got, want)
	}
	// The stamps must tell of as much time as there is audio.
	audio := time.Duration(c.frames-960) * time.Second / 48000
	if stamped := c.last - c.first; (stamped - audio).Abs() > 50*ms {
		t.Errorf("%v of audio is stamped as %v", audio, stamped)
	}
	if len(c.Ends()) != 0 {
		t.Errorf("End was called with %v although the session was closed from outside", c.Ends())
	}
}

func TestCameraPath(t *testing.T) {
	for _, pixel := range []string{"yuv420p", "yuyv422", "nv12", "bgr0"} {
		c := listen(t, nil)
		conn := connect(t, generated(NewCamera(Options{}), "testsrc2=size=160x120:rate=25,format="+pixel+",realtime"), c)
		until(t, "pictures", func() bool { return c.count() >= 15 })
		closes(t, conn)
		got := c.Tracks()
		if len(got) != 1 || got[0].Kind != media.KindVideo || got[0].Video.Width != 160 || got[0].Video.Height != 120 {
			t.Errorf("%s: tracks %+v", pixel, got)
		}
	}
}

// A device that ends by itself delivers even what it has kept back.
func TestDeviceThatEnds(t *testing.T) {
	c := listen(t, nil)
	conn := connect(t, generated(NewScreen(Options{}), "color=size=64x48:rate=100:duration=0.1,realtime"), c)
	if !c.WaitEnd(20 * time.Second) {
		t.Fatal("no end")
	}
	closes(t, conn)
	if ends := c.Ends(); len(ends) != 1 || ends[0] != nil || c.count() != 10 {
		t.Errorf("ended with %v after %d pictures, want nil after 10", ends, c.count())
	}
	if got := c.Tracks(); len(got) != 1 || got[0].Kind != media.KindScreen {
		t.Errorf("tracks %+v, want a screen", got)
	}
}

func TestUnwantedKindIsNotOpened(t *testing.T) {
	b := NewMicrophone(Options{})
	b.find = func(context.Context, media.Kind, Options) ([]source, error) {
		t.Error("a device that nobody wants was looked for")
		return nil, nil
	}
	_, err := b.Connect(t.Context(), sinktest.Session(media.NewRealClock(), media.KindVideo), sinktest.New(nil))
	if !errors.Is(err, backend.ErrNoMedia) {
		t.Errorf("got %v, want ErrNoMedia", err)
	}
}

func TestTheNextSourceIsTried(t *testing.T) {
	b := NewMicrophone(Options{})
	b.find = func(context.Context, media.Kind, Options) ([]source, error) {
		return []source{{"lavfi", "nosuchfilter", nil}, {"lavfi", "anullsrc,arealtime", nil}}, nil
	}
	c := listen(t, nil)
	conn := connect(t, b, c)
	until(t, "audio", func() bool { return c.count() > 0 })
	closes(t, conn)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	_, err := generated(NewCamera(Options{}), "nosuchfilter").Connect(t.Context(), sinktest.Session(media.NewRealClock()), sinktest.New(nil))
	if !errors.Is(err, backend.ErrNotFound) || !strings.Contains(err.Error(), "no camera") {
		t.Errorf("unhelpful: %v", err)
	}
	busy := cannotOpen(media.KindVideo, []error{syscall.EBUSY})
	if errors.Is(busy, backend.ErrNotFound) || !errors.Is(busy, syscall.EBUSY) {
		t.Errorf("a busy camera is said to be missing: %v", busy)
	}
}

func TestWrongOptions(t *testing.T) {
	for _, b := range []*Backend{
		NewMicrophone(Options{Rate: -1}), NewMicrophone(Options{Channels: 6}),
		NewCamera(Options{Width: 640}), NewScreen(Options{FPS: -5}),
	} {
		if _, err := b.Connect(t.Context(), sinktest.Session(media.NewRealClock()), sinktest.New(nil)); err == nil {
			t.Errorf("%+v was accepted", b.opt)
		}
	}
}

func TestLookUp(t *testing.T) {
	devices := []ffmpeg.Device{
		{Name: "alsa_input.usb", Description: "Desk Microphone"},
		{Name: "alsa_output.monitor", Description: "Monitor of Speakers", Default: true},
		{Name: "headset", Description: "Headset Microphone"},
	}
	for wish, want := range map[string]string{
		"0": "alsa_input.usb", "2": "headset", "headset": "headset", "desk": "alsa_input.usb",
		"monitor of speakers": "alsa_output.monitor", "usb": "alsa_input.usb",
		"microphone": "", "3": "", "nothing": "",
	} {
		if d, ok := lookUp(devices, wish); d.Name != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", wish, d.Name, want)
		}
	}
	if preferred(devices) != 1 || preferred(devices[:1]) != 0 || preferred(nil) != -1 {
		t.Error("the preferred device is another")
	}
}
