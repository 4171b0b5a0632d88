package mp4

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
)

// repairable are foreign files that are fragmented.
var repairable = []string{"fragments", "base is moof", "fragment per sample", "negative offsets", "delayed", "samples in both", "separate", "dash", "short fragments"}

func content(t testing.TB, path string) []byte {
	t.Helper()
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func repairBytes(t testing.TB, p []byte, o RepairOptions) ([]byte, RepairReport, error) {
	t.Helper()
	var out bytes.Buffer
	report, err := Repair(t.Context(), &out, bytes.NewReader(p), int64(len(p)), o)
	if err == nil && int64(out.Len()) != report.Size {
		t.Errorf("%d bytes written, %d reported", out.Len(), report.Size)
	}
	return out.Bytes(), report, err
}

func save(t testing.TB, name string, p []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, p, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// A held sample is what matters of it to a player: its time on the timeline,
// whether it is sync, and its bytes.
type held struct {
	start time.Duration
	sync  bool
	data  string
}

// sameHeld allows times to differ by what a movie's timescale of 1000 cannot
// tell.
func sameHeld(a, b held) bool {
	return a.sync == b.sync && a.data == b.data && (a.start-b.start).Abs() <= time.Millisecond
}

func contents(t testing.TB, p []byte) map[uint32][]held {
	t.Helper()
	m, err := Read(bytes.NewReader(p), int64(len(p)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[uint32][]held{}
	for _, track := range m.Tracks {
		late := time.Duration(0)
		for _, e := range track.Edits {
			if e.MediaTime >= 0 {
				late -= ticksToTime(e.MediaTime, track.Timescale)
				break
			}
			late += ticksToTime(e.Duration, m.Timescale)
		}
		for s, err := range track.Samples() {
			if err != nil {
				t.Fatal(err)
			}
			all[track.ID] = append(all[track.ID], held{ticksToTime(s.PTS, track.Timescale) + late, s.Sync, string(p[s.Offset:][:s.Size])})
		}
	}
	return all
}

// A whole fragmented file becomes an ordinary one with the same samples at the
// same times.
func TestRepairKeepsAll(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, name := range repairable {
		for _, o := range []RepairOptions{{}, {FastStart: true}} {
			t.Run(fmt.Sprint(name, o.FastStart), func(t *testing.T) {
				t.Parallel()
				p := content(t, pattern(t, "a.mp4", foreign[name]...))
				q, report, err := repairBytes(t, p, o)
				if err != nil {
					t.Fatal(err)
				}
				if report.Dropped() > 0 || len(report.Damage) > 0 || report.Whole {
					t.Errorf("report is %+v", report)
				}
				before, after := contents(t, p), contents(t, q)
				for id, samples := range before {
					if !slices.EqualFunc(samples, after[id], sameHeld) {
						t.Errorf("track %d differs: %d samples, %d before", id, len(after[id]), len(samples))
					}
				}
				if name != "fragment per sample" { // the times are odd already as FFmpeg makes it
					judgeRepaired(t, q, report)
				}
				if o.FastStart != (bytes.Index(q, []byte("moov")) < bytes.Index(q, []byte("mdat"))) {
					t.Error("index is in the wrong place")
				}
				if _, again, err := repairBytes(t, q, RepairOptions{}); err != nil || !again.Whole {
					t.Errorf("repaired again: %+v, %v", again, err)
				}
			})
		}
	}
}

// judgeRepaired lets FFmpeg decode a repaired file and count its packets.
func judgeRepaired(t testing.TB, p []byte, report RepairReport) {
	t.Helper()
	path := save(t, "repaired.mp4", p)
	judge.DecodesClean(t, path)
	stream := 0
	packets := packetsOf(t, path)
	for _, track := range report.Tracks {
		if track.Samples == 0 {
			continue
		}
		if int64(len(packets[stream])) != track.Samples {
			t.Errorf("ffprobe sees %d packets of track %d, %d are reported", len(packets[stream]), track.ID, track.Samples)
		}
		stream++
	}
	if length := judge.Probe(t, path).Length(); (length - report.Duration).Abs() > 50*time.Millisecond {
		t.Errorf("ffprobe says it lasts %v, the report %v", length, report.Duration)
	}
}

// Wherever a file ends, what is whole of it is kept, and decodes.
func TestRepairTruncated(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	for _, name := range []string{"base is moof", "fragments", "fragment per sample", "fast start"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := content(t, pattern(t, "a.mp4", foreign[name]...))
			whole := contents(t, p)
			last := int64(0)
			for i := range 40 {
				end := len(p) * (i + 1) / 41
				q, report, err := repairBytes(t, p[:end], RepairOptions{})
				if err != nil {
					if !errors.Is(err, ErrDamaged) || i > 12 {
						t.Fatalf("%d of %d bytes: %v", end, len(p), err)
					}
					continue
				}
				kept := comparePrefix(t, whole, contents(t, q))
				if kept < last {
					t.Errorf("%d of %d bytes: %d samples, fewer than of a shorter file", end, len(p), kept)
				}
				last = kept
				if i%10 == 5 && name != "fragment per sample" {
					judgeRepaired(t, q, report)
				}
			}
			if last == 0 {
				t.Error("nothing was ever kept")
			}
		})
	}
}

// comparePrefix wants each track to be a beginning of the original one.
func comparePrefix(t testing.TB, whole, got map[uint32][]held) (kept int64) {
	t.Helper()
	for id, samples := range got {
		if len(samples) > len(whole[id]) || !slices.EqualFunc(samples, whole[id][:len(samples)], sameHeld) {
			for i, s := range samples {
				if i >= len(whole[id]) || !sameHeld(s, whole[id][i]) {
					t.Fatalf("track %d differs from the original in sample %d of %d", id, i, len(samples))
				}
			}
		}
		kept += int64(len(samples))
	}
	return kept
}

// What lies behind damage is found again.
func TestRepairOverwritten(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	p := content(t, pattern(t, "a.mp4", foreign["base is moof"]...))
	m, err := Read(bytes.NewReader(p), int64(len(p)))
	if err != nil {
		t.Fatal(err)
	}
	f := m.Fragments
	for name, c := range map[string]struct {
		from, to int64
		fill     byte
	}{
		"a moof":             {f[1].Offset, f[1].Offset + f[1].Size, 0},
		"a moof's header":    {f[1].Offset, f[1].Offset + 8, 0xff},
		"an mdat's header":   {f[1].Offset + f[1].Size, f[1].Offset + f[1].Size + 8, 0},
		"size of mdat":       {f[1].Offset + f[1].Size, f[1].Offset + f[1].Size + 2, 0x7f},
		"a fragment's seam":  {f[2].Offset - 100, f[2].Offset + 100, 0},
		"several fragments":  {f[1].Offset + 30, f[2].Offset + 30, 0xa5},
		"the last to end":    {f[len(f)-1].Offset + f[len(f)-1].Size + 50, int64(len(p)), 0},
		"the first fragment": {f[0].Offset, f[0].Offset + 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			broken := bytes.Clone(p)
			for i := c.from; i < c.to; i++ {
				broken[i] = c.fill
			}
			q, report, err := repairBytes(t, broken, RepairOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Damage) == 0 {
				t.Error("no damage is reported")
			}
			before, after := contents(t, p), contents(t, q)
			for id, samples := range after {
				if missing := len(before[id]) - len(samples); missing > len(before[id])*3/4 {
					t.Errorf("%d of %d samples of track %d are missing", missing, len(before[id]), id)
				}
				for _, s := range samples {
					if !slices.ContainsFunc(before[id], func(b held) bool { return sameHeld(b, s) }) {
						t.Errorf("track %d has a sample that is not in the original", id)
						break
					}
				}
			}
			judgeRepaired(t, q, report)
		})
	}
}

func TestRepairHopeless(t *testing.T) {
	p := content(t, pattern(t, "a.mp4"))
	at := bytes.Index(p, []byte("moov"))
	for name, c := range map[string]struct {
		content []byte
		want    error
		says    string
	}{
		"no index": {p[:at-4], ErrDamaged, "moov"},
		"text":     {[]byte(strings.Repeat("no media ", 99)), ErrNotMP4, "boxes"},
		"empty":    {nil, ErrNotMP4, "0 bytes"},
	} {
		q, _, err := repairBytes(t, c.content, RepairOptions{})
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) || len(q) > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, len(q))
		}
	}
}

