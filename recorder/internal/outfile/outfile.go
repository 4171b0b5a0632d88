// Package outfile names the files of a recording, and makes their names last.
package outfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// NewID returns a recording's id: twelve random lower-case hex characters.
func NewID() (string, error) {
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(random[:]), nil
}

// Base returns what the paths of a recording's files begin with:
// {dir}/{name}_{id}_{timestamp}, the time in UTC to the second.
func Base(dir, name, id string, now time.Time) string {
	return filepath.Join(dir, fmt.Sprintf("%s_%s_%s", name, id, now.UTC().Format("20060102T150405")))
}

// Sync makes what is in a file, or the names that are in a directory, survive a
// power loss.
func Sync(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) { // some file systems cannot sync a directory
		err = nil
	}
	return errors.Join(err, file.Close())
}
