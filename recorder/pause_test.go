package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestFeedPauses(t *testing.T) {
	ctx, m := context.Background(), &Mock{}
	f := openFeed(t, m)
	for i, c := range []struct{ got, want error }{
		{f.Resume(ctx, 0), ErrNotPaused},
		{f.Pause(ctx, 0, "stop"), ErrConfig},
		{f.Pause(ctx, time.Second, PauseCut), nil},
		{f.Pause(ctx, 2*time.Second, PauseHold), ErrPaused},
		{f.Resume(ctx, 3*time.Second), nil},
		{f.Pause(ctx, 4*time.Second, PauseHold), nil},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("call %d: %v, want %v", i, c.got, c.want)
		}
	}
	want := []Pause{{time.Second, 2 * time.Second, PauseCut}, {4 * time.Second, 0, PauseHold}}
	if got := m.Recordings()[0].Pauses(); !slices.Equal(got, want) {
		t.Errorf("the recorder got %v, want %v", got, want)
	}
	f.Stop(ctx)
	if err := f.Resume(ctx, 0); !errors.Is(err, ErrStopped) {
		t.Errorf("after Stop: %v", err)
	}
}

// A recorder without the method, or whose method breaks, does not hold anybody
// up.
func TestFeedPausesAreGuarded(t *testing.T) {
	ctx := context.Background()
	f := openFeed(t, stub{result: Result{ID: "stub-1"}})
	if err := f.Pause(ctx, 0, PauseCut); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("no Pauser: %v", err)
	}
	f.Stop(ctx)

	release := make(chan struct{})
	defer close(release)
	for want, breaks := range map[error]func(time.Duration, PauseMode) error{
		ErrPanic:        func(time.Duration, PauseMode) error { panic("broken") },
		ErrUnresponsive: func(time.Duration, PauseMode) error { <-release; return nil },
	} {
		f := openFeed(t, &Mock{OnPause: breaks}, stallAfter(20*time.Millisecond))
		if err := f.Pause(ctx, 0, PauseCut); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
		if err := f.Resume(ctx, 0); !errors.Is(err, want) {
			t.Errorf("cut off, then resumed: %v", err)
		}
		if r := f.Stop(ctx); !errors.Is(r.Err, want) {
			t.Errorf("result says %v, want %v", r.Err, want)
		}
	}
}

func TestPauseInJSON(t *testing.T) {
	got, err := json.Marshal(Pause{Start: 1500 * time.Millisecond, Length: 2 * time.Second, Mode: PauseHold})
	if want := `{"start":1.5,"length":2,"mode":"hold"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	r := Result{Pauses: []Pause{{Start: 1}}}
	c := r.Clone()
	if c.Pauses[0].Start = 2; r.Pauses[0].Start != 1 {
		t.Error("a clone shares the list of pauses")
	}
}
