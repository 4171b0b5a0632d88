package running_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/backend/internal/running"
	"github.com/roomkit-live/roomkit-go/backend/internal/sinktest"
	"github.com/roomkit-live/roomkit-go/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func untilClosed(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func returns(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

func start(t *testing.T, sink backend.Sink, runs ...func(context.Context) error) backend.Conn {
	clock := media.NewVirtualClock()
	var streams []running.Stream
	for _, run := range runs {
		streams = append(streams, running.Stream{Pacer: clock.NewPacer(), Run: run})
	}
	conn, err := running.New(t.Context(), sink).Start(t.Context(), streams...)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestTheEndIsToldOnceWithItsReason(t *testing.T) {
	failure := errors.New("cable pulled")
	for name, c := range map[string]struct {
		runs []func(context.Context) error
		want error
	}{
		"all end":                   {[]func(context.Context) error{returns(nil), returns(nil)}, nil},
		"nobody listens":            {[]func(context.Context) error{returns(backend.ErrEnded)}, nil},
		"a failure ends the others": {[]func(context.Context) error{untilClosed, returns(failure)}, failure},
	} {
		sink := sinktest.New(nil)
		conn := start(t, sink, c.runs...)
		if !sink.WaitEnd(10 * time.Second) {
			t.Fatalf("%s: no end", name)
		}
		conn.Close()
		if got := sink.Ends(); !slices.Equal(got, []error{c.want}) {
			t.Errorf("%s: End was called with %v, want %v", name, got, c.want)
		}
	}
}

func TestCloseFromOutsideIsNoEnd(t *testing.T) {
	sink := sinktest.New(nil)
	conn := start(t, sink, untilClosed, untilClosed)
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := sink.Ends(); len(got) != 0 {
		t.Errorf("End was called with %v", got)
	}
}

func TestConnectsContextEndsTheSessionOnlyBeforeTheStart(t *testing.T) {
	sink := sinktest.New(nil)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := running.New(ctx, sink).Start(ctx, running.Stream{Run: untilClosed})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	time.Sleep(10 * time.Millisecond)
	conn.Close()

	late := running.New(ctx, sink)
	<-late.Context().Done()
	if _, err := late.Start(ctx, running.Stream{Run: untilClosed}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start after the context's end: %v, want context.Canceled", err)
	}
	if got := sink.Ends(); len(got) != 0 {
		t.Errorf("End was called with %v", got)
	}
}

// A virtual clock must not run on before the sink has heard of the end.
func TestTimeStandsStillUntilTheEndIsTold(t *testing.T) {
	clock := media.NewVirtualClock()
	sink := &slowSink{Sink: sinktest.New(nil), clock: clock}
	other := clock.NewPacer()
	defer other.Close()
	conn, err := running.New(t.Context(), sink).Start(t.Context(), running.Stream{Pacer: clock.NewPacer(), Run: returns(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.SleepUntil(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if sink.at != 0 {
		t.Errorf("the end was told at %v, want 0", sink.at)
	}
}

type slowSink struct {
	*sinktest.Sink
	clock media.Clock
	at    time.Duration
}

func (s *slowSink) End(err error) {
	time.Sleep(20 * time.Millisecond)
	s.at = s.clock.Now()
	s.Sink.End(err)
}
