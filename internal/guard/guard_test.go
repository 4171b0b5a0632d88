package guard

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDoRecovers(t *testing.T) {
	_, err := Do(func() (int, error) { panic("ouch") })
	var p *PanicError
	if !errors.As(err, &p) || p.Value != "ouch" || !strings.HasPrefix(p.Where, "guard.TestDoRecovers") {
		t.Errorf("error %v", err)
	}
	var none *PanicError
	if _, err := Do(func() (int, error) { return len(none.Where), nil }); !errors.As(err, &p) || !strings.Contains(p.Where, "guard_test.go") {
		t.Errorf("error of a runtime panic %v", err)
	}
	if v, err := Do(func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

func TestWithin(t *testing.T) {
	ctx := t.Context()
	release := make(chan struct{})
	late := make(chan int, 2)
	hang := func() (int, error) { <-release; return 7, nil }
	told := func(v int, err error) { late <- v }
	if _, err := Within(ctx, time.Millisecond, hang, told); err != ErrTooLong {
		t.Errorf("error %v", err)
	}
	cause := errors.New("changed my mind")
	ended, cancel := context.WithCancelCause(ctx)
	cancel(cause)
	if _, err := Within(ended, 0, hang, told); err != cause {
		t.Errorf("error %v", err)
	}
	close(release)
	if v := <-late + <-late; v != 14 {
		t.Errorf("late outcomes add up to %d", v)
	}
	if v, err := Within(ctx, 0, hang, nil); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

func TestOutlive(t *testing.T) {
	cause := errors.New("enough")
	ctx, end := context.WithCancelCause(t.Context())
	out, cancel := Outlive(ctx, 30*time.Millisecond)
	defer cancel()
	begun := time.Now()
	end(cause)
	<-out.Done()
	if took := time.Since(begun); took < 30*time.Millisecond || context.Cause(out) != cause {
		t.Errorf("ended after %v with %v", took, context.Cause(out))
	}
	out, cancel = Outlive(t.Context(), time.Hour)
	cancel()
	<-out.Done()
}
