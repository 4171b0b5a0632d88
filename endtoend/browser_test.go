package endtoend_test

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// sent is what the browser says it has sent.
type sent struct {
	Error string
	Calls []sentCall
}

type sentCall struct {
	Name     string  // media type, such as video/VP8, and what else was asked for
	Frames   int     // of video
	Packets  int     // of audio
	Keys     int     // keyframes
	Shown    float64 // seconds that the camera had been running when the call was up
	Duration float64 // of the call, in seconds
}

//go:embed testdata/sender.html
var senderPage []byte

// browse starts a headless Chromium that calls with its fake camera and
// microphone for so many seconds, all calls at the same time. A call is named
// after its codec, such as video/VP8; video/VP8@page sends flashes and beeps that
// the page makes, once a second. answer answers its offers, one at a time; ended is told what the browser says
// in the end, when the calls are still open.
func browse(t *testing.T, calls []string, seconds float64, answer func(call, offer string) (string, error), ended func(sent)) {
	t.Helper()
	judge.Need(t, "chromium")
	done := make(chan sent, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write(senderPage)
	})
	mux.HandleFunc("/offer", func(w http.ResponseWriter, r *http.Request) {
		offer, err := io.ReadAll(r.Body)
		if err == nil {
			var sdp string
			if sdp, err = answer(r.URL.Query().Get("call"), string(offer)); err == nil {
				io.WriteString(w, sdp)
				return
			}
		}
		http.Error(w, err.Error(), http.StatusBadRequest)
	})
	mux.HandleFunc("/done", func(_ http.ResponseWriter, r *http.Request) {
		var s sent
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			s.Error = err.Error()
		}
		done <- s
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	profile, err := os.MkdirTemp("", "roomkit-chromium")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(profile) // its processes may write for a moment longer than it lives
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds*float64(time.Second))+45*time.Second)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
		"--autoplay-policy=no-user-gesture-required", "--user-data-dir="+profile,
		fmt.Sprintf("%s/?calls=%s&seconds=%g", server.URL, strings.Join(calls, ","), seconds))
	browser.WaitDelay = 5 * time.Second
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		browser.Wait()
	}()
	select {
	case s := <-done:
		if s.Error != "" {
			t.Fatalf("the browser: %s", s.Error)
		}
		ended(s)
	case <-ctx.Done():
		t.Fatal("the browser said nothing")
	}
}
