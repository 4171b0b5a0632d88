package mp4

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// A memoryFile is a file that notes what was done to it.
type memoryFile struct {
	p   []byte
	ops []fileOp
}

// fileOp is a write, or where data is nil a change of the size, or a sync.
type fileOp struct {
	at   int64
	data []byte
	sync bool
}

func (f *memoryFile) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(f.p)) {
		return 0, io.EOF
	}
	n := copy(p, f.p[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	f.ops = append(f.ops, fileOp{at: off, data: bytes.Clone(p)})
	f.p = apply(f.p, f.ops[len(f.ops)-1])
	return len(p), nil
}

func (f *memoryFile) Truncate(size int64) error {
	f.ops = append(f.ops, fileOp{at: size})
	f.p = apply(f.p, f.ops[len(f.ops)-1])
	return nil
}

func (f *memoryFile) Sync() error {
	f.ops = append(f.ops, fileOp{sync: true})
	return nil
}

func apply(p []byte, op fileOp) []byte {
	switch end := op.at + int64(len(op.data)); {
	case op.sync:
	case op.data == nil:
		if op.at <= int64(len(p)) {
			return p[:op.at]
		}
		return append(p, make([]byte, op.at-int64(len(p)))...)
	default:
		if end > int64(len(p)) {
			p = append(p, make([]byte, end-int64(len(p)))...)
		}
		copy(p[op.at:], op.data)
	}
	return p
}

// A hybridPlan is a file to be written: voices, of which some join halfway.
type hybridPlan struct {
	options  Options
	late     int // tracks that join late
	seconds  int
	chapters bool
}

// writeHybrid returns the file with all that was done to it.
func writeHybrid(t testing.TB, plan hybridPlan) *memoryFile {
	t.Helper()
	f := &memoryFile{}
	plan.options.Title, plan.options.Tool = "a room", "RoomKit"
	plan.options.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w, err := NewWriter(f, plan.options)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name string) *Track {
		track, err := w.AddTrack(TrackConfig{Codec: PCM{Rate: 8000, Channels: 1, Bits: 16}, Timescale: 8000, Name: name, Language: "deu", Group: 1})
		if err != nil {
			t.Fatal(err)
		}
		return track
	}
	tracks := []*Track{add("host")}
	const packet = 160 // 20 ms
	random := rand.New(rand.NewPCG(1, 2))
	for n := range int64(plan.seconds * 50) {
		if n == int64(plan.seconds*25) {
			for i := range plan.late {
				tracks = append(tracks, add(fmt.Sprint("guest ", i)))
			}
		}
		if plan.chapters && n%50 == 0 {
			if err := w.AddChapter(t.Context(), time.Duration(n)*20*time.Millisecond, fmt.Sprint("chapter ", n)); err != nil {
				t.Fatal(err)
			}
		}
		for _, track := range tracks {
			data := make([]byte, 2*packet)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			if err := track.Write(t.Context(), Sample{DTS: n * packet, PTS: n * packet, Duration: packet, Sync: true, Data: data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err = w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

// after is the file after the first n of the things that were done to it.
func (f *memoryFile) after(n int) []byte {
	var p []byte
	for _, op := range f.ops[:n] {
		p = apply(p, op)
	}
	return bytes.Clone(p)
}

// unfinished is the file just before its end: with all fragments, and without
// the final index.
func (f *memoryFile) unfinished() []byte {
	last := 0
	for n, op := range f.ops {
		if bytes.Contains(op.data, []byte("moof")) {
			last = n
		}
	}
	for n, op := range f.ops[last:] {
		if bytes.Contains(op.data, []byte("mvhd")) {
			return f.after(last + n)
		}
	}
	return f.p
}

func writtenSeeds(t testing.TB) (seeds [][]byte) {
	for _, plan := range []hybridPlan{{}, {late: 1}, {late: 1, chapters: true}, {options: Options{FastStart: 20000}}} {
		plan.seconds, plan.options.SlotBytes = 1, 2048
		f := writeHybrid(t, plan)
		seeds = append(seeds, f.p, f.after(len(f.ops)*2/3))
	}
	return seeds
}

var hybridPlans = map[string]hybridPlan{
	"one voice":     {seconds: 2},
	"late":          {seconds: 3, late: 2},
	"chapters":      {seconds: 3, chapters: true, late: 1},
	"beyond slots":  {seconds: 3, late: 12, options: Options{SlotBytes: 2048}},
	"room in front": {seconds: 2, late: 1, options: Options{FastStart: 30_000}},
}

// At every instant of writing, a file that has any sample can be repaired, by
// copying and in place, and nothing of it is lost.
func TestRepairHybridAtEveryInstant(t *testing.T) {
	for name, plan := range hybridPlans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := writeHybrid(t, plan)
			whole := contents(t, f.p)
			last := int64(0)
			for n := range len(f.ops) + 1 {
				p := f.after(n)
				q, report, err := repairBytes(t, p, RepairOptions{})
				if err != nil {
					if last > 0 {
						t.Fatalf("after %d of %d: %v", n, len(f.ops), err)
					}
					continue
				}
				if report.Whole {
					q = p
				}
				kept := comparePrefix(t, whole, contents(t, q))
				if kept < last {
					t.Fatalf("after %d of %d: %d samples, %d before; %+v", n, len(f.ops), kept, last, report)
				}
				last = kept
				place := &memoryFile{p: bytes.Clone(p)}
				if _, err := RepairInPlace(place, int64(len(p))); err != nil {
					t.Fatalf("in place, after %d of %d: %v", n, len(f.ops), err)
				}
				if got := comparePrefix(t, whole, contents(t, place.p)); got != kept {
					t.Fatalf("in place, after %d of %d: %d samples, copied %d", n, len(f.ops), got, kept)
				}
			}
			if want := comparePrefix(t, whole, whole); last != want {
				t.Errorf("%d samples of %d in the end", last, want)
			}
		})
	}
}

// A repair in place that is cut off anywhere, also in the middle of a write,
// costs nothing: the next one finishes the file.
func TestRepairInPlaceIsInterrupted(t *testing.T) {
	for name, plan := range hybridPlans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := writeHybrid(t, plan).unfinished()
			p = p[:len(p)-700] // torn
			f := &memoryFile{p: bytes.Clone(p)}
			report, err := RepairInPlace(f, int64(len(p)))
			if err != nil || len(report.Damage) == 0 {
				t.Fatalf("%+v, %v", report, err)
			}
			want := contents(t, f.p)
			for n := range f.ops {
				for _, part := range []int{0, 1, 8, 15, 16, 500, len(f.ops[n].data)} {
					state := bytes.Clone(p)
					for _, op := range f.ops[:n] {
						state = apply(state, op)
					}
					if op := f.ops[n]; op.data != nil {
						op.data = op.data[:min(part, len(op.data))]
						state = apply(state, op)
					}
					again := &memoryFile{p: bytes.Clone(state)}
					if _, err := RepairInPlace(again, int64(len(state))); err != nil {
						t.Fatalf("after %d and %d bytes: %v", n, part, err)
					}
					got := contents(t, again.p)
					for id := range want {
						if !slices.EqualFunc(want[id], got[id], sameHeld) {
							t.Fatalf("after %d and %d bytes: track %d has %d samples, not %d", n, part, id, len(got[id]), len(want[id]))
						}
					}
				}
			}
		})
	}
}