// Names, languages, metadata, edits and chapters survive.
func TestRepairKeepsDescriptions(t *testing.T) {
	p := content(t, pattern(t, "a.mp4", "-movflags", "frag_keyframe+delay_moov+default_base_moof", "-metadata", "title=The title",
		"-metadata:s:a", "language=deu", "-metadata:s:a", "handler_name=Her voice", "-disposition:a:0", "0", "-metadata", "creation_time=2026-01-02T03:04:05Z"))
	q, _, err := repairBytes(t, p, RepairOptions{})
	if err != nil {
		t.Fatal(err)
	}
	describe := func(p []byte) string {
		m, err := Read(bytes.NewReader(p), int64(len(p)))
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(m.Title, m.Tool, m.Created, m.Chapters, m.Duration)
		for _, track := range m.Tracks {
			text += fmt.Sprint(" | ", track.ID, track.Kind, track.CodecName, track.Name, track.Language, track.Disabled, track.Group, track.Start, track.Width, track.Rate, len(track.Entries))
		}
		return text
	}
	if before, after := describe(p), describe(q); before != after || !strings.Contains(after, "Her voice") {
		t.Errorf("before: %s\nafter:  %s", before, after)
	}
}

func TestRepairPath(t *testing.T) {
	dir := t.TempDir()
	p := content(t, pattern(t, "a.mp4", foreign["base is moof"]...))
	p = p[:len(p)*3/4]
	write := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, p, 0o640); err != nil {
			t.Fatal(err)
		}
		return path
	}
	partial := write("x.mp4.partial")
	for _, want := range []string{"x.mp4", "x-repaired.mp4"} {
		report, err := RepairPath(t.Context(), partial, "", RepairOptions{})
		if err != nil || report.Output != filepath.Join(dir, want) {
			t.Errorf("%+v, %v; want %s", report, err, want)
		}
	}
	if _, err := RepairPath(t.Context(), partial, "", RepairOptions{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("third time: %v", err)
	}
	other := write("y.mp4")
	if report, err := RepairPath(t.Context(), other, "", RepairOptions{}); err != nil || report.Output != filepath.Join(dir, "y-repaired.mp4") {
		t.Errorf("%+v, %v", report, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := RepairPath(cancelled, other, filepath.Join(dir, "z.mp4"), RepairOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(names) != 5 || !bytes.Equal(content(t, other), p) || !bytes.Equal(content(t, partial), p) {
		t.Errorf("left behind: %v", names)
	}
	if info, err := os.Stat(filepath.Join(dir, "y-repaired.mp4")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}
