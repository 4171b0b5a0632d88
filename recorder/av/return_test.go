package av_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// Somebody leaves and returns, at once or later: it is the same track in every
// container, with silence and black where they were away.
func TestReturn(t *testing.T) {
	av.Calculates(t)
	const leaves, length = 2 * time.Second, 2 * time.Second
	for _, format := range recorder.Formats() {
		absences := []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second, 13 * time.Second}
		if format != "mp4" && !fullSweep() {
			absences = absences[2:3]
		}
		for _, away := range absences {
			t.Run(fmt.Sprint(format, away), func(t *testing.T) {
				r := start(t, recorder.Config{Format: format, VideoCodec: "auto"})
				visit := func(from time.Duration) {
					a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
					v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
					record(t, r, a, v, mono16k, vga(media.I420), from, length)
					if err := errors.Join(a.Close(), v.Close()); err != nil {
						t.Fatal(err)
					}
				}
				visit(0)
				back := leaves + away
				visit(back)
				result := stop(t, r)
				balanced(t, result)
				judge.DecodesClean(t, result.Path)
				f := judge.Probe(t, result.Path)
				if len(result.Tracks) != 2 || len(f.Of("audio")) != 1 || len(f.Of("video")) != 1 {
					t.Fatalf("%d tracks, in the file %d voices and %d pictures", len(result.Tracks), len(f.Of("audio")), len(f.Of("video")))
				}
				near(t, "result's duration", result.Duration, back+length, 20*time.Millisecond)
				late := result.Tracks[0].Dropped[recorder.DropLate]
				if n := result.Tracks[0].Losses(); n != late || late > 4 || away > 200*time.Millisecond && late > 0 {
					t.Errorf("lost %v", result.Tracks[0].Dropped) // of the first 100 ms at most
				}
				if tr := result.Tracks[1]; tr.Losses() != 0 || tr.SamplesWritten != 120 {
					t.Errorf("%d pictures written, lost %v", tr.SamplesWritten, tr.Dropped)
				}
				wantAbsence(t, result.Path, format, leaves, back)
			})
		}
	}
}

// wantAbsence checks what is heard and seen around an absence.
func wantAbsence(t *testing.T, path, format string, leaves, back time.Duration) {
	t.Helper()
	tolerance := 5 * time.Millisecond
	if format != "mp4" && format != "mov" { // no edit list: priming shifts the sound, times are in milliseconds
		tolerance = 150 * time.Millisecond
	}
	pcm := judge.Audio(t, path, 0, 16000)
	at := func(d time.Duration) int { return int(d * 16000 / time.Second) }
	loud := func(v float64) bool { return math.Abs(v) > 0.2 }
	if back-leaves > 2*tolerance {
		quiet := pcm[at(leaves+tolerance):at(back-tolerance)]
		if slices.ContainsFunc(quiet, loud) {
			t.Error("something is to be heard while nobody is there")
		}
	}
	if from := back + tolerance + 100*time.Millisecond; format == "mp4" || format == "mov" {
		if shift := phaseShift(pcm[at(from):at(from)+8000], 440, from); shift.Abs() > time.Millisecond/4 {
			t.Errorf("the voice returns %v late", shift)
		}
	}
	pictures := judge.Pictures(t, path, 0)
	want := 120
	if back-leaves > time.Second {
		want++
		if p := pictures[60]; p.Luma > 20 || p.Time > leaves+tolerance {
			t.Errorf("while nobody is there a picture of luma %d is to be seen from %v on", p.Luma, p.Time)
		}
	}
	if len(pictures) != want {
		t.Fatalf("%d pictures, want %d", len(pictures), want)
	}
	first := pictures[want-60]
	near(t, "first picture after the return", first.Time-pictures[0].Time, back, 40*time.Millisecond)
	if first.Luma < 30 {
		t.Errorf("it has luma %d", first.Luma)
	}
}

