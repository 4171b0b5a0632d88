package ffmpeg

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/standin"
	"github.com/roomkit-live/roomkit-go/media"
)

// start runs a server until the test ends, once ready says it is up.
func start(t *testing.T, ready func() bool, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(haveTool(t, name), args...)
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // so that it removes its socket
		_ = cmd.Wait()
	})
	for range 100 {
		if ready() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Skip(name + " does not come up")
}

func TestPulse(t *testing.T) {
	noLeak(t)
	dir := t.TempDir()
	socket := filepath.Join(dir, "native")
	for _, v := range []string{"HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"} {
		t.Setenv(v, dir)
	}
	t.Setenv("PULSE_SERVER", "unix:"+socket)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if d, err := Devices(ctx, media.KindAudio); err != nil || len(d) > 0 && d[0].Format == "pulse" {
		t.Errorf("without a server: %v, %v", d, err)
	}
	start(t, func() bool { c, err := net.Dial("unix", socket); return err == nil && c.Close() == nil },
		"pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disallow-exit=no",
		"-L", "module-null-sink sink_name=vmic norewinds=1",
		"-L", "module-native-protocol-unix socket="+socket+" auth-anonymous=1")
	devices, err := Devices(ctx, media.KindAudio)
	if err != nil || len(devices) == 0 {
		t.Fatalf("%v, %v", devices, err)
	}
	t.Logf("%+v", devices)
	d := devices[0]
	if d.Format != "pulse" || !strings.HasPrefix(d.Name, "vmic") || d.Kind != media.KindAudio {
		t.Errorf("%+v", d)
	}
	in := must(OpenInput(ctx, d.Name, InputOptions{Format: d.Format, Options: map[string]string{
		"sample_rate": "16000", "channels": "1", "fragment_size": "640"}}))(t)
	defer in.Close()
	if got, want := in.Streams()[0].Audio, (media.AudioFormat{Rate: 16000, Channels: 1}); got != want {
		t.Errorf("declared %v", got)
	}
	p := NewPacket()
	defer p.Free()
	n := 0
	for n < 16000 { // half a second
		if _, err := in.Read(p); err != nil {
			t.Fatal(err)
		}
		n += len(p.Data())
	}
	if off := time.Since(time.Unix(0, int64(p.Time()))); off < -time.Second || off > time.Second {
		t.Errorf("time is off by %v", off)
	}
}

// A sound server that accepts and says nothing costs neither the listing nor
// the opening more than its time.
func TestSilentPulse(t *testing.T) {
	before := LiveObjects()
	dir := t.TempDir()
	socket := filepath.Join(dir, "native")
	for _, v := range []string{"HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"} {
		t.Setenv(v, dir)
	}
	t.Setenv("PULSE_SERVER", "unix:"+socket)
	l := must(net.Listen("unix", socket))(t)
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Devices(ctx, media.KindAudio); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("listing: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("listing took %v", took)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	began = time.Now()
	if _, err := OpenInput(ctx, "default", InputOptions{Format: "pulse"}); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrUnsupported) {
		t.Errorf("opening: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("opening took %v", took)
	}
	l.Close()
	for len(conns) > 0 { // lets the calls left behind go
		(<-conns).Close()
	}
	eventuallyNoLeak(t, before)
}

func TestScreen(t *testing.T) {
	noLeak(t)
	t.Setenv("DISPLAY", standin.Screen(t))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	devices, err := Devices(ctx, media.KindScreen)
	if err != nil || len(devices) != 1 || !strings.Contains(devices[0].Description, "320x240") {
		t.Fatalf("%+v, %v", devices, err)
	}
	in := must(OpenInput(ctx, devices[0].Name, InputOptions{Format: "x11grab", Options: map[string]string{"framerate": "30"}}))(t)
	defer in.Close()
	d := must(in.NewDecoder(0, DecoderOptions{Threads: 1}))(t)
	defer d.Close()
	p := NewPacket()
	defer p.Free()
	var pool media.PicturePool
	for range 5 {
		if _, err := in.Read(p); err != nil {
			t.Fatal(err)
		}
		if err := d.Send(p); err != nil {
			t.Fatal(err)
		}
		pic, _, err := d.ReceivePicture(&pool)
		if err != nil {
			t.Fatal(err)
		}
		if f := pic.Format; f.Pixel != media.BGRA || f.Width != 320 || f.Height != 240 {
			t.Errorf("%v", f)
		}
		pic.Release()
	}
}

func TestCameras(t *testing.T) {
	noLeak(t)
	d, err := Devices(context.Background(), media.KindVideo)
	if err != nil {
		t.Error(err)
	}
	t.Logf("%+v", d)
	if d, err := Devices(context.Background(), media.KindUnknown); d != nil || err != nil {
		t.Errorf("%v, %v", d, err)
	}
}
