package av_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// player delivers clips as a source does that has every fault a source may have,
// and tells what it knows of them.
type player struct {
	rng    *rand.Rand
	w      recorder.TrackWriter
	track  recorder.Track
	clips  [][]media.Sample // each from time zero
	lender lender

	clip    []media.Sample // what is left of the one that is being sent
	base    time.Duration  // when it began
	now     time.Duration
	lost    int
	refused int64
}

// step sends one sample, or does something else.
func (p *player) step(t *testing.T, r recorder.Recording) {
	t.Helper()
	switch n := p.rng.IntN(200); {
	case len(p.clip) == 0 || n < 2: // another size, codec or order of pictures
		p.clip, p.base = p.clips[p.rng.IntN(len(p.clips))], p.now+40*time.Millisecond
		p.lost++ // what it refers to is gone in any case
		return
	case n < 4: // lost on the way
		k := min(1+p.rng.IntN(4), len(p.clip))
		p.clip, p.lost = p.clip[k:], p.lost+k
		return
	case n < 6: // leaves and returns
		if err := p.w.Close(); err != nil {
			t.Fatal(err)
		}
		if p.rng.IntN(2) == 0 {
			p.send(p.clip[0], p.clip[0].Encoded.Data) // too late
		}
		w, err := r.AddTrack(p.track)
		if err != nil && !errors.Is(err, recorder.ErrLateTrack) {
			t.Fatal(err)
		}
		if err == nil {
			p.w = w
		}
		return
	case n < 8: // its clock is set
		p.base += time.Duration(p.rng.IntN(5000)-2000) * time.Millisecond
	case n < 9 && p.clip[0].Encoded.Format.Codec != media.AAC: // rubbish, where that can be told
		p.send(p.clip[0], []byte{0xff})
		p.lost++
	}
	s := p.clip[0]
	p.clip = p.clip[1:]
	if f := s.Encoded.Format; f.Codec == media.H264 && p.rng.IntN(4) == 0 {
		for _, u := range nals(s.Encoded.Data) {
			p.send(media.Sample{Time: s.Time, Encoded: &media.Encoded{Format: f, Lead: s.Encoded.Lead}}, u)
		}
		return
	}
	p.send(s, s.Encoded.Data)
}

func (p *player) send(s media.Sample, data []byte) {
	e := p.lender.lend(s.Encoded.Format, data)
	e.Lead, e.Duration, e.Whole, e.Lost = s.Encoded.Lead, s.Encoded.Duration, s.Encoded.Whole, p.lost
	if p.rng.IntN(10) == 0 {
		f := *e.Format
		e.Format = &f
	}
	s.Encoded, s.Time = e, max(p.base+s.Time, 0)
	p.now, p.lost = max(s.Time, p.now), 0
	if err := p.w.WriteSample(s); err != nil {
		p.refused++
		p.lost = 1
	}
	e.Release()
}

// Whatever a source does, each sample is written or counted as lost, all data
// goes back to its owner, and the file decodes.
func TestCopyOfAnything(t *testing.T) {
	t.Parallel()
	film := func(codec string, o clip.Options) []media.Sample {
		o.FPS, o.Seconds = 25, 2
		return arrival(clip.Encode(t, codec, o), 0)
	}
	films := [][]media.Sample{
		film("h264", clip.Options{GOP: 10}), film("h264", clip.Options{GOP: 25, BFrames: 2}),
		unknownLead(film("h264", clip.Options{GOP: 20, BFrames: 2})), film("h264", clip.Options{GOP: 15, Width: 128, Height: 96}),
		film("vp8", clip.Options{GOP: 12}),
	}
	voices := [][]media.Sample{
		arrival(clip.Encode(t, "opus", clip.Options{Seconds: 2}), 0), arrival(clip.Encode(t, "opus", clip.Options{Seconds: 2, Channels: 2}), 0),
		arrival(clip.Encode(t, "aac", clip.Options{Seconds: 2}), 0),
	}
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			cfg := recorder.Config{VideoCodec: "copy", AudioCodec: "copy", Video: recorder.VideoOptions{AfterLoss: recorder.AfterLossFreeze}}
			if seed%3 == 1 {
				cfg.Rotate.Duration = 2 * time.Second
			}
			if seed%4 == 3 {
				cfg.Format = "mkv"
			}
			r := start(t, cfg)
			tracks := []*player{
				{rng: rng, clips: films, track: recorder.Track{ID: "v", Kind: media.KindVideo, RequestKeyFrame: func() {}}},
				{rng: rng, clips: voices, track: recorder.Track{ID: "a", Kind: media.KindAudio}},
			}
			for _, p := range tracks {
				p.w = addTrack(t, r, p.track)
			}
			playAll(t, rng, r, tracks)
			result, err := r.Stop(t.Context())
			balanced(t, result)
			for i, p := range tracks {
				tr := result.Tracks[i]
				t.Logf("%s: %d in, %d refused, %d written, dropped %v, %v", tr.ID, tr.SamplesIn, p.refused, tr.SamplesWritten, tr.Dropped, tr.Err)
				if n := p.lender.out.Load(); n != 0 {
					t.Errorf("%s: %d samples are not given back", tr.ID, n)
				}
				if tr.SamplesWritten == 0 {
					t.Errorf("%s: nothing is written", tr.ID)
				}
			}
			if err != nil {
				t.Error(err)
			}
			for _, part := range result.Parts {
				wantDecodes(t, part.Path)
			}
		})
	}
}

// wantDecodes fails unless all of a file decodes. Where a clock was set back
// pictures are not in the order of their times, which ffmpeg says of the frames
// that it gives out.
func wantDecodes(t *testing.T, path string) {
	t.Helper()
	judge.Need(t, "ffmpeg")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", path, "-map", "0",
		"-enc_time_base:v", "1:90000", "-f", "null", "-").CombinedOutput()
	said := []string{"non monotonically", "Last message repeated"}
	if err != nil && strings.Contains(string(out), "Cannot determine format of input stream") { // one that is silent in this part
		said = append(said, "Cannot determine format", "Error marking filters")
		err = nil
	}
	for line := range strings.Lines(string(out)) {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(line, s) }) {
			t.Errorf("ffmpeg says of %s: %s", path, line)
		}
	}
	if err != nil {
		t.Errorf("ffmpeg does not decode %s: %v", path, err)
	}
}

// playAll lets tracks go on side by side, with pauses.
func playAll(t *testing.T, rng *rand.Rand, r recorder.Recording, tracks []*player) {
	t.Helper()
	paused := false
	for range 700 {
		p := tracks[0]
		if tracks[1].now < p.now {
			p = tracks[1]
		}
		p.step(t, r)
		if rng.IntN(150) > 0 {
			continue
		}
		var err error
		if pauser := r.(recorder.Pauser); paused {
			err = pauser.Resume(p.now)
		} else {
			err = pauser.Pause(p.now, []recorder.PauseMode{recorder.PauseCut, recorder.PauseHold}[rng.IntN(2)])
		}
		if err != nil {
			t.Fatal(err)
		}
		paused = !paused
	}
}
