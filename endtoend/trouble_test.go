package endtoend_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// Whatever happens on the way, the file plays, is in step, and the result says
// what it lacks. Each kind of trouble is a participant of one room, so that none
// of them can hide in the file or harm another.
func TestTrouble(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe", "gst-launch-1.0")
	const (
		seconds = 12
		silence = 30 * time.Second
	)
	sound := opusFlow(t, seconds)
	picture, reordered := h264Flow(t, seconds), h264Flow(t, seconds, "-tune", "fastdecode", "-bf", "2")
	lossy := network{loss: 0.05}
	all := sender{wraps: true, net: network{loss: 0.02, reorder: 0.05, behind: 20, duplicate: 0.05, queue: 100 * time.Millisecond}}
	var senders []*replay
	for _, c := range []struct {
		name    string
		picture flow
		sender  sender
	}{
		{"nothing", picture, sender{}},
		{"loss", picture, sender{net: lossy}},
		{"loss with B-frames", reordered, sender{net: lossy}},
		{"reordering", reordered, sender{net: network{reorder: 0.1, behind: 20}}},
		{"no reports", picture, sender{noReports: true}},
		{"duplicates", picture, sender{net: network{duplicate: 0.1}}},
		{"silence", reordered, sender{silentAt: 6500 * time.Millisecond, silence: silence}},
		{"other SSRC", picture, sender{changeAt: 6 * time.Second}},
		{"wrap", reordered, sender{wraps: true}},
		{"freeze", picture, sender{net: network{freezeAt: 5500 * time.Millisecond, freeze: 2 * time.Second}}},
		{"slow start", picture, sender{net: network{freezeAt: 1, freeze: 150 * time.Millisecond}}},
		{"all at once", picture, all},
		{"all with B-frames", reordered, all},
	} {
		c.sender.seed, c.sender.flows, c.sender.net.least = 7, []flow{c.picture, sound}, 20*time.Millisecond
		senders = append(senders, &replay{name: c.name, sender: c.sender})
	}
	r := newRoom(t, media.NewVirtualClock(), recorder.Config{Video: recorder.VideoOptions{AfterLoss: recorder.AfterLossFreeze}})
	record(t, r, senders...)
	result := r.close()
	plays(t, result.Path, len(senders), len(senders))
	if want := seconds*time.Second + silence; (result.Duration - want).Abs() > 100*time.Millisecond {
		t.Errorf("%v recorded of %v", result.Duration, want)
	}
	file := judge.Probe(t, result.Path)
	for _, b := range senders {
		t.Run(b.name, func(t *testing.T) {
			checkBooks(t, result, b)
			checkLength(t, result, b, seconds*time.Second+b.sender.silence)
			checkInStep(t, result.Path, file, b)
		})
	}
}

// checkBooks compares what the network did with what is known of it.
func checkBooks(t *testing.T, result recorder.Result, b *replay) {
	t.Helper()
	for i, kind := range []media.Kind{media.KindVideo, media.KindAudio} {
		s, went, tr := b.stats[i], b.went[i], trackOf(t, result, b.name, kind)
		t.Logf("%s: %+v; %+v", kind, went, s)
		if int(s.Received) != went.sent-went.dropped+went.duplicated {
			t.Errorf("%s: %d received of %d sent, %d dropped, %d doubled", kind, s.Received, went.sent, went.dropped, went.duplicated)
		}
		if int(s.Lost) != went.noticeable || int(s.Duplicates) != went.duplicated {
			t.Errorf("%s: %d lost and %d doubled are counted, %d dropped between others and %d doubled on the way", kind, s.Lost, s.Duplicates, went.noticeable, went.duplicated)
		}
		if tr.LostOnTheWay != int64(s.Lost) {
			t.Errorf("%s: the result says %d lost on the way, the receiver %d", kind, tr.LostOnTheWay, s.Lost)
		}
		if s.Malformed != 0 || s.Waiting != 0 || s.Strays != 0 || s.Late != 0 {
			t.Errorf("%s: %+v", kind, s)
		}
		if went.dropped == 0 && (tr.Losses() != 0 || s.Discarded != 0) {
			t.Errorf("%s: nothing was lost, but %v dropped and %d discarded", kind, tr.Dropped, s.Discarded)
		}
	}
}

