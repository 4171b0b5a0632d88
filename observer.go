package roomkit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/roomkit-live/roomkit-go/internal/guard"
	"github.com/roomkit-live/roomkit-go/recorder"
)

// observing calls the kit's observer without trusting it.
type observing struct {
	observer recorder.Observer
	failed   atomic.Bool
}

// observerPatience is how long, in real time, an observer may take over what is
// new of one recording.
const observerPatience = time.Second

// observe hands observations on. An observer that panics or hangs is given up.
func (k *Kit) observe(news []recorder.Observation) {
	o := &k.observer
	if o.observer == nil || len(news) == 0 || o.failed.Load() {
		return
	}
	_, err := guard.Within(context.Background(), observerPatience, func() (struct{}, error) {
		for _, n := range news {
			o.observer.Observe(n)
		}
		return struct{}{}, nil
	}, nil)
	if err != nil && !o.failed.Swap(true) {
		k.log.Error("observer of recordings fails and is not called any more", "error", err)
	}
}
