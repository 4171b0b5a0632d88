package file

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
)

// openReader opens the first stream of each kind of a file, as it is coded.
func openReader(t *testing.T, path string) *reader {
	t.Helper()
	in, err := openInput(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{in: in}
	t.Cleanup(r.close)
	for _, kind := range []media.Kind{media.KindVideo, media.KindAudio} {
		for _, st := range in.Streams() {
			if st.Kind != kind {
				continue
			}
			l := &lane{stream: st, format: encodedFormat(in, st)}
			if err := l.open(in, false); err != nil {
				t.Fatal(err)
			}
			r.lanes = append(r.lanes, l)
			break
		}
	}
	if err := r.peek(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// same compares what two readers of one file deliver, to the end.
func same(t *testing.T, got, want *reader) {
	t.Helper()
	for n := 1; ; n++ {
		g, errG := got.next(t.Context())
		w, errW := want.next(t.Context())
		if errG != nil || errW != nil {
			t.Fatal(errG, errW)
		}
		if g == nil && w == nil {
			if n < 50 {
				t.Errorf("only %d samples", n)
			}
			return
		}
		if g == nil || w == nil || g.stream.Index != w.stream.Index {
			t.Fatalf("sample %d comes from another stream, or from one file only", n)
		}
		a, b := g.take(), w.take()
		e, f := a.Encoded, b.Encoded
		x, _ := g.coder.(*indexed)
		// Behind an empty edit FFmpeg takes the last packet for a whole one.
		last := x != nil && !x.fetch()
		if a.Time != b.Time || a.due != b.due || e.Lead != f.Lead || e.Key != f.Key || e.Whole != f.Whole ||
			!last && (e.Duration != f.Duration || a.lasts != b.lasts) {
			t.Fatalf("sample %d: at %v, due %v, lead %v, lasts %v %v, key %d; want %v %v %v %v %v %d", n,
				a.Time, a.due, e.Lead, e.Duration, a.lasts, e.Key, b.Time, b.due, f.Lead, f.Duration, b.lasts, f.Key)
		}
		if !bytes.Equal(e.Data, f.Data) {
			t.Fatalf("sample %d: %d bytes, want %d others", n, len(e.Data), len(f.Data))
		}
		a.Release()
		b.Release()
	}
}

// By index a file's samples are those that FFmpeg reads from it.
func TestIndexedSamplesAreThoseThatFFmpegReads(t *testing.T) {
	h264 := []string{"-c:v", "libx264", "-bf", "3", "-g", "20"}
	aac := []string{"-c:a", "aac"}
	film := clip(t, "film.mp4", bytesJoin([][]string{h264, aac})...)
	for _, c := range []struct {
		name    string
		args    []string
		indexed bool
	}{
		{"plain.mp4", bytesJoin([][]string{h264, aac}), true},
		{"front.mp4", bytesJoin([][]string{h264, aac, {"-movflags", "+faststart"}}), true},
		{"negative.mp4", bytesJoin([][]string{h264, aac, {"-movflags", "+negative_cts_offsets"}}), true},
		{"noedits.mp4", bytesJoin([][]string{h264, aac, {"-use_editlist", "0"}}), true},
		{"order.mp4", bytesJoin([][]string{{"-c:v", "libx264", "-bf", "0"}, {"-c:a", "libopus"}}), true},
		{"hevc.mov", []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=3", "-c:a", "aac"}, true},
		{"av1.mp4", []string{"-c:v", "libsvtav1", "-preset", "12", "-c:a", "libopus"}, true},
		{"large.mp4", []string{"-c:v", "libx264", "-g", "5", "-qp", "0", "-vf", "scale=640:480,noise=alls=20:allf=t", "-c:a", "aac"}, true},
		{"sound.m4a", []string{"-vn", "-c:a", "aac"}, true},
		// FFmpeg joins samples of PCM, and reads fragments as they come.
		{"pcm.mov", bytesJoin([][]string{h264, {"-c:a", "pcm_mulaw", "-ar", "8000"}}), false},
		{"fragments.mp4", bytesJoin([][]string{h264, aac, {"-movflags", "frag_keyframe+empty_moov"}}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := clip(t, c.name, c.args...)
			r := openReader(t, path)
			if r.index(path, false); (r.windows != nil) != c.indexed {
				t.Fatalf("read by index: %v, want %v", r.windows != nil, c.indexed)
			}
			same(t, r, openReader(t, path))
		})
	}
	t.Run("late", func(t *testing.T) { // behind an empty edit
		path := judge.Make(t, "late.mp4", "-i", film, "-itsoffset", "0.7", "-i", film, "-map", "0:v", "-map", "1:a", "-c", "copy")
		r := openReader(t, path)
		if r.index(path, false); r.windows == nil {
			t.Error("not read by index")
		}
		same(t, r, openReader(t, path))
	})
}

// openIndexed opens a file that is read by index.
func openIndexed(t *testing.T, path string) *reader {
	t.Helper()
	r := openReader(t, path)
	if r.index(path, false); r.windows == nil {
		t.Fatal("not read by index")
	}
	return r
}

// A file that shrinks while it is read ends with an error, behind what there
// was.
func TestIndexedFileThatShrinks(t *testing.T) {
	path := clip(t, "clip.mp4", "-c:v", "libx264", "-qp", "0", "-vf", "scale=640:480,noise=alls=20:allf=t", "-c:a", "aac", "-movflags", "+faststart")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	r := openIndexed(t, path)
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		l, err := r.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if l == nil {
			break
		}
		u := l.take()
		u.Release()
		n++
	}
	if n < 10 || !errors.Is(r.failure, io.ErrUnexpectedEOF) {
		t.Errorf("%d samples, then %v", n, r.failure)
	}
}

// Samples outlive the file and what is read after them.
func TestHeldIndexedSamplesKeepTheirData(t *testing.T) {
	path := clip(t, "clip.mp4", "-c:v", "libx264", "-g", "5", "-qp", "0", "-vf", "scale=640:480,noise=alls=20:allf=t", "-c:a", "aac")
	r := openIndexed(t, path)
	var held []media.Sample
	var want [][]byte
	for n := 0; ; n++ {
		l, err := r.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if l == nil {
			break
		}
		u := l.take()
		if n%3 != 0 { // given back at once: its memory is used again
			u.Release()
			continue
		}
		held, want = append(held, u.Sample), append(want, bytes.Clone(u.Encoded.Data))
	}
	r.unindex()
	for i, s := range held {
		if !bytes.Equal(s.Encoded.Data, want[i]) {
			t.Errorf("data of sample %d has changed", i)
		}
		s.Release()
	}
	if len(held) < 40 {
		t.Errorf("only %d samples", len(held))
	}
}

// Nothing is allocated for a sample once all pools are filled.
func TestReadingByIndexDoesNotAllocate(t *testing.T) {
	r := openIndexed(t, clip(t, "clip.mp4", "-c:v", "libx264", "-bf", "2", "-c:a", "aac"))
	step := func() {
		l, err := r.next(t.Context())
		if err != nil || l == nil {
			t.Fatal("no sample", err)
		}
		u := l.take()
		u.Release()
	}
	for range 10 {
		step()
	}
	if n := testing.AllocsPerRun(60, step); n != 0 {
		t.Errorf("%v allocations for each sample", n)
	}
}

// An index that was changed behind FFmpeg's back is not trusted.
func TestIndexOfAnotherFileIsRefused(t *testing.T) {
	path := clip(t, "clip.mp4", "-c:v", "libx264", "-c:a", "aac")
	other := clip(t, "other.mp4", "-c:v", "libx264", "-g", "3", "-c:a", "aac")
	r := openReader(t, path)
	if r.index(other, false); r.windows != nil {
		t.Error("it was used")
	}
	same(t, r, openReader(t, path))
	for _, l := range r.lanes {
		if _, ok := l.coder.(*copying); !ok {
			t.Errorf("lane has a %T", l.coder)
		}
	}
}
