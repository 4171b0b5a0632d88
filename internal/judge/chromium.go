package judge

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Playback is what a browser's video element says of a file after playing its
// beginning and jumping near its end.
type Playback struct {
	Error    string  `json:"error"`
	Duration float64 `json:"duration"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Played   float64 `json:"played"` // media seconds reached by playing
	Sought   float64 `json:"sought"` // where it stood after the jump
	Frames   int     `json:"frames"` // decoded pictures
	Audio    int     `json:"audio"`  // decoded bytes of audio
}

const playerPage = `<!doctype html><video id=v muted playsinline></video><script>
const v = document.getElementById('v')
const report = o => fetch('/report', {method: 'POST', body: JSON.stringify(o)})
const event = (n) => new Promise((ok, no) => {
  v.addEventListener(n, ok, {once: true})
  v.addEventListener('error', () => no(v.error.code + ' ' + v.error.message), {once: true})
  setTimeout(() => no('no ' + n + ' within 20 s'), 20000)
})
async function play() {
  const loaded = event('loadeddata')
  v.src = '/file'
  await loaded
  await v.play()
  while (v.currentTime < Math.min(1, v.duration / 3)) await event('timeupdate')
  const played = v.currentTime
  v.pause()
  const sought = event('seeked')
  v.currentTime = Math.max(0, v.duration - 0.5)
  await sought
  return {error: '', duration: v.duration, width: v.videoWidth, height: v.videoHeight, played,
    sought: v.currentTime, frames: v.getVideoPlaybackQuality().totalVideoFrames, audio: v.webkitAudioDecodedByteCount}
}
play().then(report, e => report({error: String(e)}))
</script>`

// Chromium plays a file in a headless Chromium and returns what its video
// element says. The test fails if it reports an error.
func Chromium(t testing.TB, path string) Playback {
	t.Helper()
	Need(t, "chromium")
	reports := make(chan Playback, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(playerPage))
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) })
	mux.HandleFunc("/report", func(_ http.ResponseWriter, r *http.Request) {
		var p Playback
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			p.Error = err.Error()
		}
		reports <- p
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	profile, err := os.MkdirTemp("", "roomkit-chromium")
	if err != nil {
		t.Fatal(err)
	}
	// Its processes may write for a moment longer than it lives.
	defer os.RemoveAll(profile)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	browser := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--autoplay-policy=no-user-gesture-required", "--user-data-dir="+profile, server.URL)
	browser.WaitDelay = 5 * time.Second
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		browser.Wait()
	}()
	select {
	case p := <-reports:
		if p.Error != "" {
			t.Errorf("Chromium does not play %s: %s", path, p.Error)
		}
		return p
	case <-ctx.Done():
		t.Fatalf("Chromium did not report on %s", path)
	}
	return Playback{}
}
