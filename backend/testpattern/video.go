package testpattern

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/roomkit-live/roomkit-go/media"
)

// maxLag is how far a live source falls behind before it leaves pictures out,
// as a camera does on a machine that is too slow for it.
const maxLag = time.Second

type videoStream struct {
	opt     Options
	out     output
	clock   media.Clock
	painter painter
}

// A painter makes the picture that is captured at a time since t0. The caller
// gets a reference of its own.
type painter interface {
	paint(number int, since time.Duration) *media.Picture
}

func newPainter(o Options, name string) painter {
	if o.Pattern == AVSync {
		return newFlashPainter(o.video())
	}
	return newMovingPainter(o.video(), name)
}

func (v *videoStream) run(ctx context.Context, t0 time.Duration, pacer media.Pacer) error {
	times := newCaptureTimes(v.opt)
	for n := 0; ; n++ {
		grid, since := times.next(n)
		if v.opt.Duration > 0 && grid >= v.opt.Duration {
			return pacer.SleepUntil(ctx, t0+v.opt.Duration)
		}
		if err := pacer.SleepUntil(ctx, t0+since); err != nil {
			return err
		}
		if v.opt.Live && v.clock.Now()-(t0+since) > maxLag {
			continue
		}
		if err := v.out.deliver(ctx, media.Sample{Time: t0 + since, Picture: v.painter.paint(n, since)}); err != nil {
			return err
		}
	}
}

// captureTimes says when pictures are captured, counted from t0.
type captureTimes struct {
	interval float64 // nanoseconds
	jitter   float64 // part of the interval, below one half: times always rise
	random   *rand.Rand
}

func newCaptureTimes(o Options) *captureTimes {
	return &captureTimes{float64(time.Second) / o.FPS, o.Jitter, rand.New(rand.NewPCG(o.Seed, 0))}
}

// next returns the time of picture n on the regular grid and the one at which
// it is captured. It must be called for each n in turn. The first picture is
// always captured at 0.
func (c *captureTimes) next(n int) (grid, captured time.Duration) {
	at := float64(n) * c.interval
	grid = time.Duration(math.Round(at))
	if n == 0 || c.jitter == 0 {
		return grid, grid
	}
	return grid, time.Duration(math.Round(at + (2*c.random.Float64()-1)*c.jitter*c.interval))
}
