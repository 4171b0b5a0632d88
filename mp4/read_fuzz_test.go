package mp4

import (
	"bytes"
	"os/exec"
	"testing"
)

// addSeeds adds small real files, whole and cut.
func addSeeds(f *testing.F) {
	for _, p := range writtenSeeds(f) {
		f.Add(p)
		f.Add(p[:len(p)*2/3])
	}
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		return
	}
	for _, name := range []string{"progressive", "base is moof", "fragments", "samples in both", "pcm"} {
		p := content(f, pattern(f, "a.mp4", append([]string{"-t", "0.3", "-s", "16x16"}, foreign[name]...)...))
		f.Add(p)
		f.Add(p[:len(p)*2/3])
	}
}

// Whatever a file says, reading it ends, with no more samples than it has room
// for.
func FuzzRead(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		m, err := Read(bytes.NewReader(p), int64(len(p)))
		if err != nil {
			return
		}
		for _, track := range m.Tracks {
			n := int64(0)
			for s, err := range track.Samples() {
				if err == nil && s.Offset+s.Size > int64(len(p)) {
					t.Errorf("sample at %d of %d bytes in a file of %d", s.Offset, s.Size, len(p))
				}
				if s.Entry < 0 || s.Duration < 0 {
					t.Errorf("sample is %+v", s)
				}
				n++
			}
			if n > forgiven+3*int64(len(p)) {
				t.Errorf("%d samples in a file of %d bytes", n, len(p))
			}
		}
	})
}

// What is repaired can be read, has what the report says, and needs no repair.
func FuzzRepair(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, o := range []RepairOptions{{}, {FastStart: true}} {
			var out bytes.Buffer
			report, err := Repair(t.Context(), &out, bytes.NewReader(p), int64(len(p)), o)
			if err != nil || (report.Whole && !o.FastStart) {
				if out.Len() > 0 && err == nil {
					t.Errorf("%d bytes written of a whole file", out.Len())
				}
				continue
			}
			checkFuzzed(t, out.Bytes(), report)
		}
		checkInPlace(t, p)
	})
}

func checkFuzzed(t *testing.T, p []byte, report RepairReport) {
	m, err := Read(bytes.NewReader(p), int64(len(p)))
	if err != nil {
		t.Fatalf("repaired: %v", err)
	}
	if !m.Finished {
		t.Errorf("repaired, and not finished")
	}
	var want, got int64
	for _, track := range report.Tracks {
		want += track.Samples
	}
	for _, track := range m.Tracks {
		for _, err := range track.Samples() {
			if err != nil {
				t.Fatalf("repaired: %v", err)
			}
			got++
		}
	}
	if got != want {
		t.Errorf("%d samples, %d reported", got, want)
	}
	again, err := Repair(t.Context(), new(bytes.Buffer), bytes.NewReader(p), int64(len(p)), RepairOptions{})
	if err != nil || !again.Whole {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func checkInPlace(t *testing.T, p []byte) {
	f := &memoryFile{p: bytes.Clone(p)}
	report, err := RepairInPlace(f, int64(len(p)))
	if err != nil || report.Whole {
		if !bytes.Equal(f.p, p) {
			t.Errorf("changed in spite of %v", err)
		}
		return
	}
	checkFuzzed(t, f.p, report)
}
