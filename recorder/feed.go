package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
)

const (
	// addPatience is how long AddTrack waits for the recorder to take the
	// track: long enough for every recorder that does not hang.
	addPatience = time.Second
	// Once the caller's context has ended, drainGrace is what the queues still
	// get to run empty, closeGrace what the recording gets to close its file,
	// and answerGrace what it gets to return after that.
	drainGrace  = 500 * time.Millisecond
	closeGrace  = time.Second
	answerGrace = 500 * time.Millisecond
	// reportPatience bounds how long a snapshot waits for the recording's own
	// numbers.
	reportPatience = time.Second
)

// A Feed connects one room to one recording. Each track has a bounded queue
// and a goroutine of its own, so that a recorder that is slow, that fails,
// panics or hangs costs neither the source nor its neighbours anything: it is
// cut off, and the result says why. A Feed is safe for concurrent use.
//
// A goroutine that is stuck in a recorder's code cannot be ended from outside;
// it stays until that code returns.
type Feed struct {
	binding   Binding
	recording Recording
	base      Result // what of the result is known from the start
	log       *slog.Logger

	cutting   sync.Mutex            // held while the inputs are being cut
	failed    atomic.Pointer[error] // why the recorder was cut off
	hung      chan struct{}         // closed when a call has taken too long
	alive     context.Context       // see Context
	die       context.CancelCauseFunc
	lagging   atomic.Bool   // a call of AddTrack has outlasted addPatience
	reporting chan struct{} // holds a token while the recording is asked for its report
	askedAt   atomic.Int64  // since when, in Unix nanoseconds
	stopped   chan struct{} // closed when final is there

	mu       sync.Mutex
	inputs   []*Input
	stopping bool
	isHung   bool
	reported Result // by the recording, last
	final    Result
}

// OpenFeed starts the binding's recording. Defaults are filled in. The error
// wraps [ErrConfig] for wrong values; a recorder that panics is an error that
// wraps [ErrPanic], and one that takes longer than the binding's StallTimeout
// one that wraps [ErrUnresponsive]. ctx bounds the start only; the feed runs
// until Stop, which must be called. log may be nil.
func OpenFeed(ctx context.Context, b Binding, log *slog.Logger) (*Feed, error) {
	b = b.WithDefaults()
	if err := b.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Feed{binding: b, hung: make(chan struct{}), stopped: make(chan struct{}), reporting: make(chan struct{}, 1)}
	f.alive, f.die = context.WithCancelCause(context.Background())
	f.base = Result{Binding: b.Name, Recorder: NameOf(b.Recorder), Started: time.Now()}
	var err error
	f.recording, err = within(ctx, b.StallTimeout, "Start", f.start(ctx), stopLate)
	if err != nil {
		f.die(err)
		return nil, fmt.Errorf("recorder %q cannot start: %w", f.base.Recorder, err)
	}
	f.base.ID, _ = guarded("ID", func() (string, error) { return f.recording.ID(), nil })
	f.log = log.With("binding", b.Name, "recording", f.base.ID)
	return f, nil
}

func (f *Feed) start(ctx context.Context) func() (Recording, error) {
	return func() (Recording, error) {
		r, err := f.binding.Recorder.Start(ctx, f.binding.Config)
		if err == nil && r == nil {
			err = errors.New("recorder: Start returned neither a recording nor an error")
		}
		return r, err
	}
}

// stopLate ends a recording that began when nobody waited for it any more.
func stopLate(r Recording, err error) {
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	_, _ = guarded("Stop", func() (Result, error) { return r.Stop(ctx) })
}

// Name returns the binding's name.
func (f *Feed) Name() string { return f.binding.Name }

// ID returns the recording's id.
func (f *Feed) ID() string { return f.base.ID }

