package av_test

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// rotated records a voice and a camera for ten seconds into parts.
func rotated(t *testing.T, cfg recorder.Config) recorder.Result {
	t.Helper()
	r := start(t, cfg)
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	for at := 5 * time.Second; at < 15*time.Second; at += 500 * time.Millisecond {
		record(t, r, a, v, mono16k, vga(media.I420), at, 500*time.Millisecond)
	}
	result := stop(t, r)
	balanced(t, result)
	for _, tr := range result.Tracks {
		if tr.Losses() != 0 {
			t.Errorf("track %s lost %v", tr.ID, tr.Dropped)
		}
	}
	return result
}

// Together the parts are the whole: each picture is in one of them, at its
// time.
func TestRotationKeepsEveryPicture(t *testing.T) {
	before := ffmpeg.LiveObjects()
	for _, format := range recorder.Formats() {
		t.Run(format, func(t *testing.T) {
			result := rotated(t, recorder.Config{Format: format, VideoCodec: "auto", Rotate: recorder.Rotate{Duration: 3 * time.Second}})
			if len(result.Parts) != 4 || result.Path != result.Parts[0].Path {
				t.Fatalf("path %s, parts %+v, want 4", result.Path, result.Parts)
			}
			tolerance := time.Millisecond
			if format != "mp4" && format != "mov" { // they begin with the encoder's priming
				tolerance = 150 * time.Millisecond
			}
			n, size := 0, int64(0)
			for i, p := range result.Parts {
				judge.DecodesClean(t, p.Path)
				near(t, "part's start", p.Start, time.Duration(i)*3*time.Second, 0)
				pictures := judge.Pictures(t, p.Path, 0)
				for k, picture := range pictures {
					near(t, "a picture", p.Start+picture.Time, time.Duration(n+k)*time.Second/30, tolerance)
				}
				n += len(pictures)
				size += p.Size
				if want := fmt.Sprintf("_%03d.", i+1); i > 0 != strings.Contains(filepath.Base(p.Path), want) {
					t.Errorf("part %d is named %s", i+1, p.Path)
				}
			}
			if n != 300 || size != result.Size {
				t.Errorf("%d pictures and %d bytes in the parts, want 300 and %d", n, size, result.Size)
			}
			near(t, "duration", result.Duration, 10*time.Second, 40*time.Millisecond)
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(result.Path), "*")); len(left) != 5 {
				t.Errorf("directory holds %v, want four files and a manifest", left)
			}
		})
	}
	if after := ffmpeg.LiveObjects(); after != before {
		t.Errorf("%d objects of C are left", after-before)
	}
}

// Put one after the other the parts sound as if there had been one: the tone
// goes on without a jump of its phase, and nothing is heard twice.
func TestRotationIsNotHeard(t *testing.T) {
	for codec, tolerance := range map[string]float64{"aac": 0.01, "libopus": 0.02} {
		t.Run(codec, func(t *testing.T) {
			result := rotated(t, recorder.Config{AudioCodec: codec, AudioSampleRate: 16000, Rotate: recorder.Rotate{Duration: 2500 * time.Millisecond}})
			whole := make([]float64, 10*16000)
			for _, p := range result.Parts {
				from := int(p.Start * 16000 / time.Second)
				for i, v := range judge.Audio(t, p.Path, 0, 16000) {
					if from+i < len(whole) {
						whole[from+i] += v
					}
				}
			}
			for at := 8000; at+1600 <= len(whole)-1600; at += 800 {
				piece := whole[at : at+1600]
				begin := 5*time.Second + time.Duration(at)*time.Second/16000
				if shift := phaseShift(piece, 440, begin); shift.Abs() > time.Millisecond/8 {
					t.Errorf("at %v the tone is shifted by %v", begin, shift)
				}
				if level := rms(piece); math.Abs(level-0.5/math.Sqrt2) > tolerance {
					t.Errorf("at %v the level is %.3f", begin, level)
				}
			}
		})
	}
}

// A track that is silent when the files change is not waited for, and goes on
// in the next one at the right moment.
func TestRotationWithASilentTrack(t *testing.T) {
	r := start(t, recorder.Config{Rotate: recorder.Rotate{Duration: 4 * time.Second}})
	ann := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
	bob := addTrack(t, r, recorder.Track{ID: "b", Kind: media.KindAudio, Participant: "bob", Audio: mono16k})
	record(t, r, bob, nil, mono16k, vga(media.I420), 0, time.Second)
	record(t, r, ann, nil, mono16k, vga(media.I420), 0, 40*time.Second)
	record(t, r, bob, nil, mono16k, vga(media.I420), 41*time.Second, time.Second)
	record(t, r, ann, nil, mono16k, vga(media.I420), 40*time.Second, 2*time.Second)
	result := stop(t, r)
	balanced(t, result)
	last := result.Parts[len(result.Parts)-1]
	pcm := judge.Audio(t, last.Path, 1, 16000)
	loud := slices.IndexFunc(pcm, func(v float64) bool { return math.Abs(v) > 0.2 })
	near(t, "the silent voice's next word", last.Start+time.Duration(loud)*time.Second/16000, 41*time.Second, 5*time.Millisecond)
}

// What waits for a silent track when the recording ends is in the next file.
func TestRotationThatTheEndCutsShort(t *testing.T) {
	for _, format := range recorder.Formats() {
		t.Run(format, func(t *testing.T) {
			r := start(t, recorder.Config{Format: format, VideoCodec: "auto", Rotate: recorder.Rotate{Duration: 8 * time.Second}})
			v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Video: vga(media.I420)})
			a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
			record(t, r, a, v, mono16k, vga(media.I420), 0, 7900*time.Millisecond)
			record(t, r, nil, v, mono16k, vga(media.I420), 7900*time.Millisecond, 600*time.Millisecond)
			result := stop(t, r)
			balanced(t, result)
			n := 0
			for _, p := range result.Parts {
				n += len(judge.Pictures(t, p.Path, 0))
			}
			if len(result.Parts) != 2 || n != 255 {
				t.Errorf("%d pictures in %d parts, want 255 in 2", n, len(result.Parts))
			}
		})
	}
}

// A file that has reached its size is followed by another.
func TestRotationBySize(t *testing.T) {
	r := start(t, recorder.Config{Rotate: recorder.Rotate{Size: 1 << 20}, Video: recorder.VideoOptions{BitRate: 4_000_000}})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	for at := time.Duration(0); at < 8*time.Second; at += 40 * time.Millisecond {
		write(t, v, noise(vga(media.I420), at))
	}
	result := stop(t, r)
	balanced(t, result)
	if len(result.Parts) < 2 {
		t.Fatalf("parts: %+v", result.Parts)
	}
	n := 0
	for _, p := range result.Parts {
		n += len(judge.Pictures(t, p.Path, 0))
	}
	if n != 200 {
		t.Errorf("%d pictures in all parts, want 200", n)
	}
}
