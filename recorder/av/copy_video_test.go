package av_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

var codecs = map[string]media.Codec{
	"h264": media.H264, "hevc": media.HEVC, "vp8": media.VP8, "vp9": media.VP9, "av1": media.AV1,
	"aac": media.AAC, "opus": media.Opus,
}

// arrival makes the samples of a clip as a source delivers them that begins at
// a time. The parameter sets of H.264 and HEVC come with each keyframe.
func arrival(c clip.Clip, at time.Duration) []media.Sample {
	f := &media.EncodedFormat{Codec: codecs[c.Codec], Rate: c.Rate, Channels: c.Channels}
	if f.Codec.IsAudio() {
		f.Config = c.Extra
	}
	toTime := func(ticks int64) time.Duration {
		return time.Duration(ticks) * time.Second / time.Duration(c.Timescale)
	}
	var out []media.Sample
	for _, s := range c.Samples {
		data := s.Data
		if s.Sync && (f.Codec == media.H264 || f.Codec == media.HEVC) && !bytes.HasPrefix(data, c.Extra) {
			data = slices.Concat(c.Extra, data)
		}
		out = append(out, media.Sample{Time: at + toTime(s.PTS), Encoded: &media.Encoded{
			Format: f, Data: data, Lead: toTime(s.PTS - s.DTS), Duration: toTime(s.Duration), Whole: true,
		}})
	}
	return out
}

func unknownLead(samples []media.Sample) []media.Sample {
	for _, s := range samples {
		s.Encoded.Lead = media.UnknownLead
	}
	return samples
}

func writeAll(t *testing.T, w recorder.TrackWriter, samples []media.Sample) {
	t.Helper()
	for _, s := range samples {
		write(t, w, s)
	}
}

func encodedCamera(c string) recorder.Track {
	return recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann", Encoded: media.EncodedFormat{Codec: codecs[c]}}
}

// What is encoded is in the file as it came.
func TestCopiesPictures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codec, format string
		bframes       int
		unknown       bool
	}{
		{"h264", "mp4", 0, true}, {"h264", "mp4", 2, false}, {"h264", "mp4", 2, true}, {"h264", "mov", 2, false},
		{"h264", "mkv", 2, false}, {"h264", "ts", 0, true},
		{"hevc", "mp4", 0, true}, {"hevc", "mp4", 3, true}, {"hevc", "mkv", 0, false},
		{"vp8", "mp4", 0, false}, {"vp8", "webm", 0, false}, {"vp9", "mp4", 0, false}, {"vp9", "webm", 0, true},
		{"av1", "mp4", 0, false}, {"av1", "webm", 0, false},
	} {
		t.Run(fmt.Sprintf("%s in %s, %d B-frames, lead unknown %v", c.codec, c.format, c.bframes, c.unknown), func(t *testing.T) {
			film := clip.Encode(t, c.codec, clip.Options{Seconds: 2, FPS: 25, GOP: 25, BFrames: c.bframes})
			r := start(t, recorder.Config{Format: c.format, VideoCodec: "auto"})
			w := addTrack(t, r, encodedCamera(c.codec))
			samples := arrival(film, 3*time.Second)
			if c.unknown {
				unknownLead(samples)
			}
			writeAll(t, w, samples)
			result := stop(t, r)
			track := result.Tracks[0]
			if track.SamplesWritten != 50 || track.Losses() != 0 || track.Codec != c.codec || track.Format != "64x48" {
				t.Errorf("%+v", track)
			}
			near(t, "result's duration", result.Duration, 2*time.Second, time.Millisecond)
			judge.DecodesClean(t, result.Path)
			pictures := judge.Pictures(t, result.Path, 0)
			if len(pictures) != 50 {
				t.Fatalf("%d pictures of 50", len(pictures))
			}
			for i, p := range pictures {
				near(t, fmt.Sprintf("picture %d", i), p.Time, time.Duration(i)*40*time.Millisecond, time.Millisecond)
			}
		})
	}
}

// nals cuts a byte stream into its NAL units, each with its start code.
func nals(data []byte) (units [][]byte) {
	for {
		const code = 3
		next := bytes.Index(data[code+1:], []byte{0, 0, 1})
		if next < 0 {
			return append(units, data)
		}
		next += code + 1
		units, data = append(units, data[:next]), data[next:]
	}
}

