// Package standin starts real servers that play the parts of hardware in tests:
// a sound server whose output is a microphone, and an X server without a
// screen. A test whose program is not installed is skipped.
package standin

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// start runs a program until the test ends.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said: %s", filepath.Base(cmd.Path), &out)
		}
	})
}

// Microphone starts a PulseAudio server of the test's own, with a microphone
// that hears what is played on it.
func Microphone(t *testing.T) *os.Process {
	t.Helper()
	program := judge.Tool(t, "pulseaudio")
	// A directory with a short name: the path of a socket has 107 bytes.
	dir, err := os.MkdirTemp("", "pulse")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"} {
		t.Setenv(name, dir)
	}
	t.Setenv("PULSE_SERVER", "unix:"+socket)
	cmd := exec.Command(program, "-n", "--daemonize=no", "--exit-idle-time=-1",
		// Without norewinds the first audio comes two seconds late.
		"-L", "module-null-sink sink_name=vmic norewinds=1",
		"-L", "module-native-protocol-unix socket="+socket+" auth-anonymous=1")
	start(t, cmd)
	awaitFile(t, socket)
	return cmd.Process
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	for range 200 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s did not appear within 20 s", path)
}

// Screen starts an X server with a red window all over its screen of 320x240
// pixels, and returns its display.
func Screen(t *testing.T) string {
	t.Helper()
	server, window := judge.Tool(t, "Xvfb"), judge.Tool(t, "xlogo")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(server, "-displayfd", "3", "-screen", "0", "320x240x24", "-nolisten", "tcp",
		"-noreset") // or it would end with its last client, such as one that looks whether it is there
	cmd.ExtraFiles = []*os.File{w}
	start(t, cmd)
	w.Close()
	_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb does not tell its display: %v", err)
	}
	name := ":" + strings.TrimSpace(number)
	logo := exec.Command(window, "-bg", "red", "-fg", "red", "-geometry", "400x300+-20+-20")
	logo.Env = append(os.Environ(), "DISPLAY="+name)
	start(t, logo)
	return name
}
