package wav_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// memory is a disk in memory that can be closed.
type memory struct {
	*trouble.Disk
	closed int
}

func (m *memory) Close() error { m.closed++; return nil }

// onDisks makes a recorder whose files are on such disks, by their suffixes.
func onDisks(t *testing.T, o wav.Options, fault trouble.Fault) (*wav.Recorder, map[string]*memory) {
	t.Helper()
	rec := newRecorder(t, o)
	disks := map[string]*memory{}
	rec.SetCreate(func(path string) (wav.Disk, error) {
		_, suffix, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".wav"), "T")
		d := &memory{Disk: trouble.NewDisk(fault)}
		disks[suffix[6:]] = d
		return d, nil
	})
	return rec, disks
}

// begun waits until the writer has begun to write what there is.
func begun(t *testing.T, r recorder.Recording) {
	t.Helper()
	waitFor(t, "the first write", func() bool { return r.(recorder.Reporter).Report().Tracks[0].SamplesWritten > 0 })
}

// At each moment while a file is written, whatever write has been the last, it
// is valid and claims no more than is there, and what it has is right. So it is
// if the last write is torn.
func TestFileIsValidAfterEachWrite(t *testing.T) {
	for _, sample := range []wav.SampleFormat{wav.S16, wav.S24, wav.F32} {
		for _, most := range []int64{1 << 31, 30_000} {
			rec, disks := onDisks(t, wav.Options{Sample: sample, Channels: wav.All, SyncInterval: time.Millisecond}, nil)
			rec.SetMostRIFF(most)
			r := start(t, rec, recorder.Config{})
			w := addTrack(t, r, voice)
			var plan []media.Sample
			for i := range 125 { // an odd number of frames in each fifth
				at := mono.Duration(161 * i)
				plan = append(plan, spoken(in, at, 161), spoken(out, at, 161))
			}
			for i := range 5 { // in several passes of the writer
				from, to := len(plan)*i/5, len(plan)*(i+1)/5
				write(t, w, plan[from:to]...)
				before := r.(recorder.Reporter).Report().Size
				waitFor(t, "a pass", func() bool { return r.(recorder.Reporter).Report().Size > before })
			}
			stop(t, r)
			for suffix, d := range disks {
				moments, data, claimed := 0, []byte(nil), int64(0)
				for m := range d.Killed() {
					if grow := m.Call.Off + m.Done - int64(len(data)); grow > 0 {
						data = append(data, make([]byte, grow)...)
					}
					data[m.Call.Off+m.Done-1] = m.Byte[0]
					isHeader := m.Call.Off == 0 // which lies in one page, that the system copies whole
					if m.Done < m.Call.Len && (isHeader || m.Done%97 != 1) {
						continue
					}
					moments++
					chunks, err := parse(data)
					if err != nil {
						t.Fatalf("%s%s: after write %d: %v", sample, suffix, moments, err)
					}
					last := chunks[len(chunks)-1]
					if end := last.at + last.size + last.size&1; end > int64(len(data)) {
						t.Fatalf("%s%s: after write %d: claims %d bytes of %d", sample, suffix, moments, end, len(data))
					}
					if last.size < claimed {
						t.Fatalf("%s%s: after write %d: claims %d, before that %d", sample, suffix, moments, last.size, claimed)
					}
					claimed = last.size
				}
				if moments < 10 || claimed == 0 {
					t.Errorf("%s%s: only %d writes, %d bytes", sample, suffix, moments, claimed)
				}
			}
		}
	}
}

