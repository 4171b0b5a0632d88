package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/roomkit-live/roomkit-go/recorder"
)

// usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// flagOf names the flag that sets a field of the recorder's configuration.
var flagOf = map[string]string{
	"Storage": "--output", "Format": "--format", "VideoCodec": "--video-codec", "VideoFPS": "--fps",
	"AudioCodec": "--audio-codec", "AudioSampleRate": "--sample-rate",
	"Video.CRF": "--crf", "Video.BitRate": "--bitrate", "Video.Preset": "--preset",
	"Rotate.Duration": "--rotate", "Rotate.Size": "--rotate-size", "File.FastStart": "--fast-start",
}

// configUsage says a mistake in the recorder's configuration in the words of
// the command line: the flag in place of the field. Another error it returns
// as it is.
func configUsage(err error) error {
	var wrong *recorder.ConfigError
	if !errors.As(err, &wrong) {
		return err
	}
	flag, ok := flagOf[wrong.Field]
	if !ok {
		return usageError{err}
	}
	value := wrong.Value
	if s, isText := value.(string); isText {
		value = fmt.Sprintf("%q", s)
	}
	// Behind the mistake itself there may be the encoder's own words.
	_, reason, _ := strings.Cut(err.Error(), wrong.Error())
	return usagef("%s is %v (allowed: %s)%s", flag, value, wrong.Allowed, reason)
}

// whatThereIs lists the commands or flags that could have been meant by the
// one that kong does not know.
func whatThereIs(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) {
		return ""
	}
	node := parse.Context.Selected()
	var names []string
	switch {
	case strings.HasPrefix(err.Error(), "unknown flag"):
		if node == nil {
			node = parse.Context.Model.Node
		}
		for _, group := range node.AllFlags(true) {
			for _, f := range group {
				names = append(names, "--"+f.Name)
			}
		}
	case node == nil:
		for _, leaf := range parse.Context.Model.Leaves(true) {
			names = append(names, leaf.Name)
		}
	default:
		return ""
	}
	return " (allowed: " + strings.Join(names, ", ") + ")"
}
