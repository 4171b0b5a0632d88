package endtoend_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

const seconds = 6 // from when all calls are up

// A browser calls five times at once, with each codec that it offers: what it
// sends is in the file as it sent it, and in step.
func TestChromium(t *testing.T) {
	judge.Need(t, "chromium", "ffmpeg", "ffprobe", "gst-launch-1.0")
	r := newRoom(t, media.NewRealClock(), recorder.Config{})
	calls := map[string]*webRTC{}
	var said sent
	browse(t, []string{"video/VP8", "video/H264", "video/VP9", "video/AV1", "video/VP8@page"}, seconds, func(call, offer string) (string, error) {
		b := &webRTC{offer: offer}
		calls[call] = b
		r.join(participantOf(call), b)
		return b.answer, nil
	}, func(s sent) {
		said = s
		r.leave()
	})
	result := r.close()
	for _, c := range said.Calls {
		t.Run(participantOf(c.Name), func(t *testing.T) { checkCall(t, result, c, calls[c.Name]) })
	}
	checkAgreement(t, result.Path, said)
	checkPage(t, result.Path, len(said.Calls)-1)
	plays(t, result.Path, 5, 5)
	playsInBrowser(t, result)
}

func participantOf(mime string) string { return strings.ToLower(strings.TrimPrefix(mime, "video/")) }

// checkCall compares what was recorded of a call with what the browser says.
func checkCall(t *testing.T, result recorder.Result, said sentCall, b *webRTC) {
	t.Logf("the browser: %+v", said)
	name := participantOf(said.Name)
	video, audio := trackOf(t, result, name, media.KindVideo), trackOf(t, result, name, media.KindAudio)
	for _, tr := range []recorder.TrackResult{video, audio} {
		s := b.statsOf(tr.Kind)
		t.Logf("%s: %+v", tr.Kind, s)
		// Time zero is when all have begun. Where the first packets were slow,
		// sound is brought to its time by leaving a few out.
		allowed := tr.Dropped[recorder.DropBeforeStart] + min(tr.Dropped[recorder.DropSurplus], 3)
		if s.Lost != 0 || tr.LostOnTheWay != 0 || tr.Losses() > allowed || s.Discarded != 0 || s.Malformed != 0 || s.Foreign != 0 || s.Late != 0 || s.Strays != 0 || s.Restarts != 0 || s.SSRCChanges != 0 {
			t.Errorf("%s: lost on the way %d and %d, dropped %v", tr.Kind, s.Lost, tr.LostOnTheWay, tr.Dropped)
		}
	}
	if video.Codec != strings.TrimSuffix(name, "@page") || audio.Codec != "opus" {
		t.Errorf("recorded as %s and %s", video.Codec, audio.Codec)
	}
	if int(video.SamplesIn) != said.Frames || int(audio.SamplesIn) != said.Packets {
		t.Errorf("%d pictures and %d packets of sound arrived, %d and %d sent", video.SamplesIn, audio.SamplesIn, said.Frames, said.Packets)
	}
	for _, tr := range []recorder.TrackResult{video, audio} {
		if d := (tr.Last - tr.First).Seconds() - seconds; math.Abs(d) > 0.3 {
			t.Errorf("%s: %v recorded in %d s of all calls", tr.Kind, tr.Last-tr.First, seconds)
		}
	}
}

// checkAgreement checks that the calls, which are of the same camera and
// microphone, show and tell the same at the same time.
func checkAgreement(t *testing.T, path string, said sent) {
	var pictures [][]cameraPicture
	var beeps [][]time.Duration
	begun := said.Calls[len(said.Calls)-1].Shown // time zero is when the last has
	for i := range len(said.Calls) - 1 {
		pictures = append(pictures, cameraPictures(t, path, i, begun))
		beeps = append(beeps, judge.Beeps(t, path, i))
		middle, worst := picturesApart(pictures[0], pictures[i])
		heard, atWorst := beepsApart(beeps[0], beeps[i])
		t.Logf("track %d against the first: pictures %v apart, at worst %v, beeps %v, at worst %v", i, middle, worst, heard, atWorst)
		if middle > 20*time.Millisecond || heard > 20*time.Millisecond || atWorst > 40*time.Millisecond {
			t.Errorf("track %d is not in step with the first", i)
		}
	}
}

// checkPage checks that the flashes and beeps of a track that the page has made
// are in step, as far as the page itself keeps them so.
func checkPage(t *testing.T, path string, track int) {
	flashes, beeps := judge.Flashes(t, path, track), judge.Beeps(t, path, track)
	apart := pairs(flashes, beeps)
	t.Logf("%d flashes, %d beeps, %v apart", len(flashes), len(beeps), apart)
	if len(apart) < seconds-3 {
		t.Fatalf("%d flashes and %d beeps make %d pairs", len(flashes), len(beeps), len(apart))
	}
	slices.Sort(apart)
	// Sound goes through more buffers in the page than pictures do, and the more
	// the busier the machine is: 15 to 75 ms have been seen.
	if middle := apart[len(apart)/2]; middle < -20*time.Millisecond || middle > 120*time.Millisecond {
		t.Errorf("beeps are heard %v behind flashes", middle)
	}
}
