package roomkit_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go"
	"github.com/roomkit-live/roomkit-go/backend"
	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/voice"
)

// packets are two seconds of a tone of 440 Hz and a level of 0.3, in Opus.
func packets(t *testing.T) []media.Sample {
	tone := clip.Encode(t, "opus", clip.Options{Seconds: 2})
	f := &media.EncodedFormat{Codec: media.Opus, Config: tone.Extra}
	var out []media.Sample
	for _, s := range tone.Samples {
		out = append(out, encoded(time.Duration(s.PTS)*time.Second/time.Duration(tone.Timescale), f, s.Data...))
	}
	return out
}

// A pipeline works on PCM: what is encoded is decoded once for all recorders,
// and recorded as the pipeline leaves it.
func TestEncodedAudioIsDecodedForThePipeline(t *testing.T) {
	objects := ffmpeg.LiveObjects()
	s := bareSet(t)
	processed := 0
	count := voice.Func(func(x media.Sample) (media.Sample, error) { processed++; return x, nil })
	b := &fakeBackend{tracks: []backend.Track{{Kind: media.KindAudio, Encoded: *opus}}}
	twice := voice.NewPipeline(count, voice.Gain(6.0206)) // twice as loud
	if err := s.kit.RegisterChannel(roomkit.NewVoiceChannel("voice", b, roomkit.WithVoicePipeline(twice))); err != nil {
		t.Fatal(err)
	}
	other := &recorder.Mock{}
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(
		recorder.Binding{Recorder: s.mock, Name: "one"}, recorder.Binding{Recorder: other, Name: "two"})))(t)
	must(s.kit.Join(t.Context(), "room", "voice", roomkit.WithParticipant("ann")))(t)
	in := b.line("ann").tracks[0]
	var sent []media.Sample // of two streams, each with a decoder of its own
	for _, p := range packets(t) {
		answer := p
		answer.Direction = media.Outbound
		sent = append(sent, p, answer)
	}
	for i, p := range sent {
		if i%4 < 2 {
			in.Push(p)
		} else if err := in.Wait(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	results := s.closeRoom()
	for _, r := range results {
		if n := r.Tracks[0].SamplesWritten; n != int64(len(sent)) || r.Tracks[0].Losses() != 0 || !r.Tracks[0].Encoded.IsZero() {
			t.Errorf("%s: %d of %d written, declared %v", r.Binding, n, len(sent), r.Tracks[0].Encoded)
		}
	}
	if want := len(sent) / 2; processed != want {
		t.Errorf("%d processed, want %d", processed, want)
	}
	for _, m := range []*recorder.Mock{s.mock, other} {
		for i, got := range m.Recordings()[0].Samples(m.Recordings()[0].Tracks()[0].ID) {
			if got.PCM == nil || got.Time != sent[i].Time || got.PCM.Format.Rate != 48000 {
				t.Fatalf("sample %d: %v at %v, want PCM at %v", i, got.PCM, got.Time, sent[i].Time)
			}
			want := 0.6
			if got.Direction == media.Outbound {
				want = 0.3
			}
			if i > 5 && i < len(sent)-5 && math.Abs(level(got.PCM)-want) > 0.05 {
				t.Errorf("sample %d, %v: level %.2f, want %.2f", i, got.Direction, level(got.PCM), want)
			}
		}
	}
	if n := ffmpeg.LiveObjects(); n != objects {
		t.Errorf("%d C objects left", n-objects)
	}
}

// level is the amplitude of a tone in f32.
func level(pcm *media.PCM) float64 {
	sum := 0.0
	for i := range pcm.Frames() {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(pcm.Data[4*i:])))
		sum += v * v
	}
	return math.Sqrt(2 * sum / float64(pcm.Frames()))
}

// Without stages nothing is decoded; nor is what cannot be, which is counted
// and said once.
func TestEncodedAudioThatIsNotDecoded(t *testing.T) {
	s := newSet(t, backend.Track{Kind: media.KindAudio, Encoded: *opus})
	s.join("ann")
	s.backend.line("ann").tracks[0].Push(packets(t)[0])
	if r := s.closeRoom()[0]; r.Tracks[0].SamplesWritten != 1 || s.recording().Samples(s.recording().Tracks()[0].ID)[0].Encoded == nil {
		t.Errorf("without a pipeline: %+v", r.Tracks[0])
	}

	var said bytes.Buffer
	kit := roomkit.New(roomkit.WithClock(media.NewVirtualClock()), roomkit.WithLogger(slog.New(slog.NewTextHandler(&said, nil))))
	defer kit.Close(t.Context())
	b, mock := &fakeBackend{tracks: []backend.Track{mic}}, &recorder.Mock{}
	if err := kit.RegisterChannel(roomkit.NewVoiceChannel("voice", b, roomkit.WithVoicePipeline(voice.NewPipeline(voice.Gain(1))))); err != nil {
		t.Fatal(err)
	}
	must(kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: mock})))(t)
	must(kit.Join(t.Context(), "room", "voice", roomkit.WithParticipant("ann")))(t)
	in := b.line("ann").tracks[0]
	raw := &media.EncodedFormat{Codec: media.AAC} // without its configuration
	for i := range 3 {
		in.Push(encoded(time.Duration(i)*time.Millisecond, raw, 1, 2, 3))
	}
	in.Push(tone(20*time.Millisecond, 1))
	r := must(kit.CloseRoom(t.Context(), "room"))(t)[0].Tracks[0]
	if r.SamplesIn != 4 || r.SamplesWritten != 1 || r.Dropped[recorder.DropUndecodable] != 3 {
		t.Errorf("in %d, written %d, dropped %v", r.SamplesIn, r.SamplesWritten, r.Dropped)
	}
	if n := strings.Count(said.String(), "cannot be decoded"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
	in.Push(packets(t)[0]) // after the end nothing is opened
}

// A stream that ends takes its decoder with it, while its session goes on.
func TestDecoderEndsWithItsStream(t *testing.T) {
	objects := ffmpeg.LiveObjects()
	s := bareSet(t)
	b := &fakeBackend{tracks: []backend.Track{mic}}
	if err := s.kit.RegisterChannel(roomkit.NewVoiceChannel("voice", b, roomkit.WithVoicePipeline(voice.NewPipeline(voice.Gain(1))))); err != nil {
		t.Fatal(err)
	}
	must(s.kit.CreateRoom(t.Context(), "room", roomkit.WithRecorders(recorder.Binding{Recorder: s.mock})))(t)
	must(s.kit.Join(t.Context(), "room", "voice", roomkit.WithParticipant("ann")))(t)
	in := b.line("ann").tracks[0]
	in.Push(packets(t)[0])
	if n := ffmpeg.LiveObjects(); n == objects {
		t.Error("nothing was decoded")
	}
	in.End()
	in.Push(packets(t)[1])
	if n := ffmpeg.LiveObjects(); n != objects {
		t.Errorf("%d C objects left", n-objects)
	}
	s.closeRoom()
}