// Err says why the recorder was cut off, nil if it was not. It wraps
// [ErrPanic] or [ErrUnresponsive], or the error of the context that ended
// before the queues were empty.
func (f *Feed) Err() error {
	if err := f.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Context returns a context that ends when the recording can take nothing more:
// its cause is why the recorder was cut off, the recorder's own word for it,
// which wraps [ErrBroken], or [ErrStopped]. One that is broken is still to be
// stopped.
func (f *Feed) Context() context.Context { return f.alive }

// Activity tells the capture times of the first and the latest sample that any
// track was offered, and whether there was one.
func (f *Feed) Activity() (first, latest time.Duration, delivered bool) {
	var all activity
	for _, in := range f.snapshot() {
		if a := in.activity(); a.any {
			all.note(a.first)
			all.note(a.latest)
		}
	}
	return all.first, all.latest, all.any
}

// TrackActivity tells, by their ids, when the tracks that have not ended were
// offered a sample for the last time, in capture time; 0 for never.
func (f *Feed) TrackActivity() map[string]time.Duration {
	at := map[string]time.Duration{}
	for _, in := range f.snapshot() {
		if !in.isClosed() {
			at[in.result.ID] = max(at[in.result.ID], in.activity().latest)
		}
	}
	return at
}

// AddTrack adds a track and returns its way in. It never fails for the room: a
// track that the recorder does not take is in the result with its error, and
// its samples are counted. It waits up to a second for the recorder to take
// the track, so that tracks are added in the order of the calls.
//
// A track with the ID of one whose input is closed is that one, going on behind
// what is queued there; the result has it once.
func (f *Feed) AddTrack(t Track) *Input {
	in := &Input{
		feed: f, wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
		registered: make(chan struct{}), done: make(chan struct{}),
		request: t.RequestKeyFrame,
	}
	t.RequestKeyFrame = nil // or results would keep the source alive
	in.result = TrackResult{Track: t}
	in.watch = watch{limit: f.binding.StallTimeout, overdue: f.overdue}
	if !f.admit(in) {
		return in
	}
	go in.work()
	f.awaitRegistration(in)
	return in
}

// admit adds an input and reports whether it needs a worker: not if the feed
// has ended, and it only counts.
func (f *Feed) admit(in *Input) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stopping:
		in.state = inputEnded
	case f.Err() != nil:
		in.state = inputCut
	}
	if in.state != inputOpen {
		close(in.registered)
		close(in.done)
	}
	for _, other := range f.inputs {
		if other.result.ID == in.result.ID && other.isClosed() {
			in.former = other
		}
	}
	f.inputs = append(f.inputs, in)
	return in.state == inputOpen
}

// awaitRegistration waits for Recording.AddTrack, but not behind a call that
// hangs: order is lost there already.
func (f *Feed) awaitRegistration(in *Input) {
	if f.lagging.Load() {
		return
	}
	timer := time.NewTimer(addPatience)
	defer timer.Stop()
	select {
	case <-in.registered:
	case <-timer.C:
		f.lagging.Store(true)
		go func() {
			<-in.registered
			f.lagging.Store(false)
		}()
	}
}

// fail cuts the recorder off. The first reason counts. On return all inputs are
// cut, whoever did it.
func (f *Feed) fail(err error) {
	f.cutting.Lock()
	first := f.failed.CompareAndSwap(nil, &err)
	f.die(err)
	if first {
		for _, in := range f.snapshot() {
			in.cut()
		}
	}
	f.cutting.Unlock()
	if first {
		f.log.Error("recorder is cut off; the room goes on without it", "error", err)
	}
}

// overdue is what the watch of a call reports.
func (f *Feed) overdue(call string) {
	f.fail(unresponsive(call, f.binding.StallTimeout))
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isHung { // only now: Stop goes by it, and must find the inputs cut
		f.isHung = true
		close(f.hung)
	}
}

func (f *Feed) snapshot() []*Input {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*Input(nil), f.inputs...)
}

// Stop ends the recording: it closes all tracks, lets the queues run empty,
// stops the recording and returns the merged result, whose Err says what went
// wrong. When ctx ends first, what is still queued half a second later is given
// up and counted, and the recording gets about two more seconds to close its
// file. Where a call into the recorder hangs, Stop returns at once with what is
// known; the recording is stopped when that call returns, so that it lets its
// resources go. A second Stop waits for the first and returns the same.
func (f *Feed) Stop(ctx context.Context) Result {
	f.mu.Lock()
	again := f.stopping
	f.stopping = true
	inputs := append([]*Input(nil), f.inputs...)
	f.mu.Unlock()
	if again {
		return f.awaitStop(ctx)
	}
	for _, in := range inputs {
		in.Close()
	}
	var own Result
	var err error
	from := unconfirmed
	if f.drain(ctx, inputs) {
		own, err = f.stopRecording(ctx)
		from = f.verdict(own, err)
	} else {
		go f.stopWhenBack(inputs)
	}
	f.finish(f.assemble(own, err, from))
	return f.Report()
}

