package testpattern

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// audioStream repeats one second of audio. Tones have a whole number of
// periods in a second, so the seam is not heard.
type audioStream struct {
	opt    Options
	out    output
	second []byte
	pool   media.PCMPool
}

func (a *audioStream) run(ctx context.Context, t0 time.Duration, pacer media.Pacer) error {
	f, packet := a.opt.audio(), a.opt.packetFrames()
	total := math.MaxInt
	if d := a.opt.Duration; d > 0 {
		total = framesIn(d, f.Rate)
	}
	for first := 0; first < total; first += packet {
		n := min(packet, total-first)
		// A device hands a packet over when its last frame has been captured.
		if err := pacer.SleepUntil(ctx, t0+f.Duration(first+n)); err != nil {
			return err
		}
		if err := a.out.deliver(ctx, media.Sample{Time: t0 + f.Duration(first), PCM: a.render(f, first, n)}); err != nil {
			return err
		}
	}
	return pacer.SleepUntil(ctx, t0+a.opt.Duration)
}

// framesIn returns the whole frames in d, without overflow for any d.
func framesIn(d time.Duration, rate int) int {
	return int(d/time.Second)*rate + int(d%time.Second*time.Duration(rate)/time.Second)
}

// render returns n frames from the given one on, counted from t0.
func (a *audioStream) render(f media.AudioFormat, first, n int) *media.PCM {
	p := a.pool.Get(f, n)
	rest := p.Data
	if a.opt.Pattern == AVSync && first < f.Rate { // no beep at t0 itself
		silent := min(n, f.Rate-first) * f.FrameBytes()
		clear(rest[:silent])
		rest, first = rest[silent:], f.Rate
	}
	from := first % f.Rate * f.FrameBytes()
	for len(rest) > 0 {
		rest = rest[copy(rest, a.second[from:]):]
		from = 0
	}
	return p
}

// oneSecond returns the second that is repeated.
func oneSecond(o Options) []byte {
	amplitude, sounding := toneAmplitude, o.Rate
	if o.Pattern == AVSync {
		amplitude, sounding = beepAmplitude, (o.Rate+9)/10 // the frames that begin before 100 ms
	}
	data := make([]byte, o.Rate*o.audio().FrameBytes())
	for i := range sounding {
		// The product stays whole, so the phase is exact at the end of the
		// second as well.
		phase := float64(i*o.Tone%o.Rate) / float64(o.Rate)
		v := int16(math.Round(amplitude * math.MaxInt16 * math.Sin(2*math.Pi*phase)))
		for ch := range o.Channels {
			binary.LittleEndian.PutUint16(data[2*(i*o.Channels+ch):], uint16(v))
		}
	}
	return data
}
