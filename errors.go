package roomkit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of this package. Those that are returned wrap one of them, or one of
// packages recorder, backend or media, and say what they are about.
var (
	// ErrInvalid: an argument that can never be right, such as an empty id.
	ErrInvalid = errors.New("roomkit: invalid argument")
	// ErrKitClosed: the kit has been closed.
	ErrKitClosed = errors.New("roomkit: kit is closed")
	// ErrRoomExists: a room with this id is open, or still closing.
	ErrRoomExists = errors.New("roomkit: room exists already")
	// ErrUnknownRoom: no such room is open.
	ErrUnknownRoom = errors.New("roomkit: unknown room")
	// ErrRoomClosed: the room has been closed.
	ErrRoomClosed = errors.New("roomkit: room is closed")
	// ErrChannelExists: a channel with this id is registered.
	ErrChannelExists = errors.New("roomkit: channel exists already")
	// ErrUnknownChannel: no such channel is registered, or attached to the room.
	ErrUnknownChannel = errors.New("roomkit: unknown channel")
	// ErrChannelInUse: the channel still has sessions.
	ErrChannelInUse = errors.New("roomkit: channel is in use")
	// ErrUnknownSession: no such session; it has left or its source has ended.
	ErrUnknownSession = errors.New("roomkit: unknown session")
	// ErrSessionEnded: the session has left or its source has ended.
	ErrSessionEnded = errors.New("roomkit: session has ended")
	// ErrRecordingExists: two bindings of one room with the same name.
	ErrRecordingExists = errors.New("roomkit: recording exists already")
	// ErrUnknownRecording: the room has no recording of this name.
	ErrUnknownRecording = errors.New("roomkit: unknown recording")
	// ErrRefused: a handler has refused a recording.
	ErrRefused = errors.New("roomkit: recording refused")
	// ErrDiskSpace: less is free than Limits.MinFree asks for.
	ErrDiskSpace = errors.New("roomkit: too little disk space")
	// ErrPlayoutFull: more audio than the playout queue holds.
	ErrPlayoutFull = errors.New("roomkit: playout queue is full")
	// ErrBackend: a backend broke its contract, or panicked.
	ErrBackend = errors.New("roomkit: backend misbehaves")
)

// unknown wraps err with what was asked for and what there is.
func unknown[T any](err error, name, have string, known map[string]T) error {
	if len(known) == 0 {
		return fmt.Errorf("%w %q (%s: none)", err, name, have)
	}
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	const shown = 20
	more := ""
	if n := len(names) - shown; n > 0 {
		names, more = names[:shown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("%w %q (%s: %s%s)", err, name, have, strings.Join(names, ", "), more)
}

func needID(what, id string) error {
	if strings.TrimSpace(id) == "" {
		return fmt.Errorf("%w: %s id is %q (allowed: any text that is not empty)", ErrInvalid, what, id)
	}
	return nil
}
