package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	layers  layers
	kit     *roomkit.Kit
	start   chan struct{} // closed when files and patterns may begin
	events  *roomkit.Subscription
	ended   chan struct{} // closed when the recording has
	told    chan struct{} // closed when nothing more will be told
	// Valid once told is closed:
	reason    roomkit.StopReason            // why
	unstarted []error                       // of sources' own recordings
	reasons   map[string]roomkit.StopReason // why each recording has ended
	// patternsOnly: all sources end by themselves when the duration is over.
	patternsOnly bool
}

// layers are the recordings that each source gets for itself.
type layers struct{ voice, video []roomkit.ChannelOption }

// record joins everybody, records until it is time to stop, and finishes the
// file. An error with a result that has an ID means that there is something
// to report all the same.
func (s *session) record(ctx context.Context, people []participant, b recorder.Binding) (outcome, error) {
	// While this pacer is awake a virtual clock stands still: all sources
	// begin at the same instant, and the end comes when it is due.
	pacer := s.clock.NewPacer()
	defer pacer.Close()
	defer s.kit.Close(context.WithoutCancel(ctx))
	s.events = s.kit.Subscribe()
	go s.follow()
	room, err := s.kit.CreateRoom(ctx, s.command.Room)
	if err != nil {
		return outcome{}, err
	}
	var sessions []*roomkit.Session
	s.patternsOnly = true
	for i, p := range people {
		for j, src := range p.sources {
			sess, err := s.join(ctx, p, src, i, j)
			if err != nil {
				return outcome{}, err
			}
			sessions = append(sessions, sess)
			s.patternsOnly = s.patternsOnly && src.pattern()
		}
	}
	if err := room.StartRecording(ctx, b); err != nil {
		return outcome{}, err
	}
	close(s.start)

	live := newProgress(s.std.err, room, time.Duration(s.command.Duration))
	stopped := s.wait(ctx, pacer, sessions)
	live.stop()
	done, err := s.finish(ctx, room, sessions)
	if errors.Is(done.room.Err, recorder.ErrNoMedia) {
		err = errors.Join(err, fmt.Errorf("%w%s", done.room.Err, silent(people)))
	}
	return done, errors.Join(stopped, err)
}

// follow notes why the recording of the room ends, and says what its events tell
// somebody who is waiting for it.
func (s *session) follow() {
	defer close(s.told)
	for e := range s.events.Events() {
		switch e := e.(type) {
		case roomkit.RecordingStopped:
			s.reasons[e.Result.Binding] = e.Reason
			if e.Session == "" {
				s.reason = e.Reason
				close(s.ended)
			}
		case roomkit.RecordingError:
			if e.Session != "" && e.ID == "" { // else its result tells
				s.unstarted = append(s.unstarted, fmt.Errorf("recording %s of %s: %w", e.Recording, e.Participant, e.Err))
			}
		case roomkit.MediaStalled:
			if e.Track == "" && e.Session == "" {
				s.log.Warn("nothing comes from any source", "since", e.Since.Round(time.Millisecond))
			}
		}
	}
}

// finish closes the room, or the kit where somebody wants the program to end.
func (s *session) finish(ctx context.Context, room *roomkit.Room, sessions []*roomkit.Session) (done outcome, err error) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	var results []recorder.Result
	if ctx.Err() != nil {
		results, err = s.kit.Close(bounded)
	} else {
		results, err = s.kit.CloseRoom(bounded, room.ID())
	}
	if len(results) == 0 {
		return done, err
	}
	s.events.Close() // what has been told is told to its end
	<-s.told
	done = outcome{room: results[0], reason: s.reason}
	for _, sess := range sessions {
		for _, r := range sess.Recordings() {
			if len(r.Parts) == 0 && errors.Is(r.Err, recorder.ErrNoMedia) { // a source without what it was for
				continue
			}
			done.sessions = append(done.sessions, sourceOutcome{r, s.reasons[r.Binding]})
			if r.Err != nil {
				err = errors.Join(err, fmt.Errorf("recording %s of %s: %w", r.Binding, sess.Participant(), r.Err))
			}
			if s.reasons[r.Binding] == roomkit.StopDiskSpace {
				err = errors.Join(err, fmt.Errorf("recording %s ended early: less than --min-free is free for it", r.Path))
			}
		}
	}
	err = errors.Join(append([]error{err}, s.unstarted...)...)
	if done.reason == roomkit.StopDiskSpace {
		err = errors.Join(err, fmt.Errorf("recording ended early: less than --min-free is free for %s", s.command.Output))
	}
	return done, err
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
	if err := s.kit.RegisterChannel(channel(id, src, b, s.layers)); err != nil {
		return nil, err
	}
	sess, err := s.kit.Join(ctx, s.command.Room, id, roomkit.WithParticipant(p.name))
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, hint(src, err))
	}
	return sess, nil
}

// channel makes a source's channel. A layer for what the source cannot have is
// left out.
func channel(id string, src source, b backend.Backend, layers layers) roomkit.Channel {
	switch src.kind {
	case sourceMic:
		return roomkit.NewVoiceChannel(id, b, layers.voice...)
	case sourceWebcam, sourceScreen:
		return roomkit.NewVideoChannel(id, b, layers.video...)
	}
	return roomkit.NewAudioVideoChannel(id, b, slices.Concat(layers.voice, layers.video)...)
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
	go func() { // a recording may end by itself, at a limit
		select {
		case <-s.ended:
			cancel()
		case <-limited.Done():
		}
	}()
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
