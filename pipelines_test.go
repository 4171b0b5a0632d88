package roomkit_test

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/pipeline"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/video"
	"github.com/roomkit-live/roomkit-go/voice"
)

// What a stage tells says of whom.
func TestPipelinesKnowTheParticipant(t *testing.T) {
	s := newSet(t)
	var levels []voice.LevelEvent // of one source, whose goroutine this is
	b := &fakeBackend{tracks: []backend.Track{mic}}
	p := voice.NewPipeline(voice.Level(0, func(e voice.LevelEvent) { levels = append(levels, e) }))
	if err := s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoicePipeline(p))); err != nil {
		t.Fatal(err)
	}
	ann := must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
	for i := range 10 {
		b.line("ann").tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 16384))
	}
	s.closeRoom()
	want := pipeline.Stream{Room: "room", Channel: "v", Session: ann.ID(), Participant: "ann", Kind: media.KindAudio}
	if len(levels) != 2 || levels[0].Stream != want || math.Abs(levels[0].RMS+6.02) > 0.01 {
		t.Errorf("levels %+v", levels)
	}
}

// Stages that hold media back, and change its rate, lose none of it: what is
// said and what is played are as long behind them as before.
func TestPipelinesAreFlushed(t *testing.T) {
	objects := ffmpeg.LiveObjects()
	s := newSet(t)
	b := &fakeBackend{tracks: []backend.Track{mic}}
	f := media.AudioFormat{Rate: 48000, Channels: 1}
	p := voice.NewPipeline(voice.Resample(f))
	if err := s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoicePipeline(p), roomkit.WithOutboundPipeline(p))); err != nil {
		t.Fatal(err)
	}
	ann := must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
	if err := ann.Play(t.Context(), pcm(speechFormat, 24000/2, 1000)); err != nil {
		t.Fatal(err)
	}
	hold := s.clock.NewPacer()
	for i := range 50 {
		b.line("ann").tracks[0].Push(tone(time.Duration(i)*20*time.Millisecond, 1000))
		if err := hold.SleepUntil(t.Context(), time.Duration(i+1)*20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	hold.Close()
	s.closeRoom()
	got := s.recording().Samples(ann.ID() + "/audio")
	for dir, want := range map[media.Direction]int{media.Inbound: 48000, media.Outbound: 24000} {
		times, _ := heard(got, dir)
		if len(times) != want || times[0] != 0 || (times[len(times)-1]-f.Duration(want-1)).Abs() > time.Microsecond {
			t.Errorf("direction %d: %d frames from %v to %v, want %d", dir, len(times), times[0], times[len(times)-1], want)
		}
	}
	if n := ffmpeg.LiveObjects(); n != objects {
		t.Errorf("%d C objects, %d before", n, objects)
	}
}

// Pictures are what the pipeline makes of them, raw and encoded, pushed and
// waited with; what is pushed is treated beside its source.
func TestVideoPipeline(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 1})
	f := &media.EncodedFormat{Codec: media.H264, Config: film.Extra}
	for _, wait := range []bool{false, true} {
		s := newSet(t)
		b := &fakeBackend{tracks: []backend.Track{camera, {Kind: media.KindVideo, Encoded: media.EncodedFormat{Codec: media.H264}}}}
		p := video.NewPipeline(video.Resize(32, 24))
		if err := s.kit.RegisterChannel(roomkit.NewVideoChannel("v", b, roomkit.WithVideoPipeline(p))); err != nil {
			t.Fatal(err)
		}
		ann := must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
		put := func(track int, x media.Sample) {
			if !wait {
				b.line("ann").tracks[track].Push(x)
			} else if err := b.line("ann").tracks[track].Wait(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 8 {
			put(0, picture(time.Duration(i)*40*time.Millisecond))
		}
		for _, x := range film.Samples {
			put(1, encoded(time.Duration(x.PTS)*time.Second/time.Duration(film.Timescale), f, x.Data...))
		}
		r := s.closeRoom()[0]
		balanced(t, r)
		if r.Tracks[0].SamplesWritten != 8 || r.Tracks[1].SamplesWritten != int64(len(film.Samples)) {
			t.Errorf("wait %t: %d and %d written, dropped %v, want 8 and %d", wait, r.Tracks[0].SamplesWritten, r.Tracks[1].SamplesWritten, r.Tracks[1].Dropped, len(film.Samples))
		}
		for _, id := range []string{"/video", "/video2"} {
			for _, x := range s.recording().Samples(ann.ID() + id) {
				if x.Picture == nil || x.Picture.Format.Width != 32 || x.Picture.Format.Height != 24 {
					t.Fatalf("%s: recorded %+v", id, x)
				}
			}
		}
	}
}

// A pipeline that is slower than its live source costs pictures, which are
// counted, and not the source.
func TestSlowVideoPipeline(t *testing.T) {
	s := newSet(t)
	release := make(chan struct{})
	b := &fakeBackend{tracks: []backend.Track{camera}}
	slow := video.Func(func(x media.Sample) (media.Sample, error) { <-release; return x, nil })
	if err := s.kit.RegisterChannel(roomkit.NewVideoChannel("v", b, roomkit.WithVideoPipeline(video.NewPipeline(slow)))); err != nil {
		t.Fatal(err)
	}
	must(s.kit.Join(t.Context(), "room", "v", roomkit.WithParticipant("ann")))(t)
	for i := range 50 {
		b.line("ann").tracks[0].Push(picture(time.Duration(i) * time.Millisecond))
	}
	close(release)
	r := s.closeRoom()[0].Tracks[0]
	if r.SamplesIn != 50 || r.SamplesWritten+r.Dropped[recorder.DropPipeline] != 50 || r.SamplesWritten < 8 || r.SamplesWritten > 9 {
		t.Errorf("%d in, %d written, dropped %v", r.SamplesIn, r.SamplesWritten, r.Dropped)
	}
}

// A sample of which one frame is damaged has given something, though a stage holds
// that back: it is not lost.
func TestDamagedSampleBehindAStageThatHolds(t *testing.T) {
	c := clip.Encode(t, "aac", clip.Options{Seconds: 1})
	f := &media.EncodedFormat{Codec: media.AAC, Packing: media.ADTS, Rate: c.Rate, Channels: c.Channels}
	s := newSet(t)
	b := &fakeBackend{tracks: []backend.Track{{Kind: media.KindAudio, Encoded: *f}}}
	hold := func(pipeline.Stream) pipeline.Processor { return &holder{flushed: make(chan struct{})} }
	if err := s.kit.RegisterChannel(roomkit.NewVoiceChannel("v", b, roomkit.WithVoicePipeline(voice.NewPipeline(hold)))); err != nil {
		t.Fatal(err)
	}
	must(s.kit.Join(t.Context(), "room", "v"))(t)
	for i := range 5 {
		frames := c.Samples[3*i : 3*i+3]
		damaged := bytes.Repeat([]byte{0xFF}, len(frames[1].Data))
		data := slices.Concat(adts(c.Extra, frames[0].Data), adts(c.Extra, damaged), adts(c.Extra, frames[2].Data))
		at := time.Second + time.Duration(frames[0].PTS)*time.Second/time.Duration(c.Timescale)
		s.clock.Advance(time.Second)
		for _, l := range b.lines {
			l.tracks[0].Push(media.Sample{Time: at, Encoded: &media.Encoded{Format: f, Data: data}})
		}
	}
	if r := s.closeRoom()[0].Tracks[0]; r.SamplesWritten == 0 || r.Losses() != 0 {
		t.Errorf("%d written, dropped %v", r.SamplesWritten, r.Dropped)
	}
}

// adts puts an ADTS header before a frame of AAC-LC (ISO/IEC 13818-7, 6.2).
func adts(config, frame []byte) []byte {
	rate, channels, n := config[0]&7<<1|config[1]>>7, config[1]>>3&15, len(frame)+7
	return append([]byte{0xFF, 0xF1, 1<<6 | rate<<2 | channels>>2, channels<<6 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1F, 0xFC}, frame...)
}