// Of a power loss nothing is lost that had been synced, and what it leaves is
// a valid file.
func TestPowerLoss(t *testing.T) {
	rec, disks := onDisks(t, wav.Options{SyncInterval: time.Millisecond}, nil)
	r := start(t, rec, recorder.Config{})
	w := addTrack(t, r, voice)
	samples := speech(in, 0, ms(1600))
	for i := range 4 {
		write(t, w, samples[20*i:20*(i+1)]...)
		before := r.(recorder.Reporter).Report().Size
		waitFor(t, "a pass", func() bool { return r.(recorder.Reporter).Report().Size > before })
	}
	stop(t, r)
	images := 0
	for image := range disks[""].PowerLoss(5, 50) {
		synced, err := parse(image.Durable)
		if err != nil { // not even its header
			continue
		}
		images++
		if chunks, err := parse(image.Data); err != nil {
			t.Errorf("%s: %v", image.What, err)
		} else if c, s := chunks[len(chunks)-1], synced[len(synced)-1]; c.size < s.size || !bytes.Equal(image.Data[s.at:s.at+s.size], image.Durable[s.at:s.at+s.size]) {
			t.Errorf("%s: has lost what was synced", image.What)
		}
	}
	if images < 50 {
		t.Errorf("%d images", images)
	}
}

// A disk that is full, or fails, ends the recording. The result says so and
// counts what is lost; what was written before stays a valid file, and is what
// counts as written.
func TestDiskFails(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		fault func() trouble.Fault
		want  error
		empty bool
	}{
		"full":          {func() trouble.Fault { return trouble.Capacity(20_000, false) }, syscall.ENOSPC, false},
		"full at once":  {func() trouble.Fault { return trouble.Capacity(100, false) }, syscall.ENOSPC, true},
		"pulled out":    {func() trouble.Fault { return trouble.FailFrom(9, 0, broken) }, broken, false},
		"first sync":    {func() trouble.Fault { return trouble.FailNth(trouble.OpSync, 0, broken) }, broken, false},
		"short writes":  {func() trouble.Fault { return trouble.ShortWrites(300) }, nil, false},
		"a torn header": {func() trouble.Fault { return trouble.FailOnce(2, 30, syscall.EIO) }, syscall.EIO, true},
		"another":       {func() trouble.Fault { return trouble.FailOnce(4, 30, syscall.EIO) }, syscall.EIO, false},
		"one write":     {func() trouble.Fault { return trouble.FailNth(trouble.OpWrite, 5, syscall.EIO) }, syscall.EIO, false},
	} {
		t.Run(name, func(t *testing.T) {
			trouble.NothingLeft(t)
			var log strings.Builder
			rec, disks := onDisks(t, wav.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, c.fault())
			r := start(t, rec, recorder.Config{})
			w := addTrack(t, r, voice)
			refused := false
			for i, s := range speech(in, 0, ms(8000)) { // far longer than it takes
				if refused || c.want == nil && i == 75 {
					break
				}
				if err := w.WriteSample(s); err != nil {
					if refused = true; !errors.Is(err, c.want) || c.want == nil || !errors.Is(err, recorder.ErrBroken) {
						t.Fatalf("write: %v", err)
					}
				}
				time.Sleep(6 * time.Millisecond)
			}
			result, err := r.Stop(t.Context())
			balanced(t, result)
			if !errors.Is(err, c.want) || !errors.Is(result.Err, c.want) || refused != (c.want != nil) {
				t.Fatalf("stop: %v, in the result %v, want %v; refused: %v", err, result.Err, c.want, refused)
			}
			d := disks[""]
			if d.closed != 1 {
				t.Errorf("closed %d times", d.closed)
			}
			tr := result.Tracks[0]
			if c.empty {
				if len(result.Parts) != 0 || tr.SamplesWritten != 0 || result.Size != 0 {
					t.Errorf("%d written, files %v", tr.SamplesWritten, result.Parts)
				}
				return
			}
			if c.want != nil && (!strings.Contains(log.String(), result.ID) || tr.Dropped[recorder.DropWriteError] == 0) {
				t.Errorf("dropped %v, logged %q", tr.Dropped, log.String())
			}
			b := d.Bytes()
			chunks, err := parse(b)
			if err != nil {
				t.Fatal(err)
			}
			last := chunks[len(chunks)-1]
			// What a disk that is gone has too much cannot be cut off.
			if end := last.at + last.size; end != result.Size || end > int64(len(b)) || end < int64(len(b)) && name != "pulled out" {
				t.Errorf("claims %d bytes, has %d, the result says %d", last.at+last.size, len(b), result.Size)
			}
			if frames := last.size / 2; tr.SamplesWritten != frames/320 || result.Duration != mono.Duration(int(frames)) {
				t.Errorf("%d samples written, %v, but %d frames are there", tr.SamplesWritten, result.Duration, frames)
			}
			for i := range last.size / 2 {
				if got := int16(uint16(b[last.at+2*i]) | uint16(b[last.at+2*i+1])<<8); got != noise(in, i) {
					t.Fatalf("frame %d is %d", i, got)
				}
			}
		})
	}
}

