package mp4

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/trouble"
)

// stuckSync is a disk whose Sync waits for release, once it was called.
type stuckSync struct {
	*trouble.Disk
	called, release chan struct{}
}

func (s stuckSync) Sync() error {
	s.called <- struct{}{}
	<-s.release
	return s.Disk.Sync()
}

// asked is a context that tells when somebody begins to wait for its end.
type asked struct {
	context.Context
	done chan struct{}
}

func (a asked) Done() <-chan struct{} {
	a.done <- struct{}{}
	return nil
}

// Who waits for room in a writer that is aborted gets to know, also where the
// disk had nothing of the queue in hand.
func TestAbortEndsWaits(t *testing.T) {
	d := stuckSync{trouble.NewDisk(nil), make(chan struct{}, 8), make(chan struct{})}
	w, err := NewWriter(d, Options{Fragment: 20 * time.Millisecond, BufferBytes: 64 << 10, SyncInterval: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.AddTrack(TrackConfig{Codec: Opus{Channels: 1, InputRate: 48000}, Timescale: 48000})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.Write(t.Context(), opusAt(0)), w.Flush()); err != nil {
		t.Fatal(err)
	}
	<-d.called
	fill(t, b)
	waits, waiting := asked{t.Context(), make(chan struct{}, 8)}, make(chan error, 1)
	go func() { waiting <- b.Write(waits, opusAt(5000)) }()
	<-waits.done
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Abort(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Abort while the disk is stuck: %v", err)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	close(d.release)
	if err := w.Abort(t.Context()); err != nil {
		t.Error(err)
	}
}

// fill writes until there is no room.
func fill(t *testing.T, b *Track) {
	t.Helper()
	full, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for n := int64(1); n < 5000; n++ {
		s := opusAt(n)
		s.Data = make([]byte, 8<<10)
		if err := b.Write(full, s); err != nil {
			return
		}
	}
	t.Fatal("there is room for everything")
}

// What was written is committed also where nothing of it is to be shown; a
// disk that has failed is left alone, where looking at it would never end.
func TestCommitIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		w    *Writer
		fail error
		want bool
	}{
		"nothing written":         {&Writer{}, nil, false},
		"a fragment":              {&Writer{hidden: []int64{4}, untold: make([]Written, 1)}, nil, true},
		"one that stays hidden":   {&Writer{untold: make([]Written, 1)}, nil, true},
		"the disk has failed":     {&Writer{hidden: []int64{4}, untold: make([]Written, 1)}, syscall.EIO, false},
		"nothing, and has failed": {&Writer{}, syscall.EIO, false},
	} {
		c.w.disk = &disk{failed: c.fail}
		if got := c.w.awaitsCommit(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