// NAL units may come singly, those of parameter sets with a time of their own.
func TestCopiesSingleNALUnits(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"h264", "hevc"} {
		t.Run(codec, func(t *testing.T) {
			film := clip.Encode(t, codec, clip.Options{Seconds: 2, FPS: 25, GOP: 25})
			r := start(t, recorder.Config{VideoCodec: "auto"})
			w := addTrack(t, r, encodedCamera(codec))
			n := int64(0)
			for _, s := range arrival(film, time.Second) {
				units := nals(s.Encoded.Data)
				for i, u := range units {
					at := s.Time
					if i == 0 && len(units) > 1 { // the first parameter set, a moment before
						at -= time.Millisecond
					}
					write(t, w, media.Sample{Time: at, Encoded: &media.Encoded{Format: s.Encoded.Format, Data: u}})
					n++
				}
			}
			result := stop(t, r)
			if track := result.Tracks[0]; track.SamplesWritten != n || track.Losses() != 0 {
				t.Errorf("%d samples of %d written, lost %v", track.SamplesWritten, n, track.Dropped)
			}
			judge.DecodesClean(t, result.Path)
			if pictures := judge.Pictures(t, result.Path, 0); len(pictures) != 50 || pictures[49].Time != 1961*time.Millisecond {
				t.Errorf("%d pictures of 50, the last at %v", len(pictures), pictures[len(pictures)-1].Time)
			}
		})
	}
}

// asked counts requests for keyframes by when they were made.
type asked struct {
	now   time.Duration
	times []time.Duration
}

func (a *asked) request() { a.times = append(a.times, a.now) }

func (a *asked) feed(t *testing.T, w recorder.TrackWriter, samples []media.Sample) {
	t.Helper()
	for _, s := range samples {
		a.now = s.Time
		write(t, w, s)
	}
}

// A stream that begins in the middle of a group of pictures is recorded from
// its first keyframe on, which is asked for at once and once a second.
func TestCopyWaitsForKeyframe(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"h264", "hevc", "vp8", "vp9", "av1"} {
		t.Run(codec, func(t *testing.T) {
			film := clip.Encode(t, codec, clip.Options{Seconds: 5, FPS: 10, GOP: 35})
			r := start(t, recorder.Config{VideoCodec: "auto"})
			a := &asked{}
			track := encodedCamera(codec)
			track.RequestKeyFrame = a.request
			w := addTrack(t, r, track)
			a.feed(t, w, arrival(film, 0)[5:])
			result := stop(t, r)
			got := result.Tracks[0]
			if got.SamplesWritten != 15 || got.Dropped[recorder.DropNoKeyframe] != 30 {
				t.Errorf("%d written, dropped %v; want 15, and 30 before the keyframe", got.SamplesWritten, got.Dropped)
			}
			want := []time.Duration{500 * time.Millisecond, 1500 * time.Millisecond, 2500 * time.Millisecond}
			if !slices.Equal(a.times, want) || got.KeyframeRequests != 3 {
				t.Errorf("asked for keyframes at %v, want %v; %d counted", a.times, want, got.KeyframeRequests)
			}
			judge.DecodesClean(t, result.Path)
			near(t, "first picture", got.First, 3*time.Second, time.Millisecond)
			if pictures := judge.Pictures(t, result.Path, 0); len(pictures) != 15 {
				t.Errorf("%d pictures, want 15", len(pictures))
			}
		})
	}
}

// After a loss a keyframe is asked for, and pictures that need what was lost
// are left out where that looks better.
func TestCopyAfterLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, codec string
		policy      recorder.AfterLoss
		canAsk      bool
		written     int64
		requests    int
	}{
		{"freezes", "h264", recorder.AfterLossAuto, true, 20 + 10, 1},
		{"a source that cannot be asked", "h264", recorder.AfterLossAuto, false, 39, 0},
		{"which players would not decode", "vp8", recorder.AfterLossAuto, false, 30, 0},
		{"keeps", "h264", recorder.AfterLossKeep, true, 39, 1},
		{"freezes in any case", "hevc", recorder.AfterLossFreeze, false, 30, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			film := clip.Encode(t, c.codec, clip.Options{Seconds: 4, FPS: 10, GOP: 30})
			r := start(t, recorder.Config{VideoCodec: "auto", Video: recorder.VideoOptions{AfterLoss: c.policy}})
			a := &asked{}
			track := encodedCamera(c.codec)
			if c.canAsk {
				track.RequestKeyFrame = a.request
			}
			w := addTrack(t, r, track)
			samples := arrival(film, 0)
			samples[21].Encoded.Lost = 2 // 20 was lost
			a.feed(t, w, samples[:20])
			a.feed(t, w, samples[21:])
			result := stop(t, r)
			got := result.Tracks[0]
			if got.SamplesWritten != c.written || got.Losses() != 39-c.written || got.Dropped[recorder.DropAfterLoss] != 39-c.written {
				t.Errorf("%d written, want %d; dropped %v", got.SamplesWritten, c.written, got.Dropped)
			}
			if len(a.times) != c.requests {
				t.Errorf("asked at %v, want %d times", a.times, c.requests)
			}
			if c.written == 30 {
				judge.DecodesClean(t, result.Path)
			}
		})
	}
}

