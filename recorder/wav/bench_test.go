package wav_test

import (
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
	"github.com/roomkit-live/roomkit-go/recorder/wav"
)

// BenchmarkWriteSample is what 20 ms of a session cost, said and played, with the
// disk's part of it.
func BenchmarkWriteSample(b *testing.B) {
	for _, channels := range []wav.Channels{wav.Mixed, wav.Stereo, wav.All} {
		b.Run(string(channels), func(b *testing.B) {
			rec := newRecorder(b, wav.Options{Channels: channels})
			r := start(b, rec, recorder.Config{Storage: b.TempDir()})
			w := addTrack(b, r, voice)
			said, played := speech(in, 0, ms(20))[0], speech(out, 0, ms(20))[0]
			b.ReportAllocs()
			for i := range b.N {
				said.Time = time.Duration(i) * 20 * time.Millisecond
				played.Time = said.Time
				for _, s := range []media.Sample{said, played} {
					if err := w.WriteSample(s); err != nil {
						b.Fatal(err)
					}
				}
			}
			if _, err := r.Stop(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
