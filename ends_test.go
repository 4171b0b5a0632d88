package roomkit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend/testpattern"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// ending is one recording of a room with a test pattern, about to end.
type ending struct {
	*testing.T
	kit     *roomkit.Kit
	room    *roomkit.Room
	session *roomkit.Session
	clock   *media.VirtualClock
	events  *roomkit.Subscription
	play    func() // lets the pattern run to its end
	dir     string // where the files are
}

// wait waits for the recording to have ended.
func (e *ending) wait() {
	e.Helper()
	eventually(e.T, "the end", func() bool {
		all := e.room.Status()
		return len(all) == 0 || all[0].State == roomkit.StateStopped
	})
}

// Each way for a recording to end: exactly one event says so, with its reason and
// its result, nothing is told after it, and nothing is left behind.
func TestEnds(t *testing.T) {
	seconds := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for name, c := range map[string]struct {
		limits      recorder.Limits
		storage     func(t *testing.T) string
		end         func(e *ending)
		reason      roomkit.StopReason
		least, most time.Duration // of the media
		fails       bool
	}{
		"the room is closed": {
			end:    func(e *ending) { e.play(); must(e.kit.CloseRoom(e.Context(), "room"))(e.T) },
			reason: roomkit.StopRoomClosed, least: seconds(4), most: seconds(4),
		},
		"the recording is stopped": {
			end:    func(e *ending) { e.play(); must(e.room.StopRecording(e.Context(), "main"))(e.T) },
			reason: roomkit.StopRequested, least: seconds(4), most: seconds(4),
		},
		"the kit is closed": {
			end:    func(e *ending) { e.play(); must(e.kit.Close(e.Context()))(e.T) },
			reason: roomkit.StopShutdown, least: seconds(4), most: seconds(4),
		},
		"the last one leaves": {
			limits: recorder.Limits{WhenEmpty: true},
			end:    func(e *ending) { e.play(); e.wait() },
			reason: roomkit.StopEmpty, least: seconds(4), most: seconds(4),
		},
		"nothing comes any more": {
			limits: recorder.Limits{IdleTimeout: seconds(10)},
			end:    func(e *ending) { e.play(); e.clock.Advance(seconds(9)); e.clock.Advance(seconds(2)); e.wait() },
			reason: roomkit.StopIdle, least: seconds(4), most: seconds(4),
		},
		"it is long enough": {
			limits: recorder.Limits{MaxDuration: seconds(1.5)},
			end:    func(e *ending) { e.play(); e.wait() },
			reason: roomkit.StopMaxDuration, least: seconds(1.4), most: seconds(1.6),
		},
		"it is large enough": {
			limits: recorder.Limits{MaxSize: 20_000},
			end:    func(e *ending) { e.play(); e.wait() },
			reason: roomkit.StopMaxSize, least: seconds(0.2), most: seconds(3.5),
		},
		"the disk fills up": {
			limits:  recorder.Limits{MinFree: 4 << 20},
			storage: func(t *testing.T) string { return trouble.SmallDisk(t, "32m") },
			end: func(e *ending) {
				e.play()
				if err := os.WriteFile(filepath.Join(e.dir, "other"), make([]byte, 26<<20), 0o600); err != nil {
					e.Fatal(err)
				}
				e.clock.Advance(seconds(2))
				e.wait()
			},
			reason: roomkit.StopDiskSpace, least: seconds(4), most: seconds(4),
		},
		"its file cannot be written": {
			storage: func(t *testing.T) string { return trouble.SmallDisk(t, "1m") },
			end:     func(e *ending) { e.play(); e.wait() },
			reason:  roomkit.StopFailed, most: seconds(4), fails: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			dir := t.TempDir()
			if c.storage != nil {
				dir = c.storage(t)
			}
			o := smallPattern
			if c.fails { // more than the disk holds
				o.Width, o.Height = 640, 480
			}
			b := avBinding(t, "main", recorder.Config{Storage: dir})
			b.Limits = c.limits
			p := newPatternRoom(t, media.NewVirtualClock(), o, b)
			defer p.kit.Close(context.Background())
			e := &ending{T: t, kit: p.kit, clock: p.clock.(*media.VirtualClock), events: p.events}
			e.room = must(p.kit.Room("room"))(t)
			e.session = must(p.kit.Join(t.Context(), "room", "av", roomkit.WithParticipant("ann")))(t)
			e.play = func() {
				close(p.start)
				<-e.session.Done()
			}
			e.dir = dir
			c.end(e)
			results, err := p.kit.Close(t.Context())
			stopped := onlyStop(t, e.events, "main")
			if stopped.Reason != c.reason {
				t.Errorf("reason %q, want %q", stopped.Reason, c.reason)
			}
			r := stopped.Result
			balanced(t, r)
			if (r.Err != nil) != c.fails {
				t.Errorf("result's error %v", r.Err)
			}
			if d := r.Duration; d < c.least-time.Millisecond || d > c.most+time.Millisecond {
				t.Errorf("%v of media, want %v to %v", d, c.least, c.most)
			}
			// Whoever closes the room gets the result of what ended before, too.
			switch c.reason {
			case roomkit.StopRoomClosed, roomkit.StopRequested, roomkit.StopShutdown:
			default:
				if len(results) != 1 || results[0].ID != r.ID || results[0].Duration != r.Duration || (err != nil) != c.fails {
					t.Errorf("closing gives %+v, %v", results, err)
				}
			}
			if !c.fails {
				wantPlays(t, r.Path, r.Duration)
			}
		})
	}
}

