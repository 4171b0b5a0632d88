package roomkit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// These tests put the production recorder beside one that misbehaves, in one
// room, and judge the file that comes out.

// patternRoom is a kit with a test pattern that runs as fast as it can, and
// one room.
type patternRoom struct {
	t      *testing.T
	kit    *roomkit.Kit
	clock  media.Clock
	events *roomkit.Subscription
	start  chan struct{}
}

func newPatternRoom(t *testing.T, clock media.Clock, o testpattern.Options, bindings ...recorder.Binding) *patternRoom {
	t.Helper()
	p := &patternRoom{t: t, kit: roomkit.New(roomkit.WithClock(clock)), clock: clock, start: make(chan struct{})}
	p.events = p.kit.Subscribe()
	o.Start = p.start
	b, err := testpattern.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.kit.RegisterChannel(roomkit.NewAudioVideoChannel("av", b)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(bindings...)); err != nil {
		t.Fatal(err)
	}
	return p
}

// play lets participants join, runs their sources to the end and closes the
// room.
func (p *patternRoom) play(participants ...string) ([]recorder.Result, error) {
	p.t.Helper()
	var sessions []*roomkit.Session
	for _, name := range participants {
		s, err := p.kit.Join(p.t.Context(), "room", "av", roomkit.WithParticipant(name))
		if err != nil {
			p.t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	close(p.start)
	for _, s := range sessions {
		select {
		case <-s.Done():
		case <-time.After(time.Minute):
			p.t.Fatalf("%s does not come to an end", s.Participant())
		}
	}
	return p.kit.CloseRoom(p.t.Context(), "room")
}

func avBinding(t *testing.T, name string, cfg recorder.Config) recorder.Binding {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Storage == "" {
		cfg.Storage = t.TempDir()
	}
	return recorder.Binding{Recorder: rec, Config: cfg, Name: name}
}

var smallPattern = testpattern.Options{Width: 160, Height: 120, FPS: 25, Duration: 4 * time.Second}

// wantWhole fails unless the recording of a four-second small pattern of one
// participant is complete, by its own word and by that of foreign tools.
func wantWhole(t *testing.T, r recorder.Result) {
	t.Helper()
	if r.Err != nil {
		t.Errorf("%s: %v", r.Binding, r.Err)
	}
	if (r.Duration - 4*time.Second).Abs() > time.Millisecond {
		t.Errorf("%s: duration is %v", r.Binding, r.Duration)
	}
	if len(r.Tracks) != 2 {
		t.Fatalf("%s: %d tracks", r.Binding, len(r.Tracks))
	}
	for _, tr := range r.Tracks {
		want := int64(100) // pictures
		if tr.Kind == media.KindAudio {
			want = 200
		}
		if tr.SamplesIn != want || tr.SamplesWritten != want || tr.Losses() != 0 || tr.Err != nil {
			t.Errorf("%s, track %s: %d in, %d written, dropped %v, %v; want %d", r.Binding, tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped, tr.Err, want)
		}
	}
	judge.DecodesClean(t, r.Path)
	f := judge.Probe(t, r.Path)
	if (f.Length() - 4*time.Second).Abs() > 5*time.Millisecond {
		t.Errorf("%s: file lasts %v", r.Binding, f.Length())
	}
	if n := len(judge.Pictures(t, r.Path, 0)); n != 100 {
		t.Errorf("%s: %d pictures in the file", r.Binding, n)
	}
	// FFmpeg plays the last packet, of 1024 frames, to its end.
	if n := len(judge.Audio(t, r.Path, 0, 16000)); n < 64000 || n >= 64000+1024 {
		t.Errorf("%s: %d frames of audio in the file, want 64000", r.Binding, n)
	}
}

func wantBalance(t *testing.T, r recorder.Result) {
	t.Helper()
	for _, tr := range r.Tracks {
		if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
			t.Errorf("%s, track %s: %d in, %d written, dropped %v", r.Binding, tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
		}
	}
}

// saboteur makes a mock that does something in the given call: from the
// twentieth on where there are many.
func saboteur(call string, do func() error) *recorder.Mock {
	m := &recorder.Mock{Label: "saboteur"}
	switch call {
	case "AddTrack":
		m.OnAddTrack = func(recorder.Track) error { return do() }
	case "WriteSample":
		var mu sync.Mutex
		n := 0
		m.OnWrite = func(recorder.Track, media.Sample) error {
			mu.Lock()
			n++
			late := n > 20
			mu.Unlock()
			if late {
				return do()
			}
			return nil
		}
	case "Close":
		m.OnClose = func(recorder.Track) error { return do() }
	case "Stop":
		m.OnStop = func(context.Context) error { return do() }
	}
	return m
}

// Whatever a recorder does in whatever call, its neighbour's file is whole.
func TestProductionRecorderBesideSaboteur(t *testing.T) {
	trouble.NothingLeft(t)
	broken := errors.New("sabotage")
	for _, call := range []string{"AddTrack", "WriteSample", "Close", "Stop"} {
		for how, want := range map[string]error{"panics": recorder.ErrPanic, "hangs": recorder.ErrUnresponsive, "fails": broken} {
			t.Run(call+" "+how, func(t *testing.T) {
				t.Parallel()
				released := make(chan struct{})
				defer close(released)
				bad := saboteur(call, func() error {
					switch how {
					case "panics":
						panic("sabotage")
					case "hangs":
						<-released
					}
					return broken
				})
				room := newPatternRoom(t, media.NewVirtualClock(), smallPattern,
					recorder.Binding{Recorder: bad, Name: "bad", StallTimeout: 500 * time.Millisecond},
					avBinding(t, "good", recorder.Config{}))
				results, err := room.play("ann")
				if !errors.Is(err, want) || !errors.Is(results[0].Err, want) {
					t.Errorf("errors are %v and %v, want %v", err, results[0].Err, want)
				}
				wantBalance(t, results[0])
				wantWhole(t, results[1])
			})
		}
	}
}

// A recorder that cannot start keeps the room from being made, and the file of
// its neighbour, which had started, from staying.
func TestSaboteurInStart(t *testing.T) {
	trouble.NothingLeft(t)
	for how, start := range map[string]func(context.Context, recorder.Config) error{
		"panics": func(context.Context, recorder.Config) error { panic("sabotage") },
		"hangs":  func(ctx context.Context, _ recorder.Config) error { <-ctx.Done(); return ctx.Err() },
		"fails":  func(context.Context, recorder.Config) error { return errors.New("sabotage") },
	} {
		dir := t.TempDir()
		kit := roomkit.New()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := kit.CreateRoom(ctx, "room", roomkit.WithRecorders(
			avBinding(t, "good", recorder.Config{Storage: dir}),
			recorder.Binding{Recorder: &recorder.Mock{OnStart: start}, Name: "bad", StallTimeout: 100 * time.Millisecond}))
		cancel()
		if err == nil || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("%s: error is %v", how, err)
		}
		if left := listDir(t, dir); len(left) > 0 {
			t.Errorf("%s: left behind: %v", how, left)
		}
		if _, err := kit.Room("room"); !errors.Is(err, roomkit.ErrUnknownRoom) {
			t.Errorf("%s: there is a room: %v", how, err)
		}
		if _, err := kit.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Wrong options of the encoder are errors of CreateRoom that name the field.
func TestCreateRoomNamesTheEncodersOption(t *testing.T) {
	trouble.NothingLeft(t)
	kit := roomkit.New()
	dir := t.TempDir()
	_, err := kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		avBinding(t, "main", recorder.Config{Storage: dir, Video: recorder.VideoOptions{Preset: "nonsense"}})))
	var wrong *recorder.ConfigError
	if !errors.As(err, &wrong) || wrong.Field != "Video.Preset" || wrong.Value != "nonsense" || !strings.Contains(wrong.Allowed, "veryfast") {
		t.Errorf("error is %v", err)
	}
	if left := listDir(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A disk that fills up ends one recording of the room and touches nothing
// else.
func TestDiskFullLeavesTheRoomAlone(t *testing.T) {
	for _, format := range []string{"mp4", "mkv", "ts"} {
		t.Run(format, func(t *testing.T) {
			trouble.NothingLeft(t)
			mock := &recorder.Mock{}
			// Less than the header and the pictures of four seconds need, in
			// a file system that rounds up to pages.
			full := avBinding(t, "full", recorder.Config{Storage: trouble.SmallDisk(t, "32k"), Format: format, VideoCodec: "libx264"})
			room := newPatternRoom(t, media.NewVirtualClock(), smallPattern, full,
				recorder.Binding{Recorder: mock, Name: "mock"}, avBinding(t, "good", recorder.Config{}))
			results, err := room.play("ann")
			if !errors.Is(err, syscall.ENOSPC) || !errors.Is(results[0].Err, syscall.ENOSPC) {
				t.Errorf("errors are %v and %v", err, results[0].Err)
			}
			for _, r := range results {
				wantBalance(t, r)
			}
			for _, tr := range results[0].Tracks {
				if tr.Err == nil || tr.Losses() == 0 {
					t.Errorf("full disk, track %s: %v, dropped %v", tr.ID, tr.Err, tr.Dropped)
				}
			}
			if results[1].Err != nil {
				t.Error(results[1].Err)
			}
			rec := mock.Recordings()[0]
			for _, tr := range rec.Tracks() {
				if n := len(rec.Samples(tr.ID)); n != 100 && n != 200 {
					t.Errorf("mock has %d samples of %s", n, tr.ID)
				}
			}
			wantWhole(t, results[2])
		})
	}
}

// A recorder ten times slower than its live sources: what it cannot take is
// counted by track and reason, and its neighbour, a real recorder, has all.
func TestSlowRecorderIsAccountedFor(t *testing.T) {
	trouble.NothingLeft(t)
	slow := &recorder.Mock{Label: "slow", OnWrite: func(tr recorder.Track, _ media.Sample) error {
		if tr.Kind.IsPicture() {
			time.Sleep(50 * time.Millisecond) // where 5 would keep up
		}
		return nil
	}}
	o := testpattern.Options{Width: 64, Height: 48, FPS: 200, Duration: 2 * time.Second, Live: true}
	room := newPatternRoom(t, media.NewRealClock(), o, recorder.Binding{Recorder: slow, Name: "slow"},
		avBinding(t, "good", recorder.Config{}))
	results, err := room.play("ann")
	if err != nil {
		t.Error(err)
	}
	for _, r := range results {
		wantBalance(t, r)
		if len(r.Tracks) != 2 {
			t.Fatalf("%s: %d tracks", r.Binding, len(r.Tracks))
		}
	}
	for i, tr := range results[0].Tracks {
		other := results[1].Tracks[i]
		// The pattern itself leaves pictures out on a machine that is too
		// slow, but tells both recorders the same.
		if tr.SamplesIn != other.SamplesIn || tr.SamplesIn == 0 || other.Losses() != 0 {
			t.Errorf("track %s: %d in, dropped %v; neighbour %d in, dropped %v", tr.ID, tr.SamplesIn, tr.Dropped, other.SamplesIn, other.Dropped)
		}
		full := tr.Dropped[recorder.DropQueueFull]
		if full != tr.Losses() {
			t.Errorf("track %s: dropped %v, want no reason but a full queue", tr.ID, tr.Dropped)
		}
		if tr.Kind.IsPicture() != (full > 0) {
			t.Errorf("track %s: %d samples lost to a full queue", tr.ID, full)
		}
		if n := int64(len(slow.Recordings()[0].Samples(tr.ID))); n != tr.SamplesWritten {
			t.Errorf("track %s: %d written by the result, %d in the recorder", tr.ID, tr.SamplesWritten, n)
		}
	}
	judge.DecodesClean(t, results[1].Path)
}

// Twenty rooms of one kit run side by side, each with a file of its own that
// holds what belongs to it.
func TestManyRooms(t *testing.T) {
	trouble.NothingLeft(t)
	const rooms = 20
	clock := media.NewVirtualClock()
	kit := roomkit.New(roomkit.WithClock(clock))
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	dir, start := t.TempDir(), make(chan struct{})
	var all sync.WaitGroup
	sessions := make([]*roomkit.Session, rooms)
	for i := range rooms {
		all.Go(func() {
			id := fmt.Sprint("room", i)
			// Each has its own length, by which it is recognized.
			b, err := testpattern.New(testpattern.Options{Width: 64, Height: 48, FPS: 10, Start: start,
				Duration: time.Second + time.Duration(i)*100*time.Millisecond})
			if err == nil {
				err = kit.RegisterChannel(roomkit.NewAudioVideoChannel(id, b))
			}
			if err == nil {
				_, err = kit.CreateRoom(t.Context(), id, roomkit.WithRecorders(recorder.Binding{
					Recorder: rec, Config: recorder.Config{Storage: dir, VideoCodec: "libx264"}}))
			}
			if err == nil {
				sessions[i], err = kit.Join(t.Context(), id, id, roomkit.WithParticipant(id))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	close(start)
	for _, s := range sessions {
		<-s.Done()
	}
	results, err := kit.Close(t.Context())
	if err != nil || len(results) != rooms {
		t.Fatalf("%d results, %v", len(results), err)
	}
	seen := map[string]bool{}
	for _, r := range results {
		wantBalance(t, r)
		if seen[r.Path] || len(r.Tracks) != 2 {
			t.Fatalf("%d tracks in %q", len(r.Tracks), r.Path)
		}
		seen[r.Path] = true
		var i int
		fmt.Sscanf(r.Tracks[0].Participant, "room%d", &i)
		want := time.Second + time.Duration(i)*100*time.Millisecond
		if (r.Duration - want).Abs() > time.Millisecond {
			t.Errorf("room %d lasts %v, want %v", i, r.Duration, want)
		}
		for _, tr := range r.Tracks {
			if tr.Losses() != 0 || tr.Participant != r.Tracks[0].Participant {
				t.Errorf("room %d, track %s of %s: dropped %v", i, tr.ID, tr.Participant, tr.Dropped)
			}
		}
	}
	paths := make([]string, 0, rooms)
	for p := range seen {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths[:3] { // decoding all of them takes long and shows no more
		judge.DecodesClean(t, p)
	}
}
