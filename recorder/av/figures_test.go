package av_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// The result tells how fast a source ran, how far it was corrected, and where
// it was silent, counted from the file's beginning; no sample is unaccounted
// for.
func TestFiguresOfATrack(t *testing.T) {
	r := start(t, recorder.Config{})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	const begin, ppm, packet = 7 * time.Second, 400, 20 * time.Millisecond
	written := int64(0)
	for i := range 1500 {
		at := time.Duration(float64(i) * float64(packet) / (1 + ppm*1e-6))
		if i >= 500 && i < 600 || i == 1000 { // two seconds nothing, and one lost
			continue
		}
		write(t, a, sine(mono16k, begin+at, packet, 440))
		written++
	}
	result := stop(t, r)
	track := result.Tracks[0]
	if track.SamplesIn != written || track.SamplesWritten != written || track.Losses() != 0 {
		t.Errorf("%d in, %d written, %v dropped; want %d", track.SamplesIn, track.SamplesWritten, track.Dropped, written)
	}
	if math.Abs(track.RatePPM-ppm) > 1 {
		t.Errorf("%.2f ppm, want %d", track.RatePPM, ppm)
	}
	near(t, "largest correction", track.LargestCorrection, 3*time.Millisecond, time.Millisecond)
	if len(track.Gaps) != 2 || track.GapCount != 2 {
		t.Fatalf("gaps %v", track.Gaps)
	}
	near(t, "first gap", track.Gaps[0].Start, 10*time.Second, 10*time.Millisecond)
	near(t, "length of the first gap", track.Gaps[0].Length, 2*time.Second, 5*time.Millisecond)
	near(t, "second gap", track.Gaps[1].Start, 20*time.Second, 10*time.Millisecond)
	near(t, "length of the second gap", track.Gaps[1].Length, packet, time.Millisecond)
	near(t, "length of all gaps", track.GapTotal, track.Gaps[0].Length+track.Gaps[1].Length, 0)
	near(t, "duration", result.Duration, 30*time.Second*1_000_000/(1_000_000+ppm), 10*time.Millisecond)

	text, err := json.Marshal(track)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		RatePPM           float64 `json:"rate_ppm"`
		LargestCorrection float64 `json:"largest_correction"`
		Gaps              []struct{ Start, Length float64 }
		GapCount          int     `json:"gap_count"`
		GapTotal          float64 `json:"gap_total"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.RatePPM != track.RatePPM || got.LargestCorrection != track.LargestCorrection.Seconds() || got.GapCount != 2 ||
		got.GapTotal != track.GapTotal.Seconds() || len(got.Gaps) != 2 || got.Gaps[0].Start != track.Gaps[0].Start.Seconds() ||
		got.Gaps[1].Length != track.Gaps[1].Length.Seconds() {
		t.Errorf("JSON %s", text)
	}
}

// A packet that is held when the recording stops is in the file.
func TestHeldAudioIsNotLost(t *testing.T) {
	for _, packets := range []int{1, 2, 5} {
		r := start(t, recorder.Config{})
		a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
		for i := range packets {
			write(t, a, sine(mono16k, time.Second+time.Duration(i)*20*time.Millisecond, 20*time.Millisecond, 440))
		}
		write(t, a, sine(mono16k, 3*time.Second, 20*time.Millisecond, 440))
		result := stop(t, r)
		if tr := result.Tracks[0]; tr.SamplesWritten != int64(packets)+1 || tr.Losses() != 0 {
			t.Errorf("%d written, dropped %v; want %d", tr.SamplesWritten, tr.Dropped, packets+1)
		}
		near(t, "duration", result.Duration, 2020*time.Millisecond, time.Millisecond)
	}
}

// A participant and the agent they talk to both fall silent for minutes and
// come back at once: the silence is crossed, and nothing of either is lost.
func TestBothDirectionsReturn(t *testing.T) {
	r := start(t, recorder.Config{})
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	const gap, packet = 5 * time.Minute, 20 * time.Millisecond
	n := int64(0)
	for _, from := range []time.Duration{0, time.Second + gap} {
		for at := from; at < from+time.Second; at += packet {
			for _, dir := range []media.Direction{media.Inbound, media.Outbound} {
				s := sine(mono16k, at+time.Duration(dir)*7*time.Millisecond, packet, 440)
				s.Direction = dir
				write(t, a, s)
				n++
			}
		}
	}
	result := stop(t, r)
	if tr := result.Tracks[0]; tr.SamplesWritten != n || tr.Losses() != 0 || tr.GapCount != 1 {
		t.Errorf("%d written, dropped %v, gaps %v; want %d", tr.SamplesWritten, tr.Dropped, tr.Gaps, n)
	}
	near(t, "duration", result.Duration, 2*time.Second+gap+7*time.Millisecond, time.Millisecond)
}
