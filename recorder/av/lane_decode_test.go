package av_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/ffmpeg"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// noObjects fails the test if C objects are left when it ends.
func noObjects(t *testing.T) {
	before := ffmpeg.LiveObjects()
	t.Cleanup(func() {
		if n := ffmpeg.LiveObjects() - before; n != 0 {
			t.Errorf("%d objects left", n)
		}
	})
}

// What a container cannot hold, or shall be encoded anew, is decoded, and each
// picture is in the file at its own time.
func TestDecodesPictures(t *testing.T) {
	for _, c := range []struct {
		codec, encoder, format, want string
		bframes                      int
	}{
		{"h264", "libx264", "mp4", "h264", 3}, {"h264", "libx264", "mkv", "h264", 2},
		{"vp8", "libx264", "mp4", "h264", 0}, {"vp8", "auto", "mov", "h264", 0},
		{"vp9", "auto", "ts", "h264", 0}, {"av1", "auto", "mov", "h264", 0},
		{"hevc", "auto", "webm", "vp9", 3}, {"hevc", "libx265", "mp4", "hevc", 2},
	} {
		t.Run(fmt.Sprintf("%s by %s in %s", c.codec, c.encoder, c.format), func(t *testing.T) {
			noObjects(t)
			film := clip.Encode(t, c.codec, clip.Options{Seconds: 2, FPS: 25, GOP: 25, BFrames: c.bframes})
			r := start(t, recorder.Config{Format: c.format, VideoCodec: c.encoder})
			w := addTrack(t, r, encodedCamera(c.codec))
			samples := arrival(film, 3*time.Second)
			for i := range samples {
				samples[i].Encoded.Whole = i%2 == 0
			}
			writeAll(t, w, samples)
			result := stop(t, r)
			track := result.Tracks[0]
			if track.SamplesIn != 50 || track.SamplesWritten != 50 || track.Losses() != 0 || track.Codec != c.want || track.Format != "64x48" {
				t.Errorf("%+v", track)
			}
			near(t, "result's duration", result.Duration, 2*time.Second, time.Millisecond)
			judge.DecodesClean(t, result.Path)
			pictures := judge.Pictures(t, result.Path, 0)
			if len(pictures) != 50 {
				t.Fatalf("%d pictures of 50", len(pictures))
			}
			shift := pictures[0].Time // of ts
			if c.format != "ts" {
				shift = 0
			}
			for i, p := range pictures {
				near(t, fmt.Sprintf("picture %d", i), p.Time-shift, time.Duration(i)*40*time.Millisecond, time.Millisecond)
			}
		})
	}
}

// The picture of each instant is that of the source: its brightness tells.
func TestDecodedPicturesAreTheSame(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 2, FPS: 25, GOP: 25, BFrames: 3})
	var luma [2][]judge.Picture
	for i, encoder := range []string{"auto", "libx264"} {
		r := start(t, recorder.Config{VideoCodec: encoder, Video: recorder.VideoOptions{CRF: 10}})
		writeAll(t, addTrack(t, r, encodedCamera("h264")), arrival(film, 0))
		luma[i] = judge.Pictures(t, stop(t, r).Path, 0)
	}
	for i := range luma[0] {
		if a, b := int(luma[0][i].Luma), int(luma[1][i].Luma); a-b > 1 || b-a > 1 {
			t.Errorf("picture %d: brightness %d copied, %d decoded", i, a, b)
		}
	}
}

// NAL units that come singly are counted one by one.
func TestDecodesSingleNALUnits(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 25, GOP: 10})
	r := start(t, recorder.Config{VideoCodec: "libx264"})
	w := addTrack(t, r, encodedCamera("h264"))
	n := int64(0)
	for _, s := range arrival(film, time.Second) {
		for _, u := range nals(s.Encoded.Data) {
			write(t, w, media.Sample{Time: s.Time, Encoded: &media.Encoded{Format: s.Encoded.Format, Data: u}})
			n++
		}
	}
	result := stop(t, r)
	if track := result.Tracks[0]; track.SamplesIn != n || track.SamplesWritten != n || track.Losses() != 0 {
		t.Errorf("%d samples: %d came in, %d written, lost %v", n, track.SamplesIn, track.SamplesWritten, track.Dropped)
	}
	if pictures := judge.Pictures(t, result.Path, 0); len(pictures) != 25 {
		t.Errorf("%d pictures of 25", len(pictures))
	}
}

