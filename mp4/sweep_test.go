package mp4_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/mp4"
)

var (
	videoCodecs = []string{"h264", "hevc", "vp8", "vp9", "av1"}
	audioCodecs = []string{"aac", "opus"}
)

// everyPair runs a test for each pair of codecs.
func everyPair(t *testing.T, test func(t *testing.T, video, audio string)) {
	for _, video := range videoCodecs {
		for _, audio := range audioCodecs {
			t.Run(video+"+"+audio, func(t *testing.T) {
				t.Parallel()
				test(t, video, audio)
			})
		}
	}
}

// isSlow reports whether this is "make sweep".
func isSlow() bool { return os.Getenv("ROOMKIT_SWEEP") != "" }

// sweepOthers is how many states beyond the first two fragments are tried of
// each pair of codecs in "make sweep".
const sweepOthers = 2000

// drawer returns what draws so many of a number of things at random, asked for
// each of them once.
func drawer(rng *rand.Rand, count, of int) func() bool {
	return func() bool {
		drawn := rng.IntN(of) < count
		if of--; drawn {
			count--
		}
		return drawn
	}
}

// sweepParts is a small picture and a tone.
func sweepParts(t testing.TB, video, audio string, seconds float64) []part {
	return []part{
		{clip: clip.Encode(t, video, clip.Options{Seconds: seconds, GOP: 5, BFrames: 1}), name: "camera"},
		{clip: clip.Encode(t, audio, clip.Options{Seconds: seconds}), name: "voice"},
	}
}

