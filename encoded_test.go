package roomkit_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

var (
	h264 = &media.EncodedFormat{Codec: media.H264, Width: 64, Height: 48}
	opus = &media.EncodedFormat{Codec: media.Opus, Rate: 48000, Channels: 1}
)

func encoded(t time.Duration, f *media.EncodedFormat, data ...byte) media.Sample {
	return media.Sample{Time: t, Encoded: &media.Encoded{Format: f, Data: data}}
}

func TestEncodedFormatsAreDeclared(t *testing.T) {
	s := newSet(t,
		backend.Track{Kind: media.KindAudio, Encoded: *opus},
		backend.Track{Kind: media.KindVideo, Encoded: *h264},
		backend.Track{Kind: media.KindScreen, Encoded: media.EncodedFormat{Codec: media.AV1}, Audio: micFormat})
	s.join("ann")
	for i, want := range []string{"opus 48000 Hz, 1 ch", "h264 64x48", "av1"} {
		if tr := s.recording().Tracks()[i]; tr.Encoded.String() != want || !tr.Audio.IsZero() || !tr.Video.IsZero() {
			t.Errorf("track %+v, want %s", tr, want)
		}
	}
	sink := s.backend.line("ann").sink
	for name, c := range map[string]struct {
		track backend.Track
		says  []string
	}{
		"pictures as audio": {backend.Track{Kind: media.KindAudio, Encoded: *h264}, []string{"audio", "h264"}},
		"audio as pictures": {backend.Track{Kind: media.KindVideo, Encoded: *opus}, []string{"video", "opus"}},
		"audio as a screen": {backend.Track{Kind: media.KindScreen, Encoded: *opus}, []string{"screen", "opus"}},
		"both":              {backend.Track{Kind: media.KindVideo, Encoded: *h264, Video: camFormat}, []string{"video", "h264", "allowed: one"}},
		"impossible":        {backend.Track{Kind: media.KindVideo, Encoded: media.EncodedFormat{Codec: media.VP8, Packing: media.ADTS}}, []string{"adts", "vp8"}},
	} {
		_, err := sink.AddTrack(c.track)
		wantError(t, name, err, media.ErrFormat, c.says...)
	}
}

func TestTapRefusesEncodedOfTheOtherSort(t *testing.T) {
	s := newSet(t, mic, screen)
	s.join("ann")
	l := s.backend.line("ann")
	two := encoded(0, h264, 1)
	two.Picture = media.NewPicture(camFormat)
	for _, x := range []media.Sample{encoded(0, h264, 1), two, encoded(0, nil, 1), encoded(0, opus), encoded(-time.Hour, opus, 1), encoded(time.Hour, opus, 1)} {
		l.tracks[0].Push(x)
	}
	l.tracks[0].Push(encoded(0, opus, 1))
	l.tracks[1].Push(encoded(0, opus, 1))
	l.tracks[1].Push(encoded(0, h264, 1))
	r := s.closeRoom()[0]
	balanced(t, r)
	for i, refused := range []int64{6, 1} {
		if tr := r.Tracks[i]; tr.SamplesWritten != 1 || tr.Dropped[recorder.DropRejected] != refused {
			t.Errorf("track %d: %d written, dropped %v, want %d refused", i, tr.SamplesWritten, tr.Dropped, refused)
		}
	}
	// Those that were refused are missing to whoever decodes the next.
	if got := s.recording().Samples(r.Tracks[0].ID)[0].Missed; got != 6 {
		t.Errorf("the recorder is told of %d missed", got)
	}
}