// stopWhenBack ends a recording once the last call that hung in it has
// returned. Nobody waits for the outcome.
func (f *Feed) stopWhenBack(inputs []*Input) {
	for _, in := range inputs {
		<-in.done
	}
	stopLate(f.recording, nil)
}

func (f *Feed) finish(r Result) {
	f.mu.Lock()
	f.final = r
	f.mu.Unlock()
	f.die(ErrStopped)
	close(f.stopped)
}

func (f *Feed) awaitStop(ctx context.Context) Result {
	select {
	case <-f.stopped:
	case <-ctx.Done():
	}
	return f.Report()
}

// drain waits for the workers. It reports whether all of them have ended, that
// is whether no call into the recorder is left running. The time without
// progress is bounded by the watch of each call: a worker with something in
// its queue always is in one.
func (f *Feed) drain(ctx context.Context, inputs []*Input) bool {
	ended := make(chan struct{})
	giveUp := make(chan struct{})
	defer close(giveUp)
	go func() {
		for _, in := range inputs {
			select {
			case <-in.done:
			case <-giveUp:
				return
			}
		}
		close(ended)
	}()
	hurry, cancel := guard.Outlive(ctx, drainGrace)
	defer cancel()
	select {
	case <-ended:
		return true
	case <-f.hung:
		return allDone(inputs)
	case <-hurry.Done():
	}
	f.fail(fmt.Errorf("recorder: stopped before its queues were empty: %w", context.Cause(hurry)))
	timer := time.NewTimer(closeGrace) // for the calls that are being made
	defer timer.Stop()
	select {
	case <-ended:
	case <-f.hung:
	case <-timer.C:
	}
	return allDone(inputs)
}

// allDone reports whether the workers have ended, those included that were
// stuck once and came back.
func allDone(inputs []*Input) bool {
	for _, in := range inputs {
		select {
		case <-in.done:
		default:
			return false
		}
	}
	return true
}

// stopRecording calls Recording.Stop. Its context outlives the caller's: a
// file that is closed properly is worth a second to whoever is in a hurry.
func (f *Feed) stopRecording(ctx context.Context) (Result, error) {
	ctx, cancel := guard.Outlive(ctx, closeGrace)
	defer cancel()
	wait, cancelWait := guard.Outlive(ctx, answerGrace)
	defer cancelWait()
	type stopped struct {
		Result
		err error
	}
	s, err := within(wait, f.binding.StallTimeout, "Stop", func() (stopped, error) {
		r, err := f.recording.Stop(ctx)
		return stopped{r, err}, nil // the result counts even beside an error
	}, nil)
	if err != nil {
		return Result{}, err
	}
	return s.Result, s.err
}

// A verdict says how much a result of the recording is worth.
type verdict uint8

const (
	running     verdict = iota // a snapshot: samples may be on their way inside the recorder
	confirmed                  // the recording was stopped and has told its result
	unconfirmed                // it could not be asked, or said nothing but an error
)

func (f *Feed) verdict(own Result, err error) verdict {
	if err != nil && len(own.Tracks) == 0 {
		return unconfirmed
	}
	return confirmed
}

// Pause pauses the recording; see [Pauser]. The error wraps
// [errors.ErrUnsupported] where it is none. One that panics, or does not return
// within the binding's StallTimeout, is cut off. ctx bounds the wait.
func (f *Feed) Pause(ctx context.Context, at time.Duration, mode PauseMode) error {
	if err := mode.Validate(); err != nil {
		return err
	}
	return f.pauser(ctx, "Pause", func(p Pauser) error { return p.Pause(at, mode) })
}

// Resume ends a pause, with the errors of Pause.
func (f *Feed) Resume(ctx context.Context, at time.Duration) error {
	return f.pauser(ctx, "Resume", func(p Pauser) error { return p.Resume(at) })
}

func (f *Feed) pauser(ctx context.Context, name string, call func(Pauser) error) error {
	p, ok := f.recording.(Pauser)
	if !ok {
		return fmt.Errorf("recorder %q cannot pause: %w", f.base.Recorder, errors.ErrUnsupported)
	}
	f.mu.Lock()
	stopping := f.stopping
	f.mu.Unlock()
	if stopping {
		return ErrStopped
	}
	if err := f.Err(); err != nil {
		return err
	}
	_, err := within(ctx, f.binding.StallTimeout, name, func() (struct{}, error) { return struct{}{}, call(p) }, nil)
	if errors.Is(err, ErrPanic) || errors.Is(err, ErrUnresponsive) {
		f.fail(err)
	}
	return err
}

