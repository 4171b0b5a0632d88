package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// fileName names the file of a track's nth visit.
func fileName(t recorder.Track, n int) string {
	name := strings.ReplaceAll(t.ID, "/", "-")
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return name + ".raw"
}

// create opens a new file in a directory, or an upload below a URL.
func create(where, name string) (io.WriteCloser, error) {
	if strings.Contains(where, "://") {
		return upload(where + "/" + name)
	}
	if err := os.MkdirAll(where, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(where, name))
}

// upload begins a PUT whose body is what is written to the returned writer.
// Closing it waits for the answer.
func upload(url string) (io.WriteCloser, error) {
	body, w := io.Pipe()
	req, err := http.NewRequest(http.MethodPut, url, body)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode >= 300 {
				err = fmt.Errorf("PUT %s: %s", url, resp.Status)
			}
		}
		body.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // writing after a refusal fails
		done <- err
	}()
	return &uploading{w, done}, nil
}

type uploading struct {
	*io.PipeWriter
	done chan error
}

func (u *uploading) Close() error {
	u.PipeWriter.Close()
	return <-u.done
}