// Whatever byte a process was about to write when it was killed: what it leaves
// opens, and decodes to the end of the last whole fragment. So does each state
// of the finishing.
//
// "make sweep" tries every byte of the first two fragments. Here those are
// tried on which something may depend: all of short writes, which are headers
// and switches, every 29th of long ones in the first two fragments, and a
// sample of the others.
func TestSweepKilled(t *testing.T) {
	everyPair(t, func(t *testing.T, video, audio string) {
		d := trouble.NewDisk(nil)
		l := newLedger(d)
		o := mp4.Options{Fragment: 200 * time.Millisecond, SyncInterval: eachFragment, Written: l.written}
		if err := record(t, d, o, sweepParts(t, video, audio, 1)); err != nil {
			t.Fatal(err)
		}
		s := newSweep(t, d, l)
		chosen := s.choose(d)
		file, err := os.Create(s.path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for m := range d.Killed() {
			if apply(t, file, m); chosen(m) {
				s.check(t, m)
			}
			if t.Failed() {
				return
			}
		}
		t.Logf("%d states of a file of %d bytes", s.states, d.Size())
	})
}

// choose says which states of a file are tried.
func (s *sweep) choose(d *trouble.Disk) func(trouble.Moment) bool {
	rng := rand.New(rand.NewPCG(1, 2))
	isEarly := func(m trouble.Moment) bool { return m.Call.N < s.fragments[1].calls }
	isShort := func(m trouble.Moment) bool { return m.Call.Len <= 16 || m.Done == m.Call.Len }
	if !isSlow() {
		return func(m trouble.Moment) bool {
			return isShort(m) || isEarly(m) && (m.Call.Len < 600 || m.Done%29 == 0) || rng.IntN(400) == 0
		}
	}
	others := 0
	for m := range d.Killed() {
		if !isEarly(m) && !isShort(m) {
			others++
		}
	}
	draw := drawer(rng, sweepOthers, others)
	return func(m trouble.Moment) bool { return isEarly(m) || isShort(m) || draw() }
}

// apply does to a file what was done to the disk at one moment.
func apply(t testing.TB, file *os.File, m trouble.Moment) {
	t.Helper()
	var err error
	if m.Call.Op == trouble.OpTruncate {
		err = file.Truncate(m.Call.Len)
	} else {
		_, err = file.WriteAt(m.Byte, m.Call.Off+m.Done-1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// sweep checks the states of one file.
type sweep struct {
	*ledger
	path   string
	whole  reading
	least  []reading // what must be read of a file that has so many whole fragments
	front  int       // the call that writes what stands before the fragments
	states int
}

// wholeAt returns how many whole fragments the file has during a call.
func (s *sweep) wholeAt(call int) int {
	n := 0
	for n < len(s.fragments) && s.fragments[n].calls <= call {
		n++
	}
	return n
}

func newSweep(t *testing.T, d *trouble.Disk, l *ledger) *sweep {
	t.Helper()
	if len(l.fragments) < 4 {
		t.Fatalf("%d fragments", len(l.fragments))
	}
	s := &sweep{ledger: l, path: scratch(t, nil), least: make([]reading, 1)}
	s.front = slices.IndexFunc(d.Calls(), func(c trouble.Call) bool { return c.Op == trouble.OpWrite })
	file, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for m := range d.Killed() {
		if n := len(s.least) - 1; n < len(l.fragments) && m.Call.N >= l.fragments[n].calls {
			s.least = append(s.least, s.read(t, fmt.Sprintf("%d whole fragments", n+1)))
		}
		apply(t, file, m)
	}
	s.whole = s.read(t, "the finished file")
	return s
}

// read reads a state that must be without fault.
func (s *sweep) read(t *testing.T, what string) reading {
	t.Helper()
	r, err := read(t, s.path, true)
	if err != nil || r.err != nil {
		t.Fatalf("%s: %v, %v", what, err, r.err)
	}
	return r
}

// check reads the file as it is at a moment.
func (s *sweep) check(t *testing.T, m trouble.Moment) {
	t.Helper()
	if m.Call.N <= s.front {
		return // not even the first moov is there
	}
	s.states++
	n := s.wholeAt(m.Call.N)
	what := fmt.Sprintf("killed after %d of %d bytes of call %d at %d", m.Done, m.Call.Len, m.Call.N, m.Call.Off)
	r, err := read(t, s.path, true)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	s.compare(t, what, r, s.least[n])
}

// hiddenPriming is the priming of AAC, which libavformat hides in a finished
// file; in fragments it only gives it times below zero.
const hiddenPriming = 1024

// compare checks that a reading has all that least has, and nothing that the
// whole file has not, except for one sample of each track that is cut short.
func (s *sweep) compare(t *testing.T, what string, r, least reading) {
	t.Helper()
	if n := len(r.streams); n < len(least.streams) || n > len(s.whole.streams) {
		t.Errorf("%s: %d streams, want %d to %d", what, n, len(least.streams), len(s.whole.streams))
		return
	}
	for i := range r.streams {
		got := r.packets[i]
		if i < len(least.packets) {
			frames := least.frames[i]
			if r.streams[i].Kind == media.KindAudio {
				frames -= hiddenPriming
			}
			if len(got) < len(least.packets[i]) || r.frames[i] < frames {
				t.Errorf("%s: stream %d has %d packets and %d frames, want at least %d and %d: %v", what, i,
					len(got), r.frames[i], len(least.packets[i]), frames, r.err)
			}
		}
		for j, p := range got[:max(0, len(got)-1)] {
			if p != s.whole.packets[i][j] {
				t.Errorf("%s: packet %d of stream %d is %+v, of the whole file %+v", what, j, i, p, s.whole.packets[i][j])
				return
			}
		}
	}
}

// A file that was cut off, as by a broken download, plays up to the cut,
// wherever in the payload of a fragment that is. FFmpeg refuses a file that
// ends within a moof, so that the writer takes care never to leave one (see
// TestSweepKilled); of that, Repair makes one that plays.
//
// "make sweep" tries every byte of the first two fragments.
func TestSweepCut(t *testing.T) {
	everyPair(t, func(t *testing.T, video, audio string) {
		u := recordUnfinished(t, mp4.Options{Fragment: 200 * time.Millisecond}, sweepParts(t, video, audio, 1))
		s := &sweep{ledger: u.ledger, path: scratch(t, u.data), least: make([]reading, 1)}
		s.whole = s.read(t, "the whole file")
		for n, f := range u.fragments {
			part := &sweep{path: scratch(t, u.data[:f.end])}
			s.least = append(s.least, part.read(t, fmt.Sprintf("%d whole fragments", n+1)))
		}
		repaired := 0
		for _, at := range u.cuts() {
			if u.inMoof(at) {
				repaired++
				s.checkRepaired(t, u.data[:at])
			} else {
				s.checkCut(t, u.data[:at])
			}
			if s.states++; t.Failed() {
				return
			}
		}
		t.Logf("%d cuts, of which %d lie in a moof, of a file of %d bytes", s.states, repaired, len(u.data))
	})
}

// front returns where the first fragment begins.
func (u unfinished) front() int { return bytes.Index(u.data, []byte("moof")) - 4 }

// cuts draws the sizes to which a file is cut.
func (u unfinished) cuts() (at []int) {
	rng := rand.New(rand.NewPCG(1, 2))
	early, size := int(u.fragments[1].end), len(u.data)
	draw := drawer(rng, sweepOthers, size-early)
	for n := u.front(); n < size; n++ {
		isEarly := n < early
		if isSlow() && (isEarly || draw()) || !isSlow() && rng.IntN(40) == 0 {
			at = append(at, n)
		}
	}
	return at
}

// inMoof reports whether a cut leaves a part of a moof, or of the header of the
// mdat behind it.
func (u unfinished) inMoof(cut int) bool {
	begin := u.front()
	for _, f := range u.fragments {
		if cut < int(f.end) {
			break
		}
		begin = int(f.end)
	}
	payload := begin + bytes.Index(u.data[begin:], []byte("mdat")) + 4
	return cut > begin && cut < payload
}

// complete returns after how many fragments all tracks have a sample.
func (s *sweep) complete() int {
	return slices.IndexFunc(s.least, func(r reading) bool {
		return len(r.packets) == len(s.whole.packets) && !slices.ContainsFunc(r.packets, func(p []packet) bool { return len(p) == 0 })
	})
}

// wholeIn returns how many whole fragments are in so many bytes.
func (s *sweep) wholeIn(size int) int {
	n := 0
	for n < len(s.fragments) && s.fragments[n].end <= int64(size) {
		n++
	}
	return n
}

func (s *sweep) checkCut(t *testing.T, data []byte) {
	t.Helper()
	if err := os.WriteFile(s.path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	what := fmt.Sprintf("cut at %d", len(data))
	r, err := read(t, s.path, true)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	s.compare(t, what, r, s.least[s.wholeIn(len(data))])
}

// checkRepaired checks that Repair brings back all whole fragments.
func (s *sweep) checkRepaired(t *testing.T, data []byte) {
	t.Helper()
	var out bytes.Buffer
	whole := s.wholeIn(len(data))
	_, err := mp4.Repair(t.Context(), &out, bytes.NewReader(data), int64(len(data)), mp4.RepairOptions{})
	if whole == 0 {
		return // there is nothing to bring back
	}
	if err != nil {
		t.Errorf("cut at %d: %v", len(data), err)
		return
	}
	if err := os.WriteFile(s.path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	r, least := s.read(t, "repaired"), s.least[whole]
	if whole < s.complete() {
		return // Repair leaves tracks without a sample out
	}
	s.compare(t, fmt.Sprintf("cut at %d, repaired", len(data)), r, least)
}
