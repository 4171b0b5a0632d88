package judge

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// film makes two seconds of pictures with B-frames and of a tone.
func film(t *testing.T, name string, options ...string) string {
	t.Helper()
	args := []string{"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10", "-f", "lavfi", "-i", "sine=sample_rate=48000", "-t", "2",
		"-c:v", "libx264", "-g", "10", "-bf", "2", "-c:a", "aac", "-fflags", "+bitexact"}
	return Make(t, name, append(args, options...)...)
}

// Two readers that know nothing of each other agree on files that FFmpeg
// wrote, of either shape.
func TestReadersAgree(t *testing.T) {
	shapes := map[string][]string{
		"finished":   nil,
		"fragmented": {"-movflags", "+frag_keyframe+empty_moov+default_base_moof"},
	}
	for name, options := range shapes {
		t.Run(name, func(t *testing.T) {
			path := film(t, "film.mp4", options...)
			a, b := MP4FF(t, path), MP4Box(t, path)
			SameTables(t, a, b)
			if len(a.Tracks) != 2 || len(a.Tracks[0].Samples) != 20 || len(a.Tracks[1].Samples) < 94 {
				t.Fatalf("%+v", a)
			}
			if (a.Fragments > 0) != (name == "fragmented") || a.Fragments != b.Fragments {
				t.Errorf("%d and %d fragments", a.Fragments, b.Fragments)
			}
			if len(a.Warnings)+len(b.Warnings) > 0 {
				t.Errorf("warnings: %q %q", a.Warnings, b.Warnings)
			}
			v := a.Tracks[0].Samples
			if !v[0].Sync || v[1].Sync || !v[10].Sync || v[1].CTS <= v[2].CTS || v[1].DTS != v[0].DTS+v[0].Duration {
				t.Errorf("first pictures: %+v", v[:3])
			}
			if !slices.Equal(a.Tracks[0].Entries, []string{"avc1"}) || !slices.Equal(a.Tracks[1].Entries, []string{"mp4a"}) {
				t.Errorf("sample entries %q and %q", a.Tracks[0].Entries, a.Tracks[1].Entries)
			}
			if !slices.Equal(a.Tracks[0].Edits, b.Tracks[0].Edits) {
				t.Errorf("edits %v and %v", a.Tracks[0].Edits, b.Tracks[0].Edits)
			}
		})
	}
}

// What differs is found and named.
func TestDifferences(t *testing.T) {
	base := func() Tables {
		return Tables{Tracks: []Table{{ID: 1, Timescale: 1000, Entries: []string{"avc1"},
			Samples: []Sample{{Duration: 40, Size: 9, Sync: true}, {DTS: 40, CTS: 80, Duration: 40, Size: 5}}}}}
	}
	if d := Differences(base(), base()); d != nil {
		t.Errorf("the same differs: %q", d)
	}
	changes := map[string]func(*Tables){
		"1 tracks and 0": func(f *Tables) { f.Tracks = nil },
		"ID is also 2":   func(f *Tables) { f.Tracks[0].ID = 2 },
		"timescale":      func(f *Tables) { f.Tracks[0].Timescale = 90000 },
		"sample entries": func(f *Tables) { f.Tracks[0].Entries = []string{"hvc1"} },
		"sample 1 of 2":  func(f *Tables) { f.Tracks[0].Samples[1].CTS = 79 },
		"2 samples and":  func(f *Tables) { f.Tracks[0].Samples = f.Tracks[0].Samples[:1] },
	}
	for want, change := range changes {
		b := base()
		change(&b)
		if d := Differences(base(), b); len(d) != 1 || !strings.Contains(d[0], want) {
			t.Errorf("%q, want %q", d, want)
		}
	}
}

// A file cut off yields what lies before the cut, and a warning.
func TestListSamplesOfCutFile(t *testing.T) {
	data, err := os.ReadFile(film(t, "film.mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof"))
	if err != nil {
		t.Fatal(err)
	}
	whole := ListSamples(data)
	cut := ListSamples(data[:whole.Tracks[0].Samples[10].Offset])
	if len(cut.Warnings) != 1 || cut.Fragments == 0 || len(cut.Tracks[0].Samples) == 0 {
		t.Errorf("%d fragments, warnings %q", cut.Fragments, cut.Warnings)
	}
	if f := ListSamples([]byte("no such thing at all")); len(f.Warnings) == 0 {
		t.Error("no warning about what is no MP4")
	}
}

func TestGStreamer(t *testing.T) {
	path := film(t, "a film.mp4")
	r := GStreamer(t, path, 1, 1)
	if len(r.Complaints) > 0 {
		t.Errorf("complaints: %q", r.Complaints)
	}
	// What gst-launch tells of buffers comes from several threads at once, and
	// some of it is lost or told twice.
	if v := r.Streams[1]; v.Kind != "video" || v.Buffers < 10 || v.Last < 1800*time.Millisecond || v.Last > 2200*time.Millisecond {
		t.Errorf("%+v", v)
	}
	if a := r.Streams[0]; a.Kind != "audio" || a.Buffers < 50 || a.Last < 1800*time.Millisecond || a.Last > 2100*time.Millisecond {
		t.Errorf("%+v", a)
	}
	broken := filepath.Join(t.TempDir(), "broken.mp4")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, data[:len(data)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	if r, err := gstreamer(t, broken, 1, 1); err == nil {
		t.Errorf("half a file: no error, complaints %q", r.Complaints)
	}
}
