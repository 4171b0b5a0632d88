package device

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
)

// An openError says for people why there is no device, and lets programs match
// all the reasons.
type openError struct {
	text    string
	reasons []error
}

func (e *openError) Error() string   { return e.text }
func (e *openError) Unwrap() []error { return e.reasons }

// notFound says what was looked for.
func notFound(k media.Kind, format string, args ...any) error {
	return &openError{"no " + noun(k) + ": " + fmt.Sprintf(format, args...), []error{backend.ErrNotFound}}
}

// cannotOpen sums up why no source could be opened. A device that is busy or
// forbidden is there, so this is no [backend.ErrNotFound] then.
func cannotOpen(k media.Kind, failures []error) error {
	var said []string
	exists := false
	for _, err := range failures {
		exists = exists || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EBUSY)
		said = append(said, err.Error())
	}
	e := &openError{"no " + noun(k) + ": " + strings.Join(said, "; "), failures}
	if exists {
		e.text = noun(k) + " is in use or may not be opened by this user: " + strings.Join(said, "; ")
	} else {
		e.reasons = append(e.reasons, backend.ErrNotFound)
	}
	return e
}
