package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// line is what the program prints of a track.
var line = regexp.MustCompile(`(?m)^(\S+)  (audio|video) of user-1, [^,]+, (\d+) samples, 0 lost, (\d+) bytes$`)

func TestFiles(t *testing.T) {
	var out strings.Builder
	dir := filepath.Join(t.TempDir(), "new")
	if err := run(t.Context(), &out, 300*time.Millisecond, dir, ""); err != nil {
		t.Fatal(err)
	}
	tracks := line.FindAllStringSubmatch(out.String(), -1)
	if len(tracks) != 2 {
		t.Fatalf("output:\n%s", &out)
	}
	units := map[string]int64{"audio": 640, "video": 160 * 120 * 3}
	for _, m := range tracks {
		info, err := os.Stat(m[1])
		if err != nil || info.Size() == 0 || info.Size()%units[m[2]] != 0 {
			t.Errorf("%s: %v, %v", m[1], info, err)
		}
	}
}

func TestUpload(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPut {
			w.WriteHeader(http.StatusBadRequest)
		}
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path] = len(body)
	}))
	defer server.Close()
	var out strings.Builder
	if err := run(t.Context(), &out, 300*time.Millisecond, "", server.URL); err != nil {
		t.Fatal(err)
	}
	for _, m := range line.FindAllStringSubmatch(out.String(), -1) {
		if n := got[strings.TrimPrefix(m[1], server.URL)]; n == 0 {
			t.Errorf("%s was not uploaded: %v", m[1], got)
		}
	}
	if len(got) != 2 {
		t.Errorf("uploads %v, output:\n%s", got, &out)
	}
}

// A server that refuses is a failed recording, not a silent one.
func TestUploadRefused(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := run(ctx, io.Discard, 200*time.Millisecond, "", server.URL)
	if err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v, want one that says 404", err)
	}
}