// A stream that begins in the middle of a group of pictures is decoded from its
// first keyframe on, which is asked for at once and once a second.
func TestDecodingWaitsForKeyframe(t *testing.T) {
	for _, codec := range []string{"h264", "vp8"} {
		film := clip.Encode(t, codec, clip.Options{Seconds: 5, FPS: 10, GOP: 35})
		r := start(t, recorder.Config{VideoCodec: "libx264"})
		a := &asked{}
		track := encodedCamera(codec)
		track.RequestKeyFrame = a.request
		w := addTrack(t, r, track)
		a.feed(t, w, arrival(film, 0)[5:])
		result := stop(t, r)
		got := result.Tracks[0]
		if got.SamplesWritten != 15 || got.Dropped[recorder.DropNoKeyframe] != 30 || got.SamplesIn != 45 {
			t.Errorf("%s: %d written, dropped %v; want 15, and 30 before the keyframe", codec, got.SamplesWritten, got.Dropped)
		}
		want := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond}
		if !slices.Equal(a.times, want) || got.KeyframeRequests != 3 {
			t.Errorf("%s: asked at %v, want %v; %d counted", codec, a.times, want, got.KeyframeRequests)
		}
		near(t, "first picture", got.First, 3*time.Second, time.Millisecond)
	}
}

// What is lost or damaged on the way costs as much as where it is copied.
func TestDecodingAfterLoss(t *testing.T) {
	for _, c := range []struct {
		name, codec string
		policy      recorder.AfterLoss
		canAsk      bool
		written     int64
		requests    int
	}{
		{"freezes", "h264", recorder.AfterLossAuto, true, 20 + 10, 1},
		{"a source that cannot be asked", "h264", recorder.AfterLossAuto, false, 39, 0},
		{"which decoders give up on", "vp8", recorder.AfterLossAuto, false, 30, 0},
		{"keeps", "h264", recorder.AfterLossKeep, true, 39, 1},
		{"freezes in any case", "hevc", recorder.AfterLossFreeze, false, 30, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			film := clip.Encode(t, c.codec, clip.Options{Seconds: 4, FPS: 10, GOP: 30})
			r := start(t, recorder.Config{VideoCodec: "libx264", Video: recorder.VideoOptions{AfterLoss: c.policy}})
			a := &asked{}
			track := encodedCamera(c.codec)
			if c.canAsk {
				track.RequestKeyFrame = a.request
			}
			w := addTrack(t, r, track)
			samples := arrival(film, 0)
			samples[21].Missed = 1
			a.feed(t, w, samples[:20])
			a.feed(t, w, samples[21:])
			got := stop(t, r).Tracks[0]
			if got.SamplesWritten != c.written || got.Losses() != 39-c.written || got.Dropped[recorder.DropAfterLoss] != 39-c.written {
				t.Errorf("%d written, want %d; dropped %v", got.SamplesWritten, c.written, got.Dropped)
			}
			if len(a.times) != c.requests {
				t.Errorf("asked at %v, want %d times", a.times, c.requests)
			}
		})
	}
}

// Garbage is counted, and does not stop the recording.
func TestUndecodableIsCounted(t *testing.T) {
	noObjects(t)
	film := clip.Encode(t, "vp9", clip.Options{Seconds: 2, FPS: 10, GOP: 10})
	r := start(t, recorder.Config{VideoCodec: "libx264", Video: recorder.VideoOptions{AfterLoss: recorder.AfterLossKeep}})
	w := addTrack(t, r, encodedCamera("vp9"))
	samples := arrival(film, 0)
	for i := 3; i < 6; i++ {
		samples[i].Encoded.Data = samples[i].Encoded.Data[:3]
	}
	writeAll(t, w, samples)
	call := telephone(0, time.Second)
	bad := &media.EncodedFormat{Codec: media.PCMA, Rate: 700_000, Channels: 2}
	call[7].Encoded = &media.Encoded{Format: bad, Data: []byte{1}} // half a frame
	a := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	writeAll(t, a, call)
	result := stop(t, r)
	got := result.Tracks[0]
	if got.SamplesIn != 20 || got.SamplesWritten+got.Losses() != 20 || got.Dropped[recorder.DropUndecodable] < 3 || got.Err == nil {
		t.Errorf("in %d, written %d, dropped %v, error %v", got.SamplesIn, got.SamplesWritten, got.Dropped, got.Err)
	}
	if voice := result.Tracks[1]; voice.SamplesIn != 50 || voice.SamplesWritten != 49 || voice.Dropped[recorder.DropUndecodable] != 1 {
		t.Errorf("voice: in %d, written %d, dropped %v", voice.SamplesIn, voice.SamplesWritten, voice.Dropped)
	}
	if result.Err != nil {
		t.Errorf("the recording failed: %v", result.Err)
	}
}

