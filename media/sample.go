package media

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what a track carries.
type Kind uint8

// The kinds of track.
const (
	KindUnknown Kind = iota
	KindAudio        // a voice
	KindVideo        // a camera
	KindScreen       // a screen share
)

// String returns "audio", "video" or "screen".
func (k Kind) String() string {
	switch k {
	case KindAudio:
		return "audio"
	case KindVideo:
		return "video"
	case KindScreen:
		return "screen"
	}
	return "unknown"
}

// MarshalText implements encoding.TextMarshaler with the words of String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(text []byte) error {
	for _, v := range []Kind{KindAudio, KindVideo, KindScreen} {
		if string(text) == v.String() {
			*k = v
			return nil
		}
	}
	return fmt.Errorf("media: unknown kind %q (allowed: audio, video, screen)", text)
}

// IsPicture reports whether tracks of this kind carry pictures.
func (k Kind) IsPicture() bool { return k == KindVideo || k == KindScreen }

// Direction tells the two streams apart that together are the voice of a
// session: what the participant says and what is played to them on their own
// line, such as the speech of a voice agent.
type Direction uint8

// The directions of audio.
const (
	Inbound  Direction = iota // from the participant; the default
	Outbound                  // played to the participant
)

// String returns "inbound" or "outbound".
func (d Direction) String() string {
	switch d {
	case Inbound:
		return "inbound"
	case Outbound:
		return "outbound"
	}
	return "unknown"
}

// A Sample is one piece of a track's media with the instant at which it was
// captured. Exactly one of the payload fields is set. Samples are small and
// passed by value; the payload is shared.
type Sample struct {
	// Time is the capture time of the first audio frame or of the picture, on
	// the kit's clock. For outbound audio it is the instant it is played.
	Time time.Duration
	// Direction is meaningful for audio only.
	Direction Direction
	// Missed is how many samples of the track right before this one were handed
	// on but have not reached whoever has it now, because a queue was full or
	// they were refused. recorder.Feed sets it; sources leave it zero, and say
	// in [Encoded.Lost] what never reached them. To encoded pictures both are
	// the same: until the next keyframe some have nothing to refer to.
	Missed int

	PCM     *PCM
	Picture *Picture
	Encoded *Encoded
}

// Errors that describe samples which cannot be what they claim to be.
var (
	// ErrPayload: a sample without exactly one payload.
	ErrPayload = errors.New("media: sample must carry exactly one payload")
	// ErrLength: the data is too short, or no whole number of frames, for
	// the declared format.
	ErrLength = errors.New("media: data does not match the declared format")
	// ErrFormat: a format that names no possible media.
	ErrFormat = errors.New("media: invalid format")
)

// Validate reports whether the sample has one payload whose data matches its
// declared format. The error wraps [ErrPayload], [ErrLength] or [ErrFormat].
func (s Sample) Validate() error {
	switch {
	case s.PCM != nil && s.Picture == nil && s.Encoded == nil:
		return s.PCM.Validate()
	case s.Picture != nil && s.PCM == nil && s.Encoded == nil:
		return s.Picture.Validate()
	case s.Encoded != nil && s.PCM == nil && s.Picture == nil:
		return s.Encoded.Validate()
	}
	return ErrPayload
}

// IsPicture reports whether the payload is a picture, raw or encoded, and not
// audio.
func (s Sample) IsPicture() bool {
	return s.Picture != nil || s.Encoded != nil && s.Encoded.Format != nil && s.Encoded.Format.Codec.IsPicture()
}

// Retain adds a reference to the payload. See the package comment.
func (s Sample) Retain() {
	if s.PCM != nil {
		s.PCM.Retain()
	}
	if s.Picture != nil {
		s.Picture.Retain()
	}
	if s.Encoded != nil {
		s.Encoded.Retain()
	}
}

// Release gives a reference to the payload back.
func (s Sample) Release() {
	if s.PCM != nil {
		s.PCM.Release()
	}
	if s.Picture != nil {
		s.Picture.Release()
	}
	if s.Encoded != nil {
		s.Encoded.Release()
	}
}

// Size returns the bytes of memory the payload's data takes.
func (s Sample) Size() int {
	n := 0
	if s.PCM != nil {
		n += len(s.PCM.Data)
	}
	if s.Picture != nil {
		for _, p := range s.Picture.Planes {
			n += len(p.Data)
		}
	}
	if s.Encoded != nil {
		n += len(s.Encoded.Data)
	}
	return n
}
