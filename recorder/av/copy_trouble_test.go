package av_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/internal/judge"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// lender lends encoded data and counts what is not back yet.
type lender struct {
	pool media.EncodedPool
	out  atomic.Int64
}

func (l *lender) Free() { l.out.Add(-1) }

func (l *lender) lend(f *media.EncodedFormat, data []byte) *media.Encoded {
	l.out.Add(1)
	return l.pool.LendEncoded(f, data, l)
}

// Pictures from before a pause are missing for those behind it: they wait for a
// keyframe, which is asked for.
func TestCopyAfterPause(t *testing.T) {
	for _, codec := range []string{"copy", "libx264"} {
		film := clip.Encode(t, "h264", clip.Options{Seconds: 4, FPS: 10, GOP: 30})
		r := start(t, recorder.Config{VideoCodec: codec, Video: recorder.VideoOptions{AfterLoss: recorder.AfterLossFreeze}})
		a := &asked{}
		track := encodedCamera("h264")
		track.RequestKeyFrame = a.request
		w := addTrack(t, r, track)
		samples := arrival(film, 0)
		a.feed(t, w, samples[:10])
		p := r.(recorder.Pauser)
		if err := p.Pause(time.Second, recorder.PauseCut); err != nil {
			t.Fatal(err)
		}
		a.feed(t, w, samples[10:15])
		if err := p.Resume(1500 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		a.feed(t, w, samples[15:])
		result := stop(t, r)
		balanced(t, result)
		if got := result.Tracks[0].Dropped; got[recorder.DropPaused] != 5 || got[recorder.DropAfterLoss] != 15 {
			t.Errorf("%s: dropped %v, want 5 in the pause and 15 up to the next keyframe", codec, got)
		}
		if len(a.times) != 2 || a.times[0] != 1500*time.Millisecond { // and a second later again
			t.Errorf("%s: asked for keyframes at %v, want 1.5s and 2.5s", codec, a.times)
		}
		judge.DecodesClean(t, result.Path)
	}
}

// Whoever sends the track now is asked for a keyframe, not who sent it once.
func TestReturnAsksTheNewSource(t *testing.T) {
	for _, codec := range []string{"copy", "libx264"} {
		film := clip.Encode(t, "h264", clip.Options{Seconds: 2, FPS: 10, GOP: 20})
		r := start(t, recorder.Config{VideoCodec: codec})
		first, second := &asked{}, &asked{}
		track := encodedCamera("h264")
		track.RequestKeyFrame = first.request
		w := addTrack(t, r, track)
		first.feed(t, w, arrival(film, 0))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		track.RequestKeyFrame = second.request
		second.feed(t, addTrack(t, r, track), arrival(film, 5*time.Second)[3:])
		result := stop(t, r)
		balanced(t, result)
		if len(first.times) != 0 || len(second.times) != 2 {
			t.Errorf("%s: asked the one who left at %v, the one who is there at %v", codec, first.times, second.times)
		}
	}
}

// beside makes the samples of a clip whose parameter sets are in their format
// only.
func beside(c clip.Clip, at time.Duration) []media.Sample {
	samples := arrival(c, at)
	f := *samples[0].Encoded.Format
	f.Config = c.Extra
	for i := range samples {
		samples[i].Encoded.Format = &f
		samples[i].Encoded.Data = bytes.TrimPrefix(samples[i].Encoded.Data, c.Extra)
	}
	return samples
}

func wantSizes(t *testing.T, path, want string) {
	t.Helper()
	sizes := judge.Run(t, "ffprobe", "-v", "error", "-show_entries", "frame=width,height", "-of", "csv=p=0", path)
	if got := strings.ReplaceAll(strings.Join(strings.Fields(string(sizes)), " ")+" ", ", ", " "); got != want {
		t.Errorf("sizes %q, want %q", got, want)
	}
}

// Parameter sets that change with the format, not in the stream, are in the
// file as well.
func TestCopiesChangeBesideTheStream(t *testing.T) {
	for _, codec := range []string{"h264", "hevc"} {
		small := clip.Encode(t, codec, clip.Options{Seconds: 1, FPS: 10})
		large := clip.Encode(t, codec, clip.Options{Seconds: 1, FPS: 10, Width: 128, Height: 96})
		r := start(t, recorder.Config{VideoCodec: "copy"})
		w := addTrack(t, r, encodedCamera(codec))
		writeAll(t, w, beside(small, 0))
		writeAll(t, w, beside(large, time.Second))
		result := stop(t, r)
		balanced(t, result)
		judge.DecodesClean(t, result.Path)
		wantSizes(t, result.Path, strings.Repeat("64,48 ", 10)+strings.Repeat("128,96 ", 10))
	}
}

// A keyframe with new parameter sets that comes too late to be in the file does
// not hide from it that they are new.
func TestCopiesChangeBehindALateKeyframe(t *testing.T) {
	small := clip.Encode(t, "h264", clip.Options{Seconds: 3, FPS: 10, GOP: 10})
	large := clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 10, GOP: 10, Width: 128, Height: 96})
	r := start(t, recorder.Config{VideoCodec: "copy"})
	w := addTrack(t, r, encodedCamera("h264"))
	writeAll(t, w, arrival(small, time.Minute))
	write(t, w, arrival(large, time.Minute)[0])
	writeAll(t, w, arrival(large, time.Minute+3*time.Second))
	result := stop(t, r)
	balanced(t, result)
	judge.DecodesClean(t, result.Path)
	wantSizes(t, result.Path, strings.Repeat("64,48 ", 30)+strings.Repeat("128,96 ", 10))
}