// A camera that goes and comes back is decoded again, from a keyframe on.
func TestDecodingAfterReturn(t *testing.T) {
	noObjects(t)
	film := clip.Encode(t, "h264", clip.Options{Seconds: 2, FPS: 10, GOP: 10, BFrames: 2})
	r := start(t, recorder.Config{VideoCodec: "libx264"})
	w := addTrack(t, r, encodedCamera("h264"))
	writeAll(t, w, arrival(film, 0)[:17])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = addTrack(t, r, encodedCamera("h264"))
	again := arrival(film, 5*time.Second)
	writeAll(t, w, again[5:])
	result := stop(t, r)
	got := result.Tracks[0]
	if got.SamplesIn != 17+15 || got.SamplesWritten != 17+10 || got.Dropped[recorder.DropNoKeyframe] != 5 {
		t.Errorf("in %d, written %d, dropped %v", got.SamplesIn, got.SamplesWritten, got.Dropped)
	}
	judge.DecodesClean(t, result.Path)
}

// Only copying, of what the container cannot hold, is refused, for what is
// declared before anything is written.
func TestRefusesToDecode(t *testing.T) {
	r := start(t, recorder.Config{Format: "mov", VideoCodec: "copy", AudioCodec: "copy"})
	defer r.Stop(t.Context())
	var wrong *recorder.ConfigError
	if _, err := r.AddTrack(encodedCamera("vp8")); !errors.As(err, &wrong) || wrong.Field != "VideoCodec" {
		t.Errorf("vp8 into mov: %v", err)
	}
	w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	f := &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}
	if err := w.WriteSample(media.Sample{Encoded: &media.Encoded{Format: f, Data: []byte{1}}}); !errors.As(err, &wrong) || wrong.Field != "AudioCodec" {
		t.Errorf("G.711 into mov: %v", err)
	}
}

// speech is a glide with pauses, whose place a correlation finds to the sample.
func speech(at float64) float64 {
	t := math.Mod(at, 0.5)
	if t > 0.2 {
		return 0
	}
	return 0.4 * math.Sin(2*math.Pi*(250*t+1500*t*t)) * math.Sin(math.Pi*t/0.2)
}

// muLaw encodes by G.711: sign, segment, and four bits within it.
func muLaw(v float64) byte {
	x, sign := int(math.Round(v*32767)), byte(0)
	if x < 0 {
		x, sign = -x, 0x80
	}
	x = min(x, 32635) + 0x84
	segment := 7
	for segment > 0 && x < 0x80<<segment {
		segment--
	}
	return ^(sign | byte(segment)<<4 | byte(x>>(segment+3)&15))
}

// telephone makes G.711 of the test signal in packets of 20 ms.
func telephone(begin, length time.Duration) (out []media.Sample) {
	f := &media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}
	for at := time.Duration(0); at < length; at += 20 * time.Millisecond {
		data := make([]byte, 160)
		for i := range data {
			data[i] = muLaw(speech(at.Seconds() + float64(i)/8000))
		}
		out = append(out, media.Sample{Time: begin + at, Encoded: &media.Encoded{Format: f, Data: data}})
	}
	return out
}

// lateness finds by how much what is heard is late, and how loud it is.
func latenessOf(pcm []float64, rate float64, from, to float64, signal func(float64) float64) (late time.Duration, gain float64) {
	best, energy := math.Inf(-1), 0.0
	for lag := int(-0.02 * rate); lag <= int(0.02*rate); lag++ {
		sum, power := 0.0, 0.0
		for i := int(from * rate); i < int(to*rate); i++ {
			want := signal(float64(i) / rate)
			power += want * want
			if j := i + lag; j >= 0 && j < len(pcm) {
				sum += pcm[j] * want
			}
		}
		if sum > best {
			best, energy = sum, power
			late = time.Duration(float64(lag) / rate * float64(time.Second))
		}
	}
	return late, best / energy
}

// A telephone call is in the file as AAC, at its time to the millisecond, with
// its gaps as gaps.
func TestRecordsTelephone(t *testing.T) {
	for _, format := range []string{"mp4", "mkv"} {
		t.Run(format, func(t *testing.T) {
			noObjects(t)
			judge.Need(t, "ffmpeg")
			r := start(t, recorder.Config{Format: format})
			w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann",
				Encoded: media.EncodedFormat{Codec: media.PCMU, Rate: 8000, Channels: 1}})
			samples := telephone(7*time.Second, 4*time.Second)
			writeAll(t, w, samples[:75])  // up to 1.5 s
			writeAll(t, w, samples[100:]) // from 2 s on
			result := stop(t, r)
			got := result.Tracks[0]
			if got.SamplesIn != 175 || got.SamplesWritten != 175 || got.Losses() != 0 || got.Codec != "aac" || got.Format != "16000 Hz, 1 ch" {
				t.Errorf("%+v", got)
			}
			if got.GapCount != 1 {
				t.Errorf("%d gaps", got.GapCount)
			}
			const rate = 16000
			pcm := judge.Audio(t, result.Path, 0, rate)
			for _, part := range [][2]float64{{0, 1.4}, {2, 3.9}} {
				late, gain := latenessOf(pcm, rate, part[0], part[1], speech)
				t.Logf("from %v s: late by %v, gain %.3f", part[0], late, gain)
				if late.Abs() >= time.Millisecond || gain < 0.9 || gain > 1.1 {
					t.Errorf("from %v s: late by %v, gain %.3f", part[0], late, gain)
				}
			}
		})
	}
}

