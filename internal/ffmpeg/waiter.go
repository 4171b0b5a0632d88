package ffmpeg

/*
#include "rk.h"
*/
import "C"

import (
	"context"
	"errors"
	"time"
)

// A waiter makes the calls into an input on a goroutine of its own. A sound
// server that has stopped, a camera that was unplugged, a pipe without a writer
// can keep a call for good, whatever FFmpeg's interrupt says; then the caller
// goes on, and the call is left to end when it will.
type waiter struct {
	calls chan waiterCall
	done  chan C.int
	err   error // of open
}

type waiterCall struct {
	open func() error
	in   *C.rk_input
	p    *C.AVPacket
}

var errAbandoned = errors.New("ffmpeg: input does not answer")

// grace is how long a call that has been interrupted may take to end properly.
const grace = 200 * time.Millisecond

func newWaiter() *waiter {
	w := &waiter{calls: make(chan waiterCall), done: make(chan C.int, 1)}
	go w.run()
	return w
}

func (w *waiter) run() {
	for c := range w.calls {
		if c.open != nil {
			w.err = c.open()
			w.done <- 0
		} else {
			w.done <- C.rk_input_read(c.in, c.p)
		}
	}
}

// open runs the call and returns its error, or errAbandoned if ctx ended and
// the call did not.
func (w *waiter) open(ctx context.Context, call func() error) error {
	w.calls <- waiterCall{open: call}
	if _, ok := w.result(ctx); !ok {
		return errAbandoned
	}
	return w.err
}

// read returns FFmpeg's code, or false if ctx ended and the call did not.
func (w *waiter) read(ctx context.Context, in *C.rk_input, p *C.AVPacket) (C.int, bool) {
	w.calls <- waiterCall{in: in, p: p}
	return w.result(ctx)
}

func (w *waiter) result(ctx context.Context) (C.int, bool) {
	select {
	case code := <-w.done:
		return code, true
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case code := <-w.done:
		return code, true
	case <-t.C:
		return 0, false
	}
}

// afterwards runs f once the call under way has ended.
func (w *waiter) afterwards(f func()) {
	go func() {
		<-w.done
		f()
	}()
}

// stop ends the goroutine, at once or after the call under way.
func (w *waiter) stop() {
	if w.calls != nil {
		close(w.calls)
		w.calls = nil
	}
}
