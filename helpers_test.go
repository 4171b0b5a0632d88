package roomkit_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	micFormat    = media.AudioFormat{Rate: 16000, Channels: 1}
	speechFormat = media.AudioFormat{Rate: 24000, Channels: 1}
	camFormat    = media.VideoFormat{Pixel: media.I420, Width: 64, Height: 48}
)

// fakeBackend gives the test the sink of each session, by participant.
type fakeBackend struct {
	tracks  []backend.Track // announced by Connect
	connect func(ctx context.Context, s backend.Session, sink backend.Sink) error
	onClose func() error

	mu    sync.Mutex
	lines map[string]*line
}

// line is one session as the backend sees it.
type line struct {
	session backend.Session
	sink    backend.Sink
	tracks  []backend.TrackSink
	closed  chan struct{}
	once    sync.Once
	onClose func() error
}

func (b *fakeBackend) Name() string { return "fake" }

func (b *fakeBackend) Connect(ctx context.Context, s backend.Session, sink backend.Sink) (backend.Conn, error) {
	l := &line{session: s, sink: sink, closed: make(chan struct{}), onClose: b.onClose}
	for _, bt := range b.tracks {
		if !s.Wants(bt.Kind) {
			continue
		}
		ts, err := sink.AddTrack(bt)
		if err != nil {
			return nil, err
		}
		l.tracks = append(l.tracks, ts)
	}
	b.mu.Lock()
	if b.lines == nil {
		b.lines = map[string]*line{}
	}
	b.lines[s.Participant] = l
	b.mu.Unlock()
	if b.connect != nil {
		if err := b.connect(ctx, s, sink); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (b *fakeBackend) line(participant string) *line {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines[participant]
}

func (l *line) Close() error {
	l.once.Do(func() { close(l.closed) })
	if l.onClose != nil {
		return l.onClose()
	}
	return nil
}

var (
	mic    = backend.Track{Kind: media.KindAudio, Audio: micFormat}
	camera = backend.Track{Kind: media.KindVideo, Video: camFormat}
	screen = backend.Track{Kind: media.KindScreen}
)

// tone returns 20 ms of microphone audio, all of one value.
func tone(t time.Duration, value int16) media.Sample {
	return media.Sample{Time: t, PCM: pcm(micFormat, 320, value)}
}

func pcm(f media.AudioFormat, frames int, value int16) *media.PCM {
	p := &media.PCM{Format: f, Data: make([]byte, frames*f.FrameBytes())}
	for i := 0; i+2 <= len(p.Data); i += 2 {
		binary.LittleEndian.PutUint16(p.Data[i:], uint16(value))
	}
	return p
}

func picture(t time.Duration) media.Sample {
	return media.Sample{Time: t, Picture: media.NewPicture(camFormat)}
}

// set is a kit with one channel "ch", on a virtual clock.
type set struct {
	t       *testing.T
	kit     *roomkit.Kit
	clock   *media.VirtualClock
	backend *fakeBackend
	mock    *recorder.Mock
	room    *roomkit.Room
}

func newSet(t *testing.T, tracks ...backend.Track) *set {
	s := bareSet(t, tracks...)
	s.room = must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
	return s
}

// bareSet is a set without a room.
func bareSet(t *testing.T, tracks ...backend.Track) *set {
	t.Helper()
	s := &set{t: t, clock: media.NewVirtualClock(), backend: &fakeBackend{tracks: tracks}, mock: &recorder.Mock{}}
	s.kit = roomkit.New(roomkit.WithClock(s.clock))
	if err := s.kit.RegisterChannel(roomkit.NewAudioVideoChannel("ch", s.backend)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := s.kit.Close(context.Background()); err != nil {
			t.Errorf("closing the kit: %v", err)
		}
	})
	return s
}

func (s *set) join(participant string) *roomkit.Session {
	s.t.Helper()
	return must(s.kit.Join(s.t.Context(), "room", "ch", roomkit.WithParticipant(participant)))(s.t)
}

func (s *set) closeRoom() []recorder.Result {
	s.t.Helper()
	return must(s.kit.CloseRoom(s.t.Context(), "room"))(s.t)
}

func (s *set) recording() *recorder.MockRecording { return s.mock.Recordings()[0] }

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func balanced(t *testing.T, results ...recorder.Result) {
	t.Helper()
	for _, r := range results {
		for _, tr := range r.Tracks {
			if tr.SamplesIn != tr.SamplesWritten+tr.Losses() {
				t.Errorf("recording %s, track %s: %d in, %d written, dropped %v", r.Binding, tr.ID, tr.SamplesIn, tr.SamplesWritten, tr.Dropped)
			}
		}
	}
}

// heard returns the frames of the samples as values over time, with -1 where
// there is nothing, at the rate of the first sample.
func heard(samples []media.Sample, d media.Direction) (times []time.Duration, values []int16) {
	for _, s := range samples {
		if s.Direction != d {
			continue
		}
		for i := range s.PCM.Frames() {
			times = append(times, s.Time+s.PCM.Format.Duration(i))
			values = append(values, int16(binary.LittleEndian.Uint16(s.PCM.Data[i*s.PCM.Format.FrameBytes():])))
		}
	}
	return times, values
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out: ", what)
		}
	}
}
