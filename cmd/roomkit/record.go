package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

type recordCommand struct {
	Participant []string `short:"p" sep:"none" placeholder:"NAME=SOURCE[,SOURCE…]" help:"Who takes part, and with what. May be given several times; default local-user=mic,webcam."`
	Output      string   `short:"o" default:"./recordings" placeholder:"DIR" help:"Where the file goes (${default})."`
	Duration    duration `short:"d" default:"0" placeholder:"N|5s|0" help:"How long to record; 0 until all sources end or Ctrl+C (${default})."`
	FPS         int      `name:"fps" default:"0" placeholder:"N" help:"Pictures per second to ask cameras, screens and patterns for; 0 for a camera's own rate, else 30."`
	Device      int      `default:"0" placeholder:"N" help:"Which camera webcam without an index means (${default})."`
	Format      string   `short:"f" default:"mp4" placeholder:"F" help:"Container: mp4, mov, mkv, webm, ts (${default})."`
	VideoCodec  string   `default:"auto" placeholder:"C" help:"Video codec: auto, libx264, h264_nvenc, libx265, copy (${default}). auto copies what a file has encoded already; a named encoder encodes it anew."`
	AudioCodec  string   `default:"" placeholder:"C" help:"Audio codec: aac, libopus, copy (aac; libopus in webm). AAC and Opus of a file are copied as they are, unless libopus is named and it is AAC."`
	SampleRate  int      `default:"16000" placeholder:"HZ" help:"Sample rate of the recorded audio (${default})."`
	Layout      string   `default:"none" enum:"none" placeholder:"L" help:"Composed picture: none, every camera is a track of its own (${default})."`
	Room        string   `default:"room" placeholder:"ID" help:"The room's id, written into the file as its title (${default})."`
	CRF         int      `name:"crf" default:"0" placeholder:"N" help:"Video quality, 1 (best) to 51; 0 for the encoder's default."`
	Bitrate     int      `default:"0" placeholder:"BITS" help:"Video bits per second instead of constant quality."`
	Preset      string   `default:"" placeholder:"P" help:"The video encoder's preset, such as veryfast."`
	Rotate      duration `default:"0" placeholder:"N|10m" help:"Begin a new file after this long; 0 for one file (${default})."`
	RotateSize  byteSize `default:"0" placeholder:"N|500MB" help:"Begin a new file at this size; 0 for one file (${default})."`
	MaxDuration duration `default:"0" placeholder:"N|2h" help:"End the recording when it holds this much; 0 for no limit (${default})."`
	MaxSize     byteSize `default:"0" placeholder:"N|4GB" help:"End the recording when its files have this size; 0 for no limit (${default})."`
	MinFree     byteSize `default:"0" placeholder:"N|1GB" help:"Do not begin, or end the recording, when less than this is free on the disk; 0 for no limit (${default})."`
	Wav         string   `default:"" placeholder:"DIR" help:"Also record the voice of each source alone, as a WAV file in this directory."`
	SessionVid  string   `name:"session-video" default:"" placeholder:"DIR" help:"Also record the pictures of each source alone, as a video file in this directory."`
	FastStart   duration `default:"0" placeholder:"N|1h" help:"Keep room at the front of an mp4 or mov file for the index of a recording this long, so that it plays while it is downloaded; 0 for the index at the end."`
	Fast        bool     `help:"Run files and patterns as fast as the machine allows."`
	JSON        bool     `name:"json" help:"Print the result as JSON on standard output, and nothing else there."`
	Verbose     bool     `short:"v" help:"Say which encoders were chosen and why."`
}

// Help adds what the flags alone do not teach.
func (recordCommand) Help() string {
	return `A SOURCE is one of

  mic[:device]            a microphone, as "roomkit devices" lists them
  webcam[:index or path]  a camera
  screen[:display]        a screen
  file:PATH               the audio and video of a media file, copied without
                          loss where the container can hold them
  rtp:SDPFILE             RTP streams that a session description (SDP) describes
  test                    a moving picture with clock and frame number, and a tone
  avsync                  a flash and a beep each second

Examples:

  roomkit record --participant demo=test --duration 10
  roomkit record --participant host=mic,webcam --participant slides=screen
  roomkit record --participant a=file:talk.mp4 --participant b=file:reply.flac --fast --json
  roomkit record --participant a=file:talk.mp4 --fast --video-codec libx264
  roomkit record --participant camera=rtp:talk.sdp --duration 1m

RTP streams are recorded as they come, to the addresses and ports in the SDP.
FFmpeg makes an SDP and sends what it describes with

` + ffmpegSender + `

and GStreamer sends to such a description, here of a line m=video 5004 RTP/AVP 96
and a line a=rtpmap:96 VP8/90000, with

  gst-launch-1.0 videotestsrc is-live=true ! vp8enc deadline=1 ! rtpvp8pay pt=96 ! udpsink host=127.0.0.1 port=5004

Ctrl+C finishes the file; pressed again it gives up at once.
Exit codes: 0 done, 1 failed, 2 wrong use.`
}