// What is played to a caller, raw, is added to what they say, encoded.
func TestTelephoneWithPlayout(t *testing.T) {
	judge.Need(t, "ffmpeg")
	r := start(t, recorder.Config{})
	w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	samples := telephone(time.Second, 3*time.Second)
	for i, s := range samples {
		answer := sine(mono16k, s.Time, 20*time.Millisecond, 1000)
		answer.Direction = media.Outbound
		if i == 0 {
			write(t, w, answer)
		}
		write(t, w, s)
		if i > 0 {
			write(t, w, answer)
		}
	}
	result := stop(t, r)
	got := result.Tracks[0]
	if got.SamplesIn != 300 || got.SamplesWritten != 300 || got.Losses() != 0 {
		t.Errorf("in %d, written %d, dropped %v", got.SamplesIn, got.SamplesWritten, got.Dropped)
	}
	if n := len(judge.Probe(t, result.Path).Of("audio")); n != 1 {
		t.Errorf("%d tracks", n)
	}
	pcm := judge.Audio(t, result.Path, 0, 16000)
	if late, gain := latenessOf(pcm, 16000, 0, 2.9, speech); late.Abs() >= time.Millisecond || gain < 0.9 {
		t.Errorf("speech: late by %v, gain %.2f", late, gain)
	}
	tone := func(at float64) float64 { return 0.5 * math.Sin(2*math.Pi*1000*at) }
	if _, gain := latenessOf(pcm, 16000, 0.1, 2.9, tone); gain < 0.9 {
		t.Errorf("answer: gain %.2f", gain)
	}
}

// Audio that could be copied is encoded anew on request.
func TestEncodesAudioAnew(t *testing.T) {
	for _, c := range []struct {
		codec, format, want string
		cfg                 recorder.Config
	}{
		{"opus", "mp4", "aac", recorder.Config{Audio: recorder.AudioOptions{Reencode: true}, AudioSampleRate: 48000}},
		{"aac", "mp4", "opus", recorder.Config{AudioCodec: "libopus", AudioSampleRate: 48000}},
		{"opus", "mov", "aac", recorder.Config{AudioSampleRate: 48000}},
		{"opus", "ts", "aac", recorder.Config{AudioSampleRate: 48000}},
		{"aac", "webm", "opus", recorder.Config{AudioSampleRate: 48000}},
	} {
		t.Run(c.codec+" in "+c.format+" as "+c.want, func(t *testing.T) {
			noObjects(t)
			judge.Need(t, "ffmpeg", "ffprobe")
			tone := clip.Encode(t, c.codec, clip.Options{Seconds: 2})
			c.cfg.Format = c.format
			c.cfg.VideoCodec = "auto"
			r := start(t, c.cfg)
			w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann", Encoded: media.EncodedFormat{Codec: codecs[c.codec], Config: tone.Extra}})
			samples := arrival(tone, time.Second)
			writeAll(t, w, samples)
			result := stop(t, r)
			got := result.Tracks[0]
			if got.SamplesWritten != int64(len(samples)) || got.Losses() != 0 || got.Codec != c.want {
				t.Errorf("%d of %d written as %s, dropped %v", got.SamplesWritten, len(samples), got.Codec, got.Dropped)
			}
			pcm := judge.Audio(t, result.Path, 0, 48000)
			if _, gain := latenessOf(pcm, 48000, 0.2, 1.8, func(at float64) float64 {
				return 0.3 * math.Sin(2*math.Pi*440*at)
			}); gain < 0.9 || gain > 1.1 {
				t.Errorf("gain %.2f", gain)
			}
		})
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	av.Calculates(t) // pools forget on purpose there
	r := start(t, recorder.Config{Format: "mkv", StartTimeout: 100 * time.Millisecond})
	v, a := addTrack(t, r, encodedCamera("h264")), addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Participant: "ann"})
	film := arrival(clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 25, GOP: 25}), 0)
	call := telephone(0, time.Second)
	n := 0
	next := func() {
		shift := time.Duration(n/25) * time.Second
		s := film[n%25]
		s.Time += shift
		write(t, v, s)
		for i := range 2 {
			s := call[n%25*2+i]
			s.Time += shift
			write(t, a, s)
		}
		n++
		time.Sleep(time.Millisecond)
	}
	for range 150 {
		next()
	}
	if got := testing.AllocsPerRun(4, func() {
		for range 25 {
			next()
		}
	}); got > 0 {
		t.Errorf("%v allocations in a second of media", got)
	}
	stop(t, r)
}
