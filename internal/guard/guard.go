// Package guard calls code that is not ours, such as recorders and backends,
// without trusting it to return, or not to panic.
package guard

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"
)

// A PanicError is a panic that was recovered.
type PanicError struct {
	Value any
	Where string // the innermost functions
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("%v (at %s)", e.Value, e.Where) }

// ErrTooLong: a call took longer than allowed.
var ErrTooLong = errors.New("call takes too long")

// Do makes a call and returns a panic in it as a [*PanicError].
func Do[T any](call func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Recovered(p)
		}
	}()
	return call()
}

// Recovered makes an error of what recover returned. It must be called by the
// deferred function.
func Recovered(value any) *PanicError {
	const shown = 4
	pcs := make([]uintptr, 48)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var where []string
	for panicking := false; len(where) < shown; {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			where = append(where, fmt.Sprintf("%s %s:%d", path.Base(f.Function), path.Base(f.File), f.Line))
		}
		if !more {
			break
		}
	}
	return &PanicError{value, strings.Join(where, ", ")}
}

// Within makes a guarded call in a goroutine of its own and waits for it until
// ctx ends or limit has passed in real time; no limit is 0. Its own errors are
// the context's cause and [ErrTooLong]. When it no longer waits, late (which
// may be nil) gets the outcome whenever there is one.
func Within[T any](ctx context.Context, limit time.Duration, call func() (T, error), late func(T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	out, gone := make(chan outcome), make(chan struct{})
	go func() {
		v, err := Do(call)
		select {
		case out <- outcome{v, err}:
		case <-gone:
			if late != nil {
				late(v, err)
			}
		}
	}()
	var tooLong <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		tooLong = timer.C
	}
	var err error
	select {
	case o := <-out:
		return o.v, o.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-tooLong:
		err = ErrTooLong
	}
	close(gone)
	var none T
	return none, err
}

// Outlive returns a context that ends the given time after ctx does, with the
// same cause.
func Outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(by, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { unhook(); cancel(context.Canceled) }
}