// A source may describe each sample anew: what says the same is the same.
func TestCopiesEqualFormats(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 3, FPS: 10, GOP: 10})
	r := start(t, recorder.Config{VideoCodec: "copy", Video: recorder.VideoOptions{AfterLoss: recorder.AfterLossFreeze}})
	w := addTrack(t, r, encodedCamera("h264"))
	for i, s := range arrival(film, 0) {
		if i > 0 { // parameter sets come once
			s.Encoded.Data = bytes.TrimPrefix(s.Encoded.Data, film.Extra)
		}
		f := *s.Encoded.Format
		s.Encoded.Format = &f
		if i == 15 {
			s.Encoded.Lost = 1
		}
		write(t, w, s)
	}
	result := stop(t, r)
	if got := result.Tracks[0]; got.SamplesWritten != 25 || got.Dropped[recorder.DropAfterLoss] != 5 {
		t.Errorf("%d written, dropped %v; want all but the 5 behind the loss", got.SamplesWritten, got.Dropped)
	}
	judge.DecodesClean(t, result.Path)
}

// A stream of which no picture ever becomes whole costs a bounded amount of
// memory and time.
func TestCopyOfEndlessAccessUnit(t *testing.T) {
	film := clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 10})
	key := arrival(film, 0)[0].Encoded
	units := nals(key.Data)
	slice := units[len(units)-1]
	for name, c := range map[string]struct {
		data []byte
		step time.Duration
		n    int
	}{
		"parameter sets only":       {film.Extra, 10 * time.Millisecond, 12_000},
		"one time for all pictures": {slice, 0, 12_000},
		"large messages":            {append([]byte{0, 0, 1, 6}, bytes.Repeat([]byte{7}, 200_000)...), time.Millisecond, 600},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, recorder.Config{VideoCodec: "copy"})
			w := addTrack(t, r, encodedCamera("h264"))
			l := &lender{}
			writeAll(t, w, arrival(film, 0))
			begun, most := time.Now(), int64(0)
			for i := range c.n {
				e := l.lend(key.Format, c.data)
				write(t, w, media.Sample{Time: 5*time.Second + time.Duration(i)*c.step, Encoded: e})
				e.Release()
				most = max(most, l.out.Load()*int64(len(c.data)))
			}
			t.Logf("%d bytes held at most, %v", most, time.Since(begun))
			if n := l.out.Load(); n > 6000 {
				t.Errorf("%d samples are held", n)
			}
			if most > 80<<20 {
				t.Errorf("%d bytes were held", most)
			}
			result := stop(t, r)
			balanced(t, result)
			if n := l.out.Load(); n != 0 {
				t.Errorf("%d samples are not given back", n)
			}
		})
	}
}

