package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/device"
	"github.com/roomkit-live/roomkit-go/backend/file"
	"github.com/roomkit-live/roomkit-go/backend/rtp"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// finishTimeout bounds how long finishing the file may take.
const finishTimeout = time.Minute

// session is one run of "roomkit record".
type session struct {
	command *recordCommand
	std     streams
	clock   media.Clock
	log     *slog.Logger
	kit     *roomkit.Kit
	start   chan struct{} // closed when files and patterns may begin
	// patternsOnly: all sources end by themselves when the duration is over.
	patternsOnly bool
}

// record joins everybody, records until it is time to stop, and finishes the
// file. An error with a result that has an ID means that there is something
// to report all the same.
func (s *session) record(ctx context.Context, people []participant, b recorder.Binding) (recorder.Result, error) {
	// While this pacer is awake a virtual clock stands still: all sources
	// begin at the same instant, and the end comes when it is due.
	pacer := s.clock.NewPacer()
	defer pacer.Close()
	room, err := s.kit.CreateRoom(ctx, s.command.Room)
	if err != nil {
		return recorder.Result{}, err
	}
	defer s.kit.Close(context.WithoutCancel(ctx))
	var sessions []*roomkit.Session
	s.patternsOnly = true
	for i, p := range people {
		for j, src := range p.sources {
			sess, err := s.join(ctx, p, src, i, j)
			if err != nil {
				return recorder.Result{}, err
			}
			sessions = append(sessions, sess)
			s.patternsOnly = s.patternsOnly && src.pattern()
		}
	}
	if err := room.StartRecording(ctx, b); err != nil {
		return recorder.Result{}, err
	}
	close(s.start)

	live := newProgress(s.std.err, room, time.Duration(s.command.Duration))
	stopped := s.wait(ctx, pacer, sessions)
	live.stop()

	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	results, err := s.kit.CloseRoom(bounded, room.ID())
	if len(results) == 0 {
		return recorder.Result{}, err
	}
	if errors.Is(results[0].Err, recorder.ErrNoMedia) {
		err = errors.Join(err, fmt.Errorf("%w%s", results[0].Err, silent(people)))
	}
	return results[0], errors.Join(stopped, err)
}

// join connects one source of a participant: each has a channel of its own.
func (s *session) join(ctx context.Context, p participant, src source, person, n int) (*roomkit.Session, error) {
	b, err := s.backend(p, src, person)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w%s", src, p.name, err, hint(src, err))
	}
	id := fmt.Sprintf("%s/%s", p.name, src.kind)
	if n > 0 {
		id = fmt.Sprintf("%s/%d", id, n)
	}
	if err := s.kit.RegisterChannel(channel(id, src, b)); err != nil {
		return nil, err
	}
	sess, err := s.kit.Join(ctx, s.command.Room, id, roomkit.WithParticipant(p.name))
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, hint(src, err))
	}
	return sess, nil
}

func channel(id string, src source, b backend.Backend) roomkit.Channel {
	switch src.kind {
	case sourceMic:
		return roomkit.NewVoiceChannel(id, b)
	case sourceWebcam, sourceScreen:
		return roomkit.NewVideoChannel(id, b)
	}
	return roomkit.NewAudioVideoChannel(id, b)
}

// backend makes the source's backend.
func (s *session) backend(p participant, src source, person int) (backend.Backend, error) {
	c := s.command
	switch src.kind {
	case sourceMic:
		return device.NewMicrophone(device.Options{Device: src.arg}), nil
	case sourceWebcam:
		name := src.arg
		if name == "" {
			name = fmt.Sprint(c.Device)
		}
		return device.NewCamera(device.Options{Device: name, FPS: float64(c.FPS)}), nil
	case sourceScreen:
		return device.NewScreen(device.Options{Device: src.arg, FPS: float64(c.FPS)}), nil
	case sourceFile:
		return file.New(src.arg, file.Options{Start: s.start, Encoded: true}), nil
	case sourceRTP:
		return rtp.Open(src.arg, rtp.Options{})
	}
	o := testpattern.Options{
		Name: p.name, FPS: float64(c.FPS), Duration: time.Duration(c.Duration), Start: s.start,
		Live: !c.Fast, Tone: tone(person),
	}
	if src.kind == sourceAVSync {
		o.Pattern = testpattern.AVSync
	}
	return testpattern.New(o)
}

// tone gives each participant a pitch of their own, in fifths from A4.
func tone(person int) int {
	hz := 440.0
	for range person % 5 {
		hz *= 1.5
	}
	return int(hz)
}

// hint says what to do about a source that does not open.
func hint(src source, err error) string {
	switch notFound := errors.Is(err, backend.ErrNotFound); {
	case src.device() && notFound:
		return "\n\"roomkit devices\" lists what there is; without a device try --participant demo=test"
	case src.kind == sourceRTP && notFound:
		return "\na sender's session description is wanted here; FFmpeg writes it with -sdp_file, as in\n\n" + ffmpegSender
	case errors.Is(err, rtp.ErrPortInUse):
		return "\nanother program receives there: end it, or send to another port and change the m= line of " + src.arg
	}
	return ""
}

// ffmpegSender is a command that makes an SDP and sends what it describes.
const ffmpegSender = `  ffmpeg -re -i talk.mp4 -map 0:v -c:v libx264 -tune zerolatency -g 50 -f rtp rtp://127.0.0.1:5004 \
                        -map 0:a -c:a libopus -f rtp rtp://127.0.0.1:5006 -sdp_file talk.sdp`

// silent says what may be wrong where nothing came to record.
func silent(people []participant) string {
	for _, p := range people {
		for _, src := range p.sources {
			if src.kind == sourceRTP {
				return fmt.Sprintf("\nno packet that can be recorded came to the ports in %s: does the sender run, and send to this machine?", src.arg)
			}
		}
	}
	return ""
}

// lastSamples is how long patterns, which are told the duration and end with
// it by themselves, get to deliver what they captured last.
const lastSamples = 200 * time.Millisecond

func (s *session) awaitLastSamples(ended <-chan struct{}) {
	if !s.patternsOnly {
		return
	}
	select {
	case <-ended:
	case <-time.After(lastSamples):
	}
}

// wait returns when the recording is to end: the context ended (no error), its
// duration is over, or all sources ended, with what those say who failed.
func (s *session) wait(ctx context.Context, pacer media.Pacer, sessions []*roomkit.Session) error {
	ended := make(chan struct{})
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(ended)
		defer cancel()
		for _, sess := range sessions {
			select {
			case <-sess.Done():
			case <-limited.Done():
				return
			}
		}
	}()
	if d := time.Duration(s.command.Duration); d > 0 {
		if pacer.SleepUntil(limited, s.clock.Now()+d) == nil {
			s.awaitLastSamples(ended)
		}
		cancel()
	} else {
		pacer.Close()
	}
	<-ended
	var errs error
	for _, sess := range sessions {
		if err := sess.Err(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("%s: %w", sess.Participant(), err))
		}
	}
	return errs
}