// Whoever runs a recording is told when its disk has failed, so that it is ended.
func TestFeedIsToldOfADiskThatFails(t *testing.T) {
	trouble.NothingLeft(t)
	rec, _ := onDisks(t, wav.Options{}, trouble.Capacity(20_000, false))
	feed, err := recorder.OpenFeed(t.Context(), recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: t.TempDir()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	track, at := feed.AddTrack(voice), time.Duration(0)
	waitFor(t, "word of the disk", func() bool {
		track.Push(spoken(in, at, testRate/50))
		at += 20 * time.Millisecond
		return feed.Context().Err() != nil
	})
	if err := context.Cause(feed.Context()); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, recorder.ErrBroken) {
		t.Errorf("the cause is %v", err)
	}
	if result := feed.Stop(t.Context()); !errors.Is(result.Err, syscall.ENOSPC) || strings.Count(result.Err.Error(), "no space") != 1 {
		t.Errorf("stop: %v", result.Err)
	}
}

// A real disk that is full; what is there plays.
func TestFullDisk(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	dir := trouble.SmallDisk(t, "64k")
	trouble.NothingLeft(t)
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{Storage: dir})
	w := addTrack(t, r, voice)
	for i, s := range speech(in, 0, ms(6000)) {
		if w.WriteSample(s) != nil {
			break
		}
		if i%50 == 49 {
			time.Sleep(110 * time.Millisecond)
		}
	}
	result, err := r.Stop(t.Context())
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("stop: %v", err)
	}
	balanced(t, result)
	n := int64(result.Duration * testRate / time.Second)
	var want []int16
	for i := range n {
		want = append(want, noise(in, i))
	}
	if n < testRate/2 {
		t.Errorf("only %d frames are kept", n)
	}
	wantFile(t, result.Path, want)
}

// A disk that hangs holds WriteSample up when 4 MiB wait for it, so that the
// feed's queue fills and counts; when it goes on nothing is lost.
func TestDiskHangs(t *testing.T) {
	trouble.NothingLeft(t)
	rec, disks := onDisks(t, wav.Options{}, nil)
	r := start(t, rec, recorder.Config{})
	w := addTrack(t, r, voice)
	second := func(i int) { write(t, w, spoken(in, time.Duration(i)*time.Second, testRate)) }
	second(0)
	begun(t, r)
	disks[""].Hold()
	written, done := make(chan int, 1000), make(chan struct{})
	const seconds = 120
	go func() {
		defer close(done)
		for i := 1; i < seconds && w.WriteSample(spoken(in, time.Duration(i)*time.Second, testRate)) == nil; i++ {
			written <- i
		}
	}()
	waitFor(t, "a writer that waits", func() bool {
		n := len(written)
		time.Sleep(50 * time.Millisecond)
		return n*testRate > wav.MostWaiting/2 && len(written) == n
	})
	if n := len(written) * testRate; n > wav.MostWaiting+testRate {
		t.Errorf("%d values are kept, want at most %d", n, wav.MostWaiting)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop beside a disk that hangs: %v", err)
	}
	disks[""].Release()
	<-done
	result, err := r.Stop(t.Context())
	if !errors.Is(err, recorder.ErrStopped) || result.Err != nil {
		t.Errorf("stop: %v, %v", err, result.Err)
	}
	balanced(t, result)
	if got := result.Tracks[0].SamplesWritten; got < wav.MostWaiting/testRate {
		t.Errorf("%d written", got)
	}
}

