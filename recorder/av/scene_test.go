package av_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// A scene is media with its capture times, and when it is handed over, which
// need not be in the order of capture but within a track.
type scene struct{ deliveries []delivery }

type delivery struct {
	handed time.Duration
	to     recorder.TrackWriter
	sample media.Sample
}

// lateness says how long after its capture a sample is handed over.
type lateness func() time.Duration

// upTo is a lateness between zero and a bound.
func upTo(bound time.Duration, r *rand.Rand) lateness {
	return func() time.Duration { return time.Duration(r.Float64() * float64(bound)) }
}

// add takes samples of one track in the order of capture.
func (s *scene) add(to recorder.TrackWriter, samples []media.Sample, late lateness) {
	last := time.Duration(0)
	for _, sample := range samples {
		captured := sample.Time
		if sample.PCM != nil { // a device hands a packet over when it has the last of it
			captured += sample.PCM.Duration()
		}
		last = max(last, captured+late())
		s.deliveries = append(s.deliveries, delivery{last, to, sample})
	}
}

func (s *scene) play(t *testing.T) {
	t.Helper()
	slices.SortStableFunc(s.deliveries, func(a, b delivery) int { return cmp.Compare(a.handed, b.handed) })
	for _, d := range s.deliveries {
		write(t, d.to, d.sample)
	}
}

// A clapper beeps at each full second of the capture clock, and flashes with
// the picture that is nearest to it.
type clapper struct{ from, length time.Duration }

const clap = 100 * time.Millisecond // how long both last

// isLoud reports whether it is to be heard. The first second is quiet, so that
// each beep has quiet before it.
func (c clapper) isLoud(at time.Duration) bool {
	return at >= c.from+time.Second && at%time.Second < clap
}

// microphone returns what it hears, in packets of the given lengths in turn.
func (c clapper) microphone(f media.AudioFormat, begin time.Duration, packets []time.Duration) (out []media.Sample) {
	for first, i := 0, 0; f.Duration(first) < c.length; i++ {
		n := int(packets[i%len(packets)] * time.Duration(f.Rate) / time.Second)
		pcm := &media.PCM{Format: f}
		for k := range n {
			v, at := 0.0, begin+f.Duration(first+k)
			if c.isLoud(at) {
				v = 0.8 * math.Sin(2*math.Pi*1000*(at%time.Second).Seconds())
			}
			for range f.Channels {
				pcm.Data = appendValue(pcm.Data, f.Sample, v)
			}
		}
		out = append(out, media.Sample{Time: begin + f.Duration(first), PCM: pcm})
		first += n
	}
	return out
}

// camera returns what it sees, and for each flash how much later than the full
// second its first picture was captured.
func (c clapper) camera(f media.VideoFormat, fps float64, begin time.Duration) (out []media.Sample, late []time.Duration) {
	black, white := gray(f, 0, 16).Picture, gray(f, 0, 235).Picture
	half := time.Duration(float64(time.Second) / fps / 2)
	lit := false
	for i := 0; ; i++ {
		at := time.Duration(float64(i) / fps * float64(time.Second))
		if at >= c.length {
			return out, late
		}
		at += begin
		s := media.Sample{Time: at, Picture: black}
		flash := c.isLoud(at + half)
		if flash {
			s.Picture = white
		}
		if flash && !lit {
			late = append(late, at-(at+half).Truncate(time.Second))
		}
		lit = flash
		out = append(out, s)
	}
}
