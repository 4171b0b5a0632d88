package recorder

import "errors"

// ErrBroken: the recording can take nothing more, such as because its file cannot
// be written any longer. A recorder returns it from WriteSample, made by
// [Broken]; whoever runs the recording then stops it.
var ErrBroken = errors.New("recorder: recording cannot go on")

// Broken returns an error that wraps [ErrBroken] and what has broken the
// recording, whose text it has.
func Broken(cause error) error { return brokenError{cause} }

type brokenError struct{ error }

func (e brokenError) Unwrap() []error { return []error{e.error, ErrBroken} }