// A system writes on into a file that has been removed; the result tells of it.
func TestDirectoryIsRemoved(t *testing.T) {
	trouble.NothingLeft(t)
	dir := filepath.Join(t.TempDir(), "gone")
	r := start(t, newRecorder(t, wav.Options{}), recorder.Config{Storage: dir})
	w := addTrack(t, r, voice)
	write(t, w, speech(in, 0, ms(1000))...)
	begun(t, r)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, w, speech(in, ms(1000), ms(1500))...)
	result, err := r.Stop(t.Context())
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(result.Err, fs.ErrNotExist) {
		t.Errorf("stop: %v, in the result %v", err, result.Err)
	}
	balanced(t, result)
}

// What had not reached the disk when that failed is lost, and counted.
func TestBacklogIsLostWithTheDisk(t *testing.T) {
	var fails atomic.Bool
	rec, disks := onDisks(t, wav.Options{}, func(c trouble.Call) (int64, error) {
		if fails.Load() {
			return 0, syscall.EIO
		}
		return c.Len, nil
	})
	r := start(t, rec, recorder.Config{})
	w := addTrack(t, r, voice)
	samples := speech(in, 0, ms(1600))
	write(t, w, samples[:20]...)
	begun(t, r)
	disks[""].Hold()
	write(t, w, samples[20:40]...)
	time.Sleep(250 * time.Millisecond) // until these are at the writer
	write(t, w, samples[40:]...)
	fails.Store(true)
	disks[""].Release()
	result, err := r.Stop(t.Context())
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("stop: %v", err)
	}
	balanced(t, result)
	if tr := result.Tracks[0]; tr.SamplesWritten != 20 || tr.Dropped[recorder.DropWriteError] != 60 {
		t.Errorf("%d written, dropped %v", tr.SamplesWritten, tr.Dropped)
	}
}

// Without room for a name or with one that is taken meanwhile nothing is
// overwritten.
func TestNothingIsOverwritten(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	dir := t.TempDir()
	taken := func(id, suffix string) string {
		return filepath.Join(dir, "room_"+id+"_20260304T050607"+suffix+".wav")
	}
	rec := newRecorder(t, wav.Options{Channels: wav.Separate})
	rec.SetTime(now)
	rec.SetIDs("000000000001", "000000000002", "000000000003")
	if err := errors.Join(os.WriteFile(taken("000000000001", "_outbound"), []byte("mine"), 0o600),
		os.Symlink("nowhere", taken("000000000002", "_inbound"))); err != nil {
		t.Fatal(err)
	}
	r := start(t, rec, recorder.Config{Storage: dir})
	if r.ID() != "000000000003" {
		t.Fatalf("id %s is that of a file which is there", r.ID())
	}
	// Somebody makes one after all.
	if err := os.WriteFile(taken(r.ID(), "_inbound"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, addTrack(t, r, voice), speech(in, 0, ms(500))...)
	result, err := r.Stop(t.Context())
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("stop: %v, want %v", err, fs.ErrExist)
	}
	balanced(t, result)
	for _, path := range []string{taken("000000000001", "_outbound"), taken(r.ID(), "_inbound")} {
		if b, err := os.ReadFile(path); string(b) != "mine" {
			t.Errorf("%s is %q now, %v", path, b, err)
		}
	}
}

// A stamp of another epoch costs its own sample, and not the recording.
func TestStampOfAnotherEpoch(t *testing.T) {
	rec := newRecorder(t, wav.Options{})
	r := start(t, rec, recorder.Config{Storage: t.TempDir()})
	w := addTrack(t, r, voice)
	for i, s := range speech(in, 0, ms(1000)) {
		if i%10 == 5 {
			wild := s
			wild.Time, wild.Direction = time.Duration(time.Now().UnixNano()), media.Outbound
			if err := w.WriteSample(wild); !errors.Is(err, media.ErrPayload) {
				t.Fatalf("a stamp of now, in nanoseconds since 1970: %v", err)
			}
		}
		if err := w.WriteSample(s); err != nil {
			t.Fatal(err)
		}
	}
	result, err := r.Stop(t.Context())
	if err != nil || result.Duration != time.Second || result.Tracks[0].SamplesWritten != 50 {
		t.Errorf("%v: %v of audio, %+v", err, result.Duration, result.Tracks)
	}
}