// Pictures in decoding order, whose times go back and forth, reach a recorder
// as they came: H.264 with B-frames.
func TestDecodingOrderIsKept(t *testing.T) {
	c := clip.Encode(t, "h264", clip.Options{BFrames: 2})
	at := func(ticks int64) time.Duration {
		return time.Duration(ticks) * time.Second / time.Duration(c.Timescale)
	}
	format := &media.EncodedFormat{Codec: media.H264, Config: c.Extra}
	s := newSet(t, backend.Track{Kind: media.KindVideo, Encoded: *format})
	s.join("ann")
	back, before := 0, time.Duration(-1)
	for _, x := range c.Samples {
		e := encoded(at(x.PTS), format, x.Data...)
		e.Encoded.Lead = at(x.PTS - x.DTS)
		if e.Time < before {
			back++
		}
		before = e.Time
		if err := s.backend.line("ann").tracks[0].Wait(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if back == 0 {
		t.Fatal("the clip has no B-frames")
	}
	r := s.closeRoom()[0]
	got := s.recording().Samples(r.Tracks[0].ID)
	if len(got) != len(c.Samples) || r.Tracks[0].Losses() != 0 {
		t.Fatalf("%d of %d pictures, dropped %v", len(got), len(c.Samples), r.Tracks[0].Dropped)
	}
	for i, x := range c.Samples {
		if g := got[i]; g.Time != at(x.PTS) || g.Encoded.Lead != at(x.PTS-x.DTS) || string(g.Encoded.Data) != string(x.Data) || g.Missed != 0 {
			t.Fatalf("picture %d: %v, lead %v, %d bytes, %d missed", i, g.Time, g.Encoded.Lead, len(g.Encoded.Data), g.Missed)
		}
	}
}

// owner counts what has been given back of its data.
type owner struct{ freed atomic.Int64 }

func (o *owner) Free() { o.freed.Add(1) }

// Data that a source has lent comes back when the last recorder is done with
// it, also where it was refused.
func TestLentDataComesBack(t *testing.T) {
	s := newSet(t, mic)
	s.join("ann")
	var pool media.EncodedPool
	var lender owner
	in := s.backend.line("ann").tracks[0]
	for i := range 10 {
		f := opus
		if i%3 == 0 {
			f = h264
		}
		in.Push(media.Sample{Encoded: pool.LendEncoded(f, []byte{1}, &lender)})
	}
	s.closeRoom()
	in.Push(media.Sample{Encoded: pool.LendEncoded(opus, []byte{1}, &lender)})
	if n := lender.freed.Load(); n != 11 {
		t.Errorf("%d of 11 came back", n)
	}
}

// The recorder that writes files asks the source of pictures for a keyframe: as
// it begins in mid-stream, after a loss, and the new source of who returns.
func TestRecorderAsksForKeyframes(t *testing.T) {
	c := clip.Encode(t, "h264", clip.Options{Seconds: 2, GOP: 100})
	format := &media.EncodedFormat{Codec: media.H264, Config: c.Extra}
	var cam encoder
	s := bareSet(t, backend.Track{Kind: media.KindVideo, Encoded: *format, RequestKeyFrame: func() { cam.asked.Add(1) }})
	rec := must(av.NewRecorder())(t)
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: rec, Config: recorder.Config{Storage: t.TempDir()}})))(t)
	session := s.join("ann")
	offset := time.Duration(0)
	send := func(first, last, lost int) {
		for _, x := range c.Samples[first:last] {
			e := encoded(offset+time.Duration(x.PTS)*time.Second/time.Duration(c.Timescale), format, x.Data...)
			e.Encoded.Lost, lost = lost, 0
			if err := s.backend.line("ann").tracks[0].Wait(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	await := func(when string, n int64) {
		t.Helper()
		eventually(t, when, func() bool { return cam.asked.Load() == n })
		s.clock.Advance(time.Second)
	}
	send(1, 3, 0)
	await("in mid-stream", 1)
	offset = time.Second
	send(0, 5, 0)
	send(7, 9, 2)
	await("after a loss", 2)
	if err := s.kit.Leave(t.Context(), session.ID()); err != nil {
		t.Fatal(err)
	}
	cam2 := &encoder{}
	s.backend.tracks[0].RequestKeyFrame = func() { cam2.asked.Add(1) }
	s.join("ann")
	offset = 4 * time.Second
	send(1, 3, 0)
	eventually(t, "by the new source", func() bool { return cam2.asked.Load() == 1 })
	r := s.closeRoom()[0]
	balanced(t, r)
	if tr := r.Tracks[0]; len(r.Tracks) != 1 || tr.LostOnTheWay != 2 || tr.KeyframeRequests < 3 || cam.asked.Load() != 2 {
		t.Errorf("old source asked %d times, track %+v", cam.asked.Load(), tr)
	}
}

// What is played to somebody whose voice comes encoded has a track of its own:
// the two cannot be added up without decoding.
func TestPlayoutBesideEncodedVoice(t *testing.T) {
	s := newSet(t, backend.Track{Kind: media.KindAudio, Encoded: *opus})
	ann := s.join("ann")
	if err := ann.Play(t.Context(), pcm(speechFormat, 480, 3)); err != nil {
		t.Fatal(err)
	}
	s.backend.line("ann").tracks[0].Push(encoded(0, opus, 1))
	s.clock.Advance(time.Second)
	r := s.closeRoom()[0]
	balanced(t, r)
	if len(r.Tracks) != 2 || r.Tracks[0].SamplesWritten != 1 || r.Tracks[1].SamplesWritten == 0 || r.Tracks[1].Participant != "ann" {
		t.Errorf("%+v, want the voice and what was played", r.Tracks)
	}
}