// checkLength checks how long the tracks are. Pictures that need what was lost
// are missing at the end, too.
func checkLength(t *testing.T, result recorder.Result, b *replay, want time.Duration) {
	t.Helper()
	for _, kind := range []media.Kind{media.KindVideo, media.KindAudio} {
		tr, short := trackOf(t, result, b.name, kind), 60*time.Millisecond
		if b.sender.net.loss > 0 && kind == media.KindVideo {
			short = 2 * time.Second
		}
		if tr.First > 60*time.Millisecond || tr.Last > want+60*time.Millisecond || tr.Last < want-short {
			t.Errorf("%s from %v to %v, want %v", kind, tr.First, tr.Last, want)
		}
	}
}

// checkInStep compares when flashes are seen and beeps are heard, each at a full
// second and all of them, unless some were lost.
func checkInStep(t *testing.T, path string, file judge.File, b *replay) {
	t.Helper()
	flashes := judge.Flashes(t, path, streamOf(t, file, b.name, "video"))
	beeps := judge.Beeps(t, path, streamOf(t, file, b.name, "audio"))
	t.Logf("flashes late by %v\nbeeps late by %v", pastSecond(flashes), pastSecond(beeps))
	losses := b.sender.net.loss > 0
	if len(flashes) < 3 || len(beeps) < 9 || !losses && (len(flashes) != 11 || len(beeps) != 11) {
		t.Fatalf("%d flashes and %d beeps", len(flashes), len(beeps))
	}
	for kind, instants := range map[string][]time.Duration{"flash": flashes, "beep": beeps} {
		for i, late := range pastSecond(instants) {
			// A tenth of a second of sound is five packets, of which the first may be lost.
			if late < -5*time.Millisecond-b.sender.net.most() || late > 5*time.Millisecond && !(losses && kind == "beep" && late < 45*time.Millisecond) {
				t.Errorf("%s %d comes %v behind its second", kind, i, late)
			}
		}
	}
	allowed := 2 * time.Millisecond
	switch {
	case b.sender.noReports:
		allowed += latency(b.sender.flows[0]) - latency(b.sender.flows[1]) // it cannot be known
	case b.sender.net.queue > 0:
		allowed = 10 * time.Millisecond // sound moves by whole packets
	}
	apart := slices.Sorted(slices.Values(pairs(flashes, beeps)))
	if middle := apart[len(apart)/2]; middle.Abs() > allowed {
		t.Errorf("beeps are heard %v behind flashes", middle)
	}
}

// pairs returns by how much the later beeps are than the flashes of the same
// second.
func pairs(flashes, beeps []time.Duration) []time.Duration {
	var apart []time.Duration
	for _, f := range flashes {
		for _, b := range beeps {
			if d := b - f; d.Abs() < 500*time.Millisecond {
				apart = append(apart, d)
			}
		}
	}
	return apart
}

// streamOf returns which of its type a participant's stream is in a file.
func streamOf(t *testing.T, file judge.File, participant, kind string) int {
	t.Helper()
	for i, s := range file.Of(kind) {
		if s.Tags["handler_name"] == participant {
			return i
		}
	}
	t.Fatalf("no %s of %s in the file", kind, participant)
	return 0
}

// pastSecond returns by how much instants are later than the full second.
func pastSecond(instants []time.Duration) []time.Duration {
	var late []time.Duration
	for _, at := range instants {
		late = append(late, at-time.Duration(math.Round(at.Seconds()))*time.Second)
	}
	return late
}