// A finished file whose index is lost has all it needs inside.
func TestRepairFinishedWithoutIndex(t *testing.T) {
	for name, plan := range hybridPlans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := writeHybrid(t, plan).p
			whole := contents(t, p)
			at := bytes.LastIndex(p, []byte("mvhd")) - 8
			for _, damage := range []func([]byte) []byte{
				func(p []byte) []byte { return p[:at] },
				func(p []byte) []byte { return p[:at+200] },
				func(p []byte) []byte { clear(p[at : at+300]); return p },
				func(p []byte) []byte { clear(p[at+16 : at+32]); return p },
			} {
				if plan.options.FastStart > 0 && len(damage(bytes.Clone(p))) < len(p) {
					continue // that would be the media
				}
				q, _, err := repairBytes(t, damage(bytes.Clone(p)), RepairOptions{})
				if err != nil {
					t.Fatal(err)
				}
				got := contents(t, q)
				for id := range whole {
					if !slices.EqualFunc(whole[id], got[id], sameHeld) {
						t.Errorf("track %d has %d samples, not %d", id, len(got[id]), len(whole[id]))
					}
				}
			}
		})
	}
}

// What FFmpeg sees of a repaired file is what it sees of a finished one.
func TestRepairedHybridIsLikeFinished(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, name := range []string{"late", "chapters", "beyond slots"} {
		f := writeHybrid(t, hybridPlans[name])
		q, report, err := repairBytes(t, f.unfinished(), RepairOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if report.Dropped() > 0 || len(report.Damage) > 0 {
			t.Errorf("%s: %+v", name, report)
		}
		describe := func(p []byte) (text string) {
			probed := judge.Probe(t, save(t, "a.mp4", p))
			for _, s := range probed.Streams {
				text += fmt.Sprintln(s.Type, s.Codec, s.StartTime, s.Length().Round(time.Millisecond), s.Frames, s.Tags["language"], s.Tags["handler_name"], s.Disposition["default"])
			}
			return text + probed.Format.Tags["title"] + probed.Format.Tags["creation_time"]
		}
		if repaired, finished := describe(q), describe(f.p); repaired != finished {
			t.Errorf("%s repaired:\n%s\nfinished:\n%s", name, repaired, finished)
		}
	}
}
