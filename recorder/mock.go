package recorder

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// A Mock is a recorder for tests: it keeps tracks and copies of samples in
// memory. The zero value is ready. Its functions are set before it is used;
// each is called in place of success and may block, return an error or panic
// to see how a program takes that.
type Mock struct {
	// Label is what Name returns; default "mock".
	Label string

	OnStart    func(ctx context.Context, cfg Config) error
	OnAddTrack func(t Track) error
	OnWrite    func(t Track, s media.Sample) error // borrows s
	OnClose    func(t Track) error
	OnStop     func(ctx context.Context) error
	OnPause    func(at time.Duration, mode PauseMode) error
	OnResume   func(at time.Duration) error

	mu         sync.Mutex
	recordings []*MockRecording
}

var (
	_ Recorder  = (*Mock)(nil)
	_ Recording = (*MockRecording)(nil)
	_ Reporter  = (*MockRecording)(nil)
	_ Pauser    = (*MockRecording)(nil)
)

// Name implements [Recorder].
func (m *Mock) Name() string {
	if m.Label == "" {
		return "mock"
	}
	return m.Label
}

// Start implements [Recorder].
func (m *Mock) Start(ctx context.Context, cfg Config) (Recording, error) {
	if m.OnStart != nil {
		if err := m.OnStart(ctx, cfg); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &MockRecording{mock: m, cfg: cfg, started: time.Now()}
	r.id = fmt.Sprintf("%s-%d", m.Name(), len(m.recordings)+1)
	m.recordings = append(m.recordings, r)
	return r, nil
}

// Recordings returns all recordings ever started, oldest first.
func (m *Mock) Recordings() []*MockRecording {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.recordings)
}

// A MockRecording is one recording of a [Mock].
type MockRecording struct {
	mock    *Mock
	id      string
	cfg     Config
	started time.Time

	mu      sync.Mutex
	tracks  []*mockTrack
	pauses  []Pause
	paused  bool
	stopped bool
}

type mockTrack struct {
	rec     *MockRecording
	info    Track
	samples []media.Sample
	ended   bool
}

// ID implements [Recording].
func (r *MockRecording) ID() string { return r.id }

// Config returns the configuration the recording was started with.
func (r *MockRecording) Config() Config { return r.cfg }

// Stopped reports whether Stop has been called.
func (r *MockRecording) Stopped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// Tracks returns the tracks in the order they were added.
func (r *MockRecording) Tracks() []Track {
	r.mu.Lock()
	defer r.mu.Unlock()
	tracks := make([]Track, len(r.tracks))
	for i, t := range r.tracks {
		tracks[i] = t.info
	}
	return tracks
}

// Samples returns the samples of a track in the order they were written, nil
// for an unknown track. They are copies of what was given to the recorder and
// may be kept.
func (r *MockRecording) Samples(trackID string) []media.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.find(trackID); t != nil {
		return slices.Clone(t.samples)
	}
	return nil
}

// Ended reports whether the track has been closed.
func (r *MockRecording) Ended(trackID string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.find(trackID)
	return t != nil && t.ended
}

func (r *MockRecording) find(trackID string) *mockTrack {
	for _, t := range r.tracks {
		if t.info.ID == trackID {
			return t
		}
	}
	return nil
}

// AddTrack implements [Recording].
func (r *MockRecording) AddTrack(t Track) (TrackWriter, error) {
	if f := r.mock.OnAddTrack; f != nil {
		if err := f(t); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nil, ErrStopped
	}
	if known := r.find(t.ID); known != nil {
		if !known.ended {
			return nil, fmt.Errorf("%w: %q", ErrTrackExists, t.ID)
		}
		known.ended = false
		known.info.RequestKeyFrame = t.RequestKeyFrame
		return known, nil
	}
	track := &mockTrack{rec: r, info: t}
	r.tracks = append(r.tracks, track)
	return track, nil
}

// WriteSample implements [TrackWriter].
func (t *mockTrack) WriteSample(s media.Sample) error {
	if f := t.rec.mock.OnWrite; f != nil {
		if err := f(t.info, s); err != nil {
			return err
		}
	}
	if err := s.Validate(); err != nil {
		return err
	}
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	if t.ended || t.rec.stopped {
		return ErrTrackEnded
	}
	t.samples = append(t.samples, copySample(s))
	return nil
}