// A camera that changes between some descriptions for ever costs no more memory
// for each change.
func TestCopyKeepsOneFormOfEach(t *testing.T) {
	for _, format := range []string{"mp4", "mkv"} {
		small := arrival(clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 1}), 0)[0]
		large := arrival(clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 1, Width: 128, Height: 96}), 0)[0]
		r := start(t, recorder.Config{VideoCodec: "copy", Format: format})
		w := addTrack(t, r, encodedCamera("h264"))
		for i := range 200 {
			s := small
			if i%2 == 1 {
				s = large
			}
			s.Time = time.Duration(i) * 40 * time.Millisecond
			write(t, w, s)
		}
		if n := av.Forms(w); n > 3 { // one as of the first keyframe, two of a stream that changes
			t.Errorf("%s: %d descriptions are kept, want 3", format, n)
		}
		result := stop(t, r)
		balanced(t, result)
	}
}

// A track that was declared, and closed before it had anything, may return as
// something else.
func TestReturnAsAnotherCodec(t *testing.T) {
	judge.Need(t, "ffmpeg", "ffprobe")
	v := encodeVoice(t, 2, "a.ogg", "-c:a", "libopus", "-b:a", "24k")
	r := start(t, recorder.Config{StartPolicy: recorder.StartImmediate})
	other := addTrack(t, r, recorder.Track{ID: "b", Kind: media.KindAudio, Audio: mono16k})
	for i := range 100 {
		write(t, other, sine(mono16k, time.Duration(i)*100*time.Millisecond, 100*time.Millisecond, 440))
	}
	time.Sleep(300 * time.Millisecond) // the muxer has begun the file
	track := recorder.Track{ID: "a", Kind: media.KindAudio, Audio: mono16k}
	if err := addTrack(t, r, track).Close(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // and taken notice of that
	track.Audio, track.Encoded = media.AudioFormat{}, v.format
	v.send(t, addTrack(t, r, track), 0, len(v.packets), 5*time.Second)
	result := stop(t, r)
	balanced(t, result)
	voices := judge.Probe(t, result.Path).Of("audio")
	if len(voices) != 2 {
		t.Fatalf("%d voices, want 2", len(voices))
	}
	near(t, "second voice begins", voices[1].Start(), 5*time.Second, 20*time.Millisecond)
}

// The next file cannot be made, and a track that never had anything ends.
func TestRotationFailsBesideASilentTrack(t *testing.T) {
	dir := t.TempDir()
	r := start(t, recorder.Config{Storage: dir, Rotate: recorder.Rotate{Duration: time.Second}, StartPolicy: recorder.StartImmediate})
	addTrack(t, r, recorder.Track{ID: "silent", Kind: media.KindAudio, Audio: mono16k})
	w := addTrack(t, r, recorder.Track{ID: "a", Kind: media.KindAudio, Audio: mono16k})
	names, err := filepath.Glob(filepath.Join(dir, "*.partial"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.WriteFile(strings.Replace(names[0], ".mp4.", "_002.mp4.", 1), []byte("somebody's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := w.WriteSample(sine(mono16k, time.Duration(i)*100*time.Millisecond, 100*time.Millisecond, 440)); err != nil {
			break
		}
	}
	result, err := r.Stop(t.Context())
	if err == nil || !strings.Contains(fmt.Sprint(err), "part 2") {
		t.Errorf("error is %v", err)
	}
	balanced(t, result)
}

// A source that changes its codec for ever does not fill the file with tracks.
func TestCopyBoundsTheTracks(t *testing.T) {
	one := arrival(clip.Encode(t, "h264", clip.Options{Seconds: 1, FPS: 1}), 0)[0]
	other := arrival(clip.Encode(t, "vp8", clip.Options{Seconds: 1, FPS: 1}), 0)[0]
	r := start(t, recorder.Config{VideoCodec: "copy"})
	w := addTrack(t, r, recorder.Track{ID: "v", Kind: media.KindVideo})
	for i := range 200 {
		s := one
		if i%2 == 1 {
			s = other
		}
		s.Time = time.Duration(i) * 40 * time.Millisecond
		write(t, w, s)
	}
	result := stop(t, r)
	balanced(t, result)
	if n := len(judge.Probe(t, result.Path).Of("video")); n != 64 {
		t.Errorf("%d tracks, want 64", n)
	}
	// The codec that has the last track goes on in it.
	if got := result.Tracks[0]; got.SamplesWritten != 132 || got.Dropped[recorder.DropWriteError] != 68 || got.Err == nil {
		t.Errorf("%d written, dropped %v, %v", got.SamplesWritten, got.Dropped, got.Err)
	}
}