// onlyStop reads all events of a kit that is closed and returns the one with which
// a recording stopped; there is nothing about it after that.
func onlyStop(t *testing.T, events *roomkit.Subscription, name string) (stopped roomkit.RecordingStopped) {
	t.Helper()
	starts, stops := 0, 0
	for e := range events.Events() {
		if e.About().Recording != name {
			continue
		}
		if stops > 0 {
			t.Errorf("%s: %q after it has stopped", name, e.Kind())
		}
		switch e := e.(type) {
		case roomkit.RecordingStarted:
			starts++
		case roomkit.RecordingStopped:
			stopped, stops = e, stops+1
		}
	}
	if starts != 1 || stops != 1 {
		t.Fatalf("%s: started %d times, stopped %d times", name, starts, stops)
	}
	return stopped
}

func wantPlays(t *testing.T, path string, d time.Duration) {
	t.Helper()
	judge.DecodesClean(t, path)
	if f := judge.Probe(t, path); (f.Length() - d).Abs() > 5*time.Millisecond {
		t.Errorf("%s lasts %v, want %v", path, f.Length(), d)
	}
}

// A session's own recordings end with it, with the room and with the kit.
func TestLayersEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end    func(e *ending)
		reason roomkit.StopReason
	}{
		"the source ends": {func(e *ending) { e.play(); e.wait() }, roomkit.StopSessionEnded},
		"they leave": {func(e *ending) {
			if err := e.kit.Leave(e.Context(), e.session.ID()); err != nil {
				e.Error(err)
			}
		}, roomkit.StopSessionEnded},
		"the room is closed":  {func(e *ending) { must(e.kit.CloseRoom(e.Context(), "room"))(e.T) }, roomkit.StopRoomClosed},
		"the kit is closed":   {func(e *ending) { must(e.kit.Close(e.Context()))(e.T) }, roomkit.StopShutdown},
		"it is stopped alone": {func(e *ending) { must(e.room.StopRecording(e.Context(), "own/"+e.session.ID()))(e.T) }, roomkit.StopRequested},
	} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			clock, start := media.NewVirtualClock(), make(chan struct{})
			kit := roomkit.New(roomkit.WithClock(clock))
			o := smallPattern
			o.Start = start
			b := must(testpattern.New(o))(t)
			if err := kit.RegisterChannel(roomkit.NewAudioVideoChannel("av", b, roomkit.WithVideoRecorder(avBinding(t, "own", recorder.Config{})))); err != nil {
				t.Fatal(err)
			}
			events := kit.Subscribe()
			room := must(kit.CreateRoom(t.Context(), "room"))(t)
			s := must(kit.Join(t.Context(), "room", "av", roomkit.WithParticipant("ann")))(t)
			if !room.IsRecorded() {
				t.Error("nothing is recorded while they are there")
			}
			c.end(&ending{T: t, kit: kit, room: room, session: s, play: func() { close(start); <-s.Done() }})
			if _, err := kit.Close(t.Context()); err != nil {
				t.Error(err)
			}
			stopped := onlyStop(t, events, "own/"+s.ID())
			if stopped.Reason != c.reason || stopped.Session != s.ID() || stopped.Participant != "ann" {
				t.Errorf("stopped by %q of %q (%s), want %q", stopped.Reason, stopped.Session, stopped.Participant, c.reason)
			}
			r := stopped.Result
			if name != "the source ends" {
				if !errors.Is(r.Err, recorder.ErrNoMedia) {
					t.Errorf("nothing came, and the result is %v", r.Err)
				}
				return
			}
			if r.Err != nil || len(r.Tracks) != 1 || r.Tracks[0].Kind != media.KindVideo || !strings.HasPrefix(filepath.Base(r.Path), "video_ann_") {
				t.Errorf("result %+v", r)
			}
			wantPlays(t, r.Path, 4*time.Second)
			if own := s.Recordings(); len(own) != 1 || own[0].Path != r.Path {
				t.Errorf("the session says %+v", own)
			}
		})
	}
}
