package wav_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/internal/trouble"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

const (
	in  = media.Inbound
	out = media.Outbound
)

// plans are conversations with stamps that are exact: what is in the files is
// known to the sample.
var plans = map[string][]media.Sample{
	"answer a second later": byTime(speech(in, ms(5000), ms(6400)), speech(out, ms(6000), ms(7000))),
	"agent first":           byTime(speech(out, ms(500), ms(1500)), speech(in, ms(900), ms(2500))),
	"pause of 200 ms":       byTime(speech(in, 0, ms(600)), speech(in, ms(800), ms(1400)), speech(out, ms(300), ms(500))),
	"nobody answers":        speech(in, ms(70), ms(1070)),
	"only the agent":        speech(out, ms(70), ms(1070)),
	"a minute of silence":   byTime(speech(in, 0, ms(400)), speech(out, ms(60_000), ms(60_400)), speech(in, ms(60_200), ms(60_800))),
	// Speech of the agent is cut at a sample when it is interrupted, and goes
	// on 300 ms later.
	"interruption": append(append(byTime(speech(in, 0, ms(500)), speech(out, ms(200), ms(400))),
		spoken(out, ms(400), 133)), byTime(speech(in, ms(500), ms(1500)), speech(out, ms(700), ms(1000)))...),
	// All of the answer comes at once, with the times at which it is played,
	// some of which have not come yet.
	"burst": append(append(speech(in, 0, ms(500)), speech(out, ms(300), ms(1300))...), speech(in, ms(500), ms(1600))...),
	// The network brings half a second of the microphone at once.
	"late burst": append(append(speech(in, 0, ms(500)), speech(out, 0, ms(1200))...), speech(in, ms(500), ms(1300))...),
	"odd pieces": oddPieces(ms(100), ms(1900)),
}

// oddPieces are pieces of many lengths back to back.
func oddPieces(from, to time.Duration) (all []media.Sample) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, d := range []media.Direction{in, out} {
		for at := from; at < to; {
			n := 80 + 16*r.IntN(40) // whole milliseconds
			all = append(all, spoken(d, at, n))
			at += mono.Duration(n)
		}
	}
	return byTime(all)
}

func TestEachModeHasEachPlanToTheSample(t *testing.T) {
	judge.Need(t, "sox", "ffmpeg")
	for name, plan := range plans {
		for _, mode := range []wav.Mode{wav.Both, wav.Inbound, wav.Outbound} {
			for _, ch := range []wav.Channels{wav.Mixed, wav.Separate, wav.Stereo, wav.All} {
				// All has each way of the others; two plans show that the others
				// are the same alone.
				if whole := name == "interruption" || name == "only the agent"; !whole && (mode != wav.Both || ch != wav.All) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", name, mode, ch), func(t *testing.T) {
					t.Parallel()
					runPlan(t, plan, wav.Options{Mode: mode, Channels: ch})
				})
			}
		}
	}
}

// runPlan records a plan and checks the files against a model of it.
func runPlan(t *testing.T, plan []media.Sample, o wav.Options) {
	wanted := func(d media.Direction) bool {
		return o.Mode == wav.Both || string(o.Mode) == []string{"inbound", "outbound"}[d]
	}
	r := start(t, newRecorder(t, o), recorder.Config{})
	write(t, addTrack(t, r, voice), plan...)
	var heard []media.Sample
	zero := time.Duration(1 << 62)
	for _, s := range plan {
		if wanted(s.Direction) {
			heard = append(heard, s)
			zero = min(zero, s.Time)
		}
	}
	if len(heard) == 0 {
		if _, err := r.Stop(t.Context()); err != recorder.ErrNoMedia {
			t.Errorf("stop: %v, want %v", err, recorder.ErrNoMedia)
		}
		return
	}
	result := stop(t, r)
	var m model
	m.hear(zero, heard)
	wantFiles(t, result, m.files(o.Mode, o.Channels))
	tr := result.Tracks[0]
	if want := int64(len(plan) - len(heard)); tr.Dropped[recorder.DropNotWanted] != want || tr.Losses() != want {
		t.Errorf("dropped %v, want %d not recorded", tr.Dropped, want)
	}
	frames := max(len(m.voices[0]), len(m.voices[1]))
	if want := mono.Duration(frames); result.Duration != want || tr.Last != want || tr.First != 0 {
		t.Errorf("lasts %v, the track from %v to %v, want %v", result.Duration, tr.First, tr.Last, want)
	}
}

// Nothing is left of a recording, neither goroutine nor descriptor.
func TestNothingIsLeft(t *testing.T) {
	trouble.NothingLeft(t)
	r := start(t, newRecorder(t, wav.Options{Channels: wav.All}), recorder.Config{})
	w := addTrack(t, r, voice)
	write(t, w, plans["agent first"]...)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	stop(t, r)
}
