package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	roomkit "github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// A callsJob says how many rooms of two participants, each with a camera and a
// voice that arrive encoded, the child records at once at real pace.
type callsJob struct {
	Dir     string
	Rooms   int
	Live    time.Duration
	Sync    time.Duration // recorder.FileOptions.SyncInterval
	Nowhere bool          // no recorders: what the sources alone cost
	// Camera and Voice are raw files of H.264 and of Opus, which are sent over
	// and over.
	Camera, Voice string
}

type callsOutcome struct {
	User, System float64 // seconds of this process while all rooms ran
	Machine      float64 // seconds of the whole machine meanwhile, 0 if it does not tell
	BaseMiB      float64 // peak of resident memory before the rooms
	PeakMiB      float64
	Beyond       float64 // seconds it took to finish all files
	Failed       int     // recordings that are not whole
	Pushes, Late int64   // samples pushed, and those more than lateBy after their time
	LatestMillis float64
}

const (
	// spread is the time over which participants join, so that keyframes do
	// not come all at once: that of a group of pictures.
	spread = 2 * time.Second
	// lateBy is how late a push may be until it counts as late: then the
	// machine cannot follow, whatever is lost.
	lateBy     = 100 * time.Millisecond
	voicePiece = 20 * time.Millisecond
)

// recordCalls records rooms at real pace.
func recordCalls(ctx context.Context, j job) (outcome, error) {
	rec, err := av.NewRecorder()
	if err != nil {
		return outcome{}, err
	}
	camera, err := loadStream(ctx, j.Calls.Camera, media.H264, time.Second/fps)
	if err != nil {
		return outcome{}, err
	}
	voice, err := loadStream(ctx, j.Calls.Voice, media.Opus, voicePiece)
	if err != nil {
		return outcome{}, err
	}
	c := &calls{job: j.Calls, streams: []*codedStream{camera, voice}, kit: roomkit.New()}
	defer c.kit.Close(ctx)
	var o outcome
	o.Calls.BaseMiB = peak()
	if err := c.begin(ctx, recorder.Binding{Recorder: rec, Config: recorder.Config{
		Storage: j.Calls.Dir, StartPolicy: recorder.StartImmediate, File: recorder.FileOptions{SyncInterval: j.Calls.Sync}}}); err != nil {
		return outcome{}, err
	}
	time.Sleep(spread)
	before, machineBefore := cpuTime(), machineTime()
	time.Sleep(j.Calls.Live)
	after := cpuTime()
	o.Calls.User, o.Calls.System = after[0]-before[0], after[1]-before[1]
	o.Calls.Machine = machineTime() - machineBefore
	err = c.end(ctx, &o)
	o.Calls.PeakMiB = peak()
	return o, err
}

// calls are rooms that are being recorded.
type calls struct {
	job     callsJob
	streams []*codedStream
	kit     *roomkit.Kit
	sources []*callSource
}

// begin opens all rooms and lets everybody join.
func (c *calls) begin(ctx context.Context, b recorder.Binding) error {
	for i := range c.job.Rooms {
		id := fmt.Sprint("room", i)
		var options []roomkit.RoomOption
		if !c.job.Nowhere {
			options = append(options, roomkit.WithRecorders(b))
		}
		if _, err := c.kit.CreateRoom(ctx, id, options...); err != nil {
			return err
		}
		s := &callSource{streams: c.streams}
		c.sources = append(c.sources, s)
		if err := c.kit.RegisterChannel(roomkit.NewAudioVideoChannel(id, s)); err != nil {
			return err
		}
	}
	for i := range 2 * c.job.Rooms {
		id := fmt.Sprint("room", i/2)
		c.sources[i/2].delay = spread * time.Duration(i) / time.Duration(2*c.job.Rooms)
		if _, err := c.kit.Join(ctx, id, id, roomkit.WithParticipant(fmt.Sprint("participant", i))); err != nil {
			return err
		}
	}
	return nil
}

// end closes all rooms at once and adds up what became of them.
func (c *calls) end(ctx context.Context, o *outcome) error {
	begin := time.Now()
	results, failed := make([][]recorder.Result, c.job.Rooms), make([]error, c.job.Rooms)
	var all sync.WaitGroup
	for i := range c.job.Rooms {
		all.Go(func() {
			var err error
			if results[i], err = c.kit.CloseRoom(ctx, fmt.Sprint("room", i)); len(results[i]) == 0 {
				failed[i] = err
			}
		})
	}
	all.Wait()
	o.Calls.Beyond = time.Since(begin).Seconds()
	o.Lost = map[string]map[recorder.DropReason]int64{}
	for i, list := range results {
		for _, r := range list {
			for _, t := range r.Tracks {
				if len(t.Dropped) > 0 {
					o.Lost[fmt.Sprint(i, t.ID)] = t.Dropped
				}
			}
			if r.Err != nil { // cut off, for example: no reason to stop measuring
				o.Calls.Failed++
			}
		}
	}
	for _, s := range c.sources {
		s.mu.Lock()
		o.Calls.Pushes += s.pushes
		o.Calls.Late += s.late
		o.Calls.LatestMillis = max(o.Calls.LatestMillis, float64(s.latest)/float64(time.Millisecond))
		s.mu.Unlock()
	}
	return errors.Join(failed...)
}