// Report returns the result so far. While the feed runs it has the recording's
// own numbers where that is a [Reporter], and SamplesIn counts those on their
// way too. After Stop it is the final result.
func (f *Feed) Report() Result {
	f.mu.Lock()
	stopping := f.stopping
	f.mu.Unlock()
	select {
	case <-f.stopped:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.final.Clone()
	default:
	}
	own := f.lastReport()
	if r, ok := f.recording.(Reporter); ok && !stopping && f.Err() == nil {
		own = f.ask(r)
	}
	return f.assemble(own, nil, running)
}

// ask calls Reporter.Report, one call at a time, and returns what it said last
// where it says nothing in time.
func (f *Feed) ask(r Reporter) Result {
	if !f.awaitTurn() {
		return f.lastReport()
	}
	own, err := within(context.Background(), reportPatience, "Report", func() (Result, error) {
		defer func() { <-f.reporting }()
		own := r.Report()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reported = own
		return own.Clone(), nil
	}, nil)
	if errors.Is(err, ErrPanic) {
		f.fail(err)
	}
	if err != nil {
		return f.lastReport()
	}
	return own
}

// awaitTurn waits for the call that is being made, as long as that one may take:
// who comes when it has hung for long does not wait.
func (f *Feed) awaitTurn() bool {
	left := reportPatience - time.Since(time.Unix(0, f.askedAt.Load()))
	timer := time.NewTimer(max(left, 0))
	defer timer.Stop()
	select {
	case f.reporting <- struct{}{}:
	default:
		select {
		case f.reporting <- struct{}{}:
		case <-timer.C:
			return false
		}
	}
	f.askedAt.Store(time.Now().UnixNano())
	return true
}

func (f *Feed) lastReport() Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reported.Clone()
}

// assemble makes the result of the binding: the recording's own, the feed's
// counts merged into it by the rule told at [TrackResult].
func (f *Feed) assemble(own Result, err error, from verdict) Result {
	r := own
	r.Binding, r.Recorder = f.base.Binding, f.base.Recorder
	setDefault(&r.ID, f.base.ID)
	if r.Started.IsZero() {
		r.Started = f.base.Started
	}
	byID := make(map[string]*TrackResult, len(own.Tracks))
	for i := range own.Tracks {
		byID[own.Tracks[i].ID] = &own.Tracks[i]
	}
	r.Tracks = make([]TrackResult, 0, len(own.Tracks))
	var faults []error
	for _, visits := range byTrack(f.snapshot()) {
		id := visits[0].result.ID
		if !leftOut(visits) {
			r.Tracks = append(r.Tracks, merge(visits, byID[id], from))
		}
		delete(byID, id)
		for _, in := range visits {
			// What the recording says for all tracks is not repeated for each.
			if err := in.brokenBy(); err != nil && !errors.Is(own.Err, err) {
				faults = append(faults, fmt.Errorf("track %q: %w", id, err))
			}
		}
	}
	for _, t := range own.Tracks { // tracks of the recording's own making
		if byID[t.ID] != nil {
			r.Tracks = append(r.Tracks, t)
		}
	}
	r.Err = join(append([]error{f.Err(), err, own.Err}, faults...))
	return r
}

// byTrack puts the inputs of one track together, in the order they came.
func byTrack(inputs []*Input) (tracks [][]*Input) {
	at := map[string]int{}
	for _, in := range inputs {
		i, known := at[in.result.ID]
		if !known {
			i = len(tracks)
			at[in.result.ID], tracks = i, append(tracks, nil)
		}
		tracks[i] = append(tracks[i], in)
	}
	return tracks
}

// join is errors.Join without what another of the errors says already.
func join(errs []error) error {
	var out []error
next:
	for _, err := range errs {
		if err == nil {
			continue
		}
		for i, o := range out {
			if errors.Is(o, err) {
				continue next
			}
			if errors.Is(err, o) { // the same with more words
				out[i] = err
				continue next
			}
		}
		out = append(out, err)
	}
	if len(out) == 1 {
		return out[0]
	}
	return errors.Join(out...)
}