// copySample copies the payload too: it is only borrowed, and its buffer will
// be used again.
func copySample(s media.Sample) media.Sample {
	if s.PCM != nil {
		s.PCM = &media.PCM{Format: s.PCM.Format, Data: slices.Clone(s.PCM.Data)}
	}
	if s.Picture != nil {
		p := &media.Picture{Format: s.Picture.Format, Planes: s.Picture.Planes}
		for i := range p.Planes {
			p.Planes[i].Data = slices.Clone(p.Planes[i].Data)
		}
		s.Picture = p
	}
	if e := s.Encoded; e != nil {
		s.Encoded = &media.Encoded{
			Format: e.Format, Data: slices.Clone(e.Data),
			Lead: e.Lead, Duration: e.Duration, Key: e.Key, Whole: e.Whole, Lost: e.Lost,
		}
	}
	return s
}

// Close implements [TrackWriter].
func (t *mockTrack) Close() error {
	if f := t.rec.mock.OnClose; f != nil {
		if err := f(t.info); err != nil {
			return err
		}
	}
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	t.ended = true
	return nil
}

// Pause implements [Pauser]. A mock keeps the samples of a pause all the same.
func (r *MockRecording) Pause(at time.Duration, mode PauseMode) error {
	if f := r.mock.OnPause; f != nil {
		if err := f(at, mode); err != nil {
			return err
		}
	}
	if err := mode.Validate(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopped:
		return ErrStopped
	case r.paused:
		return ErrPaused
	}
	r.paused = true
	r.pauses = append(r.pauses, Pause{Start: at, Mode: mode})
	return nil
}

// Resume implements [Pauser].
func (r *MockRecording) Resume(at time.Duration) error {
	if f := r.mock.OnResume; f != nil {
		if err := f(at); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopped:
		return ErrStopped
	case !r.paused:
		return ErrNotPaused
	}
	r.paused = false
	last := &r.pauses[len(r.pauses)-1]
	last.Length = at - last.Start
	return nil
}

// Pauses returns the pauses so far. They start on the capture clock; one that
// was not resumed has no length.
func (r *MockRecording) Pauses() []Pause {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pauses)
}

// Stop implements [Recording].
func (r *MockRecording) Stop(ctx context.Context) (Result, error) {
	r.mu.Lock()
	again := r.stopped
	r.stopped = true
	r.mu.Unlock()
	if again {
		return r.Report(), ErrStopped
	}
	if f := r.mock.OnStop; f != nil {
		if err := f(ctx); err != nil {
			return r.Report(), err
		}
	}
	result := r.Report()
	if result.Duration == 0 {
		result.Err = ErrNoMedia
	}
	return result, result.Err
}

// Report implements [Reporter]. Time zero is the first sample of any track.
func (r *MockRecording) Report() Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	result := Result{ID: r.id, Recorder: r.mock.Name(), Format: "memory", Started: r.started}
	origin, ok := r.origin()
	for _, t := range r.tracks {
		tr := TrackResult{Track: t.info, SamplesIn: int64(len(t.samples)), SamplesWritten: int64(len(t.samples))}
		tr.RequestKeyFrame = nil // a result keeps no source alive
		if ok {
			t.describe(&tr, origin)
		}
		result.Tracks = append(result.Tracks, tr)
		result.Duration = max(result.Duration, tr.Last)
		result.Size += tr.Bytes
	}
	return result
}

func (r *MockRecording) origin() (first time.Duration, ok bool) {
	for _, t := range r.tracks {
		for _, s := range t.samples {
			if !ok || s.Time < first {
				first, ok = s.Time, true
			}
		}
	}
	return first, ok
}

func (t *mockTrack) describe(r *TrackResult, origin time.Duration) {
	for i, s := range t.samples {
		start := s.Time - origin
		if i == 0 {
			r.First = start
		}
		r.First, r.Last = min(r.First, start), max(r.Last, start+length(s))
		r.Codec, r.Format = naming(s)
		r.Bytes += int64(s.Size())
		if s.Encoded != nil {
			r.LostOnTheWay += int64(s.Encoded.Lost)
		}
	}
}

// frame is how long a picture that does not tell counts as shown.
const frame = time.Second / 30

// length is how long a sample lasts. Only a decoder would know it of encoded
// audio that does not tell.
func length(s media.Sample) time.Duration {
	switch {
	case s.PCM != nil:
		return s.PCM.Duration()
	case s.Encoded != nil && s.Encoded.Duration > 0:
		return s.Encoded.Duration
	case s.IsPicture():
		return frame
	}
	return 0
}

// naming returns a sample's codec and its format in words.
func naming(s media.Sample) (codec, format string) {
	switch {
	case s.PCM != nil:
		return "pcm", s.PCM.Format.String()
	case s.Encoded != nil:
		return s.Encoded.Format.Codec.String(), s.Encoded.Format.String()
	}
	return "rawvideo", s.Picture.Format.String()
}