// A camera that changes its size goes on in the same track, described anew.
func TestCopiesSizeChange(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{"h264", "hevc", "vp8", "vp9", "av1"} {
		t.Run(codec, func(t *testing.T) {
			r := start(t, recorder.Config{VideoCodec: "auto"})
			w := addTrack(t, r, encodedCamera(codec))
			writeAll(t, w, arrival(clip.Encode(t, codec, clip.Options{Seconds: 1, FPS: 10}), 0))
			writeAll(t, w, arrival(clip.Encode(t, codec, clip.Options{Seconds: 1, FPS: 10, Width: 128, Height: 96}), time.Second))
			writeAll(t, w, arrival(clip.Encode(t, codec, clip.Options{Seconds: 1, FPS: 10}), 2*time.Second))
			result := stop(t, r)
			judge.DecodesClean(t, result.Path)
			if n := len(judge.Probe(t, result.Path).Of("video")); n != 1 {
				t.Errorf("%d tracks, want 1", n)
			}
			sizes := judge.Run(t, "ffprobe", "-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0", result.Path)
			want := strings.Repeat("64,48 ", 10) + strings.Repeat("128,96 ", 10) + strings.Repeat("64,48 ", 10)
			if got := strings.ReplaceAll(strings.Join(strings.Fields(string(sizes)), " ")+" ", ", ", " "); got != want {
				t.Errorf("sizes %q", got)
			}
		})
	}
}

// A source may change over from raw to encoded pictures and to another codec;
// each gets its place in the file.
func TestCopyChangesCodec(t *testing.T) {
	r := start(t, recorder.Config{VideoCodec: "auto"})
	w := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo, Participant: "ann"})
	writeAll(t, w, arrival(clip.Encode(t, "vp8", clip.Options{Seconds: 1, FPS: 10}), 0))
	record(t, r, nil, w, mono16k, media.VideoFormat{Width: 64, Height: 48}, time.Second, time.Second)
	writeAll(t, w, arrival(clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 10}), 2*time.Second))
	result := stop(t, r)
	judge.DecodesClean(t, result.Path)
	if got := result.Tracks[0]; got.SamplesWritten != got.SamplesIn || got.Losses() != 0 {
		t.Errorf("%+v", got)
	}
	tracks := judge.Probe(t, result.Path).Of("video")
	if len(tracks) != 2 || tracks[0].Codec != "vp8" || tracks[1].Codec != "h264" || tracks[1].Frames != "40" {
		t.Fatalf("tracks %+v, want VP8, and H.264 of both", tracks)
	}
	near(t, "H.264 begins", tracks[1].Start(), time.Second, time.Millisecond)
}

// Who left and returns goes on in the same track, with a keyframe.
func TestCopyReturns(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 2, FPS: 10})
	r := start(t, recorder.Config{VideoCodec: "auto"})
	w := addTrack(t, r, encodedCamera("h264"))
	writeAll(t, w, arrival(film, 0)[:10])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w = addTrack(t, r, encodedCamera("h264"))
	writeAll(t, w, arrival(film, 5*time.Second)[3:])
	result := stop(t, r)
	judge.DecodesClean(t, result.Path)
	pictures := judge.Pictures(t, result.Path, 0)
	if got := result.Tracks[0]; got.SamplesWritten != 20 || got.Dropped[recorder.DropNoKeyframe] != 7 || len(pictures) != 20 {
		t.Errorf("%d written, %d pictures, dropped %v", got.SamplesWritten, len(pictures), got.Dropped)
	}
	near(t, "the return", pictures[10].Time, 6*time.Second, time.Millisecond)
}

// Behind a pause pictures go on with a keyframe, which is asked for.
func TestCopyBehindPause(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 4, FPS: 10, GOP: 20})
	r := start(t, recorder.Config{VideoCodec: "auto"})
	a := &asked{}
	track := encodedCamera("h264")
	track.RequestKeyFrame = a.request
	w := addTrack(t, r, track)
	p := r.(recorder.Pauser)
	samples := arrival(film, 0)
	a.feed(t, w, samples[:5])
	if err := p.Pause(500*time.Millisecond, recorder.PauseCut); err != nil {
		t.Fatal(err)
	}
	a.feed(t, w, samples[5:8])
	if err := p.Resume(800 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	a.feed(t, w, samples[8:])
	result := stop(t, r)
	judge.DecodesClean(t, result.Path)
	got := result.Tracks[0]
	if got.SamplesWritten != 25 || got.Dropped[recorder.DropPaused] != 3 || got.Dropped[recorder.DropAfterLoss] != 12 {
		t.Errorf("%d written, dropped %v; want 25, 3 of the pause and 12 behind it", got.SamplesWritten, got.Dropped)
	}
	if len(a.times) == 0 || a.times[0] != 800*time.Millisecond {
		t.Errorf("asked for keyframes at %v, want at 800ms", a.times)
	}
}