// Files change while somebody is away, and after they have returned.
func TestReturnIntoAnotherFile(t *testing.T) {
	r := start(t, recorder.Config{Rotate: recorder.Rotate{Duration: time.Second}})
	ann := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Audio: mono16k})
	visit := func(from, length time.Duration) {
		bob := addTrack(t, r, recorder.Track{ID: "b", Kind: media.KindAudio, Participant: "bob", Audio: mono16k})
		v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "bob"})
		for at := from; at < from+length; at += 100 * time.Millisecond {
			record(t, r, ann, nil, mono16k, vga(media.I420), at, 100*time.Millisecond)
			record(t, r, bob, v, mono16k, vga(media.I420), at, 100*time.Millisecond)
		}
		if err := errors.Join(bob.Close(), v.Close()); err != nil {
			t.Fatal(err)
		}
	}
	visit(0, 1500*time.Millisecond)
	record(t, r, ann, nil, mono16k, vga(media.I420), 1500*time.Millisecond, 4*time.Second)
	visit(5500*time.Millisecond, 2*time.Second)
	result := stop(t, r)
	balanced(t, result)
	for _, tr := range result.Tracks {
		if tr.Losses() != 0 {
			t.Errorf("track %s lost %v", tr.ID, tr.Dropped)
		}
	}
	pictures := 0
	for _, p := range result.Parts {
		judge.DecodesClean(t, p.Path)
		if f := judge.Probe(t, p.Path); len(f.Of("video")) > 0 {
			pictures += len(judge.Pictures(t, p.Path, 0))
		}
	}
	if pictures != 45+60 || len(result.Parts) != 8 { // no black one: the file in which Bob left is closed
		t.Errorf("%d pictures in %d files, want 45 and 60 in 8", pictures, len(result.Parts))
	}
}

// A track goes on only after its end, as what it was; what is written to it
// between is refused.
func TestReturnIsToAnEndedTrack(t *testing.T) {
	r := start(t, recorder.Config{})
	track := recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"}
	a := addTrack(t, r, track)
	if _, err := r.AddTrack(track); !errors.Is(err, recorder.ErrTrackExists) {
		t.Errorf("second track: %v", err)
	}
	if err := a.Close(); err != nil { // has said nothing
		t.Fatal(err)
	}
	if err := a.WriteSample(sine(mono16k, 0, 20*time.Millisecond, 440)); !errors.Is(err, recorder.ErrTrackEnded) {
		t.Errorf("sample after the end: %v", err)
	}
	other := track
	other.Kind = media.KindVideo
	if _, err := r.AddTrack(other); !errors.Is(err, recorder.ErrTrackExists) {
		t.Errorf("as another kind: %v", err)
	}
	stereo := media.AudioFormat{Rate: 48000, Channels: 2}
	for i, f := range []media.AudioFormat{mono16k, stereo} { // it returns with another microphone
		a = addTrack(t, r, track)
		record(t, r, a, nil, f, vga(media.I420), time.Duration(i)*2*time.Second, time.Second)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	addTrack(t, r, track) // returns, and says nothing
	result := stop(t, r)
	balanced(t, result)
	near(t, "duration", result.Duration, 3*time.Second, time.Millisecond)
	if tr := result.Tracks[0]; tr.Losses() != 0 || tr.GapCount != 1 {
		t.Errorf("track: lost %v, gaps %v", tr.Dropped, tr.Gaps)
	}
	if s := judge.Probe(t, result.Path).Of("audio"); len(s) != 1 || s[0].Channels != 1 {
		t.Errorf("streams %+v", s)
	}
}

// A camera that stalls shortly before the end does not make the recording
// longer.
func TestStallIsNotThePicturesLength(t *testing.T) {
	r := start(t, recorder.Config{})
	v := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	record(t, r, nil, v, mono16k, vga(media.I420), 0, 2*time.Second)
	record(t, r, nil, v, mono16k, vga(media.I420), 12*time.Second, time.Second)
	result := stop(t, r)
	near(t, "result's duration", result.Duration, 13*time.Second, time.Millisecond)
	near(t, "the part's duration", result.Parts[0].Duration, 13*time.Second, time.Millisecond)
	near(t, "file's duration", judge.Probe(t, result.Path).Length(), 13*time.Second, time.Millisecond)
}
