package av_test

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/clip"
	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/av"
)

// copying makes a recording of a camera and a microphone that are copied, and
// what gives it the next second of both.
func copying(t testing.TB, pace time.Duration) (second func(), end func()) {
	rec := startCopying(t)
	film := clip.Encode(t, "h264", clip.Options{Seconds: 2, FPS: 50, GOP: 50})
	speech := clip.Encode(t, "opus", clip.Options{Seconds: 2})
	pictures, voice := arrival(film, 0), arrival(speech, 0)
	pictures, voice = pictures[:50], voice[:50] // a second each
	add := func(track recorder.Track) recorder.TrackWriter {
		w, err := rec.AddTrack(track)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	v := add(encodedCamera("h264"))
	a := add(recorder.Track{ID: "a", Kind: media.KindAudio, Encoded: *voice[0].Encoded.Format})
	pool, n := &media.EncodedPool{}, 0
	give := func(w recorder.TrackWriter, like media.Sample) {
		e := pool.LendEncoded(like.Encoded.Format, like.Encoded.Data, nil)
		e.Whole = true
		if err := w.WriteSample(media.Sample{Time: time.Minute + time.Duration(n)*20*time.Millisecond, Encoded: e}); err != nil {
			t.Fatal(err)
		}
		e.Release()
	}
	return func() {
			for i := range pictures {
				give(v, pictures[i])
				give(a, voice[i])
				n++
				time.Sleep(pace)
			}
		}, func() {
			if result, err := rec.Stop(t.Context()); err != nil || result.Tracks[0].Losses()+result.Tracks[1].Losses() > 0 {
				t.Errorf("%v, %+v", err, result.Tracks)
			}
		}
}

// Samples that are copied cost no allocation; an MP4 costs some small pieces
// for each of its four fragments of a second, of two tracks.
func TestCopyingDoesNotAllocate(t *testing.T) {
	av.Calculates(t) // pools forget on purpose there
	second, end := copying(t, 200*time.Microsecond)
	for range 10 {
		second()
	}
	if got := testing.AllocsPerRun(10, second); got > 4*15 {
		t.Errorf("%v allocations in a second of media", got)
	} else {
		t.Logf("%v allocations in a second of media", got)
	}
	end()
}

func BenchmarkCopyingSecond(b *testing.B) {
	second, end := copying(b, 0)
	for range 10 {
		second()
	}
	b.ReportAllocs()
	for b.Loop() {
		second()
	}
	b.StopTimer()
	end()
}

func startCopying(t testing.TB) recorder.Recording {
	t.Helper()
	rec, err := av.NewRecorder()
	if err != nil {
		t.Fatal(err)
	}
	r, err := rec.Start(t.Context(), recorder.Config{Storage: t.TempDir(), VideoCodec: "copy", AudioCodec: "copy"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
