package main

import (
	"math"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/standin"
)

// Speech that is played into a real sound server, and a window on a real X
// server, are in the file.
func TestRecordMicrophoneAndScreen(t *testing.T) {
	speak, play := judge.Tool(t, "espeak-ng"), judge.Tool(t, "paplay")
	judge.Need(t, "ffmpeg", "ffprobe")
	standin.Microphone(t)
	t.Setenv("DISPLAY", standin.Screen(t))
	speech := filepath.Join(t.TempDir(), "speech.wav")
	if out, err := exec.Command(speak, "-w", speech, "Everything that was said is in the file").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	o, r := recordSpeech(t, play, speech)
	for again := 0; r < 0.9 && again < 2; again++ { // a sound server that gets no time has gaps of its own
		o, r = recordSpeech(t, play, speech)
	}
	if r < 0.9 {
		t.Errorf("speech correlates with what was played by %.3f", r)
	}
	pictures := judge.Pictures(t, o.Path, 0)
	if n := len(pictures); n < 30 || n > 75 {
		t.Errorf("%d pictures of 10 per second in 7 s", n)
	}
	const red = 16 + 219*0.299 // its luma in BT.601
	for _, p := range pictures[5:] {
		if math.Abs(float64(p.Luma)-red) > 4 {
			t.Fatalf("luma is %d at %v, want %.0f: the window is red", p.Luma, p.Time, red)
		}
	}
	f := judge.Probe(t, o.Path)
	if name := f.Of("video")[0].Tags["handler_name"]; name != "me (screen)" {
		t.Errorf("screen's track is named %q", name)
	}
	for _, tr := range o.Tracks {
		if tr.SamplesIn == 0 || tr.Dropped["queue full"]+tr.Dropped["late"]+tr.Dropped["rejected"] > 0 {
			t.Errorf("%s: %d in, lost %v", tr.Kind, tr.SamplesIn, tr.Dropped)
		}
	}
}

// recordSpeech records the microphone and the screen while speech is played, and
// returns how well it is found in the file.
func recordSpeech(t *testing.T, play, speech string) (o printed, correlation float64) {
	t.Helper()
	spoken := make(chan error, 1)
	go func() { // begins to speak when the recording has surely begun
		time.Sleep(2 * time.Second)
		spoken <- exec.Command(play, speech).Run()
	}()
	o = recordJSON(t, "--participant", "me=mic,screen", "--fps", "10", "--duration", "7")
	if err := <-spoken; err != nil {
		t.Fatal(err)
	}
	judge.DecodesClean(t, o.Path)
	r, at := find(judge.Audio(t, speech, 0, 16000), judge.Audio(t, o.Path, 0, 16000))
	t.Logf("speech found at %.2f s with correlation %.4f", float64(at)/16000, r)
	return o, r
}

// find returns where a signal lies in a longer one: the place of the highest
// normalised correlation, found in steps of 0.5 ms and then to the sample.
func find(signal, in []float64) (best float64, at int) {
	best = -1
	try := func(from, to, step, stride int) {
		for shift := max(from, 0); shift < to && shift+len(signal) <= len(in); shift += step {
			var ab, aa, bb float64
			for i := 0; i < len(signal); i += stride {
				x, y := signal[i], in[shift+i]
				ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
			}
			if r := ab / math.Sqrt(aa*bb+1e-12); r > best {
				best, at = r, shift
			}
		}
	}
	try(0, len(in), 4, 7)
	near := at
	try(near-8, near+9, 1, 1)
	return best, at
}
