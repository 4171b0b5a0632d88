package recorder

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
)

// guarded calls into a recorder and turns a panic into an error that wraps
// [ErrPanic].
func guarded[T any](name string, call func() (T, error)) (T, error) {
	v, err := guard.Do(call)
	return v, named(name, 0, err)
}

// within calls into a recorder like [guard.Within], with this package's
// errors.
func within[T any](ctx context.Context, limit time.Duration, name string, call func() (T, error), late func(T, error)) (T, error) {
	v, err := guard.Within(ctx, limit, call, late)
	return v, named(name, limit, err)
}

// named says which call failed, where it was cut off rather than returned.
func named(name string, limit time.Duration, err error) error {
	var p *guard.PanicError
	switch {
	case errors.As(err, &p):
		return fmt.Errorf("%w in %s: %v", ErrPanic, name, p)
	case errors.Is(err, guard.ErrTooLong):
		return unresponsive(name, limit)
	}
	return err
}

func unresponsive(name string, limit time.Duration) error {
	return fmt.Errorf("%w: %s takes longer than %v", ErrUnresponsive, name, limit)
}

// A watch notices when a call into the recorder takes too long. Its time is
// real time and not the kit's clock: it is about code that hangs, and a
// virtual clock stands still while it does.
type watch struct {
	limit   time.Duration
	overdue func(call string)

	mu    sync.Mutex
	timer *time.Timer
	call  string // empty while none is running
	begun time.Time
}

func (w *watch) begin(call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call, w.begun = call, time.Now()
	if w.timer == nil {
		w.timer = time.AfterFunc(w.limit, w.fire)
		return
	}
	w.timer.Reset(w.limit) // reused: watching does not allocate
}

// end returns how long the call has taken.
func (w *watch) end() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.call = ""
	w.timer.Stop()
	return time.Since(w.begun)
}

func (w *watch) fire() {
	w.mu.Lock()
	call := w.call
	// A timer that fires just as one call ends and the next begins is not
	// about the next.
	late := call != "" && time.Since(w.begun) >= w.limit
	w.mu.Unlock()
	if late {
		w.overdue(call)
	}
}