// codedStream is a stream in memory. All who send it share its data.
type codedStream struct {
	format *media.EncodedFormat
	step   time.Duration
	units  [][]byte
	keys   []bool
}

func loadStream(ctx context.Context, path string, codec media.Codec, step time.Duration) (*codedStream, error) {
	in, err := ffmpeg.OpenInput(ctx, path, ffmpeg.InputOptions{})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	s := &codedStream{format: &media.EncodedFormat{Codec: codec}, step: step}
	if codec == media.Opus { // as WebRTC has it: without the OpusHead
		s.format.Rate, s.format.Channels = 48000, 2
	}
	p := ffmpeg.NewPacket()
	defer p.Free()
	for {
		if _, err := in.Read(p); errors.Is(err, io.EOF) {
			return s, nil
		} else if err != nil {
			return nil, err
		}
		s.units, s.keys = append(s.units, append([]byte(nil), p.Data()...)), append(s.keys, p.IsKey())
	}
}

// callSource is the backend of a room: a participant's camera and voice, as a
// network would bring them, from memory.
type callSource struct {
	streams []*codedStream
	delay   time.Duration // of who joins next

	mu           sync.Mutex
	pushes, late int64
	latest       time.Duration
}

// Name implements [backend.Backend].
func (s *callSource) Name() string { return "call from memory" }

// Connect implements [backend.Backend].
func (s *callSource) Connect(_ context.Context, sess backend.Session, sink backend.Sink) (backend.Conn, error) {
	begin := sess.Clock.Now() + s.delay
	var sent []*sentStream
	for _, stream := range s.streams {
		kind := media.KindAudio
		if stream.format.Codec.IsPicture() {
			kind = media.KindVideo
		}
		to, err := sink.AddTrack(backend.Track{Kind: kind, Encoded: *stream.format})
		if err != nil {
			return nil, err
		}
		sent = append(sent, &sentStream{codedStream: stream, to: to, next: begin})
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &rawConn{cancel: cancel}
	c.running.Go(func() { s.send(ctx, sess.Clock, sent) })
	return c, nil
}

// sentStream is a stream that is being sent to a session.
type sentStream struct {
	*codedStream
	to   backend.TrackSink
	n    int
	next time.Duration
	pool media.EncodedPool
}

// lender owns data that is never freed.
type lender struct{}

// Free implements [media.Owner].
func (lender) Free() {}

// send pushes all streams in step with the clock until ctx ends.
func (s *callSource) send(ctx context.Context, clock media.Clock, streams []*sentStream) {
	pacer := clock.NewPacer()
	defer pacer.Close()
	var pushes, late int64
	var latest time.Duration
	for {
		st := streams[0]
		for _, other := range streams {
			if other.next < st.next {
				st = other
			}
		}
		if pacer.SleepUntil(ctx, st.next) != nil {
			break
		}
		behind := clock.Now() - st.next
		st.push()
		pushes++
		if latest = max(latest, behind); behind > lateBy {
			late++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushes, s.late, s.latest = s.pushes+pushes, s.late+late, max(s.latest, latest)
}

func (st *sentStream) push() {
	i := st.n % len(st.units)
	e := st.pool.LendEncoded(st.format, st.units[i], lender{})
	e.Whole, e.Key, e.Lead = true, media.DeltaFrame, 0
	if st.keys[i] {
		e.Key = media.KeyFrame
	}
	st.to.Push(media.Sample{Time: st.next, Encoded: e})
	st.n++
	st.next += st.step
}

// cpuTime returns the seconds that this process has computed: user, system.
func cpuTime() [2]float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil { // it has no way to fail
		return [2]float64{}
	}
	return [2]float64{float64(r.Utime.Nano()) / 1e9, float64(r.Stime.Nano()) / 1e9}
}

// peak returns the largest resident memory so far in MiB.
func peak() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Maxrss) * maxrssUnit() / (1 << 20)
}

// machineTime returns the seconds that all cores together have computed, the
// kernel's own threads included. Only Linux tells; elsewhere it is 0.
func machineTime() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var user, nice, system, idle, wait, irq, softirq float64
	if _, err := fmt.Sscanf(line, "cpu %f %f %f %f %f %f %f", &user, &nice, &system, &idle, &wait, &irq, &softirq); err != nil {
		return 0
	}
	const perSecond = 100 // USER_HZ
	return (user + nice + system + irq + softirq) / perSecond
}
