package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// childCommand makes this program a single recording: what is measured needs a
// process of its own.
const childCommand = "record-child"

// job says what the child records; it comes as JSON on standard input.
type job struct {
	Video  string
	Format media.VideoFormat
	Audio  []string
	Config recorder.Config
	// Live is how long to record in real time from a source that never waits,
	// with an encoder that is too slow; 0 to record the files unpaced.
	Live    time.Duration
	Profile string // a file for the CPU profile, empty for none

	Copy, CopyTo string // instead of recording: files, see copyFile
	Rooms        roomsJob
	Calls        callsJob
	Film         string // instead of raw files: one that is encoded, see recordFilm
}

// outcome is what the child has to say, as JSON on standard output.
type outcome struct {
	Path       string
	Size       int64
	SamplesIn  map[string]int64 // by track
	Lost       map[string]map[recorder.DropReason]int64
	Allocated  allocations
	PushMicros []float64 // how long each push took
	Rooms      roomsOutcome
	Calls      callsOutcome
}

// lost returns how many samples of all tracks are not in the file.
func (o outcome) lost() int64 {
	var n int64
	for _, reasons := range o.Lost {
		for _, k := range reasons {
			n += k
		}
	}
	return n
}

func child(in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	if j.Profile != "" {
		f, err := os.Create(j.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	run := recordFiles
	switch {
	case j.Copy != "":
		run = copyFile
	case j.Rooms.Dir != "":
		run = writeRooms
	case j.Calls.Dir != "":
		run = recordCalls
	case j.Film != "":
		run = recordFilm
	case j.Live > 0:
		run = recordLive
	}
	o, err := run(context.Background(), j)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(o)
}

// recordFiles records raw files on a virtual clock, which waits for nobody: as
// "roomkit record --fast" does.
func recordFiles(ctx context.Context, j job) (outcome, error) {
	rec, err := av.NewRecorder()
	if err != nil {
		return outcome{}, err
	}
	src := &rawSource{video: j.Video, format: j.Format, audio: j.Audio}
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()))
	o, err := recordFrom(ctx, kit, src, recorder.Binding{Recorder: rec, Config: j.Config})
	o.Allocated = src.steady
	return o, err
}

// recordFrom records a source in a room of its own until the source ends.
func recordFrom(ctx context.Context, kit *roomkit.Kit, src backend.Backend, b recorder.Binding) (outcome, error) {
	defer kit.Close(ctx)
	room, err := kit.CreateRoom(ctx, "bench", roomkit.WithRecorders(b))
	if err != nil {
		return outcome{}, err
	}
	if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("av", src)); err != nil {
		return outcome{}, err
	}
	session, err := kit.Join(ctx, room.ID(), "av", roomkit.WithParticipant("user-1"))
	if err != nil {
		return outcome{}, err
	}
	select {
	case <-session.Done():
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	results, err := kit.CloseRoom(ctx, room.ID())
	if err != nil {
		return outcome{}, err
	}
	return newOutcome(results[0]), session.Err()
}

func newOutcome(r recorder.Result) outcome {
	o := outcome{Path: r.Path, Size: r.Size, SamplesIn: map[string]int64{}, Lost: map[string]map[recorder.DropReason]int64{}}
	for _, t := range r.Tracks {
		o.SamplesIn[t.Kind.String()] += t.SamplesIn
		if len(t.Dropped) > 0 {
			o.Lost[t.Kind.String()] = t.Dropped
		}
	}
	return o
}

// record runs a job in a child and returns what it cost.
func record(ctx context.Context, j job) (outcome, usage, error) {
	self, err := os.Executable()
	if err != nil {
		return outcome{}, usage{}, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return outcome{}, usage{}, err
	}
	cmd := exec.CommandContext(ctx, self, childCommand)
	var answer bytes.Buffer
	cmd.Stdin, cmd.Stdout = bytes.NewReader(text), &answer
	u, err := measure(cmd)
	if err != nil {
		return outcome{}, u, fmt.Errorf("our recording: %w", err)
	}
	var o outcome
	if err := json.Unmarshal(answer.Bytes(), &o); err != nil {
		return outcome{}, u, err
	}
	return o, u, nil
}