// Run records.
func (c *recordCommand) Run(ctx context.Context, std streams) error {
	participants, err := c.check()
	if err != nil {
		return err
	}
	ctx, stop := withSignals(ctx, std.err)
	defer stop()

	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: level}))
	var clock media.Clock = media.NewRealClock()
	if c.Fast {
		clock = media.NewVirtualClock()
	}
	rec, err := av.NewRecorder(av.WithLogger(log))
	if err != nil {
		return err
	}
	layers, err := c.layers(rec, log)
	if err != nil {
		return err
	}
	s := &session{command: c, std: std, clock: clock, log: log, layers: layers,
		kit:   roomkit.New(roomkit.WithClock(clock), roomkit.WithLogger(log)),
		start: make(chan struct{}), ended: make(chan struct{}), told: make(chan struct{}), reasons: map[string]roomkit.StopReason{}}
	done, err := s.record(ctx, participants, recorder.Binding{Recorder: rec, Config: c.config(), Limits: c.limits()})
	err = configUsage(err)
	if done.room.ID == "" { // never begun
		return err
	}
	return errors.Join(err, done.report(std, c.JSON))
}

// layers makes the recordings that each source gets for itself.
func (c *recordCommand) layers(rec recorder.Recorder, log *slog.Logger) (l layers, err error) {
	if c.Wav != "" {
		r, err := wav.NewRecorder(wav.Options{Logger: log})
		if err = errors.Join(err, directory("--wav", c.Wav)); err != nil {
			return l, err
		}
		l.voice = append(l.voice, roomkit.WithVoiceRecorder(recorder.Binding{Recorder: r, Config: recorder.Config{Storage: c.Wav}, Limits: c.limits()}))
	}
	if c.SessionVid != "" {
		if err := directory("--session-video", c.SessionVid); err != nil {
			return l, err
		}
		cfg := c.config()
		cfg.Storage, cfg.Title = c.SessionVid, ""
		l.video = append(l.video, roomkit.WithVideoRecorder(recorder.Binding{Recorder: rec, Config: cfg, Limits: c.limits()}))
	}
	return l, nil
}

// directory makes a directory before anything is recorded, rather than to find out
// at the end that nothing could be.
func directory(flag, path string) error {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return fmt.Errorf("%s %q: %w", flag, path, err)
	}
	return nil
}

func (c *recordCommand) limits() recorder.Limits {
	return recorder.Limits{MaxDuration: time.Duration(c.MaxDuration), MaxSize: int64(c.MaxSize), MinFree: int64(c.MinFree)}
}

func (c *recordCommand) check() ([]participant, error) {
	participants, err := parseParticipants(c.Participant)
	if err != nil {
		return nil, err
	}
	if c.FPS < 0 || c.FPS > 240 {
		return nil, usagef("--fps is %d (allowed: 1 to 240, or 0 for the default)", c.FPS)
	}
	if strings.TrimSpace(c.Room) == "" {
		return nil, usagef("--room is %q (allowed: any text that is not empty)", c.Room)
	}
	if c.SampleRate == 0 {
		return nil, usagef("--sample-rate is 0 (allowed: 8000 to 96000)")
	}
	// Before any source is opened, which takes time and may fail for a worse
	// reason.
	if err := c.config().WithDefaults().Validate(); err != nil {
		return nil, configUsage(err)
	}
	if c.Device < 0 {
		return nil, usagef("--device is %d (allowed: 0 or more)", c.Device)
	}
	for _, p := range participants {
		for _, s := range p.sources {
			if c.Fast && s.live() {
				return nil, usagef("--fast: %s of %s runs in real time; --fast is for file:, test and avsync", s, p.name)
			}
			if c.Fast && s.endless() && c.Duration == 0 && c.MaxDuration == 0 {
				return nil, usagef("--fast: %s of %s never ends; say how much of it with --duration or --max-duration", s, p.name)
			}
		}
	}
	return participants, nil
}

func (c *recordCommand) config() recorder.Config {
	return recorder.Config{
		Storage: c.Output, Format: c.Format, VideoCodec: c.VideoCodec, AudioCodec: c.AudioCodec,
		AudioSampleRate: c.SampleRate, VideoFPS: c.FPS, Title: c.Room,
		Video:  recorder.VideoOptions{CRF: c.CRF, BitRate: c.Bitrate, Preset: c.Preset},
		File:   recorder.FileOptions{FastStart: time.Duration(c.FastStart), Direct: c.Fast},
		Rotate: recorder.Rotate{Duration: time.Duration(c.Rotate), Size: int64(c.RotateSize)},
	}
}

// withSignals returns a context that ends with the first SIGINT, SIGTERM or
// SIGHUP; the second one ends the process.
func withSignals(ctx context.Context, notices io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			fmt.Fprintln(notices, "\nfinishing the file; press Ctrl+C again to give up")
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitFailed)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
